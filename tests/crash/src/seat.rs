//! `emqx self install` and `self uninstall`, caught at every system call: `bin/emqx` is one whole program
//! at every moment, the release's own scripts are never lost, and the next run comes to its end.

use crate::full_disk::Disk;
use crate::image::{Image, Node};
use crate::lab::Lab;
use crate::release::Release;
use crate::tracer::{CHANGES, Injection, can_count_opens, disturbed_program};
use crate::{fault, is_full};
use e2e::Result;
use e2e::process::{self, Finished};
use e2e::sample::V4;

const SCRIPT: &str = "#!/bin/sh\n# the release's own\n";
const CTL: &str = "#!/bin/sh\n# the release's own second one\n";

/// What the calls fail with.
const FAULTS: [(&str, &[&str]); 14] = [
    ("openat", &["EACCES", "ENOSPC", "EROFS"]),
    ("copy_file_range", &["ENOSPC", "EIO"]),
    ("sendfile", &["ENOSPC", "EIO"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("rename", &["EACCES", "EROFS", "EIO"]),
    ("link", &["EMLINK", "ENOSPC", "EACCES"]),
    ("linkat", &["EMLINK", "ENOSPC", "EPERM"]),
    ("symlink", &["ENOSPC", "EACCES"]),
    ("symlinkat", &["ENOSPC", "EACCES"]),
    ("unlink", &["EACCES", "EIO"]),
    ("fchmod", &["EROFS", "EPERM"]),
    ("fchown", &["EPERM", "EROFS"]),
    ("lchown", &["EPERM"]),
    ("flock", &["ENOLCK", "EBADF"]),
];

/// A command and the state before it.
#[derive(Debug)]
pub struct Seat {
    lab: Lab,
    words: Vec<String>,
    start: Image,
    is_install: bool,
}

/// What was tried and seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// Kills or faults that hit.
    pub points: u32,
    /// After how many the release's own script was still or again the program.
    pub script: u32,
    /// After how many it was the launcher.
    pub launcher: u32,
    /// What was wrong.
    pub failures: Vec<String>,
}

impl Seat {
    /// `install` into a release as it was unpacked.
    pub fn install() -> Result<Seat> {
        Seat::of("install", &unpacked())
    }

    /// `install` over a script that a package has put there since.
    pub fn install_again() -> Result<Seat> {
        let mut start = unpacked();
        start.put(
            "base/bin/emqx.sh",
            0o755,
            "#!/bin/sh\n# of an older release\n",
        );
        start.put("base/bin/emqx_ctl.sh", 0o755, CTL);
        let target = "emqx".to_owned();
        start.put_node("base/bin/emqx_ctl", Node::Link { target });
        Seat::of("install", &start)
    }

    /// `uninstall` by a program beside the installation.
    pub fn uninstall() -> Result<Seat> {
        let seat = Seat::of("install", &unpacked())?;
        seat.undisturbed()?.success()?;
        Seat::of("uninstall", &seat.lab.observe()?)
    }

    fn of(command: &str, start: &Image) -> Result<Seat> {
        Seat::in_lab(Lab::new()?, command, start)
    }

    /// `install` on a disk that is full after ever more bytes, until it fits; `None` where no disk can be
    /// mounted.
    pub fn fill_up() -> Result<Option<Tally>> {
        let Some(disk) = Disk::new()? else {
            return Ok(None);
        };
        let inside = tempfile::Builder::new()
            .prefix("lab-")
            .tempdir_in(disk.0.path())?;
        let seat = Seat::in_lab(Lab::at(inside)?, "install", &unpacked())?;
        let before = seat.lab.observe()?;
        let mut tally = Tally::default();
        for bytes in (0..Disk::SIZE).step_by(1_500_000) {
            seat.lab.restore(&seat.start)?;
            disk.resize(disk.used()? + bytes)?;
            let finished = seat.undisturbed()?;
            disk.resize(Disk::SIZE)?;
            let is_done = finished.code == Some(0);
            let is_refused = finished.code == Some(1)
                && finished.stderr.contains("ERROR: no_space: ")
                && seat.lab.observe()? == before;
            let judged = if is_done || is_refused {
                seat.judge(&mut tally)
            } else {
                Err(fault("no clear end, or something changed"))
            };
            seat.note(
                &mut tally,
                judged,
                &format!("full after {bytes} bytes: {finished}"),
            );
            if is_done {
                break;
            }
        }
        Ok(Some(tally))
    }

    fn in_lab(lab: Lab, command: &str, start: &Image) -> Result<Seat> {
        let mut start = start.clone();
        // The laboratory's program is a hard link, which nobody may take for the installed one.
        let installed = [start.0.get("base/bin/emqx"), Some(&Node::Program)];
        if installed[0] == installed[1] {
            start.put("base/bin/emqx", 0o755, fs_err::read(lab.program())?);
        }
        lab.restore(&start)?;
        let root = lab.site().join("base").to_string_lossy().into_owned();
        let words = ["self", command, "--root", &root];
        Ok(Seat {
            words: words.map(str::to_owned).into(),
            is_install: command == "install",
            start,
            lab,
        })
    }

    fn undisturbed(&self) -> Result<Finished> {
        let mut command = std::process::Command::new(self.lab.program());
        command.args(&self.words);
        self.lab.clean(&mut command);
        process::run(&mut command, process::HANG)
    }

    /// Kills the command before its n-th call of each name, for every n.
    pub fn kill_everywhere(&self) -> Result<Tally> {
        let mut tally = Tally::default();
        for call in CHANGES {
            let step = if is_full() || !call.starts_with("open") {
                1
            } else {
                5
            };
            if call.starts_with("open") && !can_count_opens() {
                continue;
            }
            for when in (1..).step_by(step) {
                let what = "signal=KILL";
                let (finished, hit) = self.disturb(Injection { call, what, when })?;
                if !hit {
                    break;
                }
                let judged = self.judge(&mut tally);
                self.note(
                    &mut tally,
                    judged,
                    &format!("killed at {call} {when}: {finished}"),
                );
            }
        }
        Ok(tally)
    }

    /// Lets the n-th call of each name fail, for every n.
    pub fn fail_everywhere(&self) -> Result<Tally> {
        let mut tally = Tally::default();
        for (call, errors) in FAULTS {
            if call == "openat" && !can_count_opens() {
                continue;
            }
            for error in errors {
                let step = if is_full() || call != "openat" { 1 } else { 7 };
                for when in (1..).step_by(step) {
                    let what = format!("error={error}");
                    let what = what.as_str();
                    let (finished, hit) = self.disturb(Injection { call, what, when })?;
                    if !hit {
                        break;
                    }
                    let judged = self.judge_fault(call, &finished, &mut tally);
                    let at = format!("{call} {when} fails with {error}: {finished}");
                    self.note(&mut tally, judged, &at);
                }
            }
        }
        Ok(tally)
    }

    fn disturb(&self, injection: Injection<'_>) -> Result<(Finished, bool)> {
        self.lab.restore(&self.start)?;
        disturbed_program(&self.lab, self.lab.program(), &self.words, injection)
    }

    fn note(&self, tally: &mut Tally, judged: Result<()>, at: &str) {
        tally.points += 1;
        if let Err(error) = judged.and_then(|()| self.converge()) {
            tally.failures.push(format!("{at}: {error}"));
        }
    }

    fn judge_fault(&self, call: &str, finished: &Finished, tally: &mut Tally) -> Result<()> {
        let errors = finished.stderr.matches("ERROR: ").count();
        let is_clear = match finished.code {
            // A file system may know no locks.
            Some(0) => call != "fsync",
            Some(1) => errors == 1 && !finished.stderr.contains("panicked"),
            _ => false,
        };
        if !is_clear {
            return Err(fault("no clear end"));
        }
        self.judge(tally)
    }

    /// The name is that of a whole program, and the script is somewhere, whole.
    fn judge(&self, tally: &mut Tally) -> Result<()> {
        let bin = self.lab.site().join("base/bin");
        let emqx = fs_err::read(bin.join("emqx"))?;
        let is_script = emqx == SCRIPT.as_bytes();
        if is_script {
            tally.script += 1;
        } else if emqx == fs_err::read(self.lab.program())? {
            tally.launcher += 1;
            if fs_err::read(bin.join("emqx.sh"))? != SCRIPT.as_bytes() {
                return Err(fault("the script is lost"));
            }
        } else {
            return Err(fault("bin/emqx is no whole program"));
        }
        let scripts = ["emqx_ctl", "emqx_ctl.sh"].map(|name| fs_err::read(bin.join(name)).ok());
        if !scripts.contains(&Some(CTL.as_bytes().to_vec())) {
            return Err(fault("the second script is lost"));
        }
        Ok(())
    }

    /// The same command again, undisturbed, leaves what it is asked for and nothing else.
    fn converge(&self) -> Result<()> {
        let finished = self.undisturbed()?;
        let bin = self.lab.site().join("base/bin");
        let emqx = fs_err::read(bin.join("emqx"))?;
        let is_done = if self.is_install {
            finished.code == Some(0) && emqx == fs_err::read(self.lab.program())?
        } else {
            // It may have been over.
            let is_over = finished.stderr.contains("no_script_kept");
            (finished.code == Some(0) || is_over) && emqx == SCRIPT.as_bytes()
        };
        if !is_done {
            return Err(fault(format!("again: {finished}")));
        }
        let expected: &[&str] = if self.is_install {
            &["emqx", "emqx.sh", "emqx_ctl", "emqx_ctl.sh", "nodetool"]
        } else {
            &["emqx", "emqx_ctl", "nodetool"]
        };
        let names = self.lab.observe()?.below("base/bin");
        if !names.0.keys().eq(expected) {
            let found: Vec<_> = names.0.keys().collect();
            return Err(fault(format!("left over: {found:?}")));
        }
        Ok(())
    }
}

/// A release with its own scripts.
fn unpacked() -> Image {
    let mut image = Image::default();
    image.put_all("base", &Release::of(V4).files);
    image.put("base/bin/emqx", 0o755, SCRIPT);
    image.put("base/bin/emqx_ctl", 0o755, CTL);
    image
}
