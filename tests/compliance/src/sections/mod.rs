//! The cases, a module for each part of a section.

mod calls;
mod daemon;
mod markers;
mod places;
mod processes;
mod shells;
mod trees;
mod users;
mod vars;
mod which_node;
mod words;

use crate::case::Case;

/// All cases in the order of the contract.
#[must_use]
pub fn all() -> Vec<Case> {
    let tables: [&[Case]; 11] = [
        places::CASES,
        markers::CASES,
        vars::CASES,
        users::CASES,
        words::CASES,
        calls::CASES,
        trees::CASES,
        daemon::CASES,
        shells::CASES,
        processes::CASES,
        which_node::CASES,
    ];
    tables.concat()
}
