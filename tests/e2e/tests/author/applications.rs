//! A pair of real Erlang applications: two builds of this machine's mnesia, the second one edited,
//! in releases whose broker works with it while it is upgraded.

use crate::scene::{apply, assert_target_runs, made};
use e2e::install::{Install, Recipe};
use e2e::node;
use e2e::ports::Slot;
use e2e::process;
use e2e::sample::{Sample, V4, V5};
use e2e::tarball::{Edit, rewrite};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is changed in the sources: file, text, and what takes its place.
const EDITS: [(&str, &str, &str); 7] = [
    // A gen_server with another state, and what converts it.
    (
        "mnesia_subscr",
        "-record(state, {supervisor, pid_tab}).",
        "-record(state, {supervisor, pid_tab, converted = none}).",
    ),
    (
        "mnesia_subscr",
        "code_change(_OldVsn, State, _Extra) ->",
        "code_change(Vsn, {state, Sup, Tab}, _Extra) ->
            {ok, #state{supervisor = Sup, pid_tab = Tab, converted = Vsn}};
         code_change(_OldVsn, State, _Extra) ->",
    ),
    // A chain of modules, the last of which calls what the first has new.
    ("mnesia_text", "-export([", "-export([edited/0, "),
    ("mnesia_registry", "-export([", "-export([edited/0, "),
    ("mnesia_index", "-export([", "-export([edited/0, "),
    // A supervisor with another child.
    ("mnesia_sup", "timer:seconds(30)", "timer:seconds(31)"),
    // A gen_server whose state is what it was.
    ("mnesia_late_loader", "-export([", "-export([edited/0, "),
];
const ADDED: [(&str, &str); 4] = [
    ("mnesia_text", "edited() -> mnesia_registry:edited()."),
    ("mnesia_registry", "edited() -> mnesia_index:edited()."),
    ("mnesia_index", "edited() -> yes."),
    ("mnesia_late_loader", "edited() -> yes."),
];

fn source_dir() -> e2e::Result<PathBuf> {
    let ask = "io:put_chars(code:lib_dir(mnesia)), halt().";
    let mut erl = Command::new("erl");
    erl.args(["-noshell", "-boot", "no_dot_erlang", "-eval", ask]);
    let said = process::run(&mut erl, process::HANG)?.success()?;
    Ok(Path::new(said.text()).join("src"))
}

/// Compiles the modules of the table, as they are or edited, and gives them as edits of a release.
fn build(dir: &Path, is_edited: bool) -> e2e::Result<Vec<Edit>> {
    let sources = source_dir()?;
    let app = sources
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default();
    let ebin = Path::new("lib").join(app).join("ebin");
    let mut modules: Vec<&str> = EDITS.iter().map(|(module, ..)| *module).collect();
    modules.sort_unstable();
    modules.dedup();
    let mut edits = Vec::new();
    for module in modules {
        let file = format!("{module}.erl");
        let mut text = fs_err::read_to_string(sources.join(&file))?;
        if is_edited {
            for (_, old, new) in EDITS.iter().filter(|(name, ..)| *name == module) {
                assert!(text.contains(old), "{module} has no {old:?}");
                text = text.replacen(old, new, 1);
            }
            for (_, more) in ADDED.iter().filter(|(name, _)| *name == module) {
                text = format!("{text}\n{more}\n");
            }
        }
        fs_err::write(dir.join(&file), text)?;
        let mut erlc = Command::new("erlc");
        erlc.current_dir(dir)
            .arg("+debug_info")
            .arg("-I")
            .arg(&sources)
            .arg(&file);
        process::run(&mut erlc, process::HANG)?.success()?;
        let beam = format!("{module}.beam");
        edits.push(Edit::Replace(
            ebin.join(&beam),
            fs_err::read(dir.join(&beam))?,
        ));
    }
    Ok(edits)
}

#[test]
fn a_made_hop_upgrades_a_real_application_under_the_broker() -> e2e::Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::find()?;
    let tarball = |vsn: &str, is_edited: bool| -> e2e::Result<PathBuf> {
        let path = dir.path().join(format!("emqx-enterprise-{vsn}.tar.gz"));
        rewrite(&sample.tarball(vsn)?, &path, &build(dir.path(), is_edited)?)?;
        Ok(path)
    };
    let (from, to) = (tarball(V4, false)?, tarball(V5, true)?);
    let recipe = Recipe {
        tarball: from.clone(),
        catalog: None,
        ..Recipe::sample(V4)?
    };
    let install = Install::unpack(&recipe, Slot::claim()?)?;
    install.start()?;
    let hop = made(&install, &from, &to, &[])?;
    let text = fs_err::read_to_string(&hop)?;
    let place = |line: &str| {
        text.find(line)
            .unwrap_or_else(|| panic!("{line} is not in\n{text}"))
    };
    let chain =
        ["index", "registry", "text"].map(|name| place(&format!("{{load_module, mnesia_{name}}}")));
    assert!(chain.is_sorted(), "callees come first:\n{text}");
    for line in [
        "{update, mnesia_subscr, {advanced, []}}",
        "the record #state{} and",
        "{load_module, mnesia_late_loader}",
        "its state did not",
        "{load_module, mnesia_sup}",
        "%%   {restart_application, mnesia}",
        "event_procs/0, which init/1",
    ] {
        place(line);
    }
    apply(&install, &hop, &to)?;
    assert_target_runs(&install, V5)?;
    let state = node::eval(&install, "tuple_to_list(sys:get_state(mnesia_subscr))")?;
    assert!(state.ends_with(&format!("\"{V4}\"]")), "{state}");
    assert_eq!(node::eval(&install, "mnesia_text:edited()")?, "yes");
    install.stop()?;
    Ok(())
}
