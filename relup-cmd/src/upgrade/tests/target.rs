//! Stages 6 to 8: what is refused because of what the target is.

use super::*;

#[test]
fn stage_6_refuses_a_target_that_does_not_say_what_it_is() {
    let good = || Release::of(NEW);
    for (release, name, part) in [
        (
            good().without(VARS),
            "cannot_read_emqx_vars",
            "no such file",
        ),
        (
            good().with(VARS, "REL_VSN=\"5.10.5\"\n$(x)\n"),
            "cannot_read_emqx_vars",
            "line 2",
        ),
        (
            good().with(VARS, "REL_VSN=\"5.10.5\"\n"),
            "cannot_read_emqx_vars",
            "ERTS_VSN",
        ),
        (
            good().replacing(VARS, "REL_VSN", "X_VSN"),
            "rel_vsn_not_found",
            "REL_VSN",
        ),
        (
            good().replacing(VARS, "\"5.10.5\"", "\"../x\""),
            "invalid_rel_vsn",
            "../x",
        ),
        (
            good().replacing(VARS, "ERTS_VSN", "REL_VSN=\"5.10.6\"\nERTS_VSN"),
            "invalid_rel_vsn",
            "more than one",
        ),
        (
            good().replacing(VARS, "\"5.10.5\"", "\"5.10.5 6\""),
            "invalid_rel_vsn",
            "5.10.5 6",
        ),
        (
            good().replacing(VARS, "\"5.10.5\"", "\"$(id)\""),
            "invalid_rel_vsn",
            "$",
        ),
        (
            good().replacing(VARS, "\"5.10.5\"", "\"5.10.4\""),
            "already_upgraded_to_target_vsn",
            OLD,
        ),
    ] {
        check_target(&release, name, part);
    }
}

#[test]
fn stage_6_refuses_a_target_that_could_not_boot() {
    let good = || Release::of(NEW);
    let rel = "releases/5.10.5/emqx.rel";
    for (release, part) in [
        (good().without("bin/emqx"), "bin/emqx is missing"),
        (
            good().with_mode("bin/emqx", 0o644),
            "bin/emqx is not executable",
        ),
        (good().without("erts-"), "erlexec is missing"),
        (
            good().without("erts-13.1.5/bin/beam.smp"),
            "beam.smp is missing",
        ),
        (
            good().with_mode("erts-13.1.5/bin/beam.smp", 0o600),
            "beam.smp is not executable",
        ),
        (good().with("erts-14.0/bin/x", ""), "more than one runtime"),
        (
            good().replacing(VARS, "13.1.5", "14.0"),
            "erts-14.0/bin/erlexec is missing",
        ),
        (good().without("lib/"), "lib is missing"),
        (good().without("releases/5.10.5/start.boot"), "no boot file"),
        (good().without(BUILD_INFO), "BUILD_INFO"),
        (good().without(rel), "emqx.rel"),
        (good().with(rel, "{release"), "emqx.rel"),
        (
            good().replacing(rel, "\"5.10.5\"},{erts", "\"5.10.6\"},{erts"),
            "is of 5.10.6",
        ),
        (
            good().replacing(rel, "13.1.5", "14.0"),
            "asks for ERTS 14.0",
        ),
    ] {
        check_target(&release, "incomplete_release", part);
    }
}

#[test]
fn stage_6_refuses_what_is_pending_already_but_lets_hops_chain() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    write(&site.base().marker(), "5.10.5\n");
    check_refused(
        &site,
        &mut site.node(),
        &tarball,
        &[],
        "duplicate_pending_target",
    );
    write(&site.base().marker(), "5.10.3\n");
    assert_eq!(site.upgrade(&mut site.node(), &tarball, &[]).code, 0);
}

#[test]
fn a_damaged_marker_is_replaced_by_a_good_upgrade_and_said() {
    let site = Site::with_hop();
    write(&site.base().marker(), "\n");
    let said = site.upgrade(&mut site.node(), &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("is damaged"), "{said:?}");
    assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
}

#[test]
fn stage_7_refuses_a_target_for_something_else() {
    let good = || Release::of(NEW);
    let elf = "erts-13.1.5/bin/beam.smp";
    let foreign = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x14\0 a PowerPC program";
    for (release, name, part) in [
        (
            good().replacing(BUILD_INFO, "25.2.3", "26.1"),
            "otp_major_vsn_mismatch",
            "26.1",
        ),
        (
            good().replacing(BUILD_INFO, "debian12", "el9"),
            "os_arch_mismatch",
            "el9",
        ),
        (
            good().replacing(BUILD_INFO, "x86_64", "aarch64"),
            "os_arch_mismatch",
            "aarch64",
        ),
        (good().with(elf, foreign), "os_arch_mismatch", "beam.smp"),
        (Release::of("5.11.0"), "not_a_patch_hop", "5.11.0"),
    ] {
        check_target(&release, name, part);
    }
    let site = Site::with_hop();
    let with_mnesia = good().with("lib/mnesia-4.21/ebin/mnesia.beam", "");
    let with_hook = with_mnesia
        .clone()
        .with("lib/mnesia-4.21/ebin/mnesia_hook.beam", "");
    for (release, hook) in [(&with_hook, false), (&with_mnesia, true)] {
        let mut node = site.node().saying(|facts| facts.mnesia_hook = hook);
        let tarball = site.tarball(release);
        check_refused(&site, &mut node, &tarball, &[], "otp_compatible_mismatch");
    }
    let mut node = site.node().saying(|facts| facts.mnesia_hook = true);
    assert_eq!(
        site.upgrade(&mut node, &site.tarball(&with_hook), &[]).code,
        0
    );
}

#[test]
fn force_lifts_the_patch_rule() {
    let site = Site::new();
    site.add_hop("a.relup", &hop_text(OLD, "5.11.0"));
    let said = site.upgrade(
        &mut site.node(),
        &site.tarball(&Release::of("5.11.0")),
        &["--force"],
    );
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn the_running_release_is_looked_up_where_the_running_version_has_its_files() {
    let site = Site::with_hop();
    site.add_hop("b.relup", &hop_text(NEW, "5.10.6"));
    assert_eq!(
        site.upgrade(&mut site.node(), &site.new_tarball(), &[])
            .code,
        0
    );
    // No restart: the node's root is still the base, which knows nothing of 5.10.5.
    let mut chained = FakeNode::running(NEW, site.base().path());
    let said = site.upgrade(&mut chained, &site.tarball(&Release::of("5.10.6")), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(site.marker().as_deref(), Some("5.10.6\n"));
}

#[test]
fn stage_8_refuses_when_the_node_could_not_write_the_marker() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let mut node = site.node();
    node.uid = Some(4_321);
    let said = check_refused(&site, &mut node, &tarball, &[], "no_write_permission");
    assert!(said.err.contains("the node runs as uid 4321"), "{said:?}");
    // Whoever may write the directory still needs what this command leaves behind to be its own.
    let open = std::fs::Permissions::from_mode(0o777);
    fs::set_permissions(site.base().relup_dir(), open).expect("allowed");
    check_refused(&site, &mut node, &tarball, &[], "no_write_permission");
    node.uid = None;
    assert_eq!(
        site.upgrade(&mut node, &tarball, &[]).code,
        0,
        "unknown is not refused"
    );
}
