//! What reading hop files promises. The fixtures are written for these tests.

use super::*;

/// A hop with these entries beside its versions.
fn hop(entries: &str) -> String {
    format!("#{{from_version => \"5.10.4\", target_version => \"5.10.5\"{entries}}}.")
}

fn literal(text: &str) -> Hop {
    match parse_hop(text) {
        Ok(HopText::Literal(hop)) => hop,
        other => panic!("{text}: {other:?}"),
    }
}

fn check(text: &str, name: &str, part: &str) {
    let error = parse_hop(text).expect_err(text);
    assert_eq!(error.name(), name, "{text}: {error}");
    assert!(error.to_string().contains(part), "{text}: {error}");
}

fn atom(name: &str) -> Term {
    Term::Atom(name.to_owned())
}

#[test]
fn every_kind_of_instruction_and_callback_is_read_in_order() {
    let text = hop(", code_changes => [\n\
           {load_module, emqx_release},\n\
           {update, emqx_worker, {advanced, [{scale, 2}]}},\n\
           {restart_application, emqx_addon}, % in place\n\
           {apply, emqx_worker, tune, [\"fast\", 3]}\n\
         ], post_upgrade_callbacks => [pr_1_note, {pr_2_note, [a, b]}]");
    let hop = literal(&text);
    assert_eq!(hop.path().to_string(), "5.10.4 -> 5.10.5");
    assert_eq!(
        hop.code_changes,
        [
            Instruction::LoadModule("emqx_release".into()),
            Instruction::Update {
                module: "emqx_worker".into(),
                extra: Term::List(vec![Term::Tuple(vec![
                    atom("scale"),
                    Term::Int("2".into())
                ])]),
            },
            Instruction::RestartApplication("emqx_addon".into()),
            Instruction::Apply {
                module: "emqx_worker".into(),
                function: "tune".into(),
                args: vec![Term::Str("fast".into()), Term::Int("3".into())],
            },
        ]
    );
    assert_eq!(
        hop.callbacks,
        [
            Callback::Plain("pr_1_note".into()),
            Callback::WithArgs("pr_2_note".into(), vec![atom("a"), atom("b")]),
        ]
    );
}

#[test]
fn what_may_be_absent_or_written_otherwise_is_accepted() {
    for text in [
        hop(""),
        hop(", code_changes => [], post_upgrade_callbacks => []"),
        hop(", code_changes => \"\", description => <<\"later\">>, 7 => x"),
        "#{target_version => <<\"5.10.5\">>, from_version => <<\"5.10.4\">>}.".to_owned(),
    ] {
        let hop = literal(&text);
        assert_eq!(
            (hop.from.as_str(), hop.to.as_str()),
            ("5.10.4", "5.10.5"),
            "{text}"
        );
        assert!(
            hop.code_changes.is_empty() && hop.callbacks.is_empty(),
            "{text}"
        );
    }
    let text = hop(", code_changes => [{apply, m, f, \"ab\"}]");
    let args = vec![Term::Int("97".into()), Term::Int("98".into())];
    let apply = Instruction::Apply {
        module: "m".into(),
        function: "f".into(),
        args,
    };
    assert_eq!(literal(&text).code_changes, [apply]);
}

#[test]
fn a_file_with_an_expression_in_it_is_left_to_a_vm() {
    for text in [
        hop(", code_changes => [{apply, emqx_worker, announce, [node(), emqx]}]"),
        hop(", code_changes => [{update, m, {advanced, fun(S) -> S end}}]"),
        "To = \"5.10.5\",\n#{from_version => \"5.10.4\", target_version => To}.".to_owned(),
    ] {
        assert_eq!(parse_hop(&text), Ok(HopText::Expression), "{text}");
    }
}

#[test]
fn a_malformed_file_is_refused_with_the_reason() {
    for (text, part) in [
        (String::new(), "no expression"),
        ("[].".to_owned(), "the value is [], not a map"),
        ("#{from_version => \"5.10.4\".".to_owned(), "never closed"),
        (
            "#{from_version => \"5.10.4\"}.".to_owned(),
            "target_version is missing",
        ),
        ("#{}.".to_owned(), "from_version is missing"),
        (
            "#{\"from_version\" => \"1\"}.".to_owned(),
            "from_version is missing",
        ),
        (
            "#{from_version => '5.10.4'}.".to_owned(),
            "from_version is '5.10.4', not a string",
        ),
        (
            "#{from_version => \"../x\"}.".to_owned(),
            "from_version: the version \"../x\"",
        ),
        (
            hop(", code_changes => none"),
            "code_changes is none, not a list",
        ),
        (
            hop(", post_upgrade_callbacks => {a}"),
            "post_upgrade_callbacks is {a}, not a list",
        ),
        (
            hop(", post_upgrade_callbacks => [a, \"b\"]"),
            "entry 2 of post_upgrade_callbacks",
        ),
        (
            hop(", post_upgrade_callbacks => [{a, b}]"),
            "malformed: {a,b}",
        ),
        (
            hop(", post_upgrade_callbacks => [{a, [], []}]"),
            "malformed: {a,[],[]}",
        ),
        (
            hop(", post_upgrade_callbacks => [{\"a\", []}]"),
            "malformed: {\"a\",[]}",
        ),
    ] {
        check(&text, "invalid_relup_file", part);
    }
}

#[test]
fn an_unknown_instruction_is_refused_with_its_place() {
    for instruction in [
        "load_module",
        "{}",
        "{load_module}",
        "{load_module,\"emqx\"}",
        "{load_module,emqx,brutal_purge}",
        "{load_module,'../emqx'}",
        "{load_module,''}",
        "{update,m}",
        "{update,m,soft}",
        "{update,m,{advanced}}",
        "{update,m,{soft,[]}}",
        "{update,m,{advanced,[]},[dep]}",
        "{restart_application,[emqx]}",
        "{apply,{m,f,[]}}",
        "{apply,m,f,x}",
        "{apply,m,\"f\",[]}",
        "{add_application,emqx}",
        "{\"load_module\",emqx}",
    ] {
        let text = hop(&format!(
            ", code_changes => [{{load_module, a}}, {instruction}]"
        ));
        check(
            &text,
            "invalid_instr",
            &format!("instruction 2 of code_changes is unknown or malformed: {instruction}"),
        );
    }
}

#[test]
fn a_message_shows_only_the_beginning_of_a_long_term() {
    let text = hop(&format!(
        ", code_changes => [{{x, {:?}}}]",
        "y".repeat(5000)
    ));
    let message = parse_hop(&text).expect_err("no hop").to_string();
    assert!(
        message.ends_with("yyy...") && message.len() < 300,
        "{message}"
    );
}
