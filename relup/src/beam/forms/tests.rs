//! Abstract code as text: which differences have to do with states.

use super::*;
use crate::term::parse_terms;

/// Debug info with these forms, in the text form of Erlang.
fn debug_info(forms: &str) -> Term {
    let text = format!("{{debug_info_v1,erl_abstract_code,{{[{forms}],[]}}}}.");
    parse_terms(&text).expect("terms").remove(0)
}

fn check(old: &str, new: &str, helpers: bool, expected: &[&str]) {
    let found = state_changes(&debug_info(old), &debug_info(new), helpers).expect("a source");
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{old} to {new}");
}

const USE: &str = "{function,9,f,0,[{clause,9,[],[],[{record,9,state,[]},{record_field,9,{var,9,'X'},other,{atom,9,a}}]}]}";

#[test]
fn places_are_no_difference() {
    let init = |line: u32, column: u32, value: u32| {
        format!(
            "{{function,{line},init,1,[{{clause,{{{line},{column}}},[{{nil,{line}}}],[],[{{tuple,[{{location,{{{line},{column}}}}},{{generated,true}}],[{{atom,{line},ok}},{{integer,{line},{value}}}]}}]}}]}}"
        )
    };
    check(&init(1, 5, 7), &init(3, 1, 7), false, &[]);
    check(&init(1, 5, 7), &init(1, 5, 8), false, &["init/1"]);
    // ?LINE
    check(&init(1, 5, 1), &init(3, 1, 3), false, &[]);
    check(&init(1, 5, 1), &init(3, 1, 4), false, &["init/1"]);
}

#[test]
fn records_count_when_both_versions_use_them() {
    let record = |name: &str, field: &str| {
        format!("{{attribute,1,record,{{{name},[{{record_field,1,{{atom,1,{field}}}}}]}}}}")
    };
    let with = |name: &str, field: &str, more: &str| format!("{},{more}", record(name, field));
    check(
        &with("state", "a", USE),
        &with("state", "b", USE),
        false,
        &["the record #state{}"],
    );
    check(
        &with("other", "a", USE),
        &with("other", "b", USE),
        false,
        &["the record #other{}"],
    );
    check(
        &with("header", "a", USE),
        &with("header", "b", USE),
        false,
        &[],
    );
    check(&with("state", "a", USE), USE, false, &[]);
}

#[test]
fn types_count_when_the_state_is_made_of_them() {
    let types = |conn: &str, other: &str| {
        format!(
            "{{attribute,1,type,{{state,{{type,1,map,[{{user_type,1,conn,[]}}]}},[]}}}},
             {{attribute,1,opaque,{{conn,{{type,1,{conn},[]}},[]}}}},
             {{attribute,1,type,{{other,{{type,1,{other},[]}},[]}}}}"
        )
    };
    check(
        &types("map", "map"),
        &types("tuple", "list"),
        false,
        &["the type conn()"],
    );
    check(
        &types("map", "map"),
        &types("map", "map").replace(",1,", ",2,"),
        false,
        &[],
    );
    check("", &types("map", "map"), false, &["the type conn()"]);
}

#[test]
fn functions_that_make_and_change_states_count() {
    let function = |name: &str, arity: u8, value: &str| {
        format!("{{function,1,{name},{arity},[{{clause,1,[],[],[{{atom,1,{value}}}]}}]}}")
    };
    for (name, arity, told) in [
        ("init", 1, &["init/1"][..]),
        ("code_change", 3, &["code_change/3"]),
        ("code_change", 4, &["code_change/4"]),
        ("callback_mode", 0, &["callback_mode/0"]),
        ("init", 2, &[]),
    ] {
        check(
            &function(name, arity, "a"),
            &function(name, arity, "b"),
            false,
            told,
        );
        check(
            &function(name, arity, "a"),
            &function(name, arity, "a"),
            false,
            &[],
        );
        check("", &function(name, arity, "a"), false, told);
    }
}

#[test]
fn helpers_of_init_are_followed_where_asked() {
    let source = |spec: &str| {
        format!(
            "{{function,1,init,1,[{{clause,1,[],[],[{{call,1,{{atom,1,children}},[]}},
                {{'fun',1,{{function,flags,0}}}}]}}]}},
             {{function,2,children,0,[{{clause,2,[],[],[{{call,2,{{atom,2,spec}},[{{atom,2,a}}]}}]}}]}},
             {{function,3,spec,1,[{{clause,3,[],[],[{{atom,3,{spec}}}]}}]}},
             {{function,4,flags,0,[{{clause,4,[],[],[{{atom,4,x}}]}}]}},
             {{function,5,unrelated,0,[{{clause,5,[],[],[{{atom,5,{spec}}}]}}]}}"
        )
    };
    check(
        &source("a"),
        &source("b"),
        true,
        &["spec/1, which init/1 calls"],
    );
    check(&source("a"), &source("b"), false, &[]);
}

#[test]
fn other_sources_are_unknown_and_not_the_same() {
    let known = debug_info("");
    for text in [
        "{debug_info_v1,erl_abstract_code,{none,[]}}.",
        "{debug_info_v1,elixir_erl,{elixir_v1,#{},[]}}.",
        "nothing.",
        "{a,b,c}.",
    ] {
        let other = parse_terms(text).expect("terms").remove(0);
        assert_eq!(state_changes(&known, &other, false), None, "{text}");
        assert_eq!(state_changes(&other, &known, false), None, "{text}");
    }
}
