//! The secret that two nodes share. It must never reach a log, an error or a plan that is printed:
//! there is no `Display`, and `Debug` shows nothing of it.

use std::fmt;

/// A distribution cookie. Read it with [`Cookie::expose`], so that every use of the secret can be
/// found by that name.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(String);

impl Cookie {
    /// Takes the cookie as it is; what counts as a usable cookie is the caller's rule.
    #[must_use]
    pub fn new(secret: String) -> Cookie {
        Cookie(secret)
    }

    /// The secret itself, for the digest of the handshake and for the argument of a VM.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let shown = format!(
            "{:?} {:#?}",
            Cookie::new("s3cret".into()),
            Cookie::new("s3cret".into())
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
