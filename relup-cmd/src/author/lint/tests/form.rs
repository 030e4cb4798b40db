//! Mistakes that a hop shows by itself.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn mistakes_of_form_are_found_one_by_one() {
    let (error, warning) = (Class::Error, Class::Warning);
    let cases: &[(&str, Class, Option<usize>, Edits<'_>)] = &[
        ("syntax_error", error, Some(14), &[("]\n}.", "}.")]),
        ("syntax_error", error, Some(16), &[("}.\n", "}\n")]),
        ("not_a_map", error, None, &[(GOOD, "[a].")]),
        ("version_not_text", error, Some(2), &[("\"5.10.4\"", "5")]),
        (
            "invalid_version",
            error,
            Some(2),
            &[("\"5.10.4\"", "\"../x\"")],
        ),
        (
            "same_version",
            error,
            Some(3),
            &[("\"5.10.4\"", "\"5.10.5\"")],
        ),
        (
            "not_a_patch_hop",
            error,
            Some(3),
            &[("\"5.10.4\"", "\"5.9.4\"")],
        ),
        (
            "not_a_list",
            error,
            Some(14),
            &[("[pr_1_fix, {pr_2_more, [x]}]", "pr_1_fix")],
        ),
        (
            "unknown_instruction",
            error,
            Some(7),
            &[("{load_module, emqx}", "{load, emqx}")],
        ),
        (
            "unknown_instruction",
            error,
            Some(10),
            &[("{advanced, []}", "soft")],
        ),
        (
            "malformed_callback",
            error,
            Some(14),
            &[("{pr_2_more, [x]}", "{pr_2_more, x}")],
        ),
        (
            "unknown_key",
            warning,
            Some(14),
            &[(
                "  post_upgrade_callbacks",
                "  callback => [],\n  post_upgrade_callbacks",
            )],
        ),
        (
            "missing_emqx_release",
            error,
            None,
            &[("    {load_module, emqx_release},\n", "")],
        ),
        (
            "repeated_instruction",
            warning,
            Some(8),
            &[(
                "{load_module, emqx_topic},",
                "{load_module, emqx_topic}, {load_module, emqx},",
            )],
        ),
        (
            "repeated_instruction",
            warning,
            Some(13),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard},\n{restart_application, emqx_dashboard}",
            )],
        ),
        (
            "untouchable_application",
            warning,
            Some(12),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard}, {restart_application, stdlib}",
            )],
        ),
        (
            "agent_module",
            error,
            Some(5),
            &[(
                "[\n    {load",
                "[\n    {load_module, emqx_hot_apply_sys}, {load",
            )],
        ),
        (
            "restart_drops_clients",
            warning,
            Some(12),
            &[(
                "emqx_dashboard}",
                "emqx_dashboard}, {restart_application, esockd}",
            )],
        ),
        (
            "apply_result",
            error,
            Some(11),
            &[(
                "emqx_topic, match, [a, b, c]",
                "application, ensure_all_started, [x]",
            )],
        ),
        (
            "apply_ends_node",
            error,
            Some(11),
            &[("emqx_topic, match, [a, b, c]", "init, stop, []")],
        ),
        (
            "repeated_callback",
            warning,
            Some(14),
            &[("{pr_2_more, [x]}]", "{pr_2_more, [x]}, pr_1_fix]")],
        ),
        (
            "callback_module_not_reloaded",
            warning,
            Some(13),
            &[("    {load_module, emqx_post_upgrade},\n", "")],
        ),
    ];
    for (name, class, line, hop) in cases {
        let case = Case {
            hop,
            file: Some("hop.relup"),
            is_form_only: true,
            ..Case::default()
        };
        check_found(name, *class, *line, &case);
    }
    for (file, name) in [
        ("5.10.4-to-5.10.6.relup", "file_name"),
        ("hop.txt", "file_name"),
    ] {
        let case = Case {
            file: Some(file),
            is_form_only: true,
            ..Case::default()
        };
        check_found(name, warning, None, &case);
    }
    let three = Case {
        hop: &[("  code_changes", "  changes")],
        is_form_only: true,
        ..Case::default()
    };
    let names: Vec<_> = three
        .findings()
        .iter()
        .map(|finding| finding.name)
        .collect();
    assert_eq!(names[..2], ["missing_key", "unknown_key"]);
}

#[test]
fn all_mistakes_of_a_file_are_found_at_once() {
    let case = Case {
        hop: &[
            ("{load_module, emqx}", "{load, emqx}"),
            ("{advanced, []}", "soft"),
            ("pr_1_fix", "1"),
        ],
        is_form_only: true,
        ..Case::default()
    };
    let lines: Vec<_> = case.findings().iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [Some(7), Some(10), Some(14)]);
}
