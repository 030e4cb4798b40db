//! The cases, a module for each part of a section.

mod markers;
mod places;
mod users;
mod vars;

use crate::case::Case;

/// All cases in the order of the contract.
#[must_use]
pub fn all() -> Vec<Case> {
    let tables: [&[Case]; 4] = [places::CASES, markers::CASES, vars::CASES, users::CASES];
    tables.concat()
}
