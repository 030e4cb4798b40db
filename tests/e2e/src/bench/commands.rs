//! `emqx ping`, `emqx ctl` and `emqx eval` against the release's own nodetool and `erl_call`.
//!
//! The nodetool is called as the shell script of old calls it, minus that script's own work, which
//! took longer still. `erl_call` is a C program of OTP that does the same over the same protocol;
//! it is told the port, since these nodes have no epmd.

use super::measure::{Contender, take_turns, time};
use super::report::{Goal, Report};
use crate::error::{Error, Result};
use crate::install::Install;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const ROUNDS: usize = 200;
/// The nodetool takes part in every such round only: it is some hundred times slower.
const NODETOOL_EVERY: usize = 10;

/// One question, in the three ways of asking it.
struct Question {
    name: &'static str,
    emqx: &'static [&'static str],
    nodetool: &'static [&'static str],
    erl_call: &'static [&'static str],
    /// What `erl_call` reads from its standard input.
    script: Option<&'static str>,
}

const QUESTIONS: [Question; 3] = [
    Question {
        name: "ping",
        emqx: &["ping"],
        nodetool: &["ping"],
        erl_call: &["-a", "erlang node"],
        script: None,
    },
    Question {
        name: "ctl status",
        emqx: &["ctl", "status"],
        nodetool: &["rpc_infinity", "emqx_ctl", "run_command", "status"],
        // The output has to come to the caller, as it does with the other two.
        erl_call: &[
            "-fetch_stdout",
            "-no_result_term",
            "-a",
            "emqx_ctl run_command [[\"status\"]]",
        ],
        script: None,
    },
    Question {
        name: "eval 1+1",
        emqx: &["eval", "1+1"],
        nodetool: &["eval", "1+1"],
        erl_call: &["-e"],
        script: Some("1+1.\n"),
    },
];

/// Measures all three commands on a running node.
pub fn commands(install: &Install, report: &mut Report) -> Result<()> {
    let node = Node::of(install)?;
    let mut rows = Vec::new();
    for question in QUESTIONS {
        let medians = ask(install, &node, &question)?;
        let of = |name: &str| {
            medians
                .iter()
                .find(|(one, _)| *one == name)
                .map(|(_, time)| *time)
        };
        let emqx = of("emqx").unwrap_or_default();
        let cell = |time: Option<Duration>| {
            time.map_or_else(
                || "not installed".to_owned(),
                |time| format!("{:.2} ms", millis(time)),
            )
        };
        let ratio = |other: &str| of(other).map(|time| time.as_secs_f64() / emqx.as_secs_f64());
        let share = ratio("erl_call").map(|ratio| 1.0 / ratio);
        rows.push(vec![
            question.name.to_owned(),
            cell(Some(emqx)),
            cell(of("nodetool")),
            ratio("nodetool").map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.0}x")),
            cell(of("erl_call")),
            share.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}x")),
        ]);
        let name = question.name;
        let goals = [
            (
                format!("emqx {name}, median"),
                Some(millis(emqx)),
                5.0,
                false,
                "ms",
            ),
            (
                format!("emqx {name}, faster than nodetool"),
                ratio("nodetool"),
                100.0,
                true,
                "x",
            ),
            (
                format!("emqx {name}, time of erl_call"),
                share,
                1.3,
                false,
                "x",
            ),
        ];
        for (name, measured, bound, at_least, unit) in goals {
            if let Some(measured) = measured {
                report.goal(Goal {
                    name,
                    measured,
                    bound,
                    at_least,
                    unit,
                });
            }
        }
        let figures = medians
            .iter()
            .map(|(name, time)| ((*name).to_owned(), json!(millis(*time))));
        let figures: serde_json::Map<_, _> = figures.collect();
        report.figures(&format!("{name}_median_ms"), figures.into());
    }
    let columns = [
        "command",
        "emqx",
        "nodetool",
        "faster by",
        "erl_call",
        "emqx / erl_call",
    ];
    report.table(
        "commands",
        "One command on a running node, median",
        &columns,
        &rows,
    );
    Ok(())
}

fn ask(
    install: &Install,
    node: &Node,
    question: &Question,
) -> Result<Vec<(&'static str, Duration)>> {
    let script = question.script.map(|text| node.script(text)).transpose()?;
    let emqx = || install.emqx_command(question.emqx);
    let nodetool = || node.nodetool(install, question.nodetool);
    let mut contenders = vec![
        Contender {
            name: "emqx",
            every: 1,
            run: Box::new(|| time(emqx().stdin(Stdio::null()))),
        },
        Contender {
            name: "nodetool",
            every: NODETOOL_EVERY,
            run: Box::new(|| time(nodetool().stdin(Stdio::null()))),
        },
    ];
    if let Some(program) = &node.erl_call {
        let erl_call = || -> Result<Command> {
            let mut command = node.erl_call(program);
            command.args(question.erl_call);
            match &script {
                Some(path) => command.stdin(fs_err::File::open(path)?.into_parts().0),
                None => command.stdin(Stdio::null()),
            };
            Ok(command)
        };
        contenders.push(Contender {
            name: "erl_call",
            every: 1,
            run: Box::new(move || time(&mut erl_call()?)),
        });
    }
    // Caches are warm for everybody, and what fails does so before the long run.
    for contender in &mut contenders {
        (contender.run)()?;
    }
    take_turns(&mut contenders, ROUNDS)
}

/// How to reach the node the old ways.
struct Node {
    name: String,
    port: u16,
    cookie: String,
    erts: PathBuf,
    erl_call: Option<PathBuf>,
    scratch: PathBuf,
}

impl Node {
    fn of(install: &Install) -> Result<Self> {
        let erts = fs_err::read_dir(install.root())?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.join("bin/escript").exists())
            .ok_or_else(|| Error::Unexpected("the release has no erts-*/bin/escript".to_owned()))?;
        Ok(Self {
            name: install.node_name(),
            port: install.slot().dist_port(0),
            cookie: crate::node::eval_text(install, "atom_to_list(erlang:get_cookie())")?,
            erts,
            erl_call: which::which("erl_call").ok(),
            scratch: install.scratch().to_path_buf(),
        })
    }

    /// The nodetool with the flags and variables that the shell script gives it.
    fn nodetool(&self, install: &Install, args: &[&str]) -> Command {
        let flags = format!(
            " -start_epmd false -epmd_module ekka_epmd -proto_dist ekka -setcookie {} \
             +P 65536 +Q 65536 +S 2",
            self.cookie
        );
        let mut command = install.command(self.erts.join("bin/escript"));
        command
            .env("ERL_FLAGS", flags)
            .env("RUNNER_ROOT_DIR", install.root())
            .env("ROOTDIR", install.root())
            .env("ERTS_DIR", &self.erts)
            .env("BINDIR", self.erts.join("bin"))
            .env("ERTS_LIB_DIR", install.path("lib"))
            .env("EMU", "beam")
            .env("PROGNAME", "erl")
            .env("REL_VSN", crate::sample::V4)
            .arg(install.path("bin/nodetool"))
            .args(["-name", &self.name])
            .args(args);
        command
    }

    fn erl_call(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let address = format!("127.0.0.1:{}", self.port);
        command.args([
            "-r",
            "-address",
            &address,
            "-c",
            &self.cookie,
            "-timeout",
            "60",
        ]);
        command
    }

    fn script(&self, text: &str) -> Result<PathBuf> {
        let path = self.scratch.join("expression");
        fs_err::write(&path, text)?;
        Ok(path)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
