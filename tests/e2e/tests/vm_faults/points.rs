//! The crash points A1 to A13 of an apply, each in five ways: the command is killed, the VM is killed,
//! the connection is cut, and either of the two is stopped for longer than the tick time.
//!
//! Every test has the name of its point. `make test` tries one way each, in turn; `make crash` all.

use super::is_full;
use super::scene::Scene;
use super::trial::{Trial, Way};
use e2e::relay::How;
use std::path::PathBuf;

const LOADS: [&str; 4] = [
    "{load_module, emqx_release}",
    "{load_module, emqx_topic}",
    "{load_module, emqx_mgmt_topics}",
    "{load_module, emqx_mgmt_app}",
];
const STATS: &str = "{update, emqx_stats, {advanced, []}}";
const CONNECTION: &str = "{update, emqx_connection, {advanced, []}}";
const DASHBOARD: &str = "{restart_application, emqx_dashboard}";

/// Where the attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// A1: the lock is held, and the node has heard nothing of it.
    BeforeConnecting,
    /// A2: the journal says that the attempt has begun, and the node does not know it.
    AfterIntent,
    /// A3: the directories of the target are in the code path.
    CodePath,
    /// A4: everything is proven and prepared.
    Prepared,
    /// A5: all connections are suspended.
    Suspended,
    /// A6: so many of the loads are done.
    Loaded(usize),
    /// A7: a process is about to fail in its `code_change`.
    Raises,
    /// A8: the processes of one module work on, those of the next are still to come.
    PartlyResumed,
    /// A9: the dashboard is stopped and not yet started.
    Stopped,
    /// A10: all code is new, and the journal does not say so.
    CodeDone,
    /// A11: in this callback of three.
    Callback(usize),
    /// A12: a callback is about to fail.
    CallbackRaises,
    /// A13: all callbacks are done, and the journal does not say so.
    CallbacksDone,
}

/// What becomes of an attempt that the node goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The node never heard of it, or is asked once more by the command that goes on.
    NotBegun,
    Done,
    Undone,
    /// Done, unless it takes longer than a process may take.
    InTime,
    /// The new code stays and the marker is not written, as callbacks that fail have it.
    CallbackFailed,
}

impl Point {
    /// How it ends when nobody kills the VM.
    pub(super) fn end(self) -> End {
        match self {
            Point::BeforeConnecting | Point::AfterIntent => End::NotBegun,
            Point::Raises => End::Undone,
            Point::Suspended => End::InTime,
            Point::CallbackRaises => End::CallbackFailed,
            _ => End::Done,
        }
    }

    /// Which record the node is about to write there.
    pub(super) fn record(self) -> Option<u32> {
        match self {
            Point::Prepared => Some(1),
            Point::CodeDone => Some(2),
            Point::CallbacksDone => Some(3),
            _ => None,
        }
    }

    /// A target and a hop that wait at the point.
    pub(super) fn arrange(self, scene: &mut Scene) -> e2e::Result<PathBuf> {
        let gate = scene.gate_instruction();
        let loads = LOADS.join(", ");
        let all = format!("{loads}, {STATS}, {CONNECTION}, {DASHBOARD}");
        let callbacks = |waits: usize| {
            let names = (0..3).map(|nth| if nth == waits { "gate" } else { "fine" });
            names.collect::<Vec<_>>().join(", ")
        };
        match self {
            Point::CodePath => scene.hop(&format!("{gate}, {all}"), ""),
            Point::Loaded(count) => {
                let (before, after) = LOADS.split_at(count);
                let split = [before, &[gate.as_str()], after].concat().join(", ");
                scene.hop(&format!("{split}, {STATS}, {CONNECTION}"), "")
            }
            Point::PartlyResumed => {
                scene.hop(&format!("{loads}, {STATS}, {gate}, {CONNECTION}"), "")
            }
            Point::Suspended => {
                scene.wait_in_code_change("")?;
                scene.hop(&all, "")
            }
            Point::Raises => {
                scene.wait_in_code_change("error(boom),")?;
                scene.hop(&all, "")
            }
            Point::Stopped => {
                scene.wait_in_dashboard()?;
                scene.hop(&all, "")
            }
            Point::Callback(nth) => scene.hop_with_callbacks(&all, &callbacks(nth)),
            Point::CallbackRaises => scene.hop_with_callbacks(&all, "fine, gate_boom, fine"),
            Point::CallbacksDone => scene.hop_with_callbacks(&all, "fine, fine"),
            Point::BeforeConnecting | Point::AfterIntent | Point::Prepared | Point::CodeDone => {
                scene.hop(&all, "")
            }
        }
    }
}

/// All ways at a point, or one of them, which is another one at each point.
fn try_at(point: Point, number: usize) -> e2e::Result<()> {
    let how = How::ALL[number % How::ALL.len()];
    let ways = [
        Way::VmKilled,
        Way::CommandStalled,
        Way::CommandKilled,
        Way::VmStalled,
        Way::Cut(how),
    ];
    let chosen = number % ways.len();
    for (nth, way) in ways.into_iter().enumerate() {
        if is_full() || nth == chosen {
            println!("{point:?}, {way:?}");
            Trial::at(point, way)?.happens()?;
        }
    }
    Ok(())
}

#[test]
fn a1_before_connecting() -> e2e::Result<()> {
    try_at(Point::BeforeConnecting, 0)
}

#[test]
fn a2_after_the_intent_record() -> e2e::Result<()> {
    try_at(Point::AfterIntent, 1)
}

#[test]
fn a3_code_path_added() -> e2e::Result<()> {
    try_at(Point::CodePath, 2)
}

#[test]
fn a4_prepared() -> e2e::Result<()> {
    try_at(Point::Prepared, 3)
}

#[test]
fn a5_suspended() -> e2e::Result<()> {
    try_at(Point::Suspended, 4)
}

#[test]
fn a6_after_load_k_of_n() -> e2e::Result<()> {
    (1..=LOADS.len()).try_for_each(|k| try_at(Point::Loaded(k), 5 + k))
}

#[test]
fn a7_code_change_raised() -> e2e::Result<()> {
    try_at(Point::Raises, 7)
}

#[test]
fn a8_partly_resumed() -> e2e::Result<()> {
    try_at(Point::PartlyResumed, 8)
}

#[test]
fn a9_application_stopped_not_started() -> e2e::Result<()> {
    try_at(Point::Stopped, 9)
}

#[test]
fn a10_code_done() -> e2e::Result<()> {
    try_at(Point::CodeDone, 10)
}

#[test]
fn a11_in_callback_k() -> e2e::Result<()> {
    (0..3).try_for_each(|k| try_at(Point::Callback(k), 11 + k))
}

#[test]
fn a12_callback_raised() -> e2e::Result<()> {
    try_at(Point::CallbackRaises, 12)
}

#[test]
fn a13_callbacks_done_journal_not() -> e2e::Result<()> {
    try_at(Point::CallbacksDone, 13)
}
