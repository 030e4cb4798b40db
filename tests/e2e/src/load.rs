//! Hops back and forth below many clients that never stop talking.
//!
//! One node is upgraded to 5.10.5 and brought back to 5.10.4 by hops, again and again, without a
//! restart: every hop changes the state of each connection. What the clients see is counted in two
//! phases of about the same length, one with nothing going on and one with the hops, so that the
//! gaps of this machine can be told from those of the upgrade.

use crate::error::{Error, Result};
use crate::install::Install;
use crate::node;
use crate::process::HANG;
use crate::sample::{Sample, V4, V5};
use crate::swarm::{Figures, Options, Swarm};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
/// Least length of the phase at rest.
const REST: Duration = Duration::from_secs(10);
const AT_REST: &str = "at rest";
const HOPS: &str = "hops";

/// The way back, as the authors of 5.10.4 would write it: their modules know the layouts of 5.10.5.
const BACK: &str = "#{
    from_version => \"5.10.5\",
    target_version => \"5.10.4\",
    code_changes => [
        {apply, emqx_mgmt_topics, unload, []},
        {load_module, emqx_release},
        {load_module, emqx_topic},
        {load_module, emqx_post_upgrade},
        {load_module, emqx_mgmt_app},
        {update, emqx_stats, {advanced, []}},
        {update, emqx_connection, {advanced, []}},
        {restart_application, emqx_dashboard}
    ],
    post_upgrade_callbacks => []
}.
";

/// How much is asked of the node.
#[derive(Debug, Clone)]
pub struct Load {
    /// Number of clients.
    pub clients: usize,
    /// Time between two messages of one client.
    pub interval: Duration,
    /// Number of hops, to 5.10.5 and back in turns.
    pub hops: usize,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// With nothing going on.
    pub at_rest: Figures,
    /// During the hops.
    pub hops: Figures,
    /// How long each command took.
    pub took: Vec<Duration>,
    /// Connections that the broker had at the end.
    pub connected: String,
}

impl Outcome {
    /// Whether nobody was cut off and nothing got lost.
    #[must_use]
    pub fn unharmed(&self) -> bool {
        self.at_rest.unharmed() && self.hops.unharmed()
    }
}

/// Runs it on an installation of its own; `tell` hears of each hop.
pub fn run(load: &Load, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let install = Install::sample(V4)?;
    install.start()?;
    let back = install.scratch().join("back.relup");
    fs_err::write(&back, BACK)?;
    let sample = Sample::find()?;
    let options = Options {
        clients: load.clients,
        interval: load.interval,
        ..Options::on_port(install.mqtt_port())
    };
    let swarm = Swarm::start(&options, PATIENCE)?;
    tell(&format!("{} clients are connected", load.clients));
    swarm.begin(AT_REST);
    std::thread::sleep(REST);
    swarm.begin(HOPS);
    let mut took = Vec::new();
    for hop in 0..load.hops {
        let (from, to, relup) = if hop % 2 == 0 {
            (V4, V5, None)
        } else {
            (V5, V4, Some(&back))
        };
        took.push(upgrade(&install, sample.tarball(to)?, relup)?);
        if node::version(&install)? != to {
            return Err(Error::Unexpected(format!("{to} does not run")));
        }
        let seconds = took.last().map_or(0.0, Duration::as_secs_f64);
        tell(&format!("{from} -> {to}: {seconds:.1} s"));
    }
    let connected = node::eval(&install, "emqx_cm:count()")?;
    let figures = swarm.finish(PATIENCE)?;
    let of = |phase: &str| {
        let found = figures.iter().find(|figures| figures.phase == phase);
        found
            .cloned()
            .ok_or_else(|| Error::Unexpected(format!("no phase {phase}")))
    };
    Ok(Outcome {
        at_rest: of(AT_REST)?,
        hops: of(HOPS)?,
        took,
        connected,
    })
}

fn upgrade(install: &Install, tarball: PathBuf, relup: Option<&PathBuf>) -> Result<Duration> {
    let mut command = install.emqx_command(&["relup", "upgrade"]);
    command.arg(tarball);
    if let Some(relup) = relup {
        command.arg("--relup").arg(relup);
    }
    let begun = Instant::now();
    crate::process::run(&mut command, HANG)?
        .success()?
        .says("upgrade complete")?;
    Ok(begun.elapsed())
}
