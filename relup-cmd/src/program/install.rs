//! `emqx self install`: the release's own program is kept, and this one gets its name.
//!
//! The new file is whole on the disk before the first name changes; the kept one has its second name
//! on the disk before it loses its first. A run that was killed is brought to its end by the next.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::arrival::{Kept, Rights, keep, link, prepare};
use super::cli;
use super::site::{Holder, Site, observe, remove};
use super::{Program, unit};
use crate::error::Error;
use crate::output::{Answer, Console};
use relup::layout::Seat;

/// Puts the program in.
pub(super) fn run(
    args: &cli::Install,
    program: &Program<'_>,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    let site = Site::find(&args.root)?;
    let answer = put(&site, program)?;
    if let Some(warning) = unit::warning(&site.seat.path()) {
        console.warn(warning);
    }
    Ok(answer)
}

fn put(site: &Site, program: &Program<'_>) -> Result<Answer, Error> {
    let _lock = site.lock();
    for temp in [&site.seat, &site.second].map(Seat::kept_temp) {
        remove(&temp)?;
    }
    let before = Holder::of(&site.seat.path(), program)?;
    let is_there = is_program(&site.seat.path(), program.path);
    if is_there && is_link_to(&site.second, &site.seat) {
        remove(&site.seat.temp())?;
        remove(&site.second.temp())?;
        // Whoever put it there may have been killed before this.
        site.sync()?;
        return Ok(answer(site, program, &before, false));
    }
    let mut newly_kept = Vec::new();
    if let Err(error) = bring_in(site, program, &before, is_there, &mut newly_kept) {
        // As it was; what can't be taken away now does no harm, and the next run replaces it.
        for path in newly_kept {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_file(site.seat.temp());
        return Err(error);
    }
    if !is_there {
        let path = site.seat.path();
        fs::rename(site.seat.temp(), &path).map_err(|error| Error::io(&path, "replace", error))?;
    }
    if !is_link_to(&site.second, &site.seat) {
        let like = observe(&site.second.path())?.or(observe(&site.seat.path())?);
        link(&site.second, &site.seat, like.as_ref())?;
    }
    site.sync()?;
    Ok(answer(site, program, &before, !is_there))
}

/// Everything before the first name changes: the new program beside its name, and second names for
/// what is to be kept.
fn bring_in(
    site: &Site,
    program: &Program<'_>,
    before: &Holder,
    is_there: bool,
    newly_kept: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    if !is_there {
        let like = match observe(&site.seat.path())? {
            Some(found) => Some(found),
            None => observe(&site.seat.kept())?,
        };
        let like = match like {
            Some(found) => found,
            None => fs::metadata(site.seat.dir())
                .map_err(|error| Error::io(site.seat.dir(), "look at", error))?,
        };
        prepare(program.path, &site.seat.temp(), Rights::like(&like))?;
    }
    let second = Holder::of(&site.second.path(), program)?;
    // A link that leads to a script that was put here since: the link is an earlier run's.
    let is_ours = is_link_to(&site.second, &site.seat) && observe(&site.second.kept())?.is_some();
    let is_kept = |holder: &Holder| matches!(holder, Holder::Other);
    let seats = [
        (&site.seat, is_kept(before)),
        (&site.second, is_kept(&second) && !is_ours),
    ];
    for (seat, is_kept) in seats {
        if is_kept && keep(seat)? == Some(Kept::ForTheFirstTime) {
            newly_kept.push(seat.kept());
        }
    }
    site.sync()
}

/// Whether a name has the very program already; a link to it would make it belong elsewhere.
fn is_program(path: &Path, program: &Path) -> bool {
    let found = fs::symlink_metadata(path);
    let length = fs::metadata(program).map(|found| found.len());
    let may_be = found
        .is_ok_and(|found| found.is_file() && length.is_ok_and(|length| length == found.len()));
    let content = |path: &Path| fs::read(path).ok();
    may_be && content(path).is_some_and(|bytes| content(program) == Some(bytes))
}

/// Whether one name is a link to the other.
pub(super) fn is_link_to(seat: &Seat, other: &Seat) -> bool {
    fs::read_link(seat.path()).is_ok_and(|target| target == Path::new(other.name()))
}

fn answer(site: &Site, program: &Program<'_>, before: &Holder, is_new: bool) -> Answer {
    let path = site.seat.path();
    let kept = [&site.seat, &site.second].map(Seat::kept);
    let kept: Vec<String> = kept
        .iter()
        .filter(|kept| kept.symlink_metadata().is_ok())
        .map(|kept| kept.to_string_lossy().into_owned())
        .collect();
    let version = program.version;
    let path_text = path.display();
    let (change, line) = match before {
        _ if !is_new => ("none", format!("{path_text} is this launcher already")),
        Holder::Launcher(old) => (
            "replaced",
            format!("{path_text} is the launcher {version} now; it was the launcher {old}"),
        ),
        Holder::Nobody | Holder::Other => (
            "installed",
            format!(
                "{path_text} is the launcher {version} now; the script is kept as {}",
                site.seat.kept().display()
            ),
        ),
    };
    Answer::line(line)
        .field("change", change)
        .field("root", site.root.path().to_string_lossy())
        .field("launcher", path.to_string_lossy())
        .field("version", version)
        .field("kept", kept)
}
