//! What this launcher does otherwise than the script, on purpose or because it can't, and why.

/// A difference that users should know about.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The statement that it belongs to.
    pub statement: &'static str,
    /// What is different.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
}

/// All of them; the suite's README lists the same ones.
pub const KNOWN: &[Known] = &[];
