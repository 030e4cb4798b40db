//! The client as a group leader: every request is answered, and output appears in order.

use crate::support::{Node, Tape};
use shims::command::CommandOutcome;
use shims::dist::{CallOptions, CallOutcome, Connection};
use shims::eval::eval;
use shims::io_server::Console;
use shims::term::{Term, atom, int, list, string, tuple};

pub(crate) fn call(
    connection: &mut Connection,
    console: &mut Console,
    (module, function): (&str, &str),
    args: Vec<Term>,
) -> CallOutcome {
    let options = CallOptions {
        timeout: None,
        console: Some(console),
    };
    connection
        .call(module, function, args, options)
        .expect("the call is made")
}

/// A request, the answer as `~p` prints it, and what is shown.
type Case = (&'static str, &'static str, &'static str);

fn check(tape: &Tape, cases: &[Case]) {
    let node = Node::start();
    let mut connection = node.connect();
    let mut console = tape.console();
    for (request, answer, shown) in cases {
        let before = tape.shown().len();
        let words = [format!("shims_test:io({request})")];
        let outcome = eval(&mut connection, &words, None, &mut console);
        let outcome = outcome.expect("the call is made");
        assert_eq!(
            outcome,
            CommandOutcome::Value((*answer).to_owned()),
            "{request}"
        );
        assert_eq!(&tape.shown()[before..], *shown, "{request}");
    }
}

#[test]
fn every_request_to_print_is_answered() {
    let cases = [
        ("{put_chars, unicode, \"aé€\\n\"}", "ok", "aé€\n"),
        ("{put_chars, unicode, <<\"é\"/utf8>>}", "ok", "é"),
        ("{put_chars, latin1, <<233>>}", "ok", "é"),
        ("{put_chars, latin1, \"€\"}", "{error,put_chars}", ""),
        (
            "{put_chars, unicode, [\"a\", [<<\"b\">>, $c | <<\"d\">>]]}",
            "ok",
            "abcd",
        ),
        ("{put_chars, unicode, [<<195>>, <<164>>]}", "ok", "ä"),
        ("{put_chars, unicode, <<255>>}", "{error,put_chars}", ""),
        ("{put_chars, unicode, x}", "{error,put_chars}", ""),
        ("{put_chars, unicode, []}", "ok", ""),
        ("{put_chars, \"old\"}", "ok", "old"),
        ("{put_chars, lists, duplicate, [2, 65]}", "ok", "AA"),
        (
            "{put_chars, unicode, lists, duplicate, [2, \"é\"]}",
            "ok",
            "éé",
        ),
        (
            "{put_chars, unicode, io_lib, format, [\"~ts~n\", [\"é\"]]}",
            "ok",
            "é\n",
        ),
        (
            "{put_chars, unicode, io_lib, format, [\"~w~n\", [[-1, -2]]]}",
            "ok",
            "[-1,-2]\n",
        ),
        (
            "{put_chars, unicode, io_lib, format, [\"~ts\", [<<233>>]]}",
            "ok",
            "é",
        ),
        (
            "{put_chars, unicode, io_lib, format, [\"~s\", \"\"]}",
            "{error,format}",
            "",
        ),
        (
            "{put_chars, unicode, io_lib, format, [\"~w\", \"a\"]}",
            "ok",
            "97",
        ),
        ("{put_chars, unicode, erlang, node, []}", "{error,node}", ""),
        (
            "{put_chars, unicode, shims_test, io, [getopts]}",
            "{error,io}",
            "",
        ),
    ];
    check(&Tape::default(), &cases);
}

#[test]
fn every_other_request_is_answered() {
    let cases = [
        ("getopts", "{error,enotsup}", ""),
        ("{setopts, []}", "{error,enotsup}", ""),
        ("{get_geometry, columns}", "100", ""),
        ("{get_geometry, rows}", "40", ""),
        ("{get_geometry, depth}", "{error,request}", ""),
        ("{requests, []}", "ok", ""),
        (
            "{requests, [{put_chars, unicode, \"1\"}, {get_geometry, rows}]}",
            "40",
            "1",
        ),
        (
            "{requests, [{put_chars, unicode, \"1\"}, getopts, {put_chars, unicode, \"2\"}]}",
            "{error,enotsup}",
            "1",
        ),
        ("{requests, x}", "{error,request}", ""),
        (
            "lists:foldl(fun(_, R) -> {requests, [R]} end, getopts, lists:seq(1, 100000))",
            "{error,request}",
            "",
        ),
        ("{no_such_request}", "{error,request}", ""),
        ("{put_chars, unicode}", "{error,request}", ""),
        ("1", "{error,request}", ""),
        ("{}", "{error,request}", ""),
    ];
    let tape = Tape {
        geometry: Some((100, 40)),
        ..Tape::default()
    };
    check(&tape, &cases);
    check(
        &Tape::default(),
        &[("{get_geometry, rows}", "{error,enotsup}", "")],
    );
}

#[test]
fn every_request_to_read_is_answered() {
    let lines = [
        "first é\n",
        "second\n",
        "third\n",
        "secret\n",
        "€\n",
        "fifth\n",
        "two\n",
        "lines. rest\n",
        "last",
    ];
    let cases = [
        ("{get_line, unicode, \"p> \"}", "\"first é\\n\"", "p> "),
        ("{get_line, p}", "\"second\\n\"", "p"),
        ("{get_chars, unicode, '', 2}", "\"th\"", ""),
        (
            "{get_line, unicode, \"not shown: the line is here\"}",
            "\"ird\\n\"",
            "",
        ),
        ("{get_password, unicode}", "\"secret\"", ""),
        (
            "{get_line, latin1, \"\"}",
            "{error,{no_translation,unicode,latin1}}",
            "",
        ),
        (
            "{get_line, unicode, {format, \"~w> \", [7]}}",
            "\"fifth\\n\"",
            "7> ",
        ),
        (
            "{get_until, unicode, \"t> \", erl_scan, tokens, [1]}",
            "{ok,[{atom,1,two},{atom,2,lines},{dot,2}],2}",
            "t> t> ",
        ),
        ("{get_line, unicode, \"\"}", "\"rest\\n\"", ""),
        (
            "{get_until, unicode, \"\", no_module, f, []}",
            "{error,f}",
            "",
        ),
        ("{get_line, unicode, \"\"}", "eof", ""),
        ("{get_chars, unicode, \"\", 1}", "eof", ""),
        (
            "{get_until, unicode, \"\", erl_scan, tokens, [1]}",
            "{eof,1}",
            "",
        ),
        ("{get_password, unicode}", "eof", ""),
    ];
    check(&Tape::typing(&lines), &cases);
}

#[test]
fn without_a_console_output_is_dropped_and_input_is_at_its_end() {
    let node = Node::start();
    let mut connection = node.connect();
    let error = tuple(vec![atom("error"), atom("enotsup")]);
    let cases = [
        (
            vec![atom("put_chars"), atom("unicode"), string("x")],
            atom("ok"),
        ),
        (
            vec![atom("get_line"), atom("unicode"), string("? ")],
            atom("eof"),
        ),
        (vec![atom("get_geometry"), atom("rows")], error),
    ];
    for (request, answer) in cases {
        let args = vec![tuple(request)];
        let outcome = connection.call("shims_test", "io", args, CallOptions::default());
        assert_eq!(
            outcome.expect("the call is made"),
            CallOutcome::Return(answer)
        );
    }
}

#[test]
fn the_functions_of_the_io_module_work_as_at_a_shell() {
    let node = Node::start();
    let mut connection = node.connect();
    let tape = Tape::typing(&["Erla\n", "abcdef\n", "{a, \"b\"}.\n", "é\n"]);
    let outcome = call(
        &mut connection,
        &mut tape.console(),
        ("shims_test", "ask"),
        vec![],
    );
    let CallOutcome::Return(answers) = outcome else {
        panic!("{outcome:?}")
    };
    // The rest of the second line is what the term is read from first: `def {a, "b"}` is none.
    let shown = answers.to_string();
    assert!(
        shown.contains("[69,114,108,97,10]") && shown.contains("[97,98,99]"),
        "{shown}"
    );
    assert!(tape.shown().starts_with("name? "), "{}", tape.shown());
}

#[test]
fn output_appears_before_the_answer_and_in_order() {
    let node = Node::start();
    let mut connection = node.connect();
    let tape = Tape::default();
    let mut console = tape.console();
    let args = vec![list(vec![string("lines"), string("300")])];
    call(
        &mut connection,
        &mut console,
        ("emqx_ctl", "run_command"),
        args,
    );
    let expected: Vec<String> = (1..=300).map(|n| format!("line {n} of 300")).collect();
    assert_eq!(tape.shown().lines().collect::<Vec<_>>(), expected);
    // Many processes at once, each formatted on the node: all arrive, none twice.
    let tape = Tape::default();
    call(
        &mut connection,
        &mut tape.console(),
        ("shims_test", "many_printers"),
        vec![int(100)],
    );
    let mut numbers: Vec<u32> = tape
        .shown()
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
}

#[test]
fn deeply_nested_output_is_shown() {
    let node = Node::start();
    let mut connection = node.connect();
    let tape = Tape::default();
    let outcome = connection.call(
        "shims_test",
        "nested",
        vec![int(400)],
        CallOptions::default(),
    );
    let CallOutcome::Return(chars) = outcome.expect("it is within the limits") else {
        panic!("no value")
    };
    assert!(chars.to_string().len() > 400);
    let mut console = tape.console();
    for levels in [400, 50_000] {
        let expression = format!("io:put_chars(shims_test:nested({levels}))");
        let words = [expression];
        let outcome = eval(&mut connection, &words, None, &mut console);
        assert_eq!(
            outcome.expect("the call is made"),
            CommandOutcome::Value("ok".to_owned())
        );
    }
    assert_eq!(tape.shown().len(), 50_400);
}
