//! Stages 1 to 5: what is refused before there is a target to look at.

use super::*;

#[test]
fn stage_1_refuses_while_somebody_is_at_work() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let mut node = site.node();
    node.attempt = Ok(Some("20260102T030405-abcdef".to_owned()));
    let said = check_refused(&site, &mut node, &tarball, &[], "locked");
    assert!(said.err.contains("20260102T030405-abcdef"), "{said:?}");
    let held = RelupLock::acquire(site.base()).expect("free");
    let said = check_refused(&site, &mut site.node(), &tarball, &[], "locked");
    assert!(
        said.err.contains(&format!("pid {}", std::process::id())),
        "{said:?}"
    );
    drop(held);
}

#[test]
fn stage_2_refuses_without_a_node_that_answers() {
    let site = Site::new();
    let tarball = site.new_tarball();
    check_refused(
        &site,
        &mut FakeNode::down(),
        &tarball,
        &[],
        "node_not_running",
    );
    for (error, name) in [
        (
            NodeError::Unreachable("it rejects us".into()),
            "node_unreachable",
        ),
        (NodeError::Lost("closed".into()), "node_unreachable"),
        (NodeError::Rpc("undef".into()), "node_rpc_failed"),
    ] {
        let mut node = site.node();
        node.facts = Err(error);
        check_refused(&site, &mut node, &tarball, &[], name);
    }
    let mut odd = site
        .node()
        .saying(|facts| facts.running_vsn = "../x".into());
    check_refused(&site, &mut odd, &tarball, &[], "node_rpc_failed");
}

#[test]
fn stage_3_refuses_patches_unless_they_are_meant_to_stay() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let elsewhere = site.outside().join("data");
    for (dir, node) in [
        (site.base().default_data(), site.node()),
        (
            elsewhere.clone(),
            site.node().saying(|facts| facts.data_dir = Some(elsewhere)),
        ),
    ] {
        let mut node = node;
        write(&dir.join("patches/emqx_x.beam"), "");
        write(&dir.join("patches/README"), "");
        let said = check_refused(&site, &mut node, &tarball, &[], "patches_dir_not_empty");
        assert!(
            said.err.contains("emqx_x.beam") && !said.err.contains("README"),
            "{said:?}"
        );
        fs::remove_file(dir.join("patches/emqx_x.beam")).expect("removed");
    }
    write(&site.base().default_data().join("patches/emqx_x.beam"), "");
    let said = site.upgrade(&mut site.node(), &tarball, &["--force"]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn stage_4_refuses_what_is_not_the_named_tarball() {
    let site = Site::new();
    let mut node = site.node();
    let tarball = site.new_tarball();
    let sidecar = PathBuf::from(format!("{}.sha256", tarball.display()));
    let good = fs::read_to_string(&sidecar).expect("readable");
    let fifo = site.outside().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
    for (path, name) in [
        (site.outside().join("none"), "target_tarball_not_found"),
        (site.outside(), "cannot_read_target_tarball"),
        (fifo.clone(), "cannot_read_target_tarball"),
    ] {
        check_refused(&site, &mut node, &path, &[], name);
    }
    for (content, name) in [
        ("", "invalid_sha256_sidecar"),
        ("garbage\n", "invalid_sha256_sidecar"),
        (&good[1..], "invalid_sha256_sidecar"),
        (&"0".repeat(64), "sha256_mismatch"),
    ] {
        fs::write(&sidecar, content).expect("written");
        check_refused(&site, &mut node, &tarball, &[], name);
    }
    fs::remove_file(&sidecar).expect("removed");
    check_refused(&site, &mut node, &tarball, &[], "missing_sha256_sidecar");
    fs::create_dir(&sidecar).expect("made");
    check_refused(
        &site,
        &mut node,
        &tarball,
        &[],
        "cannot_read_sha256_sidecar",
    );
    fs::remove_dir(&sidecar).expect("removed");
    fs::rename(&fifo, &sidecar).expect("renamed");
    check_refused(
        &site,
        &mut node,
        &tarball,
        &[],
        "cannot_read_sha256_sidecar",
    );
}

#[test]
fn a_sidecar_that_names_another_file_is_good_enough_for_a_warning() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let sidecar = PathBuf::from(format!("{}.sha256", tarball.display()));
    let text = fs::read_to_string(&sidecar).expect("readable");
    fs::write(&sidecar, text.replace("emqx-5.10.5", "other")).expect("written");
    let said = site.upgrade(&mut site.node(), &tarball, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("WARNING") && said.err.contains("other.tar.gz"),
        "{said:?}"
    );
}

#[test]
fn stage_5_refuses_what_is_no_proper_archive() {
    let site = Site::new();
    let good = Release::of(NEW).tarball();
    let path = site.outside().join("emqx.tar.gz");
    let hostile = Release::of(NEW).with("relup/current", "5.10.9\n").tarball();
    for (bytes, name) in [
        (b"".to_vec(), "archive_corrupt"),
        (b"PK\x03\x04 this is no gzip".to_vec(), "archive_corrupt"),
        (good[..good.len() / 2].to_vec(), "archive_corrupt"),
        (gzip(&[0; 512]), "archive_corrupt"),
        ([good.as_slice(), b"garbage"].concat(), "archive_corrupt"),
        (hostile, "unsafe_archive_entry"),
    ] {
        fs::write(&path, bytes).expect("written");
        write_sidecar(&path);
        check_refused(&site, &mut site.node(), &path, &[], name);
    }
}
