//! The cases, a module for each part of a section.

mod callers;
mod calls;
mod configs;
mod cookies;
mod daemon;
mod generated;
mod markers;
mod places;
mod processes;
mod refusals;
mod shells;
mod trees;
mod users;
mod vars;
mod vm_line;
mod which_node;
mod words;

use crate::case::Case;

/// All cases in the order of the contract.
#[must_use]
pub fn all() -> Vec<Case> {
    let tables: [&[Case]; 17] = [
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
        refusals::CASES,
        cookies::CASES,
        configs::CASES,
        generated::CASES,
        vm_line::CASES,
        callers::CASES,
    ];
    tables.concat()
}
