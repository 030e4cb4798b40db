//! What the parser of literals promises, as tables and properties.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn atom(name: &str) -> Term {
    Term::Atom(name.to_owned())
}

fn int(digits: &str) -> Term {
    Term::Int(digits.to_owned())
}

fn string(text: &str) -> Term {
    Term::Str(text.to_owned())
}

/// Checks what `text` is: `Ok(Some(printed))` a literal, `Ok(None)` an expression, `Err` broken
/// with this line, column and part of the reason.
fn check(text: &str, expected: Result<Option<&str>, (usize, usize, &str)>) {
    match (parse_expression(text), expected) {
        (Ok(Parsed::Literal(term)), Ok(Some(printed))) => assert_eq!(term.to_string(), printed),
        (Ok(Parsed::Expression), Ok(None)) => {}
        (Err(error), Err((line, column, part))) => {
            assert_eq!(
                (error.line, error.column),
                (line, column),
                "{text:?}: {error}"
            );
            assert!(error.reason.contains(part), "{text:?}: {error}");
        }
        (actual, _) => panic!("{text:?}: {actual:?} instead of {expected:?}"),
    }
}

#[test]
fn every_kind_of_literal_is_read() {
    for (text, term) in [
        ("ok.", atom("ok")),
        ("emqx@host_1.", atom("emqx@host_1")),
        (
            "'emqx_post_upgrade_5.10.5'.",
            atom("emqx_post_upgrade_5.10.5"),
        ),
        ("'\\x{2603} ☃'.", atom("☃ ☃")),
        ("'it\\'s'.", atom("it's")),
        ("ß.", atom("ß")),
        ("42.", int("42")),
        ("-42.", int("-42")),
        ("- 42.", int("-42")),
        ("+42.", int("42")),
        ("-0.", int("0")),
        ("1_000.", int("1000")),
        ("16#fF.", int("255")),
        ("-16#ff.", int("-255")),
        ("$a.", int("97")),
        ("$\\n.", int("10")),
        ("$☃.", int("9731")),
        ("-$a.", int("-97")),
        ("99999999999999999999999.", int("99999999999999999999999")),
        ("1.50.", Term::Float("1.5".into())),
        ("-1.0e+21.", Term::Float("-1.0e21".into())),
        ("\"\".", string("")),
        ("\"a\\tb\\\"c\".", string("a\tb\"c")),
        ("\"5.\" \"10\" % and so on\n \".4\".", string("5.10.4")),
        ("\"\"\"\n  a\n   b\n  \"\"\".", string("a\n b")),
        ("<<>>.", Term::Binary(vec![])),
        ("<<\"5.10.4\">>.", Term::Binary(b"5.10.4".to_vec())),
        ("<<\"☃\"/utf8>>.", Term::Binary("☃".into())),
        ("<<\"☃\">>.", Term::Binary(vec![3])),
        (
            "<<1,-1,256,$a,\"b\" \"c\",9731/utf8>>.",
            Term::Binary(b"\x01\xff\0abc\xe2\x98\x83".into()),
        ),
        ("~\"☃\".", Term::Binary("☃".into())),
        ("~S|a\\n|.", string("a\\n")),
        ("[].", Term::List(vec![])),
        (
            "[a,[b],\"c\"].",
            Term::List(vec![atom("a"), Term::List(vec![atom("b")]), string("c")]),
        ),
        (
            "[a|b].",
            Term::ImproperList(vec![atom("a")], Box::new(atom("b"))),
        ),
        (
            "[a|[b|c]].",
            Term::ImproperList(vec![atom("a"), atom("b")], Box::new(atom("c"))),
        ),
        ("[a|[b]].", Term::List(vec![atom("a"), atom("b")])),
        (
            "[a|\"bc\"].",
            Term::List(vec![atom("a"), int("98"), int("99")]),
        ),
        ("{}.", Term::Tuple(vec![])),
        ("{a,-1}.", Term::Tuple(vec![atom("a"), int("-1")])),
        ("#{}.", Term::Map(vec![])),
        (
            "#{a => 1, \"b\" => {}}.",
            Term::Map(vec![
                (atom("a"), int("1")),
                (string("b"), Term::Tuple(vec![])),
            ]),
        ),
        ("#{a => 1, a => 2}.", Term::Map(vec![(atom("a"), int("2"))])),
        ("%% a comment\n  ok  % another\n .\n% the end", atom("ok")),
    ] {
        assert_eq!(parse_expression(text), Ok(Parsed::Literal(term)), "{text}");
    }
}

#[test]
fn a_literal_prints_as_erlang_prints_it() {
    for (text, printed) in [
        (
            "{ load_module , emqx_release } .",
            "{load_module,emqx_release}",
        ),
        ("#{a=>[1,2|c]}.", "#{a => [1,2|c]}"),
        (
            "['case', 'Up', '', 'a b', 'maybe', a@b].",
            "['case','Up','','a b','maybe',a@b]",
        ),
        ("<<\"a\\n\">>.", "<<\"a\\n\">>"),
        ("<<195,164>>.", "<<\"ä\"/utf8>>"),
        ("<<255>>.", "<<255>>"),
        ("\"\\e\\d\".", "\"\\x{1B}\\x{7F}\""),
        ("1.0e300.", "1.0e300"),
    ] {
        check(text, Ok(Some(printed)));
    }
}

#[test]
fn what_takes_an_evaluator_is_an_expression() {
    for text in [
        "X.",
        "_.",
        "node().",
        "#{a => node()}.",
        "{apply, emqx_bpapi, announce, [node(), emqx]}.",
        "[emqx:x()].",
        "fun() -> ok end.",
        "fun emqx:x/1.",
        "#{f => fun(X) -> {X, [1]} end}.",
        "case a of b -> c end.",
        "begin a end.",
        "1 + 2.",
        "- X.",
        "-(1).",
        "- - 1.",
        "(a).",
        "[a] ++ [b].",
        "[a, b ++ c].",
        "#{a := 1}.",
        "#rec{a = 1}.",
        "#rec.a.",
        "#_{}.",
        "#{a => b}#{c => d}.",
        "[X || X <- [1]].",
        "[1 || true].",
        "<<1:16>>.",
        "<<1/little-integer>>.",
        "<<\"a\"/utf16>>.",
        "<<\"a\"/utf8-big>>.",
        "<<55296/utf8>>.",
        "<<(1)>>.",
        "<<a>>.",
        "<<1.0>>.",
        "<< <<1>> || true >>.",
        "a, b.",
        "a = b.",
        "a. b.",
        "not a.",
        "a andalso b.",
        "a =:= b.",
        "Vsn = \"5.10.4\",\n#{from_version => Vsn}.",
        "{a, maybe}.",
        "\"a\"\"b\".",
    ] {
        check(text, Ok(None));
    }
}

#[test]
fn broken_text_is_refused_with_its_place() {
    let deep = format!("{}{}.", "[".repeat(201), "]".repeat(201));
    let long_atom = format!("'{}'.", "a".repeat(256));
    for (text, error) in [
        ("", (1, 1, "no expression")),
        ("  % nothing\n", (2, 1, "no expression")),
        (".", (1, 1, "\".\" is unexpected")),
        ("a. .", (1, 4, "\".\" is unexpected")),
        ("a", (1, 2, "final dot is missing")),
        ("#{a => b}", (1, 10, "final dot is missing")),
        ("{a\n,b}.x", (2, 6, "final dot is missing")),
        ("{a}.x.", (1, 4, "\".\" is unexpected")),
        ("{a.", (1, 1, "\"{\" is never closed")),
        ("{a", (1, 1, "\"{\" is never closed")),
        ("a}.", (1, 2, "\"}\" is unexpected")),
        ("[{a].", (1, 4, "\"]\" is unexpected")),
        ("f(.", (1, 2, "\"(\" is never closed")),
        ("<<1.", (1, 1, "\"<<\" is never closed")),
        ("{a,}.", (1, 4, "\"}\" is unexpected")),
        ("{,a}.", (1, 2, "\",\" is unexpected")),
        ("[a b].", (1, 4, "\"b\" is unexpected")),
        ("[a;b].", (1, 3, "\";\" is unexpected")),
        ("[a|b,c].", (1, 5, "\",\" is unexpected")),
        ("[|b].", (1, 2, "\"|\" is unexpected")),
        ("{a|b}.", (1, 3, "\"|\" is unexpected")),
        ("[a => b].", (1, 4, "\"=>\" is unexpected")),
        ("#{a}.", (1, 4, "\"}\" is unexpected")),
        ("#{a => }.", (1, 8, "\"}\" is unexpected")),
        ("#{a => b c => d}.", (1, 10, "\"c\" is unexpected")),
        ("<<1,>>.", (1, 5, "\">>\" is unexpected")),
        ("a b.", (1, 3, "\"b\" is unexpected")),
        ("a \"b\".", (1, 3, "is unexpected")),
        ("{a, end}.", (1, 5, "\"end\" is unexpected")),
        ("?MACRO.", (1, 1, "\"?\" is unexpected")),
        ("\"a.", (1, 1, "no closing quotation")),
        ("{'ä,\n'ö', x}.", (2, 3, "no closing quotation")),
        ("\"\\xZZ\".", (1, 1, "escaped character")),
        ("{ä, §}.", (1, 5, "symbol")),
        ("\u{feff}a.", (1, 1, "symbol")),
        ("16#zz.", (1, 1, "integer")),
        ("~x\"a\".", (1, 1, "is unexpected")),
        ("~\"a\"x.", (1, 1, "is unexpected")),
        ("1.0e999.", (1, 1, "float")),
        (&deep, (1, 201, "nested deeper")),
        (&long_atom, (1, 1, "longer than 255")),
    ] {
        check(text, Err(error));
    }
}

#[test]
fn a_list_of_terms_is_read_as_consult_reads_it() {
    assert_eq!(parse_terms(""), Ok(vec![]));
    assert_eq!(
        parse_terms("a.\n{b, 1}. % c\n"),
        Ok(vec![atom("a"), Term::Tuple(vec![atom("b"), int("1")]),])
    );
    for (text, line, column, part) in [
        ("a.\n{b, X}.", 2, 5, "only literals"),
        ("a.\nb", 2, 2, "final dot"),
        ("a, b.", 1, 2, "only literals"),
        ("\"a\"\"b\".", 1, 4, "adjacent string"),
    ] {
        let error = parse_terms(text).expect_err(text);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text:?}: {error}"
        );
        assert!(error.reason.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn strings_are_text_and_lists_however_they_are_written() {
    let literal = |text: &str| match parse_expression(text) {
        Ok(Parsed::Literal(term)) => term,
        other => panic!("{text}: {other:?}"),
    };
    for (text, expected) in [
        ("\"ab\".", Some("ab")),
        ("[97,98].", Some("ab")),
        ("<<\"ab\">>.", Some("ab")),
        ("[].", Some("")),
        ("<<255>>.", None),
        ("[a].", None),
        ("[-1].", None),
        ("ab.", None),
        ("7.", None),
    ] {
        assert_eq!(literal(text).to_text().as_deref(), expected, "{text}");
    }
    assert_eq!(
        literal("\"ab\".").into_list(),
        Ok(vec![int("97"), int("98")])
    );
    assert_eq!(literal("[a].").into_list(), Ok(vec![atom("a")]));
    assert_eq!(literal("[a|b].").into_list(), Err(literal("[a|b].")));
}

fn any_term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        "\\PC{0,8}|[a-z][a-zA-Z0-9_@]{0,8}|\\s{1,3}|case|end|maybe".prop_map(Term::Atom),
        any::<i128>().prop_map(|number| Term::Int(number.to_string())),
        any::<f64>()
            .prop_filter("Erlang has finite floats only", |float| float.is_finite())
            .prop_map(|float| Term::Float(number::float(float))),
        any::<String>().prop_map(Term::Str),
        vec(any::<u8>(), 0..8).prop_map(Term::Binary),
        "\\PC{0,4}".prop_map(|text| Term::Binary(text.into_bytes())),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let elements = vec(inner.clone(), 0..6);
        prop_oneof![
            elements.clone().prop_map(Term::List),
            elements.prop_map(Term::Tuple),
            (vec(inner.clone(), 1..4), inner.clone()).prop_map(improper),
            vec((inner.clone(), inner), 0..4).prop_map(unique_keys),
        ]
    })
}

/// A list with a tail, as the parser would have built it.
fn improper((mut elements, tail): (Vec<Term>, Term)) -> Term {
    match tail.into_list() {
        Ok(more) => {
            elements.extend(more);
            Term::List(elements)
        }
        Err(Term::ImproperList(more, end)) => {
            elements.extend(more);
            Term::ImproperList(elements, end)
        }
        Err(tail) => Term::ImproperList(elements, Box::new(tail)),
    }
}

fn unique_keys(pairs: Vec<(Term, Term)>) -> Term {
    let mut unique: Vec<(Term, Term)> = Vec::new();
    for (key, value) in pairs {
        if !unique.iter().any(|(known, _)| *known == key) {
            unique.push((key, value));
        }
    }
    Term::Map(unique)
}

/// Text that is close enough to Erlang to get past the lexer.
fn erlang_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("<<"),
        Just(">>"),
        Just("("),
        Just(")"),
        Just("#{"),
        Just("=>"),
        Just("|"),
        Just(","),
        Just("."),
        Just(".\n"),
        Just("-"),
        Just("/"),
        Just(":"),
        Just("utf8"),
        Just("a"),
        Just("X"),
        Just("1"),
        Just("1.5"),
        Just("16#f"),
        Just("\"s\""),
        Just("'q'"),
        Just("$c"),
        Just("fun"),
        Just("end"),
        Just("~b\"x\""),
        Just("%c\n"),
        Just(" "),
        Just("\\"),
        Just("\""),
        Just("ä"),
        Just("☃"),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same_term(term in any_term()) {
        let text = format!("{term}.");
        prop_assert_eq!(parse_expression(&text), Ok(Parsed::Literal(term.clone())), "{}", text);
        prop_assert_eq!(parse_terms(&text), Ok(vec![term]));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse_expression(&text);
        let _ = parse_terms(&text);
    }

    #[test]
    fn no_mix_of_tokens_makes_the_parser_panic(text in erlang_like()) {
        let whole = parse_expression(&text);
        if let (Ok(Parsed::Literal(term)), Ok(terms)) = (whole, parse_terms(&text)) {
            prop_assert_eq!(terms, vec![term]);
        }
    }
}
