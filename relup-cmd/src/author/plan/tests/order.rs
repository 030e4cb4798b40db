//! The order of a hop, and what it always has.

use relup::hop::Instruction;

use crate::author::testing::{app, hop, module};
use crate::author::text::written;

#[test]
fn callees_come_first_and_the_version_last() {
    let apps = |code| {
        vec![
            app(
                "a",
                &[
                    module("a_1", code).calls("b_1"),
                    module("a_2", code).calls("a_3"),
                    module("a_3", code).calls("a_2").calls("a_1"),
                ],
            ),
            app(
                "b",
                &[
                    module("b_1", code),
                    module("b_2", code).with_nif().calls("a_3"),
                ],
            ),
            app("c", &[module("c_1", code).calls("c_2")]),
            app(
                "emqx",
                &[module("emqx_post_upgrade", code).exports("pr_7_b", code)],
            ),
        ]
    };
    let mut to = apps(2);
    to[2] = app("c", &[module("c_1", 2).calls("c_2"), module("c_2", 1)]);
    to[3] = app(
        "emqx",
        &[module("emqx_post_upgrade", 2)
            .exports("pr_7_b", 1)
            .exports("pr_12_a", 1)
            .exports("pr_13_a", 2)],
    );
    let mut from = apps(1);
    from[3] = app("emqx", &[module("emqx_post_upgrade", 1)]);
    let hop = hop(&from, &to).expect("a hop");
    let all: Vec<_> = hop.instructions().iter().map(written).collect();
    assert_eq!(
        all,
        [
            "{load_module, c_2}",
            "{load_module, a_1}",
            "{load_module, a_2}",
            "{load_module, a_3}",
            "{restart_application, b}",
            "{load_module, c_1}",
            "{load_module, emqx_release}",
            "{load_module, emqx_post_upgrade}",
        ]
        .map(str::to_owned)
    );
    let callbacks: Vec<_> = hop
        .callbacks
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(callbacks, ["pr_7_b", "pr_12_a"]);
    assert_eq!(hop.warnings.len(), 1, "{:?}", hop.warnings);
}

#[test]
fn the_version_is_loaded_even_where_nothing_differs() {
    let made = hop(&[], &[]).expect("a hop");
    let all = made.instructions();
    assert_eq!(all, [Instruction::LoadModule("emqx_release".into())]);
    let own = |code| [app("emqx", &[module("emqx_nif", code).with_nif()])];
    let with = hop(&own(1), &own(2)).expect("a hop");
    let all = with.instructions();
    assert_eq!(
        all,
        [Instruction::RestartApplication("emqx".into())],
        "it comes along"
    );
}
