//! Where everything of an installation is, as tables.

use super::*;

fn vsn() -> ReleaseVsn {
    "5.10.5".parse().expect("a version")
}

fn check(actual: &Path, expected: &str) {
    assert_eq!(actual, Path::new(expected));
}

#[test]
fn a_root_is_absolute_and_without_parent_steps() {
    for (path, ok) in [
        ("/opt/emqx", true),
        ("/opt/my emqx", true),
        ("opt/emqx", false),
        ("", false),
        ("/opt/../emqx", false),
    ] {
        assert_eq!(BaseRoot::new(path.into()).is_ok(), ok, "{path:?}");
        assert_eq!(Tree::new(path.into()).is_ok(), ok, "{path:?}");
    }
}

#[test]
fn everything_of_the_base_is_where_the_contract_says() {
    let base = BaseRoot::new("/opt/emqx".into()).expect("an absolute path");
    for (actual, expected) in [
        (base.path().to_owned(), "/opt/emqx"),
        (base.tree().path().to_owned(), "/opt/emqx"),
        (base.relup_dir(), "/opt/emqx/relup"),
        (base.marker(), "/opt/emqx/relup/current"),
        (base.marker_temp("a1"), "/opt/emqx/relup/.current-a1"),
        (base.retired_marker(), "/opt/emqx/relup/current.retired"),
        (base.assessment(), "/opt/emqx/relup/assessment.json"),
        (base.assessment_temp("a1"), "/opt/emqx/relup/.assessment-a1"),
        (
            base.deployed(&vsn()).naming_marker(),
            "/opt/emqx/relup/current",
        ),
        (base.journal(), "/opt/emqx/relup/journal.jsonl"),
        (base.journal_temp("a1"), "/opt/emqx/relup/.journal-a1"),
        (base.lock(), "/opt/emqx/relup/lock"),
        (base.catalog(), "/opt/emqx/relup/catalog"),
        (
            base.deployed(&vsn()).path().to_owned(),
            "/opt/emqx/relup/5.10.5",
        ),
        (base.manifest(&vsn()), "/opt/emqx/relup/5.10.5.manifest"),
        (base.manifest_temp("a1"), "/opt/emqx/relup/.manifest-a1"),
        (base.staging("a1"), "/opt/emqx/relup/.staging-a1"),
        (base.staging("../../a1"), "/opt/emqx/relup/.staging-a1"),
        (base.trash("a1"), "/opt/emqx/relup/.trash-a1"),
        (base.default_plugins(), "/opt/emqx/plugins"),
        (base.default_data(), "/opt/emqx/data"),
    ] {
        check(&actual, expected);
    }
}

#[test]
fn everything_of_a_tree_is_where_a_release_has_it() {
    let tree = Tree::new("/t".into()).expect("an absolute path");
    for (actual, expected) in [
        (tree.bin(), "/t/bin"),
        (tree.launcher(), "/t/bin/emqx"),
        (tree.nodetool(), "/t/bin/nodetool"),
        (tree.emqx_vars(), "/t/releases/emqx_vars"),
        (tree.erts("13.2"), "/t/erts-13.2"),
        (tree.lib(), "/t/lib"),
        (tree.releases(), "/t/releases"),
        (tree.releases_file(), "/t/releases/RELEASES"),
        (tree.release(&vsn()), "/t/releases/5.10.5"),
        (tree.build_info(&vsn()), "/t/releases/5.10.5/BUILD_INFO"),
        (tree.rel_file(&vsn(), "emqx"), "/t/releases/5.10.5/emqx.rel"),
        (tree.dynlibs(), "/t/dynlibs"),
        (tree.nested_marker(), "/t/relup/current"),
        (tree.nested(&vsn()).path().to_owned(), "/t/relup/5.10.5"),
        (tree.ebin("emqx", "5.10.5"), "/t/lib/emqx-5.10.5/ebin"),
    ] {
        check(&actual, expected);
    }
}

#[test]
fn only_temporary_names_are_leftovers() {
    let base = BaseRoot::new("/b".into()).expect("an absolute path");
    for path in [
        base.staging("1"),
        base.trash("1"),
        base.marker_temp("1"),
        base.journal_temp("1"),
        base.manifest_temp("1"),
        base.assessment_temp("1"),
    ] {
        assert!(
            is_leftover(path.file_name().expect("a file name")),
            "{}",
            path.display()
        );
    }
    for name in [
        "5.10.5",
        "current",
        "current.retired",
        "assessment.json",
        "journal.jsonl",
        "lock",
        "catalog",
        ".keep",
    ] {
        assert!(!is_leftover(OsStr::new(name)), "{name}");
    }
}

#[test]
fn a_component_can_not_leave_its_directory() {
    for (name, expected) in [
        ("emqx", true),
        ("5.10.5", true),
        ("", false),
        (".", false),
        ("..", false),
        ("a/b", false),
        ("a\\b", false),
        ("a\0b", false),
        ("a\nb", false),
    ] {
        assert_eq!(is_component(name), expected, "{name:?}");
    }
}

#[test]
fn what_the_launcher_replaces_is_kept_beside_it() {
    let tree = Tree::new("/opt/emqx".into()).expect("an absolute path");
    let (seat, second) = (tree.seat(), tree.second_seat());
    assert_eq!(seat.path(), tree.launcher());
    check(&seat.kept(), "/opt/emqx/bin/emqx.sh");
    check(&seat.temp(), "/opt/emqx/bin/.emqx.new");
    check(&seat.kept_temp(), "/opt/emqx/bin/.emqx.sh.new");
    check(&second.path(), "/opt/emqx/bin/emqx_ctl");
    check(&second.kept(), "/opt/emqx/bin/emqx_ctl.sh");
}
