//! The cases, by the headings of the list.

pub mod containers;
pub mod duplicates;
pub mod emqx;
pub mod folding;
pub mod headers;
pub mod links;
pub mod names;
pub mod sidecars;
pub mod signatures;
pub mod sizes;
pub mod types;

use crate::case::Case;

/// The number of the last case on the list.
pub const LAST: u8 = 118;

/// All of them.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        names::CASES,
        links::CASES,
        types::CASES,
        duplicates::CASES,
        folding::CASES,
        headers::CASES,
        sizes::CASES,
        containers::CASES,
        emqx::CASES,
        sidecars::CASES,
        signatures::CASES,
    ]
    .concat()
}
