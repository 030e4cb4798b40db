//! A disk that really fills up, after ever more pages: short writes, and errors wherever space is
//! needed, as the kernel gives them.

use crate::fault;
use crate::faults::Tally;
use crate::judge::{ask, converge, judge, judge_done};
use crate::lab::Lab;
use e2e::Result;
use e2e::process;
use std::process::Command;
use tempfile::TempDir;

const PAGE: u64 = 4096;

/// Upgrades on a disk that is full after no page, one page and so on, until it fits; `None` where no
/// disk can be mounted.
pub fn fill_up() -> Result<Option<Tally>> {
    let Some(disk) = Disk::new()? else {
        return Ok(None);
    };
    let inside = tempfile::Builder::new()
        .prefix("lab-")
        .tempdir_in(disk.0.path())?;
    let lab = Lab::at(inside)?;
    let scene = crate::scenes::scene(&lab, "upgrade-cold-chained")?;
    let mut tally = Tally::default();
    for pages in 0..1000 {
        lab.restore(&scene.situation.start)?;
        disk.resize(disk.used()? + pages * PAGE)?;
        let finished = process::run(&mut lab.command(&scene.situation.words), process::HANG)?;
        disk.resize(Disk::SIZE)?;
        tally.points += 1;
        if finished.code == Some(0) {
            tally.harmless += 1;
            judge_done(&scene, &lab.observe()?).map_err(fault)?;
            break;
        }
        tally.refused += 1;
        let seen = if finished.code == Some(1) && finished.stderr.contains("no space left") {
            let verdict = judge(&scene, &lab.observe()?).map_err(fault);
            let asked = verdict.and_then(|verdict| ask(&lab, &scene, verdict));
            asked.and_then(|()| converge(&lab, &scene))
        } else {
            Err(fault(format!("no clear error: {finished}")))
        };
        if let Err(why) = seen {
            tally
                .failures
                .push(format!("full after {pages} pages: {why}"));
        }
    }
    Ok(Some(tally))
}

/// A file system in memory, unmounted when it is dropped.
pub struct Disk(pub TempDir);

impl Disk {
    /// Its size where nothing is tried.
    pub const SIZE: u64 = 256 * 1024 * 1024;

    /// One of [`Disk::SIZE`]; `None` where none can be mounted.
    pub fn new() -> Result<Option<Disk>> {
        let dir = tempfile::Builder::new().prefix("emqx-full-").tempdir()?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"])
            .arg(dir.path());
        let done = process::run(&mut mount, process::HANG)?;
        Ok((done.code == Some(0)).then(|| Disk(dir)))
    }

    /// Lets it have so many bytes.
    pub fn resize(&self, bytes: u64) -> Result<()> {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(self.0.path());
        process::run(&mut mount, process::HANG)?.success().map(drop)
    }

    /// How many of them have something in them.
    pub fn used(&self) -> Result<u64> {
        let mut df = Command::new("df");
        df.args(["--output=used", "-B1"]).arg(self.0.path());
        let said = process::run(&mut df, process::HANG)?.success()?;
        let last = said.text().lines().last().map(str::trim);
        let used = last.and_then(|line| line.parse().ok());
        used.ok_or_else(|| fault(format!("no figure: {said}")))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        // Lazily: the laboratory in it is removed only after this.
        let _ = process::run(umount.arg("-l").arg(self.0.path()), process::HANG);
    }
}
