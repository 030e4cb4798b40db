//! `--undo-on-callback-failure`: without it the new code stays and no marker is written; with it the
//! node is as it was.

use e2e::install::Install;
use e2e::node;
use e2e::process;
use e2e::sample::{Sample, V4, V5};
use e2e::witness::{Witness, error_name, relup_json};
use std::process::Command;

/// A hop whose last callback fails, with the module of the callback beside it.
fn failing_hop(install: &Install) -> e2e::Result<String> {
    let hop = install.scratch().join("failing.relup");
    let text = format!(
        "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
         code_changes => [{{load_module, emqx_release}}, {{load_module, emqx_topic}},\n    \
         {{restart_application, emqx_dashboard}}, {{load_module, 'emqx_post_upgrade_5.10.5'}}],\n  \
         post_upgrade_callbacks => [fine, boom]}}.\n"
    );
    fs_err::write(&hop, text)?;
    let beside = hop.with_extension("");
    fs_err::create_dir_all(&beside)?;
    let source = beside.join("emqx_post_upgrade_5.10.5.erl");
    let text = "-module('emqx_post_upgrade_5.10.5').\n-export([fine/1, boom/1]).\n\
                fine(_) -> ok.\nboom(FromVsn) -> error({boom, FromVsn}).\n";
    fs_err::write(&source, text)?;
    let mut erlc = Command::new("erlc");
    process::run(erlc.arg("-o").arg(&beside).arg(&source), process::HANG)?.success()?;
    Ok(hop.to_string_lossy().into_owned())
}

#[test]
fn a_failed_callback_leaves_the_new_code_or_undoes_everything_as_the_operator_says()
-> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let hop = failing_hop(&install)?;
    let target = Sample::find()?.tarball(V5)?.display().to_string();
    let witness = Witness::of_running(&install)?;

    let undo = "--undo-on-callback-failure";
    let (finished, json) = relup_json(&install, &["upgrade", &target, "--relup", &hop, undo])?;
    assert_eq!(finished.code, Some(3), "{finished}");
    assert_eq!(error_name(&json), "post_upgrade_failed", "{finished}");
    assert_eq!(json["error"]["restored"], true, "{finished}");
    assert_eq!(witness.vm_differences(&install)?, Vec::<String>::new());
    assert_eq!(node::version(&install)?, V4);
    assert!(!install.path("relup/current").exists());

    let (finished, json) = relup_json(&install, &["upgrade", &target, "--relup", &hop])?;
    assert_eq!(finished.code, Some(4), "{finished}");
    assert_eq!(error_name(&json), "post_upgrade_failed", "{finished}");
    assert_eq!(node::version(&install)?, V5, "the new code stays");
    assert!(!install.path("relup/current").exists());
    Ok(())
}
