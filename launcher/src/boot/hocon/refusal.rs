//! A configuration that hocon refuses.

/// What hocon says against a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked of it, by the name of its command.
    pub command: &'static str,
    /// Its own words; empty where they were printed as they came.
    pub lines: Vec<String>,
}
