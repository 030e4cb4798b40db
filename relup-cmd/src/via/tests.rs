//! Which tarballs an upgrade over releases in between takes, and what it refuses before its first hop.

use fs_err as fs;
use relup::journal::AttemptResult;
use relup::node::ApplyFailure;

use crate::testing::{FakeNode, NEW, OLD, Release, Said, Site, hop_text, write};

const LAST: &str = "5.10.6";

/// A site with the hops OLD -> NEW -> LAST in its catalog.
fn site() -> Site {
    let site = Site::with_hop();
    site.add_hop("b.relup", &hop_text(NEW, LAST));
    site
}

fn upgrade(site: &Site, node: &mut FakeNode, via: &[&str]) -> Said {
    let target = site.tarball(&Release::of(LAST));
    let via: Vec<&str> = via.iter().flat_map(|path| ["--via", path]).collect();
    site.upgrade(node, &target, &via)
}

/// A tarball at a place of its own.
fn tarball_at(site: &Site, release: &Release, name: &str) -> String {
    let made = site.tarball(release);
    let path = site.outside().join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::rename(made, &path).expect("moved");
    crate::testing::write_sidecar(&path);
    path.to_string_lossy().into_owned()
}

fn check_refused(site: &Site, via: &[&str], name: &str, part: &str) {
    let mut node = site.node();
    let before = site.snapshot();
    let said = upgrade(site, &mut node, via);
    assert_eq!((said.code, said.error_name()), (1, name), "{said:?}");
    assert!(said.err.contains(part), "{said:?}");
    assert_eq!(site.snapshot(), before, "{name} left something behind");
    assert!(node.requests.is_empty(), "{name} came too late");
}

#[test]
fn each_hop_is_an_upgrade_of_its_own() {
    let site = site();
    let between = tarball_at(&site, &Release::of(NEW), "a.tar.gz");
    let mut node = site.node();
    let said = upgrade(&site, &mut node, &[&between]);
    assert_eq!(said.code, 0, "{said:?}");
    let hops: Vec<_> = node
        .requests
        .iter()
        .map(|one| (one.from.as_str(), one.to.as_str()))
        .collect();
    assert_eq!(hops, [(OLD, NEW), (NEW, LAST)]);
    assert_eq!(
        node.proofs.len(),
        1,
        "the second hop was looked at before the first"
    );
    assert_eq!(node.proofs[0].to, LAST);
    assert!(
        site.base()
            .deployed(&NEW.parse().expect("a version"))
            .path()
            .is_dir()
    );
    let ends: Vec<_> = site
        .records()
        .into_iter()
        .filter_map(|record| record.result)
        .collect();
    assert_eq!(ends, [AttemptResult::Success, AttemptResult::Success]);
}

#[test]
fn hops_inside_of_tarballs_in_a_directory_are_found() {
    let site = Site::new();
    let inner = |from: &str, to: &str| {
        Release::of(to).with(&format!("releases/{to}/x.relup"), &hop_text(from, to))
    };
    tarball_at(&site, &inner(OLD, NEW), "dir/emqx-5.10.5-x.tar.gz");
    tarball_at(
        &site,
        &inner("5.10.1", "5.10.2"),
        "dir/emqx-5.10.2-x.tar.gz",
    );
    let target = tarball_at(&site, &inner(NEW, LAST), "target.tar.gz");
    let dir = site.outside().join("dir").to_string_lossy().into_owned();
    let mut node = site.node();
    let said = site.upgrade(&mut node, target.as_ref(), &["--via", &dir, "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let json = said.json();
    assert_eq!((&json["from"], &json["to"]), (&OLD.into(), &LAST.into()));
    assert_eq!(json["hops"].as_array().map(Vec::len), Some(2), "{json}");
    assert!(
        node.requests[0]
            .hop
            .file
            .ends_with("relup/5.10.5/releases/5.10.5/x.relup"),
        "it is named by where it is then: {}",
        node.requests[0].hop.file
    );
}

#[test]
fn the_hop_beside_a_tarball_in_between_counts_before_the_catalog() {
    let site = site();
    let between = tarball_at(&site, &Release::of(NEW), "a.tar.gz");
    write(format!("{between}.relup").as_ref(), &hop_text(OLD, NEW));
    let mut node = site.node();
    assert_eq!(upgrade(&site, &mut node, &[&between]).code, 0);
    assert_eq!(node.requests[0].hop.file, format!("{between}.relup"));
}

#[test]
fn a_tarball_that_is_not_needed_is_told() {
    let site = site();
    let between = tarball_at(&site, &Release::of(NEW), "a.tar.gz");
    let other = tarball_at(&site, &Release::of("5.10.1"), "b.tar.gz");
    let said = upgrade(&site, &mut site.node(), &[&format!("{other},{between}")]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("b.tar.gz is not on the way"), "{said:?}");
    // A direct hop needs none, and opens none.
    let site = self::site();
    site.add_hop("direct.relup", &hop_text(OLD, LAST));
    let empty = site.outside().join("empty.tar.gz");
    write(&empty, "");
    let said = upgrade(&site, &mut site.node(), &[&empty.to_string_lossy()]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("5.10.4 -> 5.10.6 is there"), "{said:?}");
}

#[test]
fn what_is_wrong_with_the_way_is_refused_before_its_first_hop() {
    let site = site();
    let one = tarball_at(&site, &Release::of(NEW), "one.tar.gz");
    let two = tarball_at(
        &site,
        &Release::of(NEW).with("lib/x-1/y", "z"),
        "two.tar.gz",
    );
    let other = tarball_at(&site, &Release::of("5.10.1"), "other.tar.gz");
    check_refused(&site, &[&one, &two], "ambiguous_tarball", "two.tar.gz");
    check_refused(
        &site,
        &[&other],
        "missing_chain_tarball",
        "no tarball of 5.10.5",
    );
    check_refused(&site, &["/no/such"], "target_tarball_not_found", "/no/such");
    let otp = Release::of(NEW).replacing("releases/5.10.5/BUILD_INFO", "25.2.3", "27.0");
    let otp = tarball_at(&site, &otp, "otp.tar.gz");
    check_refused(&site, &[&otp], "otp_major_vsn_mismatch", "27.0");
    fs::remove_file(site.base().catalog().join("b.relup")).expect("removed");
    check_refused(
        &site,
        &[&one],
        "no_relup_path",
        "supported: 5.10.4 -> 5.10.5",
    );
    // Without --via the way is told.
    let site = self::site();
    check_refused(&site, &[], "no_relup_entry", "5.10.4 -> 5.10.5 -> 5.10.6");
    // The release in between is what the next start would boot: what comes after it is not known.
    write(&site.base().marker(), "5.10.5\n");
    let one = tarball_at(&site, &Release::of(NEW), "one.tar.gz");
    check_refused(&site, &[&one], "duplicate_pending_target", "5.10.5");
}

#[test]
fn a_later_hop_that_no_release_could_take_is_refused_and_one_that_depends_is_not() {
    let failure = |name: &str| ApplyFailure {
        name: name.to_owned(),
        stage: "plan".to_owned(),
        detail: "emqx_x".to_owned(),
        changed: false,
        restored: false,
    };
    let site = site();
    let between = tarball_at(&site, &Release::of(NEW), "a.tar.gz");
    let before = site.snapshot();
    let mut node = site.node();
    node.proof = Ok(Err(failure("module_not_found")));
    let said = upgrade(&site, &mut node, &[&between]);
    assert_eq!((said.code, said.error_name()), (1, "module_not_found"));
    assert!(
        said.err.contains("(hop 2 of 2, 5.10.5 -> 5.10.6)\n"),
        "{said:?}"
    );
    assert!(node.requests.is_empty());
    assert_eq!(site.snapshot(), before);
    node.proof = Ok(Err(failure("callback_not_exported")));
    let said = upgrade(&site, &mut node, &[&between]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn what_changes_between_two_hops_stops_the_second() {
    let site = site();
    let between = tarball_at(&site, &Release::of(NEW), "a b.tar.gz");
    let mut node = site.node();
    let patches = site.base().default_data().join("patches");
    node.meanwhile = Box::new(move |_| write(&patches.join("emqx.beam"), ""));
    let said = upgrade(&site, &mut node, &[&between]);
    assert_eq!((said.code, said.error_name()), (1, "patches_dir_not_empty"));
    assert!(
        said.err.contains("; 5.10.5 was reached before and stays"),
        "{said:?}"
    );
    assert!(said.err.contains("`emqx relup upgrade /"), "{said:?}");
    assert_eq!(node.requests.len(), 1);
    assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
    assert!(!site.relup_names().iter().any(|name| name.starts_with('.')));
    assert!(
        !site
            .base()
            .deployed(&LAST.parse().expect("a version"))
            .path()
            .exists()
    );
}
