//! The ELF note by which a file can be told to be this launcher, and of which version, without
//! running it. The build script puts it in and reads this file too, so nothing else is in here.

/// The note's owner.
pub const OWNER: &str = "emqx-launcher";

/// The note whose text is the launcher's version. Another format would be another type.
pub const VERSION_NOTE: u32 = 1;
