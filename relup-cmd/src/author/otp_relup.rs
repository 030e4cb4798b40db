//! `relup relup`: OTP's relup between two releases, made by the `systools` of the newer one.
//!
//! Appups come from a directory that is named, from the applications themselves, and are made where
//! neither leads from one version to the other. (The file's format is OTP's `relup(4)`.)

mod older;

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use relup::layout::Tree;
use relup::term::Term;
use serde_json::json;

use super::appup::{self, own::Own};
use super::error::AuthorError;
use super::facts::ReleaseFacts;
use super::make::{read_rules, write};
use super::place::{NoAnswer, Place};
use super::read;
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::output::{Answer, Console};
use crate::regular::{self, ReadError};
use older::Older;

/// Longest appup that is read, and longest relup that is read back.
const MAX_TEXT: u64 = 64 * 1024 * 1024;
/// What the release's VM begins its lines with.
const WARNING: &str = "relup warning ";
const REASON: &str = "relup error ";
const DONE: &str = "relup done";

/// One line each, whatever the texts of `systools` look like.
const MAKE: &str = "\
    [File] = init:get_plain_arguments(), \
    {ok, [{Sasl, To, From, Path, Out}]} = file:consult(File), \
    code:add_patha(Sasl), \
    ok = io:setopts([{encoding, unicode}]), \
    Say = fun(Start, Text) -> \
        Words = string:lexemes(unicode:characters_to_list(Text), \" \\n\\t\"), \
        io:format(\"~n~s~ts~n\", [Start, lists:join(\" \", Words)]) end, \
    try systools:make_relup(To, [From], [From], [{path, Path}, noexec, silent]) of \
        {ok, Relup, Module, Warnings} -> \
            Text = io_lib:format(\"%% coding: utf-8~n~tp.~n\", [Relup]), \
            ok = file:write_file(Out, unicode:characters_to_binary(Text)), \
            [Say(\"relup warning \", Module:format_warning(Warning)) || Warning <- Warnings], \
            Say(\"relup done\", \"\"); \
        {error, Module, Reason} -> Say(\"relup error \", Module:format_error(Reason)) \
    catch Class:Reason -> Say(\"relup error \", io_lib:format(\"~w ~0tp\", [Class, Reason])) end, \
    erlang:halt(0).";

/// Makes the relup that leads from the older release to the newer one, and back.
pub(crate) fn run(
    args: &cli::Relup,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let rules = read_rules(&args.choices)?;
    let place = Place::of(&args.to, interrupt)?;
    let older = Older::find(args, &place, interrupt)?;
    let (from, to) = read::both(older.source(&args.to), &args.to, interrupt)?;
    if from.vsn == to.vsn {
        let vsn = to.vsn.to_string();
        return Err(AuthorError::SameVersion { vsn }.into());
    }
    let given = given(args.appups.as_deref(), &to)?;
    let mut own = appup::own::of(
        &from,
        &to,
        Some(&place),
        &mut |text| console.warn(text),
        interrupt,
    )?;
    own.extend(given.keys().map(|name| (name.clone(), Own::given())));
    let appups = appup::make(&from, &to, &own, &rules, &args.choices)?;
    for warning in &appups.warnings {
        console.warn(warning.clone());
    }
    let made: Vec<String> = appups.made.keys().cloned().collect();
    let made_texts = appups
        .made
        .into_iter()
        .map(|(name, appup)| (name, appup.text));
    let texts: BTreeMap<String, String> = given.into_iter().chain(made_texts).collect();
    let lent = place.scratch().join("appups");
    lend(&lent, &to, place.tree(), &texts)?;
    let text = systools(&place, &older, &from, &to, &lent, console, interrupt);
    let text = text.map_err(|error| about_named(error, &lent, args.appups.as_deref(), &to))?;

    let mut answer = Answer::default();
    if let Some(path) = &args.output {
        write(path, &text)?;
        let path = path.display();
        answer
            .lines
            .push(format!("{path}: {} <-> {}", from.vsn, to.vsn));
        answer = answer.field("file", path.to_string());
    } else {
        answer.lines.push(text.trim_end().to_owned());
    }
    Ok(answer
        .field("from", from.vsn.as_str())
        .field("to", to.vsn.as_str())
        .field("made_appups", json!(made))
        .field("relup", text))
}

/// The appups of a directory that was named, by application.
fn given(dir: Option<&Path>, to: &ReleaseFacts) -> Result<BTreeMap<String, String>, Error> {
    let mut given = BTreeMap::new();
    let Some(dir) = dir else { return Ok(given) };
    if !dir.is_dir() {
        let error = std::io::Error::from(std::io::ErrorKind::NotADirectory);
        return Err(Error::io(dir, "use", error));
    }
    for name in to.apps.keys() {
        let path = dir.join(format!("{name}.appup"));
        match regular::read_text(&path, MAX_TEXT) {
            Ok(text) => drop(given.insert(name.clone(), text)),
            Err(ReadError::Missing) => {}
            Err(error) => return Err(Error::io(&path, "read", std::io::Error::other(error))),
        }
    }
    Ok(given)
}

/// An appup that was named is called what it was named, not where it was copied to.
fn about_named(error: Error, lent: &Path, named: Option<&Path>, to: &ReleaseFacts) -> Error {
    match (error, named) {
        (Error::Author(AuthorError::Systools { mut reason }), Some(named)) => {
            for name in to.apps.keys() {
                let file = format!("{name}.appup");
                let copy = lent.join(name).join(&file);
                reason = reason.replace(
                    &*copy.to_string_lossy(),
                    &named.join(&file).to_string_lossy(),
                );
            }
            Error::Author(AuthorError::Systools { reason })
        }
        (error, _) => error,
    }
}

/// Puts appups that the release does not have into directories that `systools` looks into before it
/// looks into the release: each beside a copy of its application's specification.
fn lend(
    dir: &Path,
    to: &ReleaseFacts,
    tree: &Tree,
    texts: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let failed = |error| Error::io(dir, "write", error);
    fs::create_dir(dir).map_err(failed)?;
    for (name, text) in texts {
        let Some(app) = to.apps.get(name) else {
            continue;
        };
        let ebin = dir.join(name);
        fs::create_dir(&ebin).map_err(failed)?;
        let spec = tree.app_file(name, &app.file.vsn);
        let copy = ebin.join(spec.file_name().unwrap_or_default());
        fs::copy(&spec, copy).map_err(failed)?;
        fs::write(ebin.join(format!("{name}.appup")), text).map_err(failed)?;
    }
    Ok(())
}

/// Has the newer release make the relup, and gives its text.
fn systools(
    place: &Place,
    older: &Older,
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    lent: &Path,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<String, Error> {
    let tree = place.tree();
    let Some(sasl) = to.apps.get("sasl") else {
        let reason = format!("{} has no sasl, which makes relups", to.vsn);
        return Err(AuthorError::Systools { reason }.into());
    };
    let rel = |tree: &Tree, vsn, name: &str| tree.rel_file(vsn, name).with_extension("");
    let path = [
        lent.join("*"),
        tree.lib().join("*").join("ebin"),
        older.tree(place).lib().join("*").join("ebin"),
    ];
    let answer = place.scratch().join("answer");
    let string = |path: &Path| Term::Str(path.to_string_lossy().into_owned());
    let question = Term::Tuple(vec![
        string(&tree.ebin("sasl", &sasl.file.vsn)),
        string(&rel(tree, &to.vsn, &place.identity().rel_name)),
        string(&rel(older.tree(place), &from.vsn, older.rel_name(place))),
        Term::List(path.iter().map(|path| string(path)).collect()),
        string(&answer),
    ]);
    let file = place.scratch().join("question");
    fs::write(&file, format!("{question}.\n")).map_err(|error| Error::io(&file, "write", error))?;
    let said = match place.ask(MAKE, &file, interrupt)? {
        Ok(said) => said,
        Err(NoAnswer(reason)) => return Err(AuthorError::NoAnswer { reason }.into()),
    };
    for warning in said.lines().filter_map(|line| line.strip_prefix(WARNING)) {
        let warning = warning.trim_start_matches("*WARNING* ");
        console.warn(format!("systools: {warning}"));
    }
    if let Some(reason) = said.lines().find_map(|line| line.strip_prefix(REASON)) {
        let reason = reason.to_owned();
        return Err(AuthorError::Systools { reason }.into());
    }
    if !said.lines().any(|line| line == DONE) {
        let reason = format!("the VM of {} ended without a relup", to.source.display());
        return Err(AuthorError::NoAnswer { reason }.into());
    }
    regular::read_text(&answer, MAX_TEXT)
        .map_err(|error| Error::io(&answer, "read", std::io::Error::other(error)))
}
