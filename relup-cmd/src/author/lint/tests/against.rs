//! Mistakes that show against the releases.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn mistakes_against_the_releases_are_found_one_by_one() {
    let (error, warning) = (Class::Error, Class::Warning);
    let more = |text| ("    {load_module, emqx_release},", text);
    let hops: &[(&str, Class, Option<usize>, Edits<'_>)] = &[
        (
            "module_not_found",
            error,
            Some(6),
            &[more(
                "    {load_module, emqx_release},\n    {load_module, emqx_typo},",
            )],
        ),
        (
            "module_not_found",
            error,
            Some(6),
            &[more(
                "    {load_module, emqx_release},\n    {load_module, emqx_source},",
            )],
        ),
        (
            "module_not_found",
            error,
            Some(6),
            &[more(
                "    {load_module, emqx_release},\n    {load_module, emqx_gone},",
            )],
        ),
        (
            "runtime_module",
            error,
            Some(6),
            &[more(
                "    {load_module, emqx_release},\n    {load_module, code},",
            )],
        ),
        (
            "runtime_module",
            error,
            Some(6),
            &[more(
                "    {load_module, emqx_release},\n    {load_module, erlang},",
            )],
        ),
        (
            "unchanged_module",
            warning,
            Some(6),
            &[more(
                "    {load_module, emqx_release},\n    {load_module, emqx_same},",
            )],
        ),
        (
            "load_after_restart",
            warning,
            Some(13),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard},\n    {load_module, emqx_dashboard}",
            )],
        ),
        (
            "update_after_restart",
            error,
            Some(13),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard},\n    {update, emqx_dashboard_app, {advanced, []}}",
            )],
        ),
        (
            "application_not_found",
            error,
            Some(12),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard}, {restart_application, emqx_topic}",
            )],
        ),
        (
            "application_removed",
            warning,
            Some(12),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard}, {restart_application, emqx_retired}",
            )],
        ),
        (
            "forgotten_module",
            warning,
            None,
            &[("    {update, emqx_cm, {advanced, []}},\n", "")],
        ),
        (
            "update_of_plain_module",
            warning,
            Some(7),
            &[("{load_module, emqx}", "{update, emqx, {advanced, []}}")],
        ),
        (
            "apply_not_exported",
            error,
            Some(11),
            &[("[a, b, c]", "[a]")],
        ),
        (
            "apply_module_not_found",
            error,
            Some(11),
            &[("{apply, emqx_topic,", "{apply, emqx_typo,")],
        ),
        (
            "callback_not_exported",
            error,
            Some(14),
            &[("{pr_2_more, [x]}", "pr_2_more")],
        ),
        ("forgotten_callback", warning, None, &[("[pr_1_fix, ", "[")]),
        (
            "other_release",
            error,
            None,
            &[("\"5.10.4\"", "\"5.10.3\"")],
        ),
    ];
    for (name, class, line, hop) in hops {
        let case = Case {
            hop,
            file: Some("hop.relup"),
            ..Case::default()
        };
        check_found(name, *class, *line, &case);
    }
    let cases: Vec<(&str, Class, Option<usize>, Case<'_>)> = vec![
        (
            "apply_before_load",
            error,
            Some(5),
            Case {
                hop: &[
                    ("    {apply, emqx_topic, match, [a, b, c]},\n", ""),
                    (
                        "[\n    {load_module, emqx_release}",
                        "[\n    {apply, emqx_topic, match, [a, b, c]},\n    {load_module, emqx_release}",
                    ),
                ],
                ..Case::default()
            },
        ),
        (
            "module_not_listed",
            error,
            Some(8),
            Case {
                to: &[("+match/3", "+match/3 unlisted")],
                ..Case::default()
            },
        ),
        (
            "no_code_change",
            error,
            Some(10),
            Case {
                to: &[(":gen_server +init/1 +code_change/3", ":gen_server +init/1")],
                ..Case::default()
            },
        ),
        (
            "nif_module",
            warning,
            Some(9),
            Case {
                hop: &[(
                    "    {load_module, emqx_post_upgrade}",
                    "    {load_module, emqx_nif},\n    {load_module, emqx_post_upgrade}",
                )],
                to: &[("emqx_nif@1", "emqx_nif@2 nif")],
                ..Case::default()
            },
        ),
        (
            "application_not_restarted",
            warning,
            None,
            Case {
                hop: &[(
                    "{restart_application, emqx_dashboard}",
                    "{load_module, emqx_dashboard}",
                )],
                env: Some("port"),
                ..Case::default()
            },
        ),
        (
            "load_order",
            warning,
            Some(6),
            Case {
                hop: &[
                    ("    {load_module, emqx_new},\n", ""),
                    (
                        "{restart_application, emqx_dashboard}",
                        "{load_module, emqx_new},\n    {restart_application, emqx_dashboard}",
                    ),
                ],
                ..Case::default()
            },
        ),
        (
            "otp_major_vsn_mismatch",
            error,
            None,
            Case {
                erlang: Some("27.0"),
                ..Case::default()
            },
        ),
        (
            "companion_ignored",
            warning,
            None,
            Case {
                companions: &["emqx_topic match/2"],
                ..Case::default()
            },
        ),
    ];
    for (name, class, line, case) in &cases {
        check_found(name, *class, *line, case);
    }
}

#[test]
fn a_call_of_what_the_hop_forgets_is_found_with_what_it_forgets() {
    for (hop, names) in [
        // The target's emqx calls emqx_new.
        (
            &[("    {load_module, emqx_new},\n", "")][..],
            ["added_module_not_loaded", "undefined_call"],
        ),
        // The base's emqx_topic calls emqx:old/0, which the target has no more.
        (
            &[
                ("    {load_module, emqx_topic},\n", ""),
                ("    {apply, emqx_topic, match, [a, b, c]},\n", ""),
            ],
            ["forgotten_module", "undefined_call"],
        ),
        (
            &[
                ("    {load_module, emqx_post_upgrade},\n", ""),
                (
                    "[pr_1_fix, {pr_2_more, [x]}]",
                    "[pr_1_fix, {pr_2_more, [x]}]",
                ),
            ],
            ["forgotten_module", "callback_module_not_reloaded"],
        ),
    ] {
        let case = Case {
            hop,
            ..Case::default()
        };
        let mut found: Vec<_> = case.findings().iter().map(|finding| finding.name).collect();
        found.dedup();
        let expected: Vec<_> = names.to_vec();
        for name in &expected {
            assert!(found.contains(name), "{name} is not in {found:?}");
        }
    }
}
