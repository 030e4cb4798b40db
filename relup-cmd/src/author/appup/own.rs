//! What applications' own appups say of the version that an upgrade comes from.
//!
//! Versions may be regular expressions there. Erlang's are not those of Rust's libraries, so the VM of
//! the release is asked which of them match; where every version is written out, none is started.

use std::collections::{BTreeMap, BTreeSet};

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

/// The own appups of applications whose version is another. One that is none leads nowhere and is
/// told by `warn`: many libraries carry one that was forgotten long ago. `place` is `to`, where that
/// can be run already.
pub(in crate::author) fn of(
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    place: Option<&Place>,
    warn: &mut dyn FnMut(String),
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, Own>, Error> {
    let mut found: Vec<(&str, &str, AppupFile)> = Vec::new();
    let mut pass_over = |app: &str, vsn: &str, reason: &dyn ToString| {
        let reason = reason.to_string();
        warn(format!(
            "lib/{app}-{vsn}/ebin/{app}.appup does not count: {reason}"
        ));
    };
    for (name, app) in &to.apps {
        let (Some(text), Some(before)) = (&app.appup, from.apps.get(name)) else {
            continue;
        };
        let (was, is) = (&before.file.vsn, &app.file.vsn);
        if was == is {
            continue;
        }
        match AppupFile::parse(text) {
            Ok(file) if file.vsn == *is => found.push((name, was, file)),
            Ok(file) => pass_over(name, is, &format!("it is of version {}", file.vsn)),
            Err(error) => pass_over(name, is, &error),
        }
    }
    let matches = Matches::ask(&found, to, place, interrupt)?;
    found.retain(|(name, _, file)| match matches.unusable_of(file) {
        Some(pattern) => {
            let pattern = Term::Binary(pattern.to_vec());
            pass_over(
                name,
                &file.vsn,
                &format!("{pattern} is no regular expression"),
            );
            false
        }
        None => true,
    });
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

/// Which regular expressions match which versions, and which are none.
#[derive(Default)]
struct Matches {
    fitting: BTreeSet<(Vec<u8>, String)>,
    unusable: BTreeSet<Vec<u8>>,
}

impl Matches {
    fn fits(&self, vsn: &Vsn, other: &str) -> bool {
        match vsn {
            Vsn::Exact(vsn) => vsn == other,
            Vsn::Pattern(pattern) => self.fitting.contains(&(pattern.clone(), other.to_owned())),
        }
    }

    /// The first pattern of an appup that is none.
    fn unusable_of<'f>(&self, file: &'f AppupFile) -> Option<&'f [u8]> {
        patterns(file).find(|pattern| self.unusable.contains(*pattern))
    }

    fn ask(
        found: &[(&str, &str, AppupFile)],
        to: &ReleaseFacts,
        place: Option<&Place>,
        interrupt: &Interrupt,
    ) -> Result<Matches, Error> {
        let mut questions: Vec<(&str, &[u8])> = Vec::new();
        for (_, was, file) in found {
            questions.extend(patterns(file).map(|pattern| (*was, pattern)));
        }
        let mut matches = Matches::default();
        if questions.is_empty() {
            return Ok(matches);
        }
        let said = match place {
            Some(place) => ask(&questions, place, interrupt)?,
            None => ask(&questions, &Place::of(&to.source, interrupt)?, interrupt)?,
        };
        for line in said.lines() {
            let of = |start: &str| {
                let index: usize = line.strip_prefix(start)?.parse().ok()?;
                questions.get(index).copied()
            };
            if let Some((was, pattern)) = of("appup fits ") {
                matches.fitting.insert((pattern.to_vec(), was.to_owned()));
            } else if let Some((_, pattern)) = of("appup bad ") {
                matches.unusable.insert(pattern.to_vec());
            }
        }
        Ok(matches)
    }
}

fn patterns(file: &AppupFile) -> impl Iterator<Item = &[u8]> {
    let entries = file.up.iter().chain(&file.down);
    entries.filter_map(|entry| match &entry.vsn {
        Vsn::Pattern(pattern) => Some(pattern.as_slice()),
        Vsn::Exact(_) => None,
    })
}

/// Has the VM of the release match them, and gives what it said.
fn ask(questions: &[(&str, &[u8])], place: &Place, interrupt: &Interrupt) -> Result<String, Error> {
    let pairs = questions.iter().enumerate().map(|(index, question)| {
        let (was, pattern) = question;
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
        Ok(_) => Err(silent("the release's VM did not say which versions match".to_owned()).into()),
        Err(NoAnswer(reason)) => Err(silent(reason).into()),
    }
}
