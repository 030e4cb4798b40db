//! Packages over hot-upgraded releases, on an installation that is only files.

use fs_err as fs;
use relup::vsn::ReleaseVsn;
use serde_json::{Value, json};

use super::*;
use crate::testing::{FakeNode, OLD, Release, Site, write};

/// A base of one version below a marker of another, deployed beside a third.
fn packaged(base: &str, marked: &str, beside: Option<&str>) -> Site {
    let mut site = Site::new();
    let root = site.base().tree();
    fs::remove_dir_all(root.releases()).expect("removed");
    Release::of(base).unpack(root.path());
    let vsn: ReleaseVsn = marked.parse().expect("a version");
    let tree = site.base().deployed(&vsn);
    Release::of(marked).unpack(tree.path());
    if let Some(beside) = beside {
        let header = relup::manifest::ManifestHeader {
            vsn: vsn.clone(),
            tarball: "x.tar.gz".to_owned(),
            sha256: [0; 32],
            base: Some(beside.parse().expect("a version")),
        };
        write(&site.base().manifest(&vsn), &header.to_line());
    }
    write(&site.base().marker(), &format!("{marked}\n"));
    site.install.booted = tree;
    site.install.booted_vsn = vsn;
    site
}

/// The answer of `package-installed`, and what it warned of.
fn arrived(site: &Site) -> Result<(Value, String), Error> {
    let mut node = FakeNode::down();
    arrived_beside(site, &mut node)
}

fn arrived_beside(site: &Site, node: &mut dyn Node) -> Result<(Value, String), Error> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console::new(&mut out, &mut err, false);
    let answer = run(&site.install, node, &mut console)?;
    drop(console);
    let warned = String::from_utf8(err).expect("text");
    Ok((Value::Object(answer.fields), warned))
}

#[test]
fn a_later_package_retires_the_marker_and_an_earlier_one_does_not() {
    for (base, marked, beside, expected) in [
        ("5.10.6", "5.10.5", Some("5.10.4"), "retired"),
        ("5.10.5", "5.10.5", Some("5.10.4"), "retired"),
        ("6.0.0", "5.10.5", None, "retired"),
        ("5.10.4", "5.10.5", Some("5.10.4"), "kept"),
        ("5.10.4", "5.10.5", None, "kept"),
        ("5.10.4", "5.10.6", Some("5.10.3"), "kept"),
        // Chosen beside the later base on purpose, and that base was only installed again.
        ("5.10.5", "5.10.4", Some("5.10.5"), "kept"),
    ] {
        let site = packaged(base, marked, beside);
        let (answer, warned) = arrived(&site).expect("done");
        assert_eq!(answer["marker"], expected, "{base} over {marked}: {answer}");
        assert_eq!(answer["package"], base);
        assert_eq!(warned, "");
        let is_retired = expected == "retired";
        assert_eq!(answer["boots"], if is_retired { base } else { marked });
        assert_eq!(site.marker().is_none(), is_retired);
        let retired = fs::read_to_string(site.base().retired_marker()).ok();
        assert_eq!(retired, is_retired.then(|| format!("{marked}\n")));
        assert_eq!(site.records().is_empty(), !is_retired);
        if is_retired {
            let records = site.records();
            assert_eq!(
                site.steps(),
                [Step::Started, Step::MarkerWritten, Step::Finished]
            );
            assert!(
                records
                    .iter()
                    .all(|record| record.action == Action::Package)
            );
            let said = site.run(&mut FakeNode::down(), &["logs"]);
            let row = format!("{marked} -> {base} status=finished result=success action=package\n");
            assert!(said.out.ends_with(&row), "{said:?}");
        }
        let (answer, _) = arrived(&site).expect("done again");
        let again = if is_retired { "none" } else { "kept" };
        assert_eq!(answer["marker"], again, "{answer}");
    }
}

#[test]
fn what_a_rollback_has_put_back_outlives_the_reinstallation_of_the_package() {
    let arrives = |package: &str, changes: &[(Action, &str, &str)]| {
        let site = packaged(package, "5.10.5", Some("5.10.4"));
        for (action, from, to) in changes {
            let log = AttemptLog::new(site.base(), action.clone(), *from, *to);
            log.step(Step::Started).expect("recorded");
            log.switched().expect("recorded");
        }
        let (answer, _) = arrived(&site).expect("done");
        (answer["marker"].clone(), answer["why"].clone())
    };
    let put_back = [
        (Action::Package, "5.10.5", "5.10.6"),
        (Action::Rollback, "5.10.6", "5.10.5"),
        (Action::Prune, "5.10.3", "5.10.3"),
    ];
    let (marker, why) = arrives("5.10.6", &put_back);
    assert_eq!(marker, "kept", "{why}");
    assert_eq!(
        why,
        "it was chosen beside 5.10.6, which was installed again"
    );
    assert_eq!(arrives("5.10.7", &put_back).0, "retired");
    // A deployed tree of the version that the package has was left, and not a package.
    let left_a_tree = [
        (Action::Upgrade, "5.10.5", "5.10.6"),
        (Action::Rollback, "5.10.6", "5.10.5"),
    ];
    assert_eq!(arrives("5.10.6", &left_a_tree).0, "retired");
    assert_eq!(arrives("5.10.6", &left_a_tree[1..]).0, "retired");
    let upgraded_since = [
        put_back[0].clone(),
        put_back[1].clone(),
        (Action::Upgrade, "5.10.4", "5.10.5"),
    ];
    assert_eq!(arrives("5.10.6", &upgraded_since).0, "retired");
}

#[test]
fn what_has_no_order_stays_and_is_told() {
    let site = packaged("5.10.5-g1234", "5.10.5", Some("5.10.4"));
    let (answer, warned) = arrived(&site).expect("done");
    assert_eq!(answer["marker"], "kept");
    assert!(
        warned.contains("can't be told; the next start boots 5.10.5"),
        "{warned}"
    );
    write(&site.base().marker(), "../x");
    let (answer, warned) = arrived(&site).expect("done");
    assert_eq!(
        (&answer["marker"], &answer["boots"]),
        (&json!("kept"), &json!(null))
    );
    assert!(warned.contains("is damaged"), "{warned}");
}

#[test]
fn without_a_marker_nothing_is_made() {
    let site = Site::new();
    let before = site.snapshot();
    let (answer, _) = arrived(&site).expect("done");
    assert_eq!(
        (&answer["marker"], &answer["boots"]),
        (&json!("none"), &json!(OLD))
    );
    assert_eq!(site.snapshot(), before);
}

#[test]
fn nothing_is_retired_while_the_node_applies_or_for_a_package_that_is_not_whole() {
    let site = packaged("5.10.6", "5.10.5", Some("5.10.4"));
    let mut node = site.node();
    node.attempt = Ok(Some("x".to_owned()));
    let refused = arrived_beside(&site, &mut node).expect_err("refused");
    assert_eq!((refused.name(), refused.exit_code()), ("locked", 1));
    assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
    fs::remove_file(site.base().tree().nodetool()).expect("removed");
    fs::remove_file(site.base().tree().launcher()).expect("removed");
    let refused = arrived(&site).expect_err("refused");
    assert_eq!(refused.name(), "incomplete_release");
    assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
}

#[test]
fn a_run_that_was_killed_behind_the_rename_is_told_as_done() {
    let site = packaged("5.10.6", "5.10.5", Some("5.10.4"));
    arrived(&site).expect("done");
    let journal = fs::read_to_string(site.base().journal()).expect("read");
    let first = journal.lines().next().expect("a line");
    write(&site.base().journal(), &format!("{first}\n"));
    let (answer, warned) = arrived(&site).expect("done");
    assert_eq!(answer["marker"], "none");
    assert!(warned.contains("package 5.10.5 -> 5.10.6 of"), "{warned}");
    assert!(warned.contains("had done what it was asked"), "{warned}");
    assert_eq!(site.steps(), [Step::Started, Step::Finished]);
}

#[test]
fn what_a_marker_inside_of_the_deployed_tree_leads_to_is_what_counts() {
    for (base, expected) in [("5.10.6", "kept"), ("5.10.7", "retired")] {
        let mut site = packaged(base, "5.10.5", Some("5.10.4"));
        // As the plugin of old leaves it; the launcher has followed it.
        let inner: ReleaseVsn = "5.10.7-rc.1".parse().expect("a version");
        let tree = site.install.booted.nested(&inner);
        Release::of(inner.as_str()).unpack(tree.path());
        write(&site.install.booted.nested_marker(), inner.as_str());
        site.install.booted = tree;
        site.install.booted_vsn = inner.clone();
        let (answer, _) = arrived(&site).expect("done");
        assert_eq!(answer["marker"], expected, "{answer}");
        assert_eq!(answer["marked"], "5.10.5");
        let is_retired = expected == "retired";
        assert_eq!(
            answer["boots"],
            if is_retired { base } else { inner.as_str() }
        );
        assert_eq!(site.marker().is_none(), is_retired);
    }
}
