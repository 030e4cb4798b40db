//! A node that is a value: it answers what it was told to, and remembers what it was asked.

use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::journal::{Action, AttemptResult, By, Record, Step};
use relup::node::{
    ApplyDone, ApplyEvent, ApplyFailure, ApplyRequest, ClusterNode, HopScript, HopSummary,
    NodeFacts, Proof,
};

use crate::node::{Node, NodeError, PluginLogRow};

/// The node, with all its answers.
pub(crate) struct FakeNode {
    pub(crate) facts: Result<NodeFacts, NodeError>,
    pub(crate) attempt: Result<Option<String>, NodeError>,
    /// What `attempt` becomes once an apply was asked for.
    pub(crate) attempt_after_apply: Option<Result<Option<String>, NodeError>>,
    /// Whether the attempt ends, and is undone, as soon as the node was asked for its facts.
    pub(crate) is_at_its_end: bool,
    /// The attempt in whose middle it stopped.
    pub(crate) abandoned: Option<String>,
    /// Where it loads code from, besides the tree that it was booted from.
    pub(crate) code_path: Vec<PathBuf>,
    /// The user it runs as.
    pub(crate) uid: Option<u32>,
    /// What an expression file evaluates to, by a part of its source.
    pub(crate) hops: Vec<(&'static str, Result<HopSummary, String>)>,
    /// Why nothing can be evaluated at all.
    pub(crate) evaluation_fails: Option<NodeError>,
    pub(crate) outcome: Outcome,
    pub(crate) plugin_rows: Vec<PluginLogRow>,
    /// The nodes of its cluster.
    pub(crate) cluster: Vec<ClusterNode>,
    /// What a proof comes to.
    pub(crate) proof: Result<Result<Proof, ApplyFailure>, NodeError>,
    /// The request of every proof.
    pub(crate) proofs: Vec<ApplyRequest>,
    /// The request of every apply.
    pub(crate) requests: Vec<ApplyRequest>,
    /// How many files were given to it to evaluate.
    pub(crate) evaluated: usize,
    /// Called when hops are to be evaluated.
    pub(crate) evaluating: Box<dyn FnMut()>,
    /// Called while an apply goes on.
    pub(crate) meanwhile: Box<dyn FnMut(&ApplyRequest)>,
}

/// How an apply ends.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// Everything is done, marker and journal written by the node.
    Done,
    /// Success is reported, but no marker was written.
    DoneWithoutMarker,
    /// The node refuses or fails; whether it records that itself.
    Failed(ApplyFailure, bool),
    /// The node can't be asked, or is lost.
    Error(NodeError),
}

impl FakeNode {
    /// A node that runs `vsn`, booted from `root`.
    pub(crate) fn running(vsn: &str, root: &Path) -> FakeNode {
        FakeNode {
            facts: Ok(NodeFacts {
                running_vsn: vsn.to_owned(),
                root_dir: root.to_owned(),
                data_dir: None,
                os_pid: std::process::id(),
                otp_release: "25".to_owned(),
                mnesia_hook: false,
                description: "EMQX Enterprise".to_owned(),
            }),
            attempt: Ok(None),
            attempt_after_apply: None,
            is_at_its_end: false,
            abandoned: None,
            code_path: Vec::new(),
            uid: Some(nix::unistd::geteuid().as_raw()),
            hops: Vec::new(),
            evaluation_fails: None,
            outcome: Outcome::Done,
            plugin_rows: Vec::new(),
            cluster: Vec::new(),
            proof: Ok(Ok(Proof::default())),
            proofs: Vec::new(),
            requests: Vec::new(),
            evaluated: 0,
            evaluating: Box::new(|| {}),
            meanwhile: Box::new(|_| {}),
        }
    }

    /// No node at all.
    pub(crate) fn down() -> FakeNode {
        let mut node = FakeNode::running("5.10.4", Path::new("/"));
        let down = NodeError::NotRunning("Node emqx@127.0.0.1 is not running?".to_owned());
        node.facts = Err(down.clone());
        node.attempt = Err(down);
        node
    }

    /// Changes what the node says about itself.
    pub(crate) fn saying(mut self, change: impl FnOnce(&mut NodeFacts)) -> FakeNode {
        if let Ok(facts) = &mut self.facts {
            change(facts);
        }
        self
    }

    /// With another end of an apply.
    pub(crate) fn ending(mut self, outcome: Outcome) -> FakeNode {
        self.outcome = outcome;
        self
    }

    /// A failure in this state.
    pub(crate) fn failing(self, name: &str, changed: bool, restored: bool) -> FakeNode {
        let failure = ApplyFailure {
            name: name.to_owned(),
            stage: if changed { "apply" } else { "plan" }.to_owned(),
            detail: "emqx_x".to_owned(),
            changed,
            restored,
        };
        self.ending(Outcome::Failed(failure, true))
    }
}

impl Node for FakeNode {
    fn facts(&mut self) -> Result<NodeFacts, NodeError> {
        if self.is_at_its_end {
            self.attempt = Ok(None);
        }
        self.facts.clone()
    }

    fn evaluate_hops(
        &mut self,
        scripts: &[HopScript],
    ) -> Result<Vec<Result<HopSummary, String>>, NodeError> {
        self.evaluated += scripts.len();
        (self.evaluating)();
        if let Some(error) = &self.evaluation_fails {
            return Err(error.clone());
        }
        let answer = |script: &HopScript| {
            let source = String::from_utf8_lossy(&script.source).into_owned();
            let known = self.hops.iter().find(|(part, _)| source.contains(part));
            known.map_or_else(
                || Err("no such variable".to_owned()),
                |(_, answer)| answer.clone(),
            )
        };
        Ok(scripts.iter().map(answer).collect())
    }

    fn hop_value(&mut self, script: &HopScript) -> Result<Result<String, String>, NodeError> {
        self.facts.as_ref().map_err(Clone::clone)?;
        Ok(Err(format!("{}: no such variable", script.file)))
    }

    fn running_attempt(&mut self) -> Result<Option<String>, NodeError> {
        self.attempt.clone()
    }

    fn abandoned_attempt(&mut self) -> Result<Option<String>, NodeError> {
        Ok(self.abandoned.clone())
    }

    fn trees_in_use(&mut self) -> Result<Vec<PathBuf>, NodeError> {
        match &self.facts {
            Ok(facts) => {
                let root = facts.root_dir.clone();
                Ok([vec![root], self.code_path.clone()].concat())
            }
            Err(NodeError::NotRunning(_)) => Ok(Vec::new()),
            Err(error) => Err(error.clone()),
        }
    }

    fn uid(&mut self) -> Option<u32> {
        self.uid
    }

    fn apply(
        &mut self,
        request: &ApplyRequest,
        progress: &mut dyn FnMut(ApplyEvent),
    ) -> Result<Result<ApplyDone, ApplyFailure>, NodeError> {
        self.requests.push(request.clone());
        (self.meanwhile)(request);
        if let Some(attempt) = self.attempt_after_apply.take() {
            self.attempt = attempt;
        }
        let step = "code_changed".to_owned();
        match self.outcome.clone() {
            Outcome::Done => {
                progress(ApplyEvent::Step {
                    step,
                    detail: "3 modules".to_owned(),
                });
                fs::write(&request.marker, format!("{}\n", request.to)).expect("written");
                if let Ok(facts) = &mut self.facts {
                    facts.running_vsn.clone_from(&request.to);
                }
                record(request, Step::MarkerWritten, None);
                record(request, Step::Finished, Some(AttemptResult::Success));
                Ok(Ok(ApplyDone {
                    version: request.to.clone(),
                    loaded: 3,
                    warnings: vec!["a process was slow".to_owned()],
                    stages_us: vec![("plan".to_owned(), 7)],
                    ..ApplyDone::default()
                }))
            }
            Outcome::DoneWithoutMarker => Ok(Ok(ApplyDone::default())),
            Outcome::Failed(failure, recorded) => {
                if recorded {
                    let name = failure.name.clone();
                    let result = AttemptResult::Error {
                        name,
                        detail: failure.detail.clone(),
                    };
                    record(request, Step::Finished, Some(result));
                }
                Ok(Err(failure))
            }
            Outcome::Error(error) => Err(error),
        }
    }

    fn cluster(&mut self) -> Result<Vec<ClusterNode>, NodeError> {
        self.facts.clone().map(|_| self.cluster.clone())
    }

    fn prove(&mut self, request: &ApplyRequest) -> Result<Result<Proof, ApplyFailure>, NodeError> {
        self.proofs.push(request.clone());
        (self.meanwhile)(request);
        self.proof.clone()
    }

    fn plugin_logs(&mut self) -> Result<Vec<PluginLogRow>, NodeError> {
        self.facts.clone().map(|_| self.plugin_rows.clone())
    }

    fn clear_plugin_logs(&mut self) -> Result<(), NodeError> {
        self.plugin_rows.clear();
        self.facts.clone().map(drop)
    }
}

/// What the agent writes into the journal.
pub(crate) fn record(request: &ApplyRequest, step: Step, result: Option<AttemptResult>) {
    let record = Record {
        at: "2026-01-02T03:04:05.678Z".to_owned(),
        attempt: request.attempt.clone(),
        action: Action::Upgrade,
        step,
        by: By::Node,
        from: Some(request.from.clone()),
        to: Some(request.to.clone()),
        result,
        detail: None,
    };
    crate::durable::append(&request.journal, record.to_line().as_bytes()).expect("appended");
}
