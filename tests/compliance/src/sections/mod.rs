//! The cases, a module for each part of a section.

mod markers;
mod places;
mod vars;

use crate::case::Case;

/// All cases in the order of the contract.
#[must_use]
pub fn all() -> Vec<Case> {
    let tables: [&[Case]; 3] = [places::CASES, markers::CASES, vars::CASES];
    tables.concat()
}
