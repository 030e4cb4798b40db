//! The questions to a booting node: whether it answers, which process it is, whether it is ready.

use shims::command::os_pid;
use shims::dist::{CallOptions, CallOutcome, Connection, DistError, Target};
use shims::term::{self, Term};

use std::time::Duration;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The functions that tell of a complete boot, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Witness {
    /// `emqx_machine:is_ready/0`.
    MachineReady,
    /// `emqx:is_running/0`.
    BrokerRuns,
    /// `emqx:is_running/1` with the node's own name: all that releases before 5.0 have.
    BrokerRunsOn,
}

impl Witness {
    fn function(self) -> (&'static str, &'static str) {
        match self {
            Witness::MachineReady => ("emqx_machine", "is_ready"),
            Witness::BrokerRuns | Witness::BrokerRunsOn => ("emqx", "is_running"),
        }
    }

    fn arity(self) -> i64 {
        match self {
            Witness::MachineReady | Witness::BrokerRuns => 0,
            Witness::BrokerRunsOn => 1,
        }
    }
}

/// A connection to a booting node, kept for all questions.
#[derive(Debug)]
pub struct Probe {
    connection: Connection,
    limit: Duration,
    /// The process that answers.
    pub pid: i32,
    /// Who tells that the boot is complete, once the node has been asked.
    witness: Option<Witness>,
}

impl Probe {
    /// Connects and asks who answers.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn connect(target: &Target) -> Result<Probe, DistError> {
        Probe::connect_within(target, TIMEOUT)
    }

    /// The same with another limit for each question.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn connect_within(target: &Target, limit: Duration) -> Result<Probe, DistError> {
        let mut connection = Connection::connect(target, limit)?;
        let pid = os_pid(&mut connection, limit)?;
        Ok(Probe {
            connection,
            limit,
            pid: i32::try_from(pid).unwrap_or_default(),
            witness: None,
        })
    }

    /// Asks whether the boot is complete.
    ///
    /// # Errors
    /// The connection cannot be used any more.
    pub fn is_ready(&mut self) -> Result<bool, Lost> {
        let witness = match self.witness {
            Some(witness) => witness,
            None => match self.find_witness()? {
                Some(found) => *self.witness.insert(found),
                None => return Ok(false),
            },
        };
        let args = match witness {
            Witness::MachineReady | Witness::BrokerRuns => Vec::new(),
            Witness::BrokerRunsOn => match self.ask(("erlang", "node"), Vec::new())? {
                Some(node) => vec![node],
                None => return Ok(false),
            },
        };
        Ok(self.ask(witness.function(), args)? == Some(term::atom("true")))
    }

    /// Releases without `emqx_machine:is_ready/0` tell only whether the broker itself runs, which
    /// is true a little earlier: it must not stand in for an `is_ready` that merely cannot answer
    /// yet.
    fn find_witness(&mut self) -> Result<Option<Witness>, Lost> {
        for witness in [
            Witness::MachineReady,
            Witness::BrokerRuns,
            Witness::BrokerRunsOn,
        ] {
            let (module, function) = witness.function();
            let module = || term::atom(module);
            // A node that loads its code on demand exports nothing before.
            let loaded = self.ask(("code", "ensure_loaded"), vec![module()])?;
            if loaded.is_none() {
                return Ok(None);
            }
            let arity = term::int(witness.arity());
            let function = vec![module(), term::atom(function), arity];
            match self.ask(("erlang", "function_exported"), function)? {
                None => return Ok(None),
                Some(answer) if answer == term::atom("true") => return Ok(Some(witness)),
                Some(_) => {}
            }
        }
        Ok(Some(Witness::BrokerRuns))
    }

    /// A call's value; `None` where it failed on the node.
    fn ask(
        &mut self,
        (module, function): (&str, &str),
        args: Vec<Term>,
    ) -> Result<Option<Term>, Lost> {
        let options = CallOptions {
            timeout: Some(self.limit),
            console: None,
        };
        match self.connection.call(module, function, args, options) {
            Ok(CallOutcome::Return(value)) => Ok(Some(value)),
            Ok(CallOutcome::NodeDown) => Err(Lost("the node closed the connection".to_owned())),
            Err(error) => Err(Lost(error.to_string())),
            Ok(
                CallOutcome::Throw(_)
                | CallOutcome::Exit(_)
                | CallOutcome::Error(_)
                | CallOutcome::Timeout,
            ) => Ok(None),
        }
    }
}

/// Why a connection cannot be used any more.
#[derive(Debug)]
pub struct Lost(pub String);
