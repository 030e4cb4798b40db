//! Other file systems than the one that the tests run on, where this machine can make and mount them.

use crate::Result;
use crate::process;
use std::path::Path;
use std::process::Command;

/// A file system in a file, mounted for as long as the value lives.
#[derive(Debug)]
pub struct Mounted<'a>(&'a Path);

impl Mounted<'_> {
    /// None where this machine cannot make or mount one.
    pub fn make<'a>(kind: &str, image: &Path, at: &'a Path) -> Result<Option<Mounted<'a>>> {
        let maker = format!("mkfs.{kind}");
        if !nix::unistd::geteuid().is_root() || which::which(&maker).is_err() {
            println!("not tried here: {kind} takes root and {maker}");
            return Ok(None);
        }
        fs_err::File::create(image)?.set_len(512 << 20)?;
        let mut mkfs = Command::new(maker);
        process::run(mkfs.arg("-q").arg(image), process::HANG)?.success()?;
        let mut mount = Command::new("mount");
        let mounted = process::run(mount.args(["-o", "loop"]).arg(image).arg(at), process::HANG)?;
        if mounted.code != Some(0) {
            println!("not tried here: {kind} cannot be mounted: {mounted}");
            return Ok(None);
        }
        Ok(Some(Mounted(at)))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // What is left of it goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
