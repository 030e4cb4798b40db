//! The main job as a test: a hot upgrade under live clients, a restart into the new tree, the next
//! hop from there, and the way back; and a chain of hops without a restart in between.

use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::sample::{Sample, V4, V5, V6};
use e2e::swarm::{Options, Swarm};
use e2e::tree::Snapshot;
use e2e::witness::relup_json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const TALK: Duration = Duration::from_secs(1);

/// What a hop must leave alone on disk.
struct Outside {
    etc: Snapshot,
    plugins: Snapshot,
    data: BTreeSet<PathBuf>,
    log: BTreeSet<PathBuf>,
}

impl Outside {
    fn of(install: &Install) -> e2e::Result<Self> {
        // The node writes its database and its logs at any time; everything else is counted.
        let names = |dir: &str, own: fn(&Path) -> bool| -> e2e::Result<BTreeSet<PathBuf>> {
            let snapshot = Snapshot::of(&install.path(dir))?;
            let paths = snapshot.paths().into_iter().filter(|path| !own(path));
            Ok(paths.map(Path::to_path_buf).collect())
        };
        Ok(Self {
            etc: Snapshot::of(&install.path("etc"))?,
            plugins: Snapshot::of(&install.path("plugins"))?,
            data: names("data", |path| {
                path.starts_with("mnesia") && path.components().count() > 2
            })?,
            log: names("log", |path| path.to_string_lossy().starts_with("emqx.log"))?,
        })
    }

    fn assert_same(&self, install: &Install) -> e2e::Result<()> {
        let now = Self::of(install)?;
        assert_eq!(self.etc.differences(&now.etc), Vec::<String>::new(), "etc");
        assert_eq!(
            self.plugins.differences(&now.plugins),
            Vec::<String>::new(),
            "plugins"
        );
        assert_eq!(self.data, now.data, "files in data");
        assert_eq!(self.log, now.log, "files in log");
        Ok(())
    }
}

/// Upgrades under load, and demands of the node and the disk what the contract promises.
fn hop(install: &Install, to: &str) -> e2e::Result<BTreeMap<String, String>> {
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    std::thread::sleep(TALK);
    let outside = Outside::of(install)?;
    let pid = node::os_pid(install)?;
    let root = node::root_dir(install)?;
    assert_eq!(install.emqx(&["pid"])?.success()?.text(), pid.to_string());

    swarm.begin("hop");
    let tarball = Sample::find()?.tarball(to)?;
    let done = install.emqx(&["relup".as_ref(), "upgrade".as_ref(), tarball.as_os_str()])?;
    let done = done.success()?;
    assert!(done.stdout.contains("upgrade complete"), "{done}");
    std::thread::sleep(TALK);
    let state = node::state(install)?;

    let figures = swarm.finish(PATIENCE)?;
    println!("{figures:#?}");
    assert!(
        figures.iter().all(e2e::swarm::Figures::unharmed),
        "{figures:#?}"
    );

    // Every live connection was converted, and none was made anew.
    let layouts = &state["emqx_connection.layouts"];
    assert_eq!(layouts.split(',').count(), 1, "{layouts}");
    assert!(layouts.ends_with("=200"), "{layouts}");
    assert_eq!(node::os_pid(install)?, pid, "the VM was not restarted");
    assert_eq!(
        node::version(install)?,
        to,
        "the running code is the target's"
    );
    assert_eq!(
        node::root_dir(install)?,
        root,
        "the VM still has the tree it was booted from"
    );
    outside.assert_same(install)?;
    assert_eq!(
        fs_err::read_to_string(install.path("relup/current"))?,
        format!("{to}\n")
    );
    assert_deployed(install, to)?;
    let steps: Vec<_> = journal::last_attempt(install.root())?
        .into_iter()
        .map(|record| record.step)
        .collect();
    let expected = [
        "started",
        "staged",
        "deployed",
        "planned",
        "code_changed",
        "callbacks_done",
        "marker_written",
        "finished",
    ];
    assert_eq!(steps, expected);
    let (_, json) = relup_json(install, &["status"])?;
    let status = json.to_string();
    assert!(status.contains(to), "{status}");
    install
        .emqx(&["relup", "status"])?
        .success()?
        .says(&format!(
            "hot-upgraded to {to}; pending on restart to boot from the new version"
        ))?;
    Ok(state)
}

/// The tree is whole, holds only what belongs to a release, and no debris lies beside it.
fn assert_deployed(install: &Install, vsn: &str) -> e2e::Result<()> {
    let tree = install.path("relup").join(vsn);
    for entry in fs_err::read_dir(&tree)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let expected = ["bin", "lib", "releases", "dynlibs"].contains(&name.as_str());
        assert!(
            expected || name.starts_with("erts-"),
            "{name} is in the deployed tree"
        );
    }
    for path in ["bin/emqx", "releases/emqx_vars", "lib", "releases/RELEASES"] {
        assert!(
            tree.join(path).exists(),
            "{path} is missing in the deployed tree"
        );
    }
    assert!(!tree.join("relup").exists(), "no tree lies inside another");
    assert!(install.path(format!("relup/{vsn}.manifest")).is_file());
    for entry in fs_err::read_dir(install.path("relup"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "debris: relup/{name}");
    }
    Ok(())
}

/// The value of a key as a number.
fn number(state: &BTreeMap<String, String>, key: &str) -> u64 {
    state
        .get(key)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{key} in {state:?}"))
}

fn assert_booted_from(install: &Install, tree: &Path, vsn: &str) -> e2e::Result<()> {
    assert_eq!(node::version(install)?, vsn);
    assert_eq!(Path::new(&node::root_dir(install)?), tree);
    assert_eq!(
        install.emqx(&["root_dir"])?.success()?.text(),
        tree.to_string_lossy()
    );
    let ertspath = install.emqx(&["ertspath"])?.success()?;
    assert!(Path::new(ertspath.text()).starts_with(tree), "{ertspath}");
    let cwd = node::eval_text(install, "element(2, file:get_cwd())")?;
    assert_eq!(
        Path::new(&cwd),
        install.root(),
        "the node works in the original root"
    );
    let data = install.path("data");
    assert!(data.join("mnesia").is_dir());
    let given = install.vms().pop().expect("one VM runs").args;
    let given: Vec<_> = given.iter().map(|arg| arg.to_string_lossy()).collect();
    let at = given
        .iter()
        .position(|arg| arg == "-emqx_data_dir")
        .expect("the VM is told its data");
    assert_eq!(Path::new(given[at + 1].as_ref()), data);
    for name in ["data", "etc", "log", "plugins"] {
        assert!(
            tree == install.root() || !tree.join(name).exists(),
            "{name} in the deployed tree"
        );
    }
    Ok(())
}

#[test]
fn an_upgrade_under_load_a_restart_a_second_hop_and_the_way_back() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let said = install.start()?;
    said.says("EMQX Enterprise 5.10.4 is started successfully!")?;
    assert_booted_from(&install, install.root(), V4)?;
    let before = node::state(&install)?;

    let paths = install
        .emqx(&["ctl", "relup", "list-supported-paths"])?
        .success()?;
    for path in ["5.10.4 -> 5.10.5", "5.10.5 -> 5.10.6", "5.10.4 -> 5.10.6"] {
        assert!(
            paths.stdout.lines().any(|line| line == path),
            "{path:?} is not in {paths}"
        );
    }
    install
        .emqx(&["relup", "status"])?
        .success()?
        .says("idle")?;

    let after = hop(&install, V5)?;
    assert_eq!(after["release.version"], V5);
    assert!(number(&after, "emqx_stats.layout") > number(&before, "emqx_stats.layout"));
    assert_eq!(
        after["emqx_stats.migrated_from"], V4,
        "code_change was told the old version"
    );
    assert!(
        number(&after, "emqx_stats.received") > 0,
        "the counters went on"
    );
    assert_eq!(
        after["emqx_stats.started_at"], before["emqx_stats.started_at"],
        "same process"
    );
    assert_ne!(
        after["emqx_dashboard.started_at"], before["emqx_dashboard.started_at"],
        "the application was restarted"
    );
    assert_ne!(
        after["app.emqx_dashboard"], before["app.emqx_dashboard"],
        "with its new version"
    );
    assert!(
        after.keys().any(|key| key.starts_with("note.")),
        "the callback left its note: {after:?}"
    );
    let logs = install.emqx(&["relup", "logs"])?.success()?;
    assert!(logs.text().contains("5.10.4 -> 5.10.5"), "{logs}");
    assert!(
        logs.text().contains("started=") && logs.text().contains("result="),
        "{logs}"
    );

    let restarted = install.emqx(&["restart"])?.success()?;
    restarted.says(&format!(
        "hot-upgrade dir: {}",
        install.path("relup").display()
    ))?;
    assert_booted_from(&install, &install.path("relup/5.10.5"), V5)?;
    install.emqx(&["relup", "status"])?.success()?;

    hop(&install, V6)?;
    assert!(
        !install.path("relup/5.10.5/relup").exists(),
        "the outer marker moved"
    );
    let logs = install.emqx(&["ctl", "relup", "logs"])?.success()?;
    assert_eq!(
        logs.text()
            .lines()
            .filter(|line| line.contains("started="))
            .count(),
        2,
        "{logs}"
    );

    let back = install.emqx(&["relup", "rollback"])?.success()?;
    assert!(!install.path("relup/current").exists(), "{back}");
    assert_eq!(
        node::version(&install)?,
        V6,
        "a rollback leaves the running VM alone"
    );
    install.emqx(&["restart"])?.success()?;
    assert_booted_from(&install, install.root(), V4)?;

    let logs = install.emqx(&["relup", "logs"])?.success()?;
    assert_eq!(
        logs.text()
            .lines()
            .filter(|line| line.contains("started="))
            .count(),
        3,
        "{logs}"
    );
    install.emqx(&["relup", "logs-clear"])?.success()?;
    assert_eq!(journal::read(install.root())?.len(), 0);

    // The same again, over a tree that is there already.
    hop(&install, V5)?;
    install.stop()?;
    assert!(install.processes().is_empty(), "{:?}", install.processes());
    Ok(())
}

#[test]
fn hops_chain_without_a_restart_in_between() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let pid = node::os_pid(&install)?;
    hop(&install, V5)?;
    let state = hop(&install, V6)?;
    assert_eq!(node::os_pid(&install)?, pid);
    assert_eq!(state["release.version"], V6);
    assert!(install.path("relup/5.10.5").is_dir() && install.path("relup/5.10.6").is_dir());
    install.emqx(&["restart"])?.success()?;
    assert_booted_from(&install, &install.path("relup/5.10.6"), V6)?;
    let back = install
        .emqx(&["relup", "rollback", "--to", V5])?
        .success()?;
    assert_eq!(
        fs_err::read_to_string(install.path("relup/current"))?,
        "5.10.5\n",
        "{back}"
    );
    install.emqx(&["restart"])?.success()?;
    assert_booted_from(&install, &install.path("relup/5.10.5"), V5)?;
    install.stop()?;
    Ok(())
}

#[test]
fn the_hop_that_skips_a_version_works_too() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let state = hop(&install, V6)?;
    assert_eq!(state["emqx_stats.migrated_from"], V4);
    install.stop()?;
    install.start()?;
    assert_booted_from(&install, &install.path("relup/5.10.6"), V6)?;
    Ok(())
}

/// Where `BASE_RUNNER_ROOT_DIR` sets the data apart from the program, trees and marker are the
/// program's: there the next start looks for them.
#[test]
fn an_upgrade_of_a_base_beside_the_program_is_what_its_next_start_boots() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let base = install.scratch().join("a base");
    for dir in ["etc", "data", "log", "plugins"] {
        fs_err::create_dir_all(&base)?;
        fs_err::rename(install.path(dir), base.join(dir))?;
    }
    install.set_env("BASE_RUNNER_ROOT_DIR", &base);
    install.start()?;
    let tarball = Sample::find()?.tarball(V5)?;
    install
        .emqx(&["relup".as_ref(), "upgrade".as_ref(), tarball.as_os_str()])?
        .success()?
        .says("upgrade complete")?;
    assert_eq!(node::version(&install)?, V5);
    install.emqx(&["restart"])?.success()?;
    let tree = install.path("relup").join(V5);
    assert_eq!(node::root_dir(&install)?, tree.to_string_lossy());
    assert_eq!(
        node::data_dir(&install)?,
        base.join("data").to_string_lossy()
    );
    install.emqx(&["relup", "rollback"])?.success()?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(
        node::root_dir(&install)?,
        install.root().to_string_lossy(),
        "rolled back"
    );
    assert!(!base.join("relup").exists());
    install.stop()?;
    Ok(())
}
