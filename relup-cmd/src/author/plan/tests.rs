//! Tables of what is decided about modules and applications.

mod order;

use relup::rel_file::StartType;

use super::*;
use crate::author::testing::{App, Mod, app, hop, hop_by, module, told};

#[test]
fn callbacks_are_known_by_their_names() {
    for (name, number) in [
        ("pr_1001_register", Some(1001)),
        ("pr_0_x", Some(0)),
        ("pr_1001_", None),
        ("pr_1001", None),
        ("pr__x", None),
        ("pr_a1_x", None),
        ("do_it", None),
    ] {
        assert_eq!(callback_number(name), number, "{name}");
    }
}

/// What is done between two forms of one application `a`, on which others may stand.
fn check(from: &App, to: &App, stood_upon: bool, expected: &[&str], warnings: usize) {
    let other = app("other", &[]).keys(",{applications,[a]}");
    let with = |app: &App| {
        let others = if stood_upon {
            vec![other.clone()]
        } else {
            Vec::new()
        };
        [vec![app.clone()], others].concat()
    };
    let hop = hop(&with(from), &with(to)).expect("a hop");
    assert_eq!(told(&hop), expected, "{to:?}");
    assert_eq!(hop.warnings.len(), warnings, "{:?}", hop.warnings);
}

fn modules(from: &Mod, to: &Mod, stood_upon: bool, expected: &[&str], warnings: usize) {
    let (from, to) = (
        app("a", std::slice::from_ref(from)),
        app("a", std::slice::from_ref(to)),
    );
    check(&from, &to, stood_upon, expected, warnings);
}

const LOAD: &str = "{load_module, a_m}";
const UPDATE: &str = "{update, a_m, {advanced, []}}";
const RESTART: &str = "{restart_application, a}";

fn record(field: &str) -> String {
    format!(
        "{{attribute,1,record,{{state,[{{record_field,1,{{atom,1,{field}}}}}]}}}},
         {{function,2,f,0,[{{clause,2,[],[],[{{record,2,state,[]}}]}}]}}"
    )
}

fn function(name: &str, arity: u8, value: &str) -> String {
    format!("{{function,1,{name},{arity},[{{clause,1,[],[],[{{atom,1,{value}}}]}}]}}")
}

#[test]
fn processes_are_updated_when_their_state_changed_and_can_be_converted() {
    for (behaviour, converts) in [
        ("gen_server", ("code_change", 3)),
        ("gen_event", ("code_change", 3)),
        ("gen_statem", ("code_change", 4)),
    ] {
        let old = |forms: &str| module("a_m", 1).behaves(behaviour).source(forms);
        let new = |forms: &str| module("a_m", 2).behaves(behaviour).source(forms);
        let able = |module: Mod| module.exports(converts.0, converts.1);
        let (one, two) = (record("one"), record("two"));
        let both = |field: &str, value: &str| {
            format!(
                "{},{}",
                record(field),
                function("code_change", converts.1, value)
            )
        };
        // Nothing changed; the state did; code_change did; both did.
        modules(&able(old(&one)), &able(new(&one)), true, &[LOAD], 0);
        modules(&able(old(&one)), &able(new(&two)), true, &[UPDATE], 1);
        modules(
            &able(old(&both("one", "a"))),
            &able(new(&both("one", "b"))),
            true,
            &[UPDATE],
            0,
        );
        modules(
            &able(old(&both("one", "a"))),
            &able(new(&both("two", "b"))),
            true,
            &[UPDATE],
            0,
        );
        // Nobody can convert it.
        modules(&old(&one), &new(&two), true, &[LOAD], 1);
        modules(&old(&one), &new(&two), false, &[RESTART], 0);
        modules(
            &old(&function("init", 1, "a")),
            &new(&function("init", 1, "b")),
            false,
            &[LOAD],
            0,
        );
        // Nobody knows.
        let blind = |code| module("a_m", code).behaves(behaviour);
        modules(&able(blind(1)), &able(blind(2)), true, &[UPDATE], 0);
        modules(&blind(1), &blind(2), false, &[LOAD], 1);
        // Code of other processes, or of none, before.
        modules(&module("a_m", 1), &able(blind(2)), true, &[LOAD], 1);
    }
    // The function of another behaviour does not count.
    let other = |code| {
        module("a_m", code)
            .behaves("gen_statem")
            .exports("code_change", 3)
    };
    modules(&other(1), &other(2), true, &[LOAD], 1);
    let special = |code| module("a_m", code).exports("system_code_change", 4);
    modules(&special(1), &special(2), true, &[UPDATE], 0);
    let custom = |code, field| module("a_m", code).behaves("mine").source(record(field));
    modules(&custom(1, "one"), &custom(2, "one"), true, &[LOAD], 0);
    modules(&custom(1, "one"), &custom(2, "two"), true, &[LOAD], 1);
}

#[test]
fn supervisors_with_other_children_restart_what_nobody_stands_on() {
    let sup = |code, value: &str| {
        let init = "{function,1,init,1,[{clause,1,[],[],[{call,1,{atom,1,children},[]}]}]}";
        let forms = format!("{init},{}", function("children", 0, value));
        module("a_m", code)
            .behaves("supervisor")
            .behaves("application")
            .source(forms)
    };
    modules(&sup(1, "a"), &sup(2, "a"), false, &[LOAD], 0);
    modules(&sup(1, "a"), &sup(2, "b"), false, &[RESTART], 0);
    modules(&sup(1, "a"), &sup(2, "b"), true, &[LOAD], 1);
    let blind = |code| module("a_m", code).behaves("supervisor");
    modules(&blind(1), &blind(2), false, &[RESTART], 0);
    modules(&blind(1), &blind(2), true, &[LOAD], 1);
    let hop = hop(
        &[
            app("a", &[sup(1, "a")]),
            app("b", &[]).keys(",{applications,[a]}"),
        ],
        &[
            app("a", &[sup(2, "b")]),
            app("b", &[]).keys(",{applications,[a]}"),
        ],
    )
    .expect("a hop");
    let proposal = hop.steps[0].proposal.as_ref();
    assert_eq!(proposal, Some(&Instruction::RestartApplication("a".into())));
    assert!(
        hop.steps[0].why[0].contains("children/0, which init/1 calls changed"),
        "{hop:?}"
    );
}

#[test]
fn what_can_not_be_exchanged_while_it_runs_is_restarted() {
    let plain = |code| module("a_m", code);
    for (from, to, expected, warnings) in [
        // Native code: also where another module changed, or the library alone.
        (
            app("a", &[plain(1).with_nif()]),
            app("a", &[plain(2).with_nif()]),
            &[RESTART][..],
            0,
        ),
        (
            app("a", &[plain(1), module("a_n", 1).with_nif()]),
            app("a", &[plain(2), module("a_n", 1).with_nif()]),
            &[RESTART],
            0,
        ),
        (
            app("a", &[plain(1)]).library(1),
            app("a", &[plain(1)]).library(2),
            &[RESTART],
            0,
        ),
        (
            app("a", &[plain(1)]).library(1),
            app("a", &[plain(2)]).library(1),
            &[LOAD],
            0,
        ),
        (
            app("a", &[plain(1).with_nif()]),
            app("a", &[plain(1).with_nif()]),
            &[],
            0,
        ),
        // The specification.
        (
            app("a", &[]).keys(",{mod,{a,[]}}"),
            app("a", &[]).keys(",{mod,{b,[]}}"),
            &[RESTART],
            0,
        ),
        (
            app("a", &[]),
            app("a", &[]).keys(",{start_phases,[{go,[]}]}"),
            &[RESTART],
            0,
        ),
        (
            app("a", &[]).keys(",{env,[{k,1}]}"),
            app("a", &[]).keys(",{env,[{k,2}]}"),
            &[RESTART],
            0,
        ),
        (
            app("a", &[]).keys(",{env,[{k,1}]}"),
            app("a", &[]),
            &[RESTART],
            0,
        ),
        (app("a", &[]), app("a", &[]).keys(",{env,[{k,1}]}"), &[], 0),
        (
            app("a", &[]),
            app("a", &[]).start(StartType::Permanent),
            &[],
            0,
        ),
    ] {
        check(&from, &to, false, expected, warnings);
        // Whoever stands on it is told, but there is no other way.
        let told = warnings + usize::from(expected == [RESTART]);
        check(&from, &to, true, expected, told);
    }
    let many = |code| {
        let names = ["a_1", "a_2", "a_3", "a_4"];
        app("a", &names.map(|name| module(name, code)))
    };
    check(&many(1), &many(2), false, &[RESTART], 0);
    let load = ["a_1", "a_2", "a_3"].map(|name| format!("{{load_module, {name}}}"));
    let few = app(
        "a",
        &[
            module("a_1", 2),
            module("a_2", 2),
            module("a_3", 2),
            module("a_4", 1),
        ],
    );
    check(
        &many(1),
        &few,
        false,
        &load.each_ref().map(String::as_str),
        0,
    );
}

#[test]
fn applications_that_come_and_go_are_started_and_told() {
    let new = |start| app("b", &[module("b_m", 1).calls("a_m")]).start(start);
    let with = |code, more: &[App]| [&[app("a", &[module("a_m", code)])], more].concat();
    for (start, expected) in [
        (
            StartType::Permanent,
            &[LOAD, "{restart_application, b}"][..],
        ),
        (StartType::Load, &[LOAD, "{restart_application, b}"]),
        (StartType::None, &[LOAD, "{load_module, b_m}"]),
    ] {
        let hop = hop(&with(1, &[]), &with(2, &[new(start)])).expect("a hop");
        assert_eq!(told(&hop), expected);
    }
    let gone = hop(&with(1, &[new(StartType::Load)]), &with(1, &[])).expect("a hop");
    assert_eq!((told(&gone).len(), gone.warnings.len()), (0, 1), "{gone:?}");
    let rule = "[application.b]\ninstruction = \"load_module\"";
    let loaded = hop_by(
        &with(1, &[]),
        &with(1, &[new(StartType::Load)]),
        rule,
        false,
    );
    assert_eq!(told(&loaded.expect("a hop")), ["{load_module, b_m}"]);
}

#[test]
fn the_runtime_is_left_alone_or_refused() {
    for name in ["kernel", "stdlib", "compiler"] {
        let with = |code| {
            [
                app(name, &[module("lists", code)]),
                app("a", &[module("a_m", code)]),
            ]
        };
        let refused = hop(&with(1), &with(2)).expect_err("refused");
        assert_eq!(refused.name(), "needs_restart");
        assert!(refused.to_string().contains(name), "{refused}");
        let forced = hop_by(&with(1), &with(2), "", true).expect("a hop");
        assert_eq!(
            (told(&forced), forced.warnings.len()),
            (vec![LOAD.to_owned()], 1)
        );
    }
}

#[test]
fn what_the_node_could_not_load_is_left_out_and_told() {
    modules(
        &module("a_m", 1),
        &module("a_m", 2).unlisted(),
        false,
        &[],
        1,
    );
    modules(
        &module("a_m", 1),
        &module("a_m", 2).consolidated(),
        false,
        &[],
        1,
    );
    let gone = hop(&[app("a", &[module("a_m", 1)])], &[app("a", &[])]).expect("a hop");
    assert_eq!((told(&gone).len(), gone.notes.len()), (0, 1));
    let moved = [app("a", &[]), app("b", &[module("a_m", 1)])];
    let from = [app("a", &[module("a_m", 1)]), app("b", &[])];
    assert_eq!(
        told(&hop(&from, &moved).expect("a hop")),
        Vec::<String>::new()
    );
}
