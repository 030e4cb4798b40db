//! One JSON value a line: the form that the journal and the manifests share.
//!
//! It only renders; reading differs (the journal is lenient, a manifest is strict), so each has
//! its own. A rendered line never contains a newline except at its end: JSON escapes them.

use serde::Serialize;

/// `value` as one line, newline included.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    // Serialising fails only for maps whose keys are no strings and for `Serialize`s that fail by
    // themselves; the values given here are derived structs of strings and numbers.
    let mut line = serde_json::to_string(value).expect("strings and numbers can be serialised");
    line.push('\n');
    line
}
