//! The running node as the relup commands need it: their one trait, over the native client. Hops
//! that are expressions are evaluated by the running node, or by the release's own VM when there
//! is none.

mod handled;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use relup::node::{
    ApplyDone, ApplyEvent, ApplyFailure, ApplyRequest, ClusterNode, HopScript, HopSummary,
    NodeFacts, Proof,
};
use relup_cmd::{Node, NodeError, PluginLogRow};
use shims::agent::{self, AgentError};
use shims::cluster;
use shims::command as node;
use shims::dist::{CallOptions, CallOutcome, Connection, DistError};
use shims::release_handler::RunningSettings;
use shims::term::{self, Term};

use crate::error::Error;
use crate::host::environment::Environment;
use crate::host::process::user_of;
use crate::node::in_use;
use crate::node::target::Contact;
use crate::release::Release;
use crate::small_vm::plan_small_vm;

/// How long a question to the node may take that it answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long each node of a cluster may take for an answer.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(5);

/// Evaluates hop files named on the command line and prints a line for each.
const EVALUATE: &str = "\
    lists:foreach(fun(File) -> \
        Answer = try file:script(File) of \
            {ok, #{from_version := F, target_version := T}} -> io_lib:format(\"ok\\t~ts\\t~ts\", [F, T]); \
            {ok, _} -> \"error\\tno map with from_version and target_version\"; \
            {error, Reason} -> [\"error\\t\", file:format_error(Reason)] \
        catch _:Reason -> io_lib:format(\"error\\t~0tp\", [Reason]) end, \
        io:format(\"~ts~n\", [string:replace(Answer, \"\\n\", \" \", all)]) \
    end, init:get_plain_arguments()), erlang:halt(0).";

/// A node that may or may not be running; connected to at the first question.
pub struct RelupNode<'a> {
    release: &'a Release,
    env: &'a Environment,
    connection: Option<(Contact, Connection)>,
    /// What is to be put back once another release is installed.
    settings: Option<RunningSettings>,
}

impl<'a> RelupNode<'a> {
    /// A node that nothing has been asked yet.
    pub fn new(release: &'a Release, env: &'a Environment) -> RelupNode<'a> {
        RelupNode {
            release,
            env,
            connection: None,
            settings: None,
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, NodeError> {
        // A node cuts off who is silent for a minute or two, as this command is while it stages.
        let usable = self
            .connection
            .as_mut()
            .is_some_and(|(_, connection)| connection.is_alive());
        if !usable {
            let contact = Contact::find(self.release, self.env).map_err(|error| match error {
                Error::NamedNodeNotRunning { .. } => NodeError::NotRunning(error.to_string()),
                other => NodeError::Unreachable(other.to_string()),
            })?;
            let connection = contact.connect().map_err(|error| {
                let text = match error.hints().first() {
                    Some(reason) => format!("{error} {reason}"),
                    None => error.to_string(),
                };
                if contact.process.is_some() {
                    NodeError::Unreachable(text)
                } else {
                    NodeError::NotRunning(text)
                }
            })?;
            self.connection = Some((contact, connection));
        }
        match &mut self.connection {
            Some((_, connection)) => Ok(connection),
            None => Err(NodeError::NotRunning("no connection".into())),
        }
    }

    fn ask(&mut self, module: &str, function: &str, args: Vec<Term>) -> Result<Term, NodeError> {
        let options = CallOptions {
            timeout: Some(ANSWER_TIMEOUT),
            console: None,
        };
        match self
            .connection()?
            .call(module, function, args, options)
            .map_err(|error| lost(&error))?
        {
            CallOutcome::Return(value) => Ok(value),
            CallOutcome::NodeDown => Err(NodeError::Lost("the node went away".into())),
            CallOutcome::Timeout => Err(NodeError::Rpc(format!(
                "{module}:{function} gave no answer within {} s",
                ANSWER_TIMEOUT.as_secs()
            ))),
            CallOutcome::Throw(reason) | CallOutcome::Exit(reason) | CallOutcome::Error(reason) => {
                Err(NodeError::Rpc(format!(
                    "{module}:{function} failed: {reason}"
                )))
            }
        }
    }

    fn ask_text(&mut self, module: &str, function: &str) -> Result<String, NodeError> {
        let value = self.ask(module, function, Vec::new())?;
        term::as_text(&value)
            .ok_or_else(|| NodeError::Rpc(format!("{module}:{function} gave {value}, not a text")))
    }

    /// The directories that the node loads code from.
    fn code_path(&mut self) -> Result<Vec<PathBuf>, NodeError> {
        let dirs = self.ask("code", "get_path", Vec::new())?;
        let root = PathBuf::from(self.ask_text("code", "root_dir")?);
        let dirs = term::as_list(&dirs)
            .ok_or_else(|| NodeError::Rpc(format!("code:get_path gave {dirs}")))?;
        let dirs = dirs.iter().filter_map(term::as_text).map(PathBuf::from);
        Ok(dirs.chain([root]).collect())
    }

    /// Without a node: the release's own VM reads the files, which are written for it.
    fn evaluate_offline(
        &self,
        scripts: &[HopScript],
    ) -> Result<Vec<Result<HopSummary, String>>, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::Rpc(error.to_string());
        let dir = tempfile::tempdir().map_err(|error| failed(&error))?;
        let env = self.release.child_environment(self.env);
        let mut spec = plan_small_vm(self.release, &env, EVALUATE);
        spec.args.push("-extra".into());
        for (number, script) in scripts.iter().enumerate() {
            let path = dir.path().join(format!("{number}.relup"));
            fs_err::write(&path, &script.source).map_err(|error| failed(&error))?;
            spec.args.push(path.into());
        }
        let mut command = spec.command().map_err(|error| failed(&error))?;
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(&error))?;
        let answers = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<_> = answers.lines().filter_map(summary_of_line).collect();
        if answers.len() == scripts.len() {
            return Ok(answers);
        }
        Err(NodeError::Rpc(format!(
            "the release's VM could not evaluate the hop files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }
}

impl Node for RelupNode<'_> {
    fn facts(&mut self) -> Result<NodeFacts, NodeError> {
        let release = self.ask("erlang", "system_info", vec![term::atom("otp_release")])?;
        let mnesia_hook = self.ask("code", "which", vec![term::atom("mnesia_hook")])?;
        let os_pid =
            node::os_pid(self.connection()?, ANSWER_TIMEOUT).map_err(|error| lost(&error))?;
        Ok(NodeFacts {
            running_vsn: self.ask_text("emqx_release", "version")?,
            root_dir: PathBuf::from(self.ask_text("code", "root_dir")?),
            // Relative to the node's working directory, which is the base.
            data_dir: self
                .ask_text("emqx", "data_dir")
                .ok()
                .map(|dir| self.release.install.base.path().join(dir)),
            os_pid,
            otp_release: term::as_text(&release).unwrap_or_default(),
            mnesia_hook: term::as_atom(&mnesia_hook) != Some("non_existing"),
            description: self.release.description.clone(),
        })
    }

    fn evaluate_hops(
        &mut self,
        scripts: &[HopScript],
    ) -> Result<Vec<Result<HopSummary, String>>, NodeError> {
        match self.connection() {
            Ok(connection) => agent::evaluate_hops(connection, scripts).map_err(agent_error),
            Err(NodeError::NotRunning(_)) => self.evaluate_offline(scripts),
            Err(error) => Err(error),
        }
    }

    fn hop_value(&mut self, script: &HopScript) -> Result<Result<String, String>, NodeError> {
        agent::hop_value(self.connection()?, script).map_err(agent_error)
    }

    fn running_attempt(&mut self) -> Result<Option<String>, NodeError> {
        agent::running_attempt(self.connection()?).map_err(agent_error)
    }

    fn abandoned_attempt(&mut self) -> Result<Option<String>, NodeError> {
        agent::abandoned_attempt(self.connection()?).map_err(agent_error)
    }

    fn trees_in_use(&mut self) -> Result<Vec<PathBuf>, NodeError> {
        let found = in_use::observe(self.release);
        if let Some(pid) = found.booting {
            return Err(NodeError::Unreachable(format!(
                "process {pid} is booting a node; what it boots from is not known yet"
            )));
        }
        if let Some(pid) = found.stranger {
            return Err(NodeError::Unreachable(format!(
                "process {pid} is a node of another base that this program serves; what it loads code from is not known"
            )));
        }
        let mut dirs = found.roots;
        for node in &found.nodes {
            let mut env = self.env.clone();
            env.set("EMQX_NODE__NAME", &node.name);
            dirs.extend(RelupNode::new(self.release, &env).code_path()?);
        }
        if found.nodes.is_empty() {
            match self.code_path() {
                Ok(path) => dirs.extend(path),
                Err(NodeError::NotRunning(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(dirs)
    }

    fn uid(&mut self) -> Option<u32> {
        self.connection().ok()?;
        let (contact, _) = self.connection.as_ref()?;
        contact
            .process
            .as_ref()
            .and_then(|process| user_of(process.pid))
    }

    fn apply(
        &mut self,
        request: &ApplyRequest,
        progress: &mut dyn FnMut(ApplyEvent),
    ) -> Result<Result<ApplyDone, ApplyFailure>, NodeError> {
        agent::apply(self.connection()?, request, progress).map_err(agent_error)
    }

    fn cluster(&mut self) -> Result<Vec<ClusterNode>, NodeError> {
        cluster::look_around(self.connection()?, CLUSTER_TIMEOUT).map_err(|error| lost(&error))
    }

    fn prove(&mut self, request: &ApplyRequest) -> Result<Result<Proof, ApplyFailure>, NodeError> {
        agent::prove(self.connection()?, request).map_err(agent_error)
    }

    fn plugin_logs(&mut self) -> Result<Vec<PluginLogRow>, NodeError> {
        let table = term::atom("emqx_relup_log");
        let exists = self.ask("ets", "whereis", vec![table.clone()])?;
        if term::as_atom(&exists) == Some("undefined") {
            return Ok(Vec::new());
        }
        let rows = self.ask("ets", "tab2list", vec![table])?;
        let mut rows = term::as_list(&rows)
            .unwrap_or_default()
            .iter()
            .filter_map(|row| self.plugin_row(row))
            .collect::<Vec<_>>();
        rows.sort_by_key(|row| row.started_at_ms);
        Ok(rows)
    }

    fn clear_plugin_logs(&mut self) -> Result<(), NodeError> {
        let table = term::atom("emqx_relup_log");
        let exists = self.ask("ets", "whereis", vec![table.clone()])?;
        if term::as_atom(&exists) == Some("undefined") {
            return Ok(());
        }
        self.ask("mnesia", "clear_table", vec![table]).map(drop)
    }
}

impl RelupNode<'_> {
    /// A record `{emqx_relup_log, started_at, finished_at, from_vsn, target_vsn, upgrade_opts,
    /// status, result, extra}` of the upstream plugin.
    fn plugin_row(&mut self, row: &Term) -> Option<PluginLogRow> {
        let [_, started, finished, from, target, _, status, result, ..] = term::as_tuple(row)?
        else {
            return None;
        };
        let result_text = match self.connection() {
            Ok(connection) => {
                node::format_term(connection, result, ANSWER_TIMEOUT).unwrap_or_default()
            }
            Err(_) => String::new(),
        };
        Some(PluginLogRow {
            started_at_ms: term::as_int(started)?,
            finished_at_ms: term::as_int(finished),
            from: term::as_text(from).unwrap_or_default(),
            to: term::as_text(target).unwrap_or_default(),
            status: term::as_text(status).unwrap_or_default(),
            result: if result_text == "undefined" {
                String::new()
            } else {
                result_text
            },
        })
    }
}

fn summary_of_line(line: &str) -> Option<Result<HopSummary, String>> {
    let mut fields = line.split('\t');
    match (fields.next()?, fields.next()?, fields.next()) {
        ("ok", from, Some(to)) => Some(Ok(HopSummary {
            from: from.into(),
            to: to.into(),
        })),
        ("error", reason, None) => Some(Err(reason.to_owned())),
        _ => None,
    }
}

fn lost(error: &DistError) -> NodeError {
    NodeError::Lost(error.to_string())
}

fn agent_error(error: AgentError) -> NodeError {
    match error {
        AgentError::Dist(error) => lost(&error),
        AgentError::Lost { .. } => NodeError::Lost(error.to_string()),
        AgentError::Load(_) | AgentError::Locked(_) | AgentError::Answer(_) => {
            NodeError::Rpc(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_release_vm_are_told_from_its_noise() {
        let ok = |from: &str, to: &str| {
            Some(Ok(HopSummary {
                from: from.into(),
                to: to.into(),
            }))
        };
        assert_eq!(
            summary_of_line("ok\t5.10.4\t5.10.5"),
            ok("5.10.4", "5.10.5")
        );
        assert_eq!(summary_of_line("error\tno map"), Some(Err("no map".into())));
        assert_eq!(summary_of_line("=ERROR REPORT===="), None);
    }
}
