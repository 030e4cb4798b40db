//! What the records come to when some of them, or some of what they name, are gone.

use fs_err as fs;

use super::*;
use crate::output::Told;
use crate::testing::Site;

/// An installation with these releases on disk; `emqx_vars` names the first.
fn site(versions: &[&str]) -> (Site, Tree) {
    let site = Site::new();
    let root = site.base().tree();
    for vsn in versions {
        let vsn: ReleaseVsn = vsn.parse().expect("a version");
        let about =
            format!(r#"{{release,{{"emqx","{vsn}"}},{{erts,"12.2"}},[{{emqx,"{vsn}"}}]}}."#);
        fs::create_dir_all(root.release(&vsn)).expect("made");
        fs::write(root.rel_file(&vsn, "emqx"), about).expect("written");
        fs::write(root.release(&vsn).join("start.boot"), "boot").expect("written");
        fs::create_dir_all(root.ebin("emqx", vsn.as_str())).expect("made");
    }
    fs::create_dir_all(root.erts_bin("12.2")).expect("made");
    let first = versions.first().copied().unwrap_or("4.4.0");
    let vars = format!("REL_VSN=\"{first}\"\nERTS_VSN=\"12.2\"\n");
    fs::write(root.emqx_vars(), vars).expect("written");
    (site, root)
}

fn record(releases: &[(&str, ReleaseStatus)]) -> String {
    let known: Vec<_> = releases
        .iter()
        .map(|(vsn, status)| KnownRelease {
            name: "emqx".to_owned(),
            vsn: (*vsn).to_owned(),
            erts: "12.2".to_owned(),
            libs: Vec::new(),
            status: *status,
        })
        .collect();
    render_releases(&known)
}

/// The versions with their status after a repair, and what `start_erl.data` names.
fn repaired(root: &Tree, site: &Site) -> (Vec<(String, &'static str)>, String) {
    let known = records::read_releases(&root.releases_file())
        .or_else(|_| records::read_releases(&root.saved_releases_file()))
        .unwrap_or_default();
    let there = on_disk(root, "emqx").expect("readable");
    let start = permanent(&site.install, root, &known, &there).expect("something to boot");
    let rebuilt = rebuild(known, there, &start)
        .into_iter()
        .map(|release| (release.vsn, release.status.as_str()));
    (rebuilt.collect(), start.vsn)
}

fn check(site: &Site, root: &Tree, expected: &[(&str, &str)], start: &str) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(vsn, status)| ((*vsn).to_owned(), *status))
        .collect();
    let (found, vsn) = repaired(root, site);
    let found: Vec<_> = found
        .into_iter()
        .filter(|(vsn, _)| vsn.starts_with("4."))
        .collect();
    assert_eq!((found, vsn.as_str()), (expected, start));
}

#[test]
fn start_erl_data_tells_what_is_permanent() {
    use ReleaseStatus::{Old, Permanent};
    let (site, root) = site(&["4.4.0", "4.4.16"]);
    fs::write(root.start_erl(), "12.2 4.4.16").expect("written");
    // The release handler was cut off between the two files.
    let before = record(&[("4.4.16", Old), ("4.4.0", Permanent)]);
    fs::write(root.releases_file(), before).expect("written");
    let expected = [("4.4.16", "permanent"), ("4.4.0", "old")];
    check(&site, &root, &expected, "4.4.16");
}

#[test]
fn the_last_whole_record_counts_where_the_present_one_is_cut() {
    use ReleaseStatus::{Old, Permanent};
    let (site, root) = site(&["4.4.0", "4.4.16"]);
    let saved = record(&[("4.4.16", Permanent), ("4.4.0", Old)]);
    fs::write(root.saved_releases_file(), saved).expect("written");
    fs::write(root.releases_file(), "[{release,").expect("written");
    fs::write(root.start_erl(), "").expect("written");
    let expected = [("4.4.16", "permanent"), ("4.4.0", "old")];
    check(&site, &root, &expected, "4.4.16");
}

#[test]
fn without_any_record_the_disk_and_emqx_vars_tell() {
    let (site, root) = site(&["4.4.0", "4.4.16"]);
    let expected = [("4.4.0", "permanent"), ("4.4.16", "unpacked")];
    check(&site, &root, &expected, "4.4.0");
}

#[test]
fn a_release_whose_files_are_gone_is_forgotten_and_never_permanent() {
    use ReleaseStatus::{Old, Permanent};
    let (site, root) = site(&["4.4.0", "4.4.16"]);
    let known = record(&[("4.4.16", Permanent), ("4.4.0", Old)]);
    fs::write(root.releases_file(), known).expect("written");
    fs::write(root.start_erl(), "12.2 4.4.16").expect("written");
    fs::remove_dir_all(root.ebin("emqx", "4.4.16")).expect("removed");
    check(&site, &root, &[("4.4.0", "permanent")], "4.4.0");
}

#[test]
fn nothing_that_could_boot_is_no_repair() {
    let (site, root) = site(&["4.4.0"]);
    let known = record(&[("4.4.0", ReleaseStatus::Permanent)]);
    fs::write(root.releases_file(), known).expect("written");
    let vsn = "4.4.0".parse().expect("a version");
    fs::remove_file(root.release(&vsn).join("start.boot")).expect("removed");
    let there: Vec<_> = on_disk(&root, "emqx")
        .expect("readable")
        .into_iter()
        .filter(|release| release.vsn == "4.4.0")
        .collect();
    let failure = permanent(&site.install, &root, &[], &there).expect_err("nothing");
    assert_eq!(failure.name(), "nothing_to_repair_from");
}
