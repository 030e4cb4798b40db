//! Refusals that depend on the state of node, marker and disk, and those of the proof inside the VM
//! that comes before its first change.

use e2e::install::Install;
use e2e::process;
use e2e::refusal::{Case, assert_all_refused};
use e2e::sample::{Sample, V4, V5, V6};
use e2e::tarball::seal;
use e2e::tree::Snapshot;
use e2e::witness::{Witness, error_name, relup_json};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_pending_target_is_not_staged_again_but_another_one_may_be() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let target = Sample::find()?.tarball(V5)?;
    let text = target.to_string_lossy();
    let before = Witness::of_running(&install)?;
    install.emqx(&["relup", "upgrade", &text])?.success()?;
    // The witness itself is put to the proof: it must see what an upgrade does.
    assert!(
        !before.vm_differences(&install)?.is_empty(),
        "a changed VM is not noticed"
    );
    let told = before.differences(&install)?;
    assert!(
        told.iter().any(|line| line.starts_with("new: current")),
        "{told:?}"
    );
    let running = Witness::of_running(&install)?;
    let case = Case::upgrade(
        "running target",
        &target,
        "already_upgraded_to_target_vsn",
        V5,
    );
    assert_all_refused(&install, &running, &[case]);

    // The marker names it, the VM does not run it: a pending cold upgrade.
    install.emqx(&["relup", "rollback"])?.success()?;
    install.emqx(&["restart"])?.success()?;
    fs_err::write(install.path("relup/current"), format!("{V5}\n"))?;
    let pending = Witness::of_running(&install)?;
    let case = Case::upgrade("pending target", &target, "duplicate_pending_target", V5);
    assert_all_refused(&install, &pending, &[case]);

    let third = Sample::find()?.tarball(V6)?;
    install
        .emqx(&["relup", "upgrade", &third.to_string_lossy()])?
        .success()?;
    assert_eq!(
        fs_err::read_to_string(install.path("relup/current"))?,
        "5.10.6\n"
    );
    Ok(())
}

#[test]
fn an_upgrade_of_a_stopped_node_is_refused_and_leaves_no_trace() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.emqx(&["relup", "status"])?.success()?;
    let witness = Witness::of_stopped(&install)?;
    let target = Sample::find()?.tarball(V5)?;
    let case = Case::upgrade("node down", &target, "node_not_running", "not running");
    assert_all_refused(&install, &witness, &[case]);
    // What reads only works without a node, and starts none.
    let paths = install
        .emqx(&["relup", "list-supported-paths"])?
        .success()?;
    assert!(paths.stdout.contains("5.10.4 -> 5.10.5"), "{paths}");
    install
        .emqx(&["relup", "status"])?
        .success()?
        .says("idle")?;
    install.emqx(&["relup", "logs"])?.success()?;
    assert!(install.processes().is_empty(), "{:?}", install.processes());
    Ok(())
}

#[test]
fn hops_that_the_vm_cannot_carry_out_are_refused_before_its_first_change() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let target = Sample::find()?.tarball(V5)?;
    let hop = |name: &str, changes: &str, callbacks: &str| -> e2e::Result<String> {
        let path = install.scratch().join(format!("{name}.relup"));
        let text = format!(
            "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
             code_changes => [{changes}],\n  post_upgrade_callbacks => [{callbacks}]}}.\n"
        );
        fs_err::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let missing = hop(
        "missing",
        "{load_module, emqx_release}, {load_module, no_such_module}",
        "",
    )?;
    let callback = hop(
        "callback",
        "{load_module, emqx_release}",
        "no_such_callback",
    )?;
    let invalid = hop(
        "invalid",
        "{load_module, emqx_release}, {make_coffee, now}",
        "",
    )?;
    let case = |name, error, value: &str, hop: &str| {
        Case::upgrade(name, &target, error, value).with(&["--relup", hop])
    };
    let cases = [
        case("module", "module_not_found", "no_such_module", &missing),
        case(
            "callback",
            "callback_not_exported",
            "no_such_callback",
            &callback,
        ),
        case("instruction", "invalid_instr", "make_coffee", &invalid),
    ];
    let witness = Witness::of_running(&install)?;
    let mut told = Vec::new();
    for case in &cases {
        let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
        let (finished, json) = relup_json(&install, &args)?;
        if (finished.code, error_name(&json)) != (Some(1), case.error) {
            told.push(format!(
                "{}: expected {}: {finished}",
                case.name, case.error
            ));
        }
        if !json.to_string().contains(&case.value) {
            told.push(format!(
                "{}: {:?} is not named: {json}",
                case.name, case.value
            ));
        }
        told.extend(witness.vm_differences(&install)?);
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(
        !install.path("relup/current").exists(),
        "a marker was written"
    );
    // What was staged for them does not stand in the way of the right hop.
    install
        .emqx(&["relup", "upgrade", &target.to_string_lossy()])?
        .success()?;
    Ok(())
}

#[test]
fn a_place_that_may_not_be_written_to_is_refused_before_anything_is_staged() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    install.emqx(&["relup", "status"])?.success()?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let target = install.scratch().join("emqx-enterprise-5.10.5-copy.tar.gz");
    fs_err::copy(Sample::find()?.tarball(V5)?, &target)?;
    seal(&target)?;
    let relup = install.path("relup");
    fs_err::set_permissions(&relup, PermissionsExt::from_mode(0o555))?;
    let before = Snapshot::of(&relup)?;
    // Modes do not stop root, but they stop a user whose installation it is not.
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = install.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg(install.path("bin/emqx"));
        command
    } else {
        install.command(install.path("bin/emqx"))
    };
    command.args(["relup", "upgrade", "--json"]).arg(&target);
    let finished = process::run(&mut command, process::HANG)?;
    assert!(
        finished.stdout.contains("no_write_permission"),
        "{finished}"
    );
    assert_eq!(finished.code, Some(1), "{finished}");
    assert_eq!(
        before.differences(&Snapshot::of(&relup)?),
        Vec::<String>::new()
    );
    fs_err::set_permissions(&relup, PermissionsExt::from_mode(0o755))?;
    Ok(())
}
