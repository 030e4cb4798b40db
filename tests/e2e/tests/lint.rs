//! `emqx relup lint` on an author's machine: no node, no installation, no environment.

use e2e::install::Install;
use e2e::process::{self, Finished};
use e2e::sample::{Sample, V4, V5, V6, launcher};
use e2e::tarball::{Edit, rewrite};
use e2e::witness::faults_of_words;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A hop file and the two releases that it is for.
struct Desk {
    dir: tempfile::TempDir,
    from: PathBuf,
    to: PathBuf,
}

impl Desk {
    /// With the sample's hop between two versions, and the beams beside it.
    fn new(from: &str, to: &str) -> e2e::Result<Desk> {
        let sample = Sample::find()?;
        let dir = tempfile::Builder::new()
            .prefix("an author's desk ")
            .tempdir()?;
        e2e::install::copy_tree(&sample.catalog(), dir.path())?;
        for entry in fs_err::read_dir(dir.path())? {
            let path = entry?.path();
            let stem = path.with_extension("");
            if !stem.ends_with(format!("{from}-to-{to}")) && path.is_file() {
                fs_err::remove_file(path)?;
            }
        }
        Ok(Desk {
            from: sample.tarball(from)?,
            to: sample.tarball(to)?,
            dir,
        })
    }

    fn hop(&self) -> e2e::Result<PathBuf> {
        for entry in fs_err::read_dir(self.dir.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == "relup") {
                return Ok(path);
            }
        }
        Err(e2e::Error::Unexpected("no hop".to_owned()))
    }

    /// Replaces a text of the hop.
    fn edit(&self, old: &str, new: &str) -> e2e::Result<()> {
        let hop = self.hop()?;
        let text = fs_err::read_to_string(&hop)?;
        assert!(text.contains(old), "there is no {old:?} in {text}");
        Ok(fs_err::write(hop, text.replacen(old, new, 1))?)
    }

    /// Lints the hop against both releases.
    fn lint(&self, more: &[&str]) -> e2e::Result<Finished> {
        let (from, to) = (self.from.to_string_lossy(), self.to.to_string_lossy());
        let args = [&["--from", &from, "--to", &to], more].concat();
        self.run(&args)
    }

    fn run(&self, args: &[&str]) -> e2e::Result<Finished> {
        let mut command = Command::new(launcher()?);
        command.current_dir(self.dir.path()).env_clear();
        command.args(["relup", "lint"]).arg(self.hop()?).args(args);
        process::run(&mut command, process::HANG)
    }
}

fn json(finished: &Finished) -> e2e::Result<Value> {
    serde_json::from_str(&finished.stdout)
        .map_err(|error| e2e::Error::Unexpected(format!("{error}: {finished}")))
}

/// The names of all findings.
fn names(json: &Value) -> Vec<String> {
    let findings = json["findings"].as_array().cloned().unwrap_or_default();
    let name = |finding: &Value| finding["name"].as_str().unwrap_or_default().to_owned();
    findings.iter().map(name).collect()
}

#[test]
fn the_hops_of_the_sample_are_clean() -> e2e::Result<()> {
    for (from, to) in [(V4, V5), (V5, V6), (V4, V6)] {
        let desk = Desk::new(from, to)?;
        // That of 5.10.4 to 5.10.5 is an expression, evaluated by the VM in the tarball.
        let clean = desk.lint(&["--deny-warnings"])?.success()?;
        assert!(clean.stdout.ends_with("0 errors, 0 warnings\n"), "{clean}");
        let form = desk.run(&[])?.success()?;
        assert!(!form.stdout.contains("error:"), "{form}");
    }
    Ok(())
}

#[test]
fn an_expression_is_evaluated_by_the_target_and_without_one_that_is_said() -> e2e::Result<()> {
    let desk = Desk::new(V4, V5)?;
    let tree = desk.dir.path().join("a target");
    e2e::install::extract(&desk.to, &tree)?;
    let said = desk
        .run(&["--to", &tree.to_string_lossy(), "--json"])?
        .success()?;
    let found = json(&said)?;
    assert_eq!(names(&found), Vec::<String>::new(), "{said}");
    assert_eq!(found["schema_only"], Value::Bool(true), "{said}");
    let said = desk.run(&[])?.success()?;
    assert!(
        said.stdout.contains("warning: not_evaluated: ")
            && said.stdout.contains("what the hop holds was not checked"),
        "{said}"
    );
    desk.edit(
        "Load = fun(Module) ->",
        "Load = fun(Module) -> true = false,",
    )?;
    let wrong = desk.run(&["--to", &tree.to_string_lossy()])?;
    assert_eq!(wrong.code, Some(1), "{wrong}");
    assert!(
        wrong.stdout.contains("error: evaluation_failed: ") && wrong.stdout.contains("badmatch"),
        "{wrong}"
    );
    Ok(())
}

#[test]
fn traps_that_were_laid_into_real_hops_are_found_with_their_lines() -> e2e::Result<()> {
    // What is replaced, by what, and what is found then.
    let cases: [(&str, &str, &[&str]); 9] = [
        (
            "{load_module, emqx_topic}",
            "{load_module, emqx_typo}",
            &["module_not_found", "forgotten_module"],
        ),
        (
            "        {load_module, emqx_release},\n",
            "",
            &["missing_emqx_release"],
        ),
        (
            "{update, emqx_stats, {advanced, []}}",
            "{load_module, emqx_stats}",
            &["state_not_known"],
        ),
        (
            "{update, emqx_stats, {advanced, []}}",
            "{update, emqx_topic, {advanced, []}}",
            &["forgotten_module"],
        ),
        (
            "{load_module, emqx_mgmt_app}",
            "{load_module, emqx_ctl}",
            &["unchanged_module"],
        ),
        (
            "[{pr_2001_leave_note,",
            "[{pr_2001_leave_nothing,",
            &["callback_not_exported"],
        ),
        (
            "{apply, emqx_mgmt_topics, load, []}",
            "{apply, emqx_mgmt_topics, load, [x]}",
            &["apply_not_exported"],
        ),
        (
            "{restart_application, emqx_dashboard}",
            "{restart_application, emqx_dashbord}",
            &["application_not_found"],
        ),
        (
            "target_version => \"5.10.6\"",
            "target_version => \"5.10.5\"",
            &["other_release"],
        ),
    ];
    for (old, new, expected) in cases {
        let desk = Desk::new(V4, V6)?;
        desk.edit(old, new)?;
        let said = desk.lint(&["--deny-warnings", "--json"])?;
        assert_eq!(said.code, Some(1), "{old}: {said}");
        let found = json(&said)?;
        for name in expected {
            assert!(
                names(&found).contains(&(*name).to_owned()),
                "{name}: {said}"
            );
        }
        for finding in found["findings"].as_array().into_iter().flatten() {
            for key in ["class", "what", "why", "remedy"] {
                let text = finding[key].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{key}: {finding}");
            }
        }
    }
    let desk = Desk::new(V4, V6)?;
    desk.edit("{load_module, emqx_topic}", "{load_module, emqx_typo}")?;
    let said = desk.lint(&[])?;
    let line = format!(
        "{}:7: error: module_not_found: emqx_typo: ",
        desk.hop()?.display()
    );
    assert!(
        said.stdout.lines().any(|found| found.starts_with(&line)),
        "{line}: {said}"
    );
    assert!(said.stderr.starts_with("ERROR: lint_failed: "), "{said}");
    assert_eq!(faults_of_words(&said), Vec::<String>::new());
    Ok(())
}

#[test]
fn an_expression_is_evaluated_by_the_running_node_where_no_release_is_named() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let hop = install.path("relup/catalog/5.10.4-to-5.10.5.relup");
    let hop = hop.to_string_lossy();
    let stopped = install.emqx(&["relup", "lint", &hop])?.success()?;
    assert!(
        stopped.stdout.contains("warning: not_evaluated: ")
            && stopped.stdout.contains("not running"),
        "{stopped}"
    );
    install.start()?;
    let running = install.emqx(&["relup", "lint", &hop])?.success()?;
    assert!(
        running.stdout.contains("only the form was checked")
            && running.stdout.ends_with("0 errors, 0 warnings\n"),
        "{running}"
    );
    let broken = install.scratch().join("broken.relup");
    fs_err::write(&broken, "F = fun() -> error(why) end, F().\n")?;
    let broken = install.emqx(&["relup", "lint", &broken.to_string_lossy()])?;
    assert_eq!(broken.code, Some(1), "{broken}");
    assert!(
        broken.stdout.contains("error: evaluation_failed: "),
        "{broken}"
    );
    install.stop()?;
    Ok(())
}

/// A server with debug info in place of the release's own, with these fields in its state.
fn with_server(desk: &Desk, release: &Path, vsn: &str, fields: &str) -> e2e::Result<PathBuf> {
    let dir = desk.dir.path().join(vsn);
    fs_err::create_dir_all(&dir)?;
    let source = dir.join("emqx_stats.erl");
    let text = format!(
        "-module(emqx_stats).\n-behaviour(gen_server).\n\
         -export([init/1, handle_call/3, handle_cast/2, code_change/3]).\n\
         -record(state, {{{fields}}}).\n\
         init(_) -> {{ok, #state{{}}}}.\n\
         handle_call(_, _, State) -> {{reply, \"{vsn}\", State}}.\n\
         handle_cast(_, State) -> {{noreply, State}}.\n\
         code_change(_, State, _) -> {{ok, State}}.\n"
    );
    fs_err::write(&source, text)?;
    let mut erlc = Command::new("erlc");
    erlc.args(["+debug_info", "-o"]).arg(&dir).arg(&source);
    process::run(&mut erlc, process::HANG)?.success()?;
    let beam = fs_err::read(dir.join("emqx_stats.beam"))?;
    let path = format!("lib/emqx-{vsn}/ebin/emqx_stats.beam");
    let tarball = desk.dir.path().join(format!("emqx-{vsn}.tar.gz"));
    rewrite(release, &tarball, &[Edit::Replace(path.into(), beam)])?;
    Ok(tarball)
}

#[test]
fn a_state_that_differs_is_known_by_the_debug_info() -> e2e::Result<()> {
    for (fields, expected) in [("a, b", &["state_changed_without_update"][..]), ("a", &[])] {
        let mut desk = Desk::new(V4, V6)?;
        desk.edit(
            "{update, emqx_stats, {advanced, []}}",
            "{load_module, emqx_stats}",
        )?;
        desk.from = with_server(&desk, &desk.from, V4, "a")?;
        desk.to = with_server(&desk, &desk.to, V6, fields)?;
        let said = desk.lint(&["--json"])?.success()?;
        assert_eq!(names(&json(&said)?), expected, "{said}");
    }
    Ok(())
}

#[test]
fn warnings_alone_pass_unless_they_are_denied_and_wrong_usage_is_told_apart() -> e2e::Result<()> {
    let desk = Desk::new(V5, V6)?;
    desk.edit(
        "{load_module, emqx_mgmt_topics}",
        "{load_module, emqx_mgmt_topics}, {load_module, emqx_ctl}",
    )?;
    assert_eq!(desk.lint(&[])?.code, Some(0));
    assert_eq!(desk.lint(&["--deny-warnings"])?.code, Some(1));
    assert_eq!(desk.run(&["--from", "x"])?.code, Some(2));
    assert_eq!(desk.run(&["--fast"])?.code, Some(2));
    let no_release = desk.run(&["--from", "/no/such", "--to", "/no/such"])?;
    assert_eq!(no_release.code, Some(1), "{no_release}");
    assert_eq!(faults_of_words(&no_release), Vec::<String>::new());
    fs_err::rename(desk.hop()?, desk.dir.path().join("gone"))?;
    let mut command = Command::new(launcher()?);
    command
        .args(["relup", "lint", "no.relup"])
        .current_dir(desk.dir.path());
    let missing = process::run(&mut command, process::HANG)?;
    assert!(
        missing
            .stderr
            .starts_with("ERROR: cannot_read_hop: no.relup"),
        "{missing}"
    );
    Ok(())
}

#[test]
fn hops_that_the_tool_makes_have_no_errors() -> e2e::Result<()> {
    for (from, to) in [(V4, V5), (V5, V6), (V4, V6), (V6, V4)] {
        let sample = Sample::find()?;
        let desk = Desk {
            dir: tempfile::tempdir()?,
            from: sample.tarball(from)?,
            to: sample.tarball(to)?,
        };
        let hop = desk.dir.path().join(format!("{from}-to-{to}.relup"));
        let mut make = Command::new(launcher()?);
        make.args(["relup", "make", "--from"]).arg(&desk.from);
        make.arg("--to").arg(&desk.to).arg("-o").arg(&hop);
        process::run(&mut make, process::HANG)?.success()?;
        let found = json(&desk.lint(&["--json"])?.success()?)?;
        assert_eq!(found["errors"], Value::from(0), "{found}");
        // A callback that takes arguments is the author's to list, and the tool says so when it makes the hop.
        let names = names(&found);
        assert!(
            names.iter().all(|name| name == "forgotten_callback"),
            "{found}"
        );
    }
    Ok(())
}
