//! The compliance suite: one case for every statement of the boot contract, by section.
//!
//! The same cases run against this launcher in the sample release, as ordinary tests whose names
//! begin with the section (`s4.3 ...`), and, where `EMQX_UNDER_TEST` names the `bin/emqx` of an
//! unpacked release, against that program and this launcher side by side in copies of that release;
//! the differences are then printed as a table. Nothing here links the launcher: every case drives
//! a program as its users do. What a statement says stands in [`statement`], in this project's own
//! words; a statement without a case has to stand in [`known`] with the reason.

pub mod call;
pub mod case;
pub mod known;
pub mod second_user;
pub mod sections;
pub mod shared;
pub mod site;
pub mod statement;
pub mod subject;
pub mod table;

/// Fails a case unless something holds; the text says what was seen instead.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(e2e::Error::Unexpected(format!($($text)+)));
        }
    };
}
