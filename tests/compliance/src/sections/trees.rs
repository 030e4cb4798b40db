//! Section 3: commands that show or use the tree in force, whether or not a node runs.

use crate::call::{Call, Text, run};
use crate::case::Check::{Down, Steps};
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::subject::Subject;
use e2e::Result;
use e2e::process;
use e2e::tree::Snapshot;
use std::os::unix::fs::PermissionsExt;

/// The cases.
pub const CASES: &[Case] = &[
    kept("3.23", "the root of the tree in force", Down(ROOT_DIR)),
    fix("3.24", "the ERTS of the tree in force", Down(ERTSPATH)),
    kept("3.23", "a deployed tree is in force", Steps(deployed)).needs(&[Need::Sample]),
    kept("3.25", "an escript of the release", Steps(escript)),
    kept("3.26", "a good configuration passes", Steps(good_config)),
    kept("3.26", "a bad configuration does not", Steps(bad_config)).needs(&[Need::Sample]),
];

const ROOT_DIR: &[Call] = &[run(&["root_dir"])
    .out(Text::Is("{root}\n"))
    .err(Text::Nothing)];

const ERTSPATH: &[Call] = &[run(&["ertspath"])
    .out(Text::Is("{root}/erts-{erts}\n"))
    .err(Text::Nothing)];

fn deployed(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.start()?;
    let vsn = site.deploy()?;
    let tree = site.path("relup").join(&vsn);
    // The tree that a boot would take counts, not the one that runs.
    for (command, below) in [("root_dir", ""), ("ertspath", "erts-{erts}")] {
        let expected = tree.join(site.fill(below));
        let told = site.emqx(&[command])?.success()?;
        let text = told.text().trim_end_matches('/');
        let expected = expected.to_string_lossy();
        ensure!(
            text == expected.trim_end_matches('/'),
            "not {expected}: {told}"
        );
    }
    site.stop()?;
    Ok(())
}

fn escript(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    // What a VM makes of arguments depends on the locale.
    site.set_env("LC_ALL", "C.UTF-8");
    let script = site.path("bin/hello.escript");
    let text = "#!/usr/bin/env escript\nmain(Args) ->\n    \
                io:format(\"~ts|~w\", [code:root_dir(), Args]), halt(7).\n";
    fs_err::write(&script, text)?;
    fs_err::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    let finished = site.emqx(&["escript", "bin/hello.escript", "a b", "$c", "--", "-name"])?;
    let args: Vec<Vec<u8>> = ["a b", "$c", "--", "-name"].map(Vec::from).to_vec();
    let expected = format!("{}|{args:?}", site.root().display()).replace(", ", ",");
    let finished = finished.exit_code(7)?;
    ensure!(finished.text() == expected, "not {expected}: {finished}");
    let gone = site.emqx(&["escript", "bin/no_such.escript"])?;
    ensure!(gone.code.is_some_and(|code| code != 0), "{gone}");
    Ok(())
}

fn good_config(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let before = Snapshot::of(site.root())?;
    site.emqx(&["check_config"])?.success()?;
    site.demand_nothing_runs()?;
    let differences = before.differences(&Snapshot::of(site.root())?);
    ensure!(
        differences.is_empty(),
        "it wrote something: {differences:?}"
    );
    Ok(())
}

fn bad_config(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let conf = site.path("etc/emqx.conf");
    let right = fs_err::read_to_string(&conf)?;
    for (line, text) in [
        ("node.no_such_field = 1", "no_such_field"),
        ("node.dist_net_ticktime = \"soon\"", "dist_net_ticktime"),
        ("node { unclosed = ", "emqx.conf"),
    ] {
        fs_err::write(&conf, format!("{right}\n{line}\n"))?;
        let before = Snapshot::of(site.root())?;
        let finished = site.emqx(&["check_config"])?.exit_code(1)?;
        finished.says(text)?;
        let differences = before.differences(&Snapshot::of(site.root())?);
        ensure!(differences.is_empty(), "{line:?}: {differences:?}");
    }
    fs_err::write(&conf, &right)?;
    // cluster.hocon of the data directory and the environment count as well.
    fs_err::create_dir_all(site.path("data/configs"))?;
    fs_err::write(site.path("data/configs/cluster.hocon"), "node.wrong = 1\n")?;
    site.emqx(&["check_config"])?.exit_code(1)?.says("wrong")?;
    fs_err::remove_file(site.path("data/configs/cluster.hocon"))?;
    site.set_env("EMQX_NODE__DIST_NET_TICKTIME", "soon");
    site.emqx(&["check_config"])?
        .exit_code(1)?
        .says("dist_net_ticktime")?;
    // The node that runs is not asked, and not needed.
    site.remove_env("EMQX_NODE__DIST_NET_TICKTIME");
    site.remove_env("EMQX_NODE__NAME");
    let mut quiet = site.emqx_command(&["check_config"]);
    process::run(&mut quiet, process::HANG)?.success()?;
    Ok(())
}
