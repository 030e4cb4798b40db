//! `emqx self uninstall`: the release's own programs get their names back.
//!
//! `bin/emqx` comes last: as long as it is the launcher, the command can be run again to the end.

use fs_err as fs;
use relup::layout::Seat;

use super::Program;
use super::cli;
use super::error::ProgramError;
use super::install::is_link_to;
use super::site::{Holder, Site, is_same, observe, remove};
use crate::error::Error;
use crate::output::{Answer, Console};

/// Takes the program out.
pub(super) fn run(
    args: &cli::Uninstall,
    program: &Program<'_>,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    let around = program.path.ancestors().nth(2).unwrap_or(program.path);
    let site = Site::find(args.root.as_deref().unwrap_or(around))?;
    let _lock = site.lock();
    let (seat, second) = (&site.seat, &site.second);
    check(seat, program)?;
    for temp in [
        seat.temp(),
        seat.kept_temp(),
        second.temp(),
        second.kept_temp(),
    ] {
        remove(&temp)?;
    }
    match (
        observe(&second.kept())?,
        Holder::of(&second.path(), program)?,
    ) {
        (Some(_), Holder::Other) if !is_one_file(second)? => console.warn(format!(
            "{} is no launcher and stays as it is; {} stays, too",
            second.path().display(),
            second.kept().display()
        )),
        (Some(_), _) => put_back(second)?,
        // There was none before.
        (None, Holder::Launcher(_)) if is_link_to(second, seat) => remove(&second.path())?,
        (None, _) => {}
    }
    site.sync()?;
    put_back(seat)?;
    site.sync()?;
    let path = seat.path();
    Ok(Answer::line(format!(
        "{} is the release's own script again",
        path.display()
    ))
    .field("change", "removed")
    .field("root", site.root.path().to_string_lossy())
    .field("script", path.to_string_lossy()))
}

/// What is put back has to be there, and must not take the place of what somebody else has put there.
fn check(seat: &Seat, program: &Program<'_>) -> Result<(), Error> {
    let kept = seat.kept();
    let is_script = observe(&kept)?.is_some_and(|found| !found.is_dir())
        && matches!(Holder::of(&kept, program)?, Holder::Other);
    if !is_script {
        return Err(ProgramError::NoScriptKept { kept }.into());
    }
    match Holder::of(&seat.path(), program)? {
        Holder::Other if !is_one_file(seat)? => Err(ProgramError::NotInstalled {
            path: seat.path(),
            kept,
        }
        .into()),
        Holder::Other | Holder::Launcher(_) | Holder::Nobody => Ok(()),
    }
}

/// Whether the name and the kept one are those of one file, as an installation that was killed
/// leaves them: a rename would do nothing then.
fn is_one_file(seat: &Seat) -> Result<bool, Error> {
    let (found, kept) = (observe(&seat.path())?, observe(&seat.kept())?);
    Ok(found
        .zip(kept)
        .is_some_and(|(one, other)| is_same(&one, &other)))
}

fn put_back(seat: &Seat) -> Result<(), Error> {
    if is_one_file(seat)? {
        return remove(&seat.kept());
    }
    let path = seat.path();
    fs::rename(seat.kept(), &path).map_err(|error| Error::io(&path, "replace", error))
}
