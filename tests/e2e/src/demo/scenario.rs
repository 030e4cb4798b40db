//! The stages of the demo, in the order of an operator's day.

use super::{Narrator, Outcome, Release, Subject};
use crate::error::{Error, Result};
use crate::install::Install;
use crate::swarm::{Figures, Options, Swarm};
use crate::{journal, node};
use std::collections::BTreeMap;
use std::time::Duration;

/// For clients to connect and for messages to come through; generous, since it only ends hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long clients talk before and after each hop.
const QUIET_TIME: Duration = Duration::from_secs(3);

/// What `emqx ctl state` of the sample says.
type State = BTreeMap<String, String>;

/// What of it the demo shows.
const SHOWN: [&str; 5] = [
    "emqx_connection.layouts",
    "emqx_stats.",
    "app.",
    "emqx_dashboard.",
    "note.",
];
/// A count that must survive the conversion of its process's state.
const COUNTER: &str = "emqx_stats.received";

/// Plays the scenario; the installation is gone when it returns, whatever happened.
pub fn run(subject: &Subject, narrator: &mut Narrator) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let install = narrator.stage(&format!("Install EMQX {}", subject.first.vsn), |say| {
        prepare(subject, say)
    })?;
    narrator.stage("Start the node", |say| {
        type_and_show(&install, say, &["start"])?.success()?;
        Ok(())
    })?;
    let mut from = subject.first.vsn.clone();
    for (count, target) in subject.targets.iter().enumerate() {
        let figures = hop(&install, subject, narrator, &from, target, count)?;
        outcome.hops.push(figures);
        if count == 0 {
            restart_into(&install, narrator, &target.vsn)?;
        }
        from.clone_from(&target.vsn);
    }
    roll_back(&install, subject, narrator)?;
    narrator.stage("Stop the node", |say| {
        type_and_show(&install, say, &["stop"])?.success()?;
        say.check(install.processes().is_empty(), "no process is left");
        Ok(())
    })?;
    Ok(outcome)
}

fn prepare(subject: &Subject, say: &mut Narrator) -> Result<Install> {
    let install = subject.install()?;
    say.say(&format!(
        "{} is unpacked to",
        subject.first.tarball.display()
    ));
    say.say(&format!(
        "{} and this project's binary is its bin/emqx",
        install.root().display()
    ));
    if install.slot().is_default() {
        say.say("node emqx@127.0.0.1 and port 1883 are free, so the node uses them");
    } else {
        let (node, port) = (install.node_name(), install.mqtt_port());
        say.say("the default node name or a default port is in use on this machine, so");
        say.say(&format!(
            "this node is {node} and listens for MQTT on port {port}"
        ));
    }
    Ok(install)
}

/// One hot upgrade under load.
fn hop(
    install: &Install,
    subject: &Subject,
    narrator: &mut Narrator,
    from: &str,
    target: &Release,
    count: usize,
) -> Result<Figures> {
    let to = &target.vsn;
    let swarm = narrator.stage("Connect 200 MQTT clients", |say| {
        let options = Options::on_port(install.mqtt_port());
        let swarm = Swarm::start(&options, PATIENCE)?;
        say.say("200 clients have subscribed and publish QoS 1 ten times a second each");
        wait(QUIET_TIME)?;
        swarm.settle(PATIENCE)?;
        say.say(&swarm.figures("warm-up").to_string());
        Ok(swarm)
    })?;
    if count == 0 {
        narrator.stage("Ask for the supported hops", |say| {
            type_and_show(install, say, &["ctl", "relup", "list-supported-paths"])?.success()?;
            Ok(())
        })?;
    }
    let title = format!("Hot upgrade {from} -> {to}");
    narrator.stage(&title, |say| {
        let pid = node::os_pid(install)?;
        let before = sample_state(install, subject)?;
        swarm.begin(&title);
        let tarball = target.tarball.to_string_lossy();
        type_and_show(install, say, &["relup", "upgrade", &tarball])?.success()?;
        swarm.settle(PATIENCE)?;
        let now = node::version(install)?;
        say.check(now == *to, &format!("the running code says it is {now}"));
        let same = node::os_pid(install)?;
        say.check(same == pid, &format!("the VM is still process {pid}"));
        tell_state(say, from, &before, &sample_state(install, subject)?);
        let marker = fs_err::read_to_string(install.path("relup/current"))?;
        let root = install.root().display();
        say.check(
            marker.trim() == to,
            &format!("{root}/relup/current names {}", marker.trim()),
        );
        let nested = install.path(format!("relup/{from}/relup"));
        say.check(!nested.exists(), "no release tree lies inside another");
        for (step, took) in journal::durations(&journal::last_attempt(install.root())?) {
            say.row(
                &format!("  {step}"),
                &format!("{:>9.1} ms", took.as_secs_f64() * 1000.0),
            );
        }
        Ok(())
    })?;
    narrator.stage("Look at the node after the hop", |say| {
        type_and_show(install, say, &["relup", "status"])?.success()?;
        type_and_show(install, say, &["relup", "logs"])?.success()?;
        Ok(())
    })?;
    narrator.stage("Let the clients go", |say| {
        wait(QUIET_TIME)?;
        let all = swarm.finish(PATIENCE)?;
        let figures = all
            .into_iter()
            .find(|figures| figures.phase == title)
            .unwrap_or_default();
        say.check(figures.unharmed(), &figures.to_string());
        Ok(figures)
    })
}

/// What the sample tells about everything that its hops change; nothing for other releases.
fn sample_state(install: &Install, subject: &Subject) -> Result<State> {
    if subject.is_sample {
        node::state(install)
    } else {
        Ok(State::new())
    }
}

/// What the hop has done to versions, layouts of states and counters.
fn tell_state(say: &mut Narrator, from: &str, before: &State, after: &State) {
    for (key, now) in after {
        let shown = SHOWN.iter().any(|shown| key.starts_with(shown));
        match before.get(key) {
            Some(then) if shown && then != now => say.row(key, &format!("{then} -> {now}")),
            None => say.row(key, &format!("{now} (new)")),
            Some(_) => {}
        }
    }
    if let (Some(then), Some(now)) = (before.get(COUNTER), after.get(COUNTER)) {
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        say.check(
            number(now) >= number(then),
            "the counters were carried over and go on",
        );
        let migrated = after.get("emqx_stats.migrated_from").map(String::as_str) == Some(from);
        say.check(
            migrated,
            "code_change/3 converted the old state of the running processes",
        );
    }
}

fn restart_into(install: &Install, narrator: &mut Narrator, vsn: &str) -> Result<()> {
    narrator.stage(
        &format!("Restart, which boots {vsn} from relup/{vsn}"),
        |say| {
            type_and_show(install, say, &["restart"])?.success()?;
            let tree = install.path(format!("relup/{vsn}"));
            let root = node::root_dir(install)?;
            say.check(
                root == tree.to_string_lossy(),
                &format!("code:root_dir() is {root}"),
            );
            let data = node::data_dir(install)?;
            let base = install.root().to_string_lossy();
            say.check(
                data.starts_with(&*base),
                &format!("the data directory is {data}"),
            );
            for name in ["data", "etc", "log"] {
                let outer = install.path(name);
                say.check(outer.is_dir(), &format!("{} is in use", outer.display()));
                say.check(
                    !tree.join(name).exists(),
                    &format!("relup/{vsn} has no {name} of its own"),
                );
            }
            Ok(())
        },
    )
}

fn roll_back(install: &Install, subject: &Subject, narrator: &mut Narrator) -> Result<()> {
    let first = &subject.first.vsn;
    narrator.stage(
        &format!("Roll back and restart, which boots {first} again"),
        |say| {
            type_and_show(install, say, &["relup", "rollback"])?.success()?;
            say.check(
                !install.path("relup/current").exists(),
                "the marker is gone",
            );
            type_and_show(install, say, &["restart"])?.success()?;
            let now = node::version(install)?;
            say.check(now == *first, &format!("the running code says it is {now}"));
            let root = node::root_dir(install)?;
            let base = install.root().to_string_lossy();
            say.check(root == base, &format!("code:root_dir() is {root}"));
            Ok(())
        },
    )
}

fn type_and_show(
    install: &Install,
    say: &Narrator,
    args: &[&str],
) -> Result<crate::process::Finished> {
    let finished = install.emqx(args)?;
    say.ran(&format!("emqx {}", args.join(" ")), &finished);
    Ok(finished)
}

/// A pause that Ctrl-C ends.
fn wait(time: Duration) -> Result<()> {
    match crate::process::wait_until("a pause", time, || Ok(false)) {
        Err(Error::TimedOut { .. }) => Ok(()),
        other => other,
    }
}
