//! The runtime commands as the launcher uses them.

use crate::support::{Node, PATIENCE, Tape};
use shims::command::{CommandOutcome, ctl, format_term, os_pid, ping, rpc, rpc_terms};
use shims::dist::DistError;
use shims::eval::eval;
use shims::term::{atom, binary, int, list, tuple};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Where an unterminated string at the beginning is found: at its quote, or from OTP 27 on at its
/// first character.
const UNTERMINATED: RangeInclusive<u32> = 1..=2;

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn ping_and_pid_tell_the_node() {
    let mut node = Node::start();
    ping(&node.target, PATIENCE).expect("the node is up");
    let mut connection = node.connect();
    assert_eq!(
        os_pid(&mut connection, PATIENCE).expect("the node is up"),
        node.os_pid()
    );
    node.kill();
    let error = ping(&node.target, PATIENCE).expect_err("the node is gone");
    assert!(matches!(error, DistError::Unreachable { .. }), "{error:?}");
}

#[test]
fn ctl_shows_output_and_tells_results_apart() {
    let node = Node::start();
    let mut connection = node.connect();
    let cases: [(&[&str], CommandOutcome, &str); 7] = [
        (&["echo", "a b", "é€"], CommandOutcome::Ok, "a b\né€\n"),
        (&["fail"], CommandOutcome::Error("no_such_thing".into()), ""),
        (
            &["value"],
            CommandOutcome::Value("{some,<<\"other\">>,\"value\"}".into()),
            "",
        ),
        (&["badrpc"], CommandOutcome::BadRpc("nodedown".into()), ""),
        (
            &["what"],
            CommandOutcome::Error("cmd_not_found".into()),
            "no such command\n",
        ),
        (
            &[],
            CommandOutcome::Error("cmd_not_found".into()),
            "no such command\n",
        ),
        (&["halt"], CommandOutcome::NodeDown, "good bye\n"),
    ];
    for (args, expected, shown) in cases {
        let tape = Tape::default();
        let outcome = ctl(&mut connection, &words(args), &mut tape.console());
        assert_eq!(outcome.expect("the call is made"), expected, "{args:?}");
        assert_eq!(tape.shown(), shown, "{args:?}");
    }
}

#[test]
fn a_crash_in_ctl_is_a_failed_call_with_its_reason() {
    let node = Node::start();
    let mut connection = node.connect();
    let outcome = ctl(
        &mut connection,
        &words(&["crash"]),
        &mut Tape::default().console(),
    );
    let CommandOutcome::BadRpc(reason) = outcome.expect("the call is made") else {
        panic!("a crash is no result")
    };
    assert!(reason.starts_with("{'EXIT',{crashed,["), "{reason}");
    assert!(!reason.contains('\n'), "{reason}");
}

#[test]
fn rpc_passes_strings_and_ends_in_time() {
    let node = Node::start();
    let mut connection = node.connect();
    let mut console = Tape::default().console();
    let mut run = |module: &str, function: &str, args: &[&str], millis| {
        let timeout = Duration::from_millis(millis);
        rpc(
            &mut connection,
            module,
            function,
            &words(args),
            timeout,
            &mut console,
        )
        .expect("the call is made")
    };
    let value = run("lists", "last", &["a", "é"], 60_000);
    assert_eq!(value, CommandOutcome::Value("\"é\"".into()));
    assert_eq!(
        run("emqx_ctl", "run_command", &["echo", "x"], 60_000),
        CommandOutcome::Ok
    );
    assert_eq!(
        run("emqx_ctl", "run_command", &["sleep", "60000"], 200),
        CommandOutcome::Timeout
    );
    let CommandOutcome::BadRpc(reason) = run("no_module", "f", &[], 60_000) else {
        panic!("undef is a failed call")
    };
    assert!(reason.starts_with("{'EXIT',{undef,["), "{reason}");
}

#[test]
fn rpcterms_reads_the_terms_on_the_node() {
    let node = Node::start();
    let mut connection = node.connect();
    let mut console = Tape::default().console();
    let mut run = |module: &str, function: &str, text: &str| {
        rpc_terms(
            &mut connection,
            module,
            function,
            text,
            PATIENCE,
            &mut console,
        )
        .expect("the call is made")
    };
    let value = |text: &str| CommandOutcome::Value(text.to_owned());
    assert_eq!(run("lists", "seq", "1. 5."), value("[1,2,3,4,5]"));
    assert_eq!(run("lists", "seq", "1. 3"), value("[1,2,3]"));
    assert_eq!(run("lists", "last", "[1, -2]."), value("-2"));
    assert_eq!(
        run("erlang", "node", ""),
        value(&format!("'{}'", node.target.name))
    );
    assert_eq!(
        run("maps", "get", "k. #{k => {\"é\", <<\"b\">>}}."),
        value("{\"é\",<<\"b\">>}")
    );
    assert_eq!(run("erlang", "throw", "thrown."), value("thrown"));
    let ok = run("erlang", "list_to_atom", "\"ok\".");
    assert_eq!(ok, value("ok"));
    assert_eq!(
        run("erlang", "exit", "gone."),
        CommandOutcome::BadRpc("{'EXIT',gone}".into())
    );
    for (text, line, columns) in [
        ("{a,.", 1, 4..=4),
        ("a.\n [.", 2, 3..=3),
        ("\"abc", 1, UNTERMINATED),
    ] {
        let CommandOutcome::Syntax(error) = run("lists", "seq", text) else {
            panic!("{text:?} is no term")
        };
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(columns.contains(&error.column), "{text:?}: {error}");
        assert!(
            !error.message.is_empty() && !error.message.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn eval_follows_the_grammar_of_the_node() {
    let node = Node::start();
    let mut connection = node.connect();
    let cases: [(&[&str], &str); 22] = [
        (&["1", "+", "1"], "2"),
        (&["1 + 1."], "2"),
        (&["A = 2,", "B = 3, A * B. "], "6"),
        (&["1 % comment"], "1"),
        (&["1. % comment."], "1"),
        (&["\"100%.\""], "\"100%.\""),
        (&["F = fun(0) -> done; (_) -> more end, F(0)"], "done"),
        (
            &["{\"é\", <<\"b\">>, [-1, -2], 'A b'}"],
            "{\"é\",<<\"b\">>,[-1,-2],'A b'}",
        ),
        (&["lists:seq(1, 3)"], "[1,2,3]"),
        (&["<<5:3>>"], "<<5:3>>"),
        (&["[X || X <- [1, 2], X > 1]"], "[2]"),
        (&["fun lists:map/2"], "fun lists:map/2"),
        (&["shims_test:weird(), ok"], "ok"),
        // Some of these this side writes itself.
        (&["-5"], "-5"),
        (&["255"], "255"),
        (&["1 bsl 40"], "1099511627776"),
        (&["-(1 bsl 31)"], "-2147483648"),
        (&["list_to_atom(\"case\")"], "'case'"),
        (&["'Upper'"], "'Upper'"),
        (&["'é'"], "é"),
        (&["[]"], "[]"),
        (&["''"], "''"),
    ];
    for (expression, expected) in cases {
        let tape = Tape::default();
        let outcome = eval(
            &mut connection,
            &words(expression),
            None,
            &mut tape.console(),
        );
        let outcome = outcome.expect("the call is made");
        assert_eq!(
            outcome,
            CommandOutcome::Value(expected.to_owned()),
            "{expression:?}"
        );
    }
    let tape = Tape::default();
    let expression = words(&["io:format(\"~p~n\", [{a, -1}]), lists:duplicate(30, abcdefgh)"]);
    let outcome = eval(&mut connection, &expression, None, &mut tape.console());
    let CommandOutcome::Value(text) = outcome.expect("the call is made") else {
        panic!("no value")
    };
    assert_eq!(tape.shown(), "{a,-1}\n");
    // `~p` breaks lines at 80 columns, as it always did.
    assert!(
        text.lines().count() > 1 && text.lines().all(|line| line.len() <= 80),
        "{text}"
    );
}

#[test]
fn what_cannot_be_read_here_is_still_shown() {
    let node = Node::start();
    let mut connection = node.connect();
    let mut console = Tape::default().console();
    for (expression, start) in [
        ("shims_test:fun_value()", "#Fun<"),
        ("self()", "<"),
        ("shims_test:deep(5000)", "[[[["),
    ] {
        let outcome = eval(&mut connection, &words(&[expression]), None, &mut console);
        let CommandOutcome::Value(text) = outcome.expect("the call is made") else {
            panic!("{expression}")
        };
        assert!(text.starts_with(start), "{expression}: {text}");
    }
}

#[test]
fn errors_in_eval_are_one_line() {
    let node = Node::start();
    let mut connection = node.connect();
    let mut console = Tape::default().console();
    let mut run = |expression: &str| {
        eval(&mut connection, &words(&[expression]), None, &mut console).expect("the call is made")
    };
    let syntax = [
        ("foo(1,", 1, 7..=7),
        ("1 +\n + * 2", 2, 4..=4),
        ("\"abc", 1, UNTERMINATED),
        ("", 1, 1..=1),
        ("a \u{1} b", 1, 5..=5),
    ];
    for (expression, line, columns) in syntax {
        let CommandOutcome::Syntax(error) = run(expression) else {
            panic!("{expression:?}")
        };
        assert_eq!(error.line, line, "{expression:?}: {error}");
        assert!(columns.contains(&error.column), "{expression:?}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    assert_eq!(run("1/0"), CommandOutcome::Error("badarith".into()));
    assert_eq!(run("error(\"é\")"), CommandOutcome::Error("\"é\"".into()));
    let CommandOutcome::Error(reason) = run("nomod:f()") else {
        panic!("undef is an error")
    };
    assert!(reason.starts_with("undef"), "{reason}");
    assert_eq!(run("halt(0, [{flush, false}])"), CommandOutcome::NodeDown);
}

#[test]
fn terms_are_formatted_by_the_node() {
    let node = Node::start();
    let mut connection = node.connect();
    let term = tuple(vec![atom("a b"), list(vec![int(-1), int(-2)]), binary("x")]);
    let text = format_term(&mut connection, &term, PATIENCE).expect("the node is up");
    assert_eq!(text, "{'a b',[-1,-2],<<\"x\">>}");
}
