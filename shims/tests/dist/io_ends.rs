//! The client as a group leader when somebody is slow, or gone: the reader, the typist, the node.

use crate::io::call;
use crate::support::{Node, Tape};
use shims::dist::CallOutcome;
use shims::term::{as_text, atom, list, string};
use std::time::{Duration, Instant};

#[test]
fn a_closed_output_does_not_stop_the_command() {
    let node = Node::start();
    let mut connection = node.connect();
    let tape = Tape {
        closes_after: Some(10),
        ..Tape::default()
    };
    let mut console = tape.console();
    let args = vec![list(vec![string("lines"), string("1000")])];
    let outcome = call(
        &mut connection,
        &mut console,
        ("emqx_ctl", "run_command"),
        args,
    );
    assert_eq!(outcome, CallOutcome::Return(atom("ok")));
    assert!(console.is_closed());
    assert_eq!(tape.shown().lines().count(), 10);
}

#[test]
fn a_slow_output_does_not_cost_the_connection() {
    let node = Node::start_with(&["-kernel", "net_ticktime", "4"]);
    let mut connection = node.connect();
    let tape = Tape {
        slowness: Duration::from_secs(7),
        ..Tape::default()
    };
    let args = vec![list(vec![string("echo"), string("slow")])];
    let outcome = call(
        &mut connection,
        &mut tape.console(),
        ("emqx_ctl", "run_command"),
        args,
    );
    assert_eq!(outcome, CallOutcome::Return(atom("ok")));
    assert_eq!(tape.shown(), "slow\n");
}

#[test]
fn a_slow_typist_does_not_cost_the_connection_and_others_go_on_printing() {
    let node = Node::start_with(&["-kernel", "net_ticktime", "4"]);
    let mut connection = node.connect();
    let tape = Tape {
        typing: Duration::from_secs(7),
        ..Tape::typing(&["yes\n"])
    };
    let mut console = tape.console();
    let outcome = call(
        &mut connection,
        &mut console,
        ("shims_test", "ask_while_printing"),
        vec![],
    );
    let CallOutcome::Return(line) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(as_text(&line).as_deref(), Some("yes\n"));
    assert_eq!(tape.shown(), "? printed meanwhile\n");
}

#[test]
fn nobody_has_to_type_a_line_for_a_command_that_has_ended() {
    let node = Node::start();
    let mut connection = node.connect();
    let tape = Tape {
        typing: Duration::from_secs(3600),
        ..Tape::default()
    };
    let mut console = tape.console();
    let begun = Instant::now();
    let outcome = call(
        &mut connection,
        &mut console,
        ("shims_test", "ask_after_death"),
        vec![atom("value")],
    );
    assert_eq!(outcome, CallOutcome::Return(atom("value")));
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_command_that_was_left_behind_is_not_left_hanging() {
    let node = Node::start();
    let mut connection = node.connect();
    let mut console = Tape::default().console();
    call(
        &mut connection,
        &mut console,
        ("shims_test", "leave_printer"),
        vec![],
    );
    // The printer prints while nothing is called; waiting for a message answers it.
    let message = connection.recv_message(Duration::from_millis(600));
    assert_eq!(message.expect("the node is up"), None);
}

#[test]
fn what_a_node_printed_before_it_went_down_is_shown() {
    let node = Node::start();
    let mut connection = node.connect();
    let tape = Tape {
        slowness: Duration::from_millis(300),
        ..Tape::default()
    };
    let args = vec![list(vec![string("halt")])];
    let outcome = call(
        &mut connection,
        &mut tape.console(),
        ("emqx_ctl", "run_command"),
        args,
    );
    assert_eq!(outcome, CallOutcome::NodeDown);
    assert_eq!(tape.shown(), "good bye\n");
}
