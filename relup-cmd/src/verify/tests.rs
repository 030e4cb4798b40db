//! Every kind of difference is named, and nothing is called verified that was not compared.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::json;

use crate::interrupt::Interrupt;
use crate::testing::{FakeNode, NEW, OLD, Release, Said, Site, write};

/// An installation with one deployed tree that has more of everything.
fn deployed() -> (Site, PathBuf) {
    let site = Site::new();
    let mut release = Release::of(NEW).with("lib/x-1/priv/data", &"x".repeat(300_000));
    for number in 0..600 {
        release = release.with(&format!("lib/x-1/ebin/x{number}.app"), &number.to_string());
    }
    let tarball = site.tarball(&release);
    let said = site.upgrade(&mut FakeNode::down(), &tarball, &["--cold"]);
    assert_eq!(said.code, 0, "{said:?}");
    let vsn = NEW.parse().expect("a version");
    let tree = site.base().deployed(&vsn).path().to_owned();
    (site, tree)
}

fn verify(site: &Site, more: &[&str]) -> Said {
    let before = site.relup_names();
    let said = site.run(&mut FakeNode::down(), &[&["verify"], more].concat());
    assert_eq!(site.relup_names(), before);
    said
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("allowed");
}

#[test]
fn a_tree_as_it_was_deployed_is_verified() {
    let (site, _) = deployed();
    let said = verify(&site, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("\n5.10.5: verified, 611 files, "),
        "{said:?}"
    );
    assert!(
        said.out
            .contains("5.10.4: not verified: the original release in "),
        "{said:?}"
    );
    let json = verify(&site, &[NEW, "--json"]).json();
    assert_eq!(json["trees"][0]["verified"], json!(true));
    assert_eq!(json["trees"][0]["files"], json!(611));
}

#[test]
fn every_difference_is_named() {
    let (site, tree) = deployed();
    let ebin = tree.join("lib/x-1/ebin");
    fs::remove_file(ebin.join("x1.app")).expect("removed");
    // The same size, and the time does not matter.
    fs::write(ebin.join("x2.app"), "9").expect("written");
    fs::write(ebin.join("x3.app"), "longer").expect("written");
    set_mode(&ebin.join("x4.app"), 0o600);
    fs::remove_file(ebin.join("x5.app")).expect("removed");
    symlink("x6.app", ebin.join("x5.app")).expect("made");
    fs::remove_file(ebin.join("x7.app")).expect("removed");
    nix::unistd::mkfifo(&ebin.join("x7.app"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    write(&ebin.join("extra.app"), "x");
    write(&tree.join("lib/y-1/ebin/y.app"), "y");
    let marker = site.base().deployed(&NEW.parse().expect("a version"));
    write(&marker.nested_marker(), "5.10.6\n");
    set_mode(&tree, 0o777);
    let said = verify(&site, &[]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "tree_damaged"),
        "{said:?}"
    );
    for line in [
        "5.10.5: .: has mode 777, others may write\n",
        "5.10.5: lib/x-1/ebin/x1.app: is missing\n",
        "5.10.5: lib/x-1/ebin/x2.app: has other content: sha256 ",
        "5.10.5: lib/x-1/ebin/x3.app: has 6 bytes instead of 1\n",
        "5.10.5: lib/x-1/ebin/x4.app: has mode 600 instead of 644\n",
        "5.10.5: lib/x-1/ebin/x5.app: is no regular file\n",
        "5.10.5: lib/x-1/ebin/x7.app: is no regular file\n",
        "5.10.5: lib/x-1/ebin/extra.app: is not in the manifest\n",
        "5.10.5: lib/y-1: is a directory that is not in the manifest\n",
        "5.10.5: relup: is not in the manifest: another tool keeps its upgrades there\n",
    ] {
        assert!(said.out.contains(line), "{line} is missing: {said:?}");
    }
    assert_eq!(said.out.lines().count(), 11, "{said:?}");
    assert!(said.err.contains("10 differences in 5.10.5"), "{said:?}");
    let json = verify(&site, &["--json"]).json();
    assert_eq!(json["exit_code"], json!(1));
    let differences = json["trees"][0]["differences"].as_array().expect("a list");
    assert_eq!(differences.len(), 10);
    assert_eq!(
        differences[0],
        json!({ "path": ".", "fault": "has mode 777, others may write", "seen": true })
    );
}

#[test]
fn what_could_not_be_compared_is_not_called_verified() {
    let (site, tree) = deployed();
    let manifest = site.base().manifest(&NEW.parse().expect("a version"));
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, &text[..text.len() - 3]).expect("written");
    let said = verify(&site, &[]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "cannot_verify"),
        "{said:?}"
    );
    assert!(said.out.contains("5.10.5: not verified: "), "{said:?}");
    fs::write(
        &manifest,
        text.replace("\"vsn\":\"5.10.5\"", "\"vsn\":\"5.10.6\""),
    )
    .expect("written");
    let said = verify(&site, &[]);
    assert!(
        said.out.contains("the manifest is that of 5.10.6"),
        "{said:?}"
    );
    fs::remove_file(&manifest).expect("removed");
    let said = verify(&site, &[NEW]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "no_manifest"),
        "{said:?}"
    );
    assert!(tree.is_dir());
}

#[test]
fn a_tree_that_changed_in_any_way_is_deployed_anew_by_the_same_tarball() {
    let (site, tree) = deployed();
    let beam = tree.join("lib/x-1/ebin/x2.app");
    let again = || {
        fs::remove_file(site.base().marker()).expect("removed");
        let tarball = site.outside().join("emqx-5.10.5.tar.gz");
        let args = ["--cold", "--json"];
        site.upgrade(&mut FakeNode::down(), &tarball, &args).json()["tree_reused"].clone()
    };
    assert_eq!(again(), json!(true));
    // The same size and the same time.
    let time = fs::metadata(&beam).and_then(|found| found.modified());
    fs::write(&beam, "9").expect("written");
    let file = fs::File::options().write(true).open(&beam).expect("opened");
    file.file()
        .set_modified(time.expect("a time"))
        .expect("allowed");
    assert_eq!(again(), json!(false));
    write(&tree.join("lib/x-1/ebin/extra.app"), "x");
    assert_eq!(again(), json!(false));
    assert_eq!(again(), json!(true));
    assert_eq!(verify(&site, &[]).code, 0);
}

#[test]
fn the_base_has_no_manifest_and_that_is_said() {
    let site = Site::new();
    let said = verify(&site, &[OLD]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "no_manifest"),
        "{said:?}"
    );
    assert!(said.err.contains("is the original release"), "{said:?}");
    let said = verify(&site, &[NEW]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "not_deployed"),
        "{said:?}"
    );
    let said = verify(&site, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
}

#[test]
fn modes_of_a_package_that_lets_others_write_are_tamed_and_agree_with_the_manifest() {
    let site = Site::new();
    let release = Release::of(NEW)
        .with_mode("bin/emqx", 0o6777)
        .with_mode("releases/emqx_vars", 0o666);
    let tarball = site.tarball(&release);
    let said = site.upgrade(&mut FakeNode::down(), &tarball, &["--cold"]);
    assert_eq!(said.code, 0, "{said:?}");
    for (path, (mode, _)) in site.snapshot() {
        if path.starts_with(
            site.base()
                .deployed(&NEW.parse().expect("a version"))
                .path(),
        ) {
            assert_eq!(mode & 0o7022, 0, "{}", path.display());
        }
    }
    assert_eq!(verify(&site, &[]).code, 0);
}

#[test]
fn ctrl_c_ends_it() {
    let (site, _) = deployed();
    let interrupt = Interrupt::deaf();
    interrupt.raise();
    let said = site.run_interruptible(&mut FakeNode::down(), &["verify"], &interrupt);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "interrupted"),
        "{said:?}"
    );
}
