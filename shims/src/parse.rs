//! Scanning and parsing on the node in one call: a small program in Erlang's abstract format, built
//! here, because two calls one after the other are what a person waits for in `emqx eval`.
//!
//! The program, as text:
//!
//! ```erlang
//! case erl_scan:string(Text, {1, 1}) of
//!     {ok, Tokens, End} ->
//!         erl_parse:parse_exprs(
//!             case Tokens =/= [] andalso element(1, lists:last(Tokens)) =:= dot of
//!                 true -> Tokens;
//!                 false -> Tokens ++ [{dot, End}]
//!             end
//!         );
//!     Error -> Error
//! end
//! ```
//!
//! Users forget the dot at the end. Whether it is there is seen in the tokens, not in the text: a
//! text may end in a comment, and a dot in a string.

use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::RawTerm;
use crate::term::{Term, atom, int, list, string, tuple};

/// Has the node parse expressions. The outcome's value is `{ok, Expressions}`, `{error, Reason}` of
/// the parser, or `{error, Reason, End}` of the scanner.
pub(crate) fn expressions(
    connection: &mut Connection,
    text: &str,
    deadline: Deadline,
) -> Result<RawOutcome, DistError> {
    // `none`: no handlers for functions; `value`: the bindings stay on the node.
    let options = ["none", "none", "value"].map(|word| RawTerm::of(&atom(word)));
    let mut args = vec![RawTerm::of(&program(text)), RawTerm::of(&list(Vec::new()))];
    args.extend(options);
    connection.call_helper(("erl_eval", "expr"), &args, deadline)
}

fn program(text: &str) -> Term {
    let last = call("lists", "last", vec![var("Tokens")]);
    let kind = call(
        "erlang",
        "element",
        vec![node("integer", vec![int(1)]), last],
    );
    let is_dot = op("=:=", kind, literal("dot"));
    let has_dot = op("andalso", op("=/=", var("Tokens"), nil()), is_dot);
    let dot = tuple_of(vec![literal("dot"), var("End")]);
    let with_dot = op("++", var("Tokens"), node("cons", vec![dot, nil()]));
    let dotted = case(
        has_dot,
        vec![
            (literal("true"), var("Tokens")),
            (literal("false"), with_dot),
        ],
    );
    let start = tuple_of(vec![
        node("integer", vec![int(1)]),
        node("integer", vec![int(1)]),
    ]);
    let text = node("string", vec![string(text)]);
    case(
        call("erl_scan", "string", vec![text, start]),
        vec![
            (
                tuple_of(vec![literal("ok"), var("Tokens"), var("End")]),
                call("erl_parse", "parse_exprs", vec![dotted]),
            ),
            (var("Error"), var("Error")),
        ],
    )
}

/// `{Kind, Position, ...}`, the shape of every node of the abstract format.
fn node(kind: &str, parts: Vec<Term>) -> Term {
    let mut all = vec![atom(kind), int(0)];
    all.extend(parts);
    tuple(all)
}

fn literal(name: &str) -> Term {
    node("atom", vec![atom(name)])
}

fn var(name: &str) -> Term {
    node("var", vec![atom(name)])
}

fn nil() -> Term {
    node("nil", Vec::new())
}

fn tuple_of(parts: Vec<Term>) -> Term {
    node("tuple", vec![list(parts)])
}

fn op(operator: &str, left: Term, right: Term) -> Term {
    node("op", vec![atom(operator), left, right])
}

fn call(module: &str, function: &str, args: Vec<Term>) -> Term {
    let name = node("remote", vec![literal(module), literal(function)]);
    node("call", vec![name, list(args)])
}

fn case(value: Term, clauses: Vec<(Term, Term)>) -> Term {
    let clauses = clauses.into_iter().map(|(pattern, body)| {
        node(
            "clause",
            vec![list(vec![pattern]), list(Vec::new()), list(vec![body])],
        )
    });
    node("case", vec![value, list(clauses.collect())])
}
