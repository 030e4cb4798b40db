//! Calls: how they end, what they carry, and how long they may take.

use crate::support::{Node, PATIENCE};
use shims::dist::{CallOptions, CallOutcome, Connection, DistError, Limits};
use shims::term::{Term, as_binary, as_int, as_tuple, atom, binary, int, list, map, string, tuple};
use std::time::Duration;

fn call(connection: &mut Connection, function: &str, args: Vec<Term>) -> CallOutcome {
    connection
        .call("shims_test", function, args, CallOptions::default())
        .expect("the call is made")
}

#[test]
fn every_way_to_end_is_told_apart() {
    let node = Node::start();
    let mut connection = node.connect();
    let mut ends = |how: &str| call(&mut connection, "ends", vec![atom(how)]);
    let value = tuple(vec![atom("some"), atom("value")]);
    assert_eq!(ends("return"), CallOutcome::Return(value));
    assert_eq!(ends("throw"), CallOutcome::Throw(atom("thrown")));
    assert_eq!(ends("exit"), CallOutcome::Exit(atom("exited")));
    assert_eq!(ends("kill"), CallOutcome::Exit(atom("killed")));
    for (how, expected) in [("error", "failed"), ("no_such_clause", "function_clause")] {
        let CallOutcome::Error(reason) = ends(how) else {
            panic!("{how} is an error")
        };
        assert_eq!(
            as_tuple(&reason).map(|parts| &parts[0]),
            Some(&atom(expected))
        );
    }
    let undefined = connection.call("no_module", "f", vec![], CallOptions::default());
    let Ok(CallOutcome::Error(reason)) = undefined else {
        panic!("undef is an error")
    };
    assert_eq!(
        as_tuple(&reason).map(|parts| &parts[0]),
        Some(&atom("undef"))
    );
}

#[test]
fn a_call_that_takes_too_long_times_out_and_the_connection_stays_good() {
    let node = Node::start();
    let mut connection = node.connect();
    let options = CallOptions {
        timeout: Some(Duration::from_millis(150)),
        console: None,
    };
    let outcome = connection.call("shims_test", "ends", vec![atom("slow")], options);
    assert_eq!(outcome.expect("the call is made"), CallOutcome::Timeout);
    let value = call(&mut connection, "ends", vec![atom("throw")]);
    assert_eq!(value, CallOutcome::Throw(atom("thrown")));
}

#[test]
fn terms_of_every_kind_go_there_and_back_unchanged() {
    let node = Node::start();
    let mut connection = node.connect();
    let terms = [
        int(0),
        int(255),
        int(256),
        int(-1),
        int(i64::MAX),
        int(i64::MIN),
        int(i64::from(i32::MIN)),
        atom(""),
        atom("ok"),
        atom("é€"),
        atom(&"x".repeat(255)),
        binary(""),
        binary([0xFF, 0]),
        binary("é"),
        list(vec![]),
        list(vec![atom("a"), int(-1)]),
        tuple(vec![]),
        tuple(vec![int(1); 300]),
        map(vec![(atom("k"), list(vec![])), (int(1), map(vec![]))]),
    ];
    for term in terms {
        let same = connection.call(
            "erlang",
            "hd",
            vec![list(vec![term.clone(), atom("x")])],
            CallOptions::default(),
        );
        assert_eq!(same.expect("the call is made"), CallOutcome::Return(term));
    }
    // Strings come back in the form in which they travel, so that the node compares.
    for (ours, theirs) in [
        (string("aé€"), vec![97, 233, 8364]),
        (list(vec![int(-1), int(-2)]), vec![-1, -2]),
        (string(&"a".repeat(70_000)), vec![97; 70_000]),
    ] {
        let sum = connection.call("lists", "sum", vec![ours], CallOptions::default());
        let expected: i64 = theirs.iter().sum();
        assert_eq!(
            sum.expect("the call is made"),
            CallOutcome::Return(int(expected))
        );
    }
    let CallOutcome::Return(weird) = call(&mut connection, "weird", vec![]) else {
        panic!("no value")
    };
    let args = vec![weird.clone()];
    let CallOutcome::Return(same) = connection
        .call("erlang", "phash2", args.clone(), CallOptions::default())
        .expect("the call is made")
    else {
        panic!("no value")
    };
    // Sent back, it is the same term to the node: it hashes like what it decodes itself.
    let CallOutcome::Return(bytes) = connection
        .call("erlang", "term_to_binary", args, CallOptions::default())
        .expect("the call is made")
    else {
        panic!("no value")
    };
    let back = connection.call(
        "erlang",
        "binary_to_term",
        vec![bytes.clone()],
        CallOptions::default(),
    );
    assert_eq!(back.expect("the call is made"), CallOutcome::Return(weird));
    assert!(as_int(&same).is_some() && as_binary(&bytes).is_some());
}

#[test]
fn a_large_answer_comes_whole() {
    let node = Node::start();
    let mut connection = node.connect();
    let size = 10 << 20;
    let outcome = connection
        .call(
            "binary",
            "copy",
            vec![binary("x"), int(size)],
            CallOptions::default(),
        )
        .expect("the call is made");
    let CallOutcome::Return(value) = outcome else {
        panic!("{outcome:?}")
    };
    let bytes = as_binary(&value).expect("a binary");
    assert_eq!(bytes.len(), usize::try_from(size).expect("it fits"));
    assert!(bytes.iter().all(|byte| *byte == b'x'));
}

#[test]
fn an_answer_above_the_limits_is_an_error_and_no_crash() {
    let node = Node::start();
    let mut connection = node.connect();
    let deep = |connection: &mut Connection, levels| {
        connection.call(
            "shims_test",
            "deep",
            vec![int(levels)],
            CallOptions::default(),
        )
    };
    assert!(deep(&mut connection, 500).is_ok());
    for levels in [600, 100_000] {
        let error = deep(&mut connection, levels).expect_err("it is too deep");
        assert!(matches!(error, DistError::Protocol(_)), "{error:?}");
    }
    // Only the answer was refused: the connection is as good as before.
    assert!(deep(&mut connection, 10).is_ok());
    connection.set_limits(Limits {
        terms: 1000,
        ..Limits::default()
    });
    let many = connection.call(
        "lists",
        "duplicate",
        vec![int(2000), atom("a")],
        CallOptions::default(),
    );
    assert!(matches!(many, Err(DistError::Protocol(_))), "{many:?}");
    connection.set_limits(Limits {
        frame_bytes: 10_000,
        ..Limits::default()
    });
    let large = connection.call(
        "binary",
        "copy",
        vec![binary("x"), int(20_000)],
        CallOptions::default(),
    );
    assert!(matches!(large, Err(DistError::Protocol(_))), "{large:?}");
    // A frame was left in the stream: nothing more can be read from it.
    let after = connection.call("erlang", "node", vec![], CallOptions::default());
    assert!(!matches!(after, Ok(CallOutcome::Return(_))), "{after:?}");
}

#[test]
fn a_node_that_dies_during_a_call_is_down() {
    let mut node = Node::start();
    let mut connection = node.connect();
    let caller = std::thread::spawn(move || {
        let outcome = call(&mut connection, "ends", vec![atom("slow")]);
        let after = connection.call("erlang", "node", vec![], CallOptions::default());
        (outcome, after)
    });
    std::thread::sleep(Duration::from_millis(200));
    node.kill();
    let (outcome, after) = caller.join().expect("the caller ends");
    assert_eq!(outcome, CallOutcome::NodeDown);
    assert!(
        matches!(after, Err(DistError::Closed(_)) | Ok(CallOutcome::NodeDown)),
        "{after:?}"
    );
}

#[test]
fn ticks_keep_a_long_call_alive() {
    // The node hangs up on who is silent for 4 seconds.
    let node = Node::start_with(&["-kernel", "net_ticktime", "4"]);
    let mut connection = node.connect();
    let outcome = connection.call("timer", "sleep", vec![int(8000)], CallOptions::default());
    assert_eq!(
        outcome.expect("the call is made"),
        CallOutcome::Return(atom("ok"))
    );
}

#[test]
fn an_idle_connection_lives_as_long_as_it_is_asked_for_and_not_much_longer() {
    let mut node = Node::start_with(&["-kernel", "net_ticktime", "4"]);
    let (mut asked, mut forgotten) = (node.connect(), node.connect());
    for _ in 0..16 {
        std::thread::sleep(Duration::from_millis(500));
        assert!(asked.is_alive());
    }
    assert!(!forgotten.is_alive());
    node.kill();
    std::thread::sleep(Duration::from_millis(100));
    assert!(!asked.is_alive());
}

#[test]
fn two_clients_at_once_do_not_disturb_each_other() {
    let node = Node::start();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let mut connection = node.connect();
            std::thread::spawn(move || {
                for n in 0..200 {
                    let value = int(client * 1000 + n);
                    let args = vec![list(vec![value.clone(), atom("x")])];
                    let same = connection.call("erlang", "hd", args, CallOptions::default());
                    assert_eq!(same.expect("the call is made"), CallOutcome::Return(value));
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("the client ends");
    }
}

#[test]
fn messages_to_the_client_are_kept_for_who_fetches_them() {
    let node = Node::start();
    let mut connection = node.connect();
    assert_eq!(
        connection
            .recv_message(Duration::from_millis(50))
            .expect("it is up"),
        None
    );
    for n in 0..3 {
        let args = vec![connection.pid(), tuple(vec![atom("event"), int(n)])];
        assert_eq!(
            call(&mut connection, "message_to", args),
            CallOutcome::Return(atom("ok"))
        );
    }
    for n in 0..3 {
        let message = connection.recv_message(PATIENCE).expect("it is up");
        assert_eq!(message, Some(tuple(vec![atom("event"), int(n)])));
    }
}

#[test]
fn links_and_monitors_get_their_answers() {
    let node = Node::start();
    let mut connection = node.connect();
    let args = vec![connection.pid()];
    let outcome = call(&mut connection, "links", args);
    assert_eq!(
        outcome,
        CallOutcome::Return(tuple(vec![atom("noproc"), atom("true")]))
    );
}
