//! A hop like the one that was published for 5.10.4 -> 5.10.5, written from the kinds of instructions that
//! its documents name: modules of the plugin itself beside the hop, loads, updates, a restart, callbacks.

use std::path::Path;

use super::super::companions;
use super::*;

const HOP: &str = "%% Hop 5.10.4 -> 5.10.5.
#{
    from_version => \"5.10.4\",
    target_version => \"5.10.5\",
    code_changes =>
        [
            {load_module, emqx_relup_app},
            {load_module, emqx_relup_main},
            {load_module, emqx_relup_handler},
            {load_module, emqx_release},
            {load_module, emqx_post_upgrade},
            {load_module, emqx_topic},
            {load_module, emqx_new},
            {load_module, emqx},
            {update, emqx_cm, {advanced, []}},
            {restart_application, emqx_dashboard}
        ],
    post_upgrade_callbacks => [
        pr_1_fix,
        {pr_2_more, [<<\"id\">>]}
    ]
}.
";

#[test]
fn the_published_hop_is_clean_by_its_form_and_against_releases_of_its_kind() {
    let from = release("5.10.4", "26.2.5", FROM);
    let to = release("5.10.5", "26.2.5", TO);
    let plugin = ["emqx_relup_app", "emqx_relup_main", "emqx_relup_handler"];
    let companions = plugin.map(|module| Companion {
        module: module.to_owned(),
        exports: std::collections::BTreeSet::default(),
    });
    let file = Path::new("priv/relup/5.10.4-to-5.10.5.relup");
    for releases in [
        None,
        Some(Releases {
            from: &from,
            to: &to,
        }),
    ] {
        let Text::Value(value) = parse_text(HOP.as_bytes()) else {
            panic!("it is a literal");
        };
        let mut found = Vec::new();
        check(file, HOP, value, &companions, &[], releases, &mut found);
        assert_eq!(found, [], "{}", releases.is_some());
    }
}

#[test]
fn beams_of_the_plugin_are_beside_its_hops_and_what_is_no_module_is_told() {
    let dir = crate::testing::scratch();
    let app = dir.path().join("emqx_relup-1.0.0");
    let hop = app.join("priv/relup/5.10.4-to-5.10.5.relup");
    crate::testing::write(&hop, HOP);
    crate::testing::write(&app.join("ebin/emqx_relup_main.beam"), "no module");
    crate::testing::write(&hop.with_extension("").join("emqx_source.erl"), "");
    let mut found = Vec::new();
    assert!(companions::observe(&hop, &mut found).is_empty());
    let names: Vec<_> = found.iter().map(|finding| finding.name).collect();
    assert_eq!(names, ["companion_damaged"]);
    assert_eq!(companions::sources(&hop), ["emqx_source"]);
}
