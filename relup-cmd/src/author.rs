//! Authoring: hops and appups made and checked from two release trees, without a node.
//!
//! Exists so that the mistakes of hops written by hand are found, or not made, on the machine of
//! whoever writes them. Nothing here needs an installation or a node; where only a VM knows, that of
//! the release is asked. Nothing but the files that were asked for is written.
//!
//! | module | what it is |
//! |---|---|
//! | [`facts`] | what one release is made of |
//! | `collect`, `read` | how that is gathered from a tarball or a directory, in one pass |
//! | [`diff`] | what differs between two of them |
//! | [`kind`] | what a module is to an upgrade |
//! | `rules` | what an author wants decided otherwise |
//! | `decide`, `order`, `plan` | what is to be done, and in which order |
//! | [`appup`] | the same in the form of OTP's appups |
//! | `place` | a release whose own VM can be asked |
//! | [`otp_relup`] | OTP's relup, made by that release's systools |
//! | `text`, [`make`] | the hop file, with the reasons for every line |
//! | [`lint`] | what is wrong with a hop that somebody has written |

pub(crate) mod appup;
pub(crate) mod atoms;
mod collect;
mod decide;
pub(crate) mod diff;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod kind;
pub(crate) mod lint;
pub(crate) mod make;
mod order;
pub(crate) mod otp_relup;
mod place;
mod plan;
pub(crate) mod read;
pub(crate) mod rules;
#[cfg(test)]
mod testing;
mod text;
