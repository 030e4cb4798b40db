//! What reading `emqx_vars` promises, as tables and properties.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What comes from outside in these tests.
fn outside(name: &str) -> Option<String> {
    match name {
        "RUNNER_ROOT_DIR" => Some("/opt/emqx/relup/5.10.5".to_owned()),
        "BASE_RUNNER_ROOT_DIR" => Some("/opt/my emqx".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Checks the value that `text` gives `A`, or the line and part of the reason why there is none.
fn check(text: &str, expected: Result<&str, (usize, &str)>) {
    match (EmqxVars::parse(text, &outside), expected) {
        (Ok(vars), Ok(value)) => assert_eq!(vars.get("A"), Some(value), "{text:?}"),
        (Err(error), Err((line, part))) => {
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.reason.contains(part), "{text:?}: {error}");
        }
        (actual, _) => panic!("{text:?}: {actual:?} instead of {expected:?}"),
    }
}

#[test]
fn a_file_of_a_real_shape_is_read_completely() {
    let text = r#"
########################
## Update the vars at the end of this file.
REL_VSN="5.10.4"
ERTS_VSN="14.2.5"
ERL_OPTS="-proto_dist inet_tcp -kernel x 'y'"
RUNNER_BIN_DIR="$RUNNER_ROOT_DIR/bin"
IS_ELIXIR="${IS_ELIXIR:-no}"
  export EMQX_LOG_DIR="${EMQX_LOG_DIR:-${RUNNER_LOG_DIR:-$BASE_RUNNER_ROOT_DIR/log}}"
EMQX_ETC_DIR="$BASE_RUNNER_ROOT_DIR/etc"	# where the configuration is
RUNNER_USER=""
SCHEMA_MOD=emqx_enterprise_schema
EMQX_DEFAULT_ERLANG_COOKIE='emqx50elixir'
export EMQX_DESCRIPTION='EMQX Enterprise'
## updated vars here
REL_VSN="5.10.5"
"#;
    let vars = EmqxVars::parse(text, &outside).expect("real syntax");
    let actual: Vec<_> = vars.iter().collect();
    assert_eq!(
        actual,
        [
            ("REL_VSN", "5.10.5"),
            ("ERTS_VSN", "14.2.5"),
            ("ERL_OPTS", "-proto_dist inet_tcp -kernel x 'y'"),
            ("RUNNER_BIN_DIR", "/opt/emqx/relup/5.10.5/bin"),
            ("IS_ELIXIR", "no"),
            ("EMQX_LOG_DIR", "/opt/my emqx/log"),
            ("EMQX_ETC_DIR", "/opt/my emqx/etc"),
            ("RUNNER_USER", ""),
            ("SCHEMA_MOD", "emqx_enterprise_schema"),
            ("EMQX_DEFAULT_ERLANG_COOKIE", "emqx50elixir"),
            ("EMQX_DESCRIPTION", "EMQX Enterprise"),
        ]
    );
    // Line 1 is empty here; the last assignment counts.
    for (name, line) in [("REL_VSN", Some(16)), ("ERTS_VSN", Some(5)), ("X", None)] {
        assert_eq!(vars.line(name), line, "{name}");
    }
    for (name, exported) in [
        ("EMQX_LOG_DIR", true),
        ("EMQX_DESCRIPTION", true),
        ("REL_VSN", false),
        ("X", false),
    ] {
        assert_eq!(vars.is_exported(name), exported, "{name}");
    }
}

#[test]
fn values_mean_what_they_mean_to_a_shell() {
    for (text, value) in [
        ("A=", ""),
        ("A=\"\"", ""),
        ("A=''", ""),
        ("A= # nothing", ""),
        ("A=b", "b"),
        (" \tA=b \t", "b"),
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ("A=#c", "#c"),
        ("A=b=c", "b=c"),
        ("A=a*?[x]{y}!%,:@+^", "a*?[x]{y}!%,:@+^"),
        (r#"A="a b""#, "a b"),
        (r#"A="a # b""#, "a # b"),
        (r"A='a $B `c` \d'", r"a $B `c` \d"),
        (r#"A="it's""#, "it's"),
        (r#"A='say "x"'"#, "say \"x\""),
        (r#"A=a"b c"'d e'f"#, "ab cd ef"),
        (r#"A="a""b""#, "ab"),
        (r#"A="\"\\\$\`""#, "\"\\$`"),
        (r#"A="\a\'\ ""#, r"\a\'\ "),
        (r"A=a\ b\$c\\", r"a b$c\"),
        ("A=\"ü☃\"", "ü☃"),
        ("A=\"a\tb\"", "a\tb"),
        ("A=$RUNNER_ROOT_DIR", "/opt/emqx/relup/5.10.5"),
        ("A=${RUNNER_ROOT_DIR}x", "/opt/emqx/relup/5.10.5x"),
        ("A=$BASE_RUNNER_ROOT_DIR/etc", "/opt/my emqx/etc"),
        (r#"A="$EMPTY""#, ""),
        ("B=1\nB=\"$B 2\"\nA=\"$B 3\"", "1 2 3"),
        ("A=1\nA=2", "2"),
        ("RUNNER_ROOT_DIR=/x\nA=$RUNNER_ROOT_DIR", "/x"),
        ("A=${B:-c}", "c"),
        ("A=${EMPTY:-c}", "c"),
        ("B=\nA=${B:-c}", "c"),
        ("B=b\nA=${B:-$NOWHERE}", "b"),
        ("A=${B:-}", ""),
        ("A=${B:-c d}e", "c de"),
        ("A=${B:-'c }'\"d }\"}e", "c }d }e"),
        (r"A=${B:-c\}d}", "c}d"),
        ("A=${B:-{c}}", "{c}"),
        (r#"A="${B:-c d}""#, "c d"),
        (r#"A="${B:-'c'}""#, "'c'"),
        (r#"A="${B:-c\}\d}""#, r"c}\d"),
        (r#"A="x${B:-${C:-${D:-d}}}y""#, "xdy"),
        (r#"A="$""#, "$"),
        (r#"A="$ $, $/""#, "$ $, $/"),
        ("A=$", "$"),
        ("A=$,", "$,"),
        ("A=a~b", "a~b"),
        ("A='~'\"~\"", "~~"),
        ("export A=b", "b"),
        ("export\t A=b", "b"),
        ("A=b\nexport A", "b"),
        ("export=1\nA=$export", "1"),
        ("# A=c\nA=b\n#A=c", "b"),
        ("A=b\n\n \n\t", "b"),
    ] {
        check(text, Ok(value));
    }
}

#[test]
fn everything_else_is_an_error_with_its_line_and_reason() {
    let deep = format!("A={}{}", "${B:-".repeat(40), "}".repeat(40));
    for (text, line, part) in [
        ("A=1\nB=$(id)", 2, "$(...) runs a command"),
        ("A=\"$(id)\"", 1, "$(...) runs a command"),
        ("A=$((1+1))", 1, "$(...) runs a command"),
        ("A=b\nA=${A:-$(id)}", 2, "$(...) runs a command"),
        ("A=`id`", 1, "`...` runs a command"),
        ("A=\"`id`\"", 1, "`...` runs a command"),
        ("A=$[1]", 1, "arithmetic"),
        ("A=1;B=2", 1, "';' outside of quotes"),
        ("A=1 ; B=2", 1, "\"; B=2\" follows"),
        ("A=1 && id", 1, "\"&& id\" follows"),
        ("A=1&", 1, "'&' outside"),
        ("A=a|b", 1, "'|' outside"),
        ("A=1 B=2", 1, "\"B=2\" follows"),
        ("A= id", 1, "\"id\" follows"),
        ("A=1 id", 1, "\"id\" follows"),
        ("A=(1 2)", 1, "'(' outside"),
        ("A=<x", 1, "'<' outside"),
        ("A=x >y", 1, "\">y\" follows"),
        ("\n\nif [ -f x ]; then", 3, "is no assignment"),
        ("fi", 1, "\"fi\" is no assignment"),
        (". /etc/default/emqx", 1, "is no assignment"),
        ("[ -n \"$A\" ] && A=1", 1, "is no assignment"),
        ("readonly A=1", 1, "is no assignment"),
        ("set -e", 1, "is no assignment"),
        ("unset A", 1, "is no assignment"),
        ("f() { :; }", 1, "is no assignment"),
        ("A", 1, "\"A\" is no assignment"),
        ("A =1", 1, "is no assignment"),
        ("A+=1", 1, "is no assignment"),
        ("A[0]=1", 1, "is no assignment"),
        ("1A=1", 1, "is no assignment"),
        ("=1", 1, "is no assignment"),
        ("Ä=1", 1, "is no assignment"),
        ("export", 1, "is no assignment"),
        ("export 1", 1, "is no assignment"),
        ("export -n A", 1, "is no assignment"),
        ("export A B", 1, "\"B\" follows"),
        ("export A;", 1, "is no assignment"),
        ("A=\"b", 1, "double quote is not closed"),
        ("A=\"b\nc\"", 1, "double quote is not closed"),
        ("A='b", 1, "single quote is not closed"),
        ("A=${B", 1, "${ is not closed"),
        ("A=\"${B\"", 1, "only ${B} and ${B:-default}"),
        ("A=${B:-", 1, "${ is not closed"),
        ("A=\"${B:-c\"", 1, "a double quote inside"),
        ("A=\"${B:-\"c\"}\"", 1, "a double quote inside"),
        ("A=${B-c}", 1, "only ${B} and ${B:-default}"),
        ("A=${B:=c}", 1, "only ${B} and ${B:-default}"),
        ("A=${B:+c}", 1, "only ${B} and ${B:-default}"),
        ("A=${B:?c}", 1, "only ${B} and ${B:-default}"),
        ("A=${B#c}", 1, "only ${B} and ${B:-default}"),
        ("A=${B%%c}", 1, "only ${B} and ${B:-default}"),
        ("A=${#B}", 1, "not followed by the name"),
        ("A=${!B}", 1, "not followed by the name"),
        ("A=${}", 1, "not followed by the name"),
        ("A=${1:-x}", 1, "not followed by the name"),
        ("A=$1", 1, "$1 has no meaning"),
        ("A=$$", 1, "$$ has no meaning"),
        ("A=\"$@\"", 1, "$@ has no meaning"),
        ("A=$'x'", 1, "different shells"),
        ("A=$\"x\"", 1, "different shells"),
        ("A=~/x", 1, "~ is not expanded"),
        ("A=x:~/y", 1, "~ is not expanded"),
        ("A=${B:-~}", 1, "~ is not expanded"),
        ("A=b\\", 1, "go on in the next line"),
        ("A=\"b\\\nc\"", 1, "go on in the next line"),
        ("A=b\r\n", 1, "carriage return"),
        ("A=\"b\"\r\n", 1, "carriage return"),
        ("\r\nA=b", 1, "carriage return"),
        ("A='b\0'", 1, "'\\0' is not allowed"),
        ("A=\"\u{1b}[2J\"", 1, "'\\u{1b}' is not allowed"),
        ("\u{feff}A=b", 1, "is no assignment"),
        ("A=$NOWHERE", 1, "the variable NOWHERE is not set"),
        (
            "B=1\nA=\"x${NOWHERE}y\"",
            2,
            "the variable NOWHERE is not set",
        ),
        ("A=${B:-$NOWHERE}", 1, "the variable NOWHERE is not set"),
        ("A=$A", 1, "the variable A is not set"),
        (&deep, 1, "nested deeper than 32"),
    ] {
        check(text, Err((line, part)));
    }
}

#[test]
fn doubling_a_value_on_every_line_ends_in_an_error() {
    let text = format!("A=x{}", "\nA=\"$A$A\"".repeat(60));
    check(&text, Err((18, "longer than 65536 bytes")));
}

#[test]
fn an_export_reaches_assignments_before_and_after_it() {
    for (text, exported) in [
        ("export A=1", true),
        ("A=1\nexport A", true),
        ("export A\nA=1", true),
        ("export A=1\nA=2", true),
        ("export A # now\nA=1", true),
        ("A=1", false),
    ] {
        let vars = EmqxVars::parse(text, &outside).expect(text);
        assert_eq!(vars.is_exported("A"), exported, "{text:?}");
    }
    let vars = EmqxVars::parse("export A", &outside).expect("a plain export");
    assert_eq!(vars.get("A"), None);
}

#[test]
fn the_last_rel_vsn_line_is_the_version() {
    for (text, expected) in [
        ("REL_VSN=\"5.10.5\"", Some("5.10.5")),
        ("A=1\nREL_VSN=\"5.10.5\" # c\r\nB=2", Some("5.10.5")),
        ("REL_VSN=\"5.10.4\"\nREL_VSN=\"5.10.5\"\n", Some("5.10.5")),
        ("REL_VSN=\"$(id)\"", Some("$(id)")),
        ("REL_VSN=\"\"", None),
        ("REL_VSN=\"5.10.5", None),
        ("REL_VSN='5.10.5'", None),
        ("REL_VSN=5.10.5", None),
        (" REL_VSN=\"5.10.5\"", None),
        ("#REL_VSN=\"5.10.5\"", None),
        ("MY_REL_VSN=\"5.10.5\"", None),
        ("", None),
    ] {
        assert_eq!(rel_vsn_line(text).as_deref(), expected, "{text:?}");
    }
    assert_eq!(rel_vsn_lines("REL_VSN=\"1\"\nREL_VSN=\"2\"\n"), ["1", "2"]);
}

#[test]
fn an_assignment_that_can_not_be_written_is_none() {
    assert_eq!(
        render_assignment("REL_VSN", "5.10.5").as_deref(),
        Some("REL_VSN=\"5.10.5\"\n")
    );
    assert_eq!(
        render_assignment("A", "a\"$`\\").as_deref(),
        Some("A=\"a\\\"\\$\\`\\\\\"\n")
    );
    for (name, value) in [
        ("", "x"),
        ("1A", "x"),
        ("A B", "x"),
        ("A", "x\ny"),
        ("A", "x\0"),
    ] {
        assert_eq!(render_assignment(name, value), None, "{name:?} {value:?}");
    }
}

/// Text that is close enough to assignments to get into every branch.
fn shell_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("A="),
        Just("B="),
        Just("export "),
        Just("\""),
        Just("'"),
        Just("\\"),
        Just("$"),
        Just("{"),
        Just("}"),
        Just("${A:-"),
        Just("${B}"),
        Just("$A"),
        Just("`"),
        Just("$("),
        Just("#"),
        Just(" "),
        Just("\n"),
        Just("x"),
        Just("~"),
        Just(":"),
        Just(";"),
        Just("ü"),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), shell in shell_like()) {
        let _ = EmqxVars::parse(&text, &outside);
        let _ = EmqxVars::parse(&shell, &outside);
        let _ = EmqxVars::parse(&shell, &|_| None);
        let _ = rel_vsn_lines(&shell);
    }

    #[test]
    fn what_is_rendered_reads_back_as_the_same_value(value in "[\\PC\t\"'`$\\\\{}]{0,40}") {
        let line = render_assignment("A", &value).expect("no control characters");
        let vars = EmqxVars::parse(&format!("A=before\n{line}"), &|_| None);
        let vars = vars.expect("a quoted value");
        prop_assert_eq!(vars.get("A"), Some(value.as_str()));
    }

    #[test]
    fn a_single_quoted_value_is_taken_as_it_is(value in "[\\PC&&[^']]{0,40}") {
        let vars = EmqxVars::parse(&format!("A='{value}'"), &|_| None);
        let vars = vars.expect("a quoted value");
        prop_assert_eq!(vars.get("A"), Some(value.as_str()));
    }
}
