//! Prints terms on one line, close to what `~0p` prints, so that messages show people the Erlang
//! they wrote. What is printed must read back as the same term; a property test holds it to that.

use std::fmt;

use super::Term;

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
