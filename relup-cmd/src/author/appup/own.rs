//! What applications' own appups say of the version that an upgrade comes from.
//!
//! Versions may be regular expressions there. Erlang's are not those of Rust's libraries, so the VM of
//! the release is asked which of them match; where every version is written out, none is started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;
use relup::appup_file::{AppupFile, Entry, Vsn};
use relup::term::Term;

use crate::author::error::AuthorError;
use crate::author::facts::ReleaseFacts;
use crate::author::place::{NoAnswer, Place};
use crate::error::Error;
use crate::interrupt::Interrupt;

/// Matched as `systools` does it.
const MATCH: &str = "\
    [File] = init:get_plain_arguments(), \
    {ok, [Pairs]} = file:consult(File), \
    [try re:run(Vsn, Pattern, [unicode, {capture, first, list}]) of \
         {match, [Vsn]} -> io:format(\"~nappup fits ~w~n\", [N]); \
         _ -> ok \
     catch _:_ -> io:format(\"~nappup bad ~w~n\", [N]) end || {N, Vsn, Pattern} <- Pairs], \
    io:format(\"~nappup end~n\"), \
    erlang:halt(0).";

/// An application's own appup, and where it leads.
#[derive(Debug)]
pub(in crate::author) struct Own {
    file: AppupFile,
    leads_up: bool,
    leads_down: bool,
}

impl Own {
    /// One that leads there and back, whatever it looks like.
    pub(in crate::author) fn given() -> Own {
        Own {
            file: AppupFile::default(),
            leads_up: true,
            leads_down: true,
        }
    }

    /// Whether nothing is missing.
    pub(super) fn leads_both_ways(&self) -> bool {
        self.leads_up && self.leads_down
    }

    /// Whether it leads up, and all that it has in that direction.
    pub(super) fn up(&self) -> (bool, &[Entry]) {
        (self.leads_up, &self.file.up)
    }

    /// Whether it leads down, and all that it has in that direction.
    pub(super) fn down(&self) -> (bool, &[Entry]) {
        (self.leads_down, &self.file.down)
    }
}

/// The own appups of applications whose version is another; `release` is where `to` was read from.
pub(in crate::author) fn of(
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    release: &Path,
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, Own>, Error> {
    let mut found: Vec<(&str, &str, AppupFile)> = Vec::new();
    for (name, app) in &to.apps {
        let (Some(text), Some(before)) = (&app.appup, from.apps.get(name)) else {
            continue;
        };
        let (was, is) = (&before.file.vsn, &app.file.vsn);
        if was == is {
            continue;
        }
        let file = AppupFile::parse(text).map_err(|error| unusable(to, name, is, &error))?;
        if file.vsn == *is {
            found.push((name, was, file));
        } else {
            let reason = format!("it is of version {}", file.vsn);
            return Err(unusable(to, name, is, &reason).into());
        }
    }
    let matches = Matches::ask(&found, to, release, interrupt)?;
    let own = found.into_iter().map(|(name, was, file)| {
        let leads = |entries: &[Entry]| entries.iter().any(|entry| matches.fits(&entry.vsn, was));
        let own = Own {
            leads_up: leads(&file.up),
            leads_down: leads(&file.down),
            file,
        };
        (name.to_owned(), own)
    });
    Ok(own.collect())
}

fn unusable(to: &ReleaseFacts, app: &str, vsn: &str, reason: &dyn ToString) -> AuthorError {
    AuthorError::UnusableRelease {
        path: to.source.clone(),
        reason: format!("lib/{app}-{vsn}/ebin/{app}.appup: {}", reason.to_string()),
    }
}

/// Which regular expressions match which versions.
struct Matches(BTreeSet<(Vec<u8>, String)>);

impl Matches {
    fn fits(&self, vsn: &Vsn, other: &str) -> bool {
        match vsn {
            Vsn::Exact(vsn) => vsn == other,
            Vsn::Pattern(pattern) => self.0.contains(&(pattern.clone(), other.to_owned())),
        }
    }

    fn ask(
        found: &[(&str, &str, AppupFile)],
        to: &ReleaseFacts,
        release: &Path,
        interrupt: &Interrupt,
    ) -> Result<Matches, Error> {
        let mut questions: Vec<(&str, &str, &[u8])> = Vec::new();
        for (app, was, file) in found {
            for entry in file.up.iter().chain(&file.down) {
                if let Vsn::Pattern(pattern) = &entry.vsn {
                    questions.push((app, was, pattern));
                }
            }
        }
        if questions.is_empty() {
            return Ok(Matches(BTreeSet::new()));
        }
        let said = ask(&questions, release, interrupt)?;
        let mut matches = BTreeSet::new();
        for line in said.lines() {
            let of = |start: &str| {
                let index: usize = line.strip_prefix(start)?.parse().ok()?;
                questions.get(index).copied()
            };
            if let Some((_, was, pattern)) = of("appup fits ") {
                matches.insert((pattern.to_vec(), was.to_owned()));
            } else if let Some((app, _, pattern)) = of("appup bad ") {
                let pattern = Term::Binary(pattern.to_vec());
                let vsn = to.apps.get(app).map_or("", |app| &app.file.vsn);
                let reason = format!("{pattern} is no regular expression");
                return Err(unusable(to, app, vsn, &reason).into());
            }
        }
        Ok(Matches(matches))
    }
}

/// Has the VM of the release match them, and gives what it said.
fn ask(
    questions: &[(&str, &str, &[u8])],
    release: &Path,
    interrupt: &Interrupt,
) -> Result<String, Error> {
    let place = Place::of(release, interrupt)?;
    let pairs = questions.iter().enumerate().map(|(index, question)| {
        let (_, was, pattern) = question;
        Term::Tuple(vec![
            Term::Int(index.to_string()),
            Term::Str((*was).to_owned()),
            Term::Binary(pattern.to_vec()),
        ])
    });
    let text = format!("{}.\n", Term::List(pairs.collect()));
    let file = place.scratch().join("questions");
    fs::write(&file, text).map_err(|error| Error::io(&file, "write", error))?;
    let silent = |reason: String| AuthorError::NoAnswer { reason };
    match place.ask(MATCH, &file, interrupt)? {
        Ok(said) if said.lines().any(|line| line == "appup end") => Ok(said),
        Ok(_) => Err(silent(format!(
            "the VM of {} did not say which versions match",
            release.display()
        ))
        .into()),
        Err(NoAnswer(reason)) => Err(silent(reason).into()),
    }
}
