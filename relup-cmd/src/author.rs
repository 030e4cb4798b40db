//! Authoring: hops and appups made and checked from two release trees, without a node.
//!
//! Exists so that the mistakes of hops written by hand are found, or not made, on the machine of
//! whoever writes them. Nothing here needs an installation or a VM, and nothing but the file that was
//! asked for is written.
//!
//! | module | what it is |
//! |---|---|
//! | [`facts`] | what one release is made of |
//! | `collect`, `read` | how that is gathered from a tarball or a directory, in one pass |
//! | [`diff`] | what differs between two of them |
//! | [`make`] | the hop that leads from one to the other |

pub(crate) mod atoms;
mod collect;
pub(crate) mod diff;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod make;
pub(crate) mod read;
