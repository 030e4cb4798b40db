//! `install`, and its other names `upgrade` and `downgrade`: the running node goes over to another
//! release, and the next start boots it.
//!
//! The commit point is OTP's: `start_erl.data`. Until it names the new release a start boots the old
//! one, whatever was killed before.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use relup::layout::Tree;
use relup::releases_file::{ReleaseStatus, StartErl};
use relup::vars::render_assignment;
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::handler::failure::Failure;
use crate::handler::node::NotInstalled;
use crate::handler::{Session, check_patch_hop};
use crate::handler::{records, script, unpack};
use crate::node::NodeError;
use crate::regular;
use crate::release::names_in;

/// The programs that are this one, whatever a release brings along under their names.
const LAUNCHER: [&str; 2] = ["emqx", "emqx_ctl"];
/// Longest `emqx_vars`.
const MAX_TEXT: u64 = 1024 * 1024;

/// Unpacks where needed, installs where needed, and makes permanent unless told otherwise.
pub(crate) fn install(
    session: &mut Session<'_, '_>,
    vsn: &ReleaseVsn,
    permanent: bool,
) -> Result<(), Failure> {
    let status = session.status(vsn)?;
    let running = session.running()?;
    check_patch_hop(&running, vsn)?;
    match status {
        None => unpack::unpack(session, vsn)?,
        Some(ReleaseStatus::Old) => {
            say(session, vsn, "is marked old, switching to it.");
        }
        Some(ReleaseStatus::Unpacked) => {
            say(session, vsn, "is already unpacked, now installing.");
        }
        Some(ReleaseStatus::Current) if permanent => {
            say(
                session,
                vsn,
                "is already installed and current, making permanent.",
            );
            return make_permanent(session, vsn);
        }
        Some(ReleaseStatus::Current) => {
            say(session, vsn, "is already installed and current.");
            return Ok(());
        }
        Some(ReleaseStatus::Permanent) if running == vsn.as_str() => {
            say(
                session,
                vsn,
                "is already installed, running and set permanent.",
            );
            // A crash may have come between the release handler's record and ours.
            return if permanent {
                agree(session, vsn)
            } else {
                Ok(())
            };
        }
        Some(ReleaseStatus::Permanent) => {
            let line = format!("Release {running} is the currently running version.");
            session.console.say(&line);
        }
    }
    switch(session, vsn)?;
    if permanent {
        make_permanent(session, vsn)?;
    }
    Ok(())
}

fn say(session: &mut Session<'_, '_>, vsn: &ReleaseVsn, words: &str) {
    session.console.say(&format!("Release {vsn} {words}"));
}

/// The running node goes over to the release.
fn switch(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    let running = session.running()?;
    if script::ends_vm(&session.root, &running, vsn) && !session.node.has_heart()? {
        let vsn = vsn.to_string();
        return Err(Failure::EndsVm { vsn });
    }
    keep_settings(session, vsn)?;
    records::save(&session.root)?;
    session
        .node
        .check_install(vsn.as_str())?
        .map_err(|reason| not_installed(vsn, reason, Failure::CheckFailed))?;
    session.console.stage(&format!("installing {vsn}"), None);
    let installed = session
        .node
        .install(vsn.as_str())
        .map_err(|error| match error {
            NodeError::NotRunning(_) => Failure::from(error),
            source => Failure::Lost {
                doing: "the node was installing the release",
                source,
            },
        })?;
    installed.map_err(|reason| not_installed(vsn, reason, Failure::InstallFailed))?;
    if let Err(error) = session.node.put_back() {
        let words = format!("settings that no file can hold were not put back: {error}");
        session.console.warn(words);
    }
    session.console.say(&format!("Installed Release: {vsn}"));
    Ok(())
}

fn not_installed(vsn: &ReleaseVsn, reason: NotInstalled, other: fn(String) -> Failure) -> Failure {
    match reason {
        NotInstalled::OldProcesses(module) => Failure::OldProcesses {
            vsn: vsn.to_string(),
            module,
        },
        NotInstalled::Other(reason) => other(reason),
    }
}

/// The settings that run now become the new release's: `vm.args` as the node was started with, and
/// the environment of its applications as `sys.config`.
fn keep_settings(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    let dir = session.root.release(vsn);
    // A cookie and passwords are among them, whatever file they came from.
    let keep = |name, content: &[u8]| records::replace_with_mode(&dir.join(name), content, 0o600);
    if let Some(path) = session.node.vm_args()? {
        match regular::read(&path, MAX_TEXT) {
            Ok(content) => keep("vm.args", &content)?,
            Err(error) => session.console.warn(format!(
                "the arguments that the node was started with are not kept: {}: {error}",
                path.display()
            )),
        }
    }
    let settings = session.node.settings()?;
    if !settings.left_out.is_empty() {
        session.console.warn(format!(
            "sys.config can't hold {}; they are put back in the running node only",
            settings.left_out.join(", ")
        ));
    }
    keep("sys.config", settings.text.as_bytes())?;
    Ok(())
}

/// The next start boots the release that runs.
fn make_permanent(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    records::save(&session.root)?;
    session
        .node
        .make_permanent(vsn.as_str())?
        .map_err(Failure::NotPermanent)?;
    // From here on the next start boots it.
    records::settle(&session.root)
        .and_then(|_| agree(session, vsn))
        .map_err(|failure| Failure::NotPermanent(failure.to_string()))?;
    session
        .console
        .say(&format!("Made release permanent: \"{vsn}\""));
    Ok(())
}

/// Brings everything else that a boot reads in line with `start_erl.data`.
fn agree(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    let root = &session.root;
    let Some(start) = records::permanent(root).filter(|start| start.vsn == vsn.as_str()) else {
        return Err(Failure::RecordsDamaged {
            path: root.start_erl(),
            reason: format!("does not name {vsn}"),
        });
    };
    if let Err(error) = take_scripts(root, vsn) {
        // They are for people: a start needs none that it does not find under its version.
        let words = format!("the programs of {vsn} in bin/ are not taken over: {error}");
        session.console.warn(words);
    }
    append_vars(session, &start)
}

/// The programs that carry the version in their names become those that do not.
fn take_scripts(root: &Tree, vsn: &ReleaseVsn) -> Result<(), Error> {
    let suffix = format!("-{vsn}");
    for name in names_in(&root.bin())? {
        let plain = name.strip_suffix(&suffix).unwrap_or_default();
        if !plain.is_empty() && !LAUNCHER.contains(&plain) {
            copy(&root.bin().join(&name), &root.bin().join(plain))?;
        }
    }
    // For programs such as `erl` that are started without a release.
    let boot = root.release(vsn).join("no_dot_erlang.boot");
    if boot.is_file() {
        copy(&boot, &root.bin().join("no_dot_erlang.boot"))?;
    }
    Ok(())
}

/// Replaces a program of `bin/` whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let content = fs::read(from).map_err(|error| Error::io(from, "read", error))?;
    if fs::read(to).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let mode = fs::metadata(from)
        .map_err(|error| Error::io(from, "read", error))?
        .permissions()
        .mode();
    records::replace_with_mode(to, &content, mode & 0o777)
}

/// `emqx_vars` says the same: later lines win.
fn append_vars(session: &Session<'_, '_>, start: &StartErl) -> Result<(), Failure> {
    let path = session.root.emqx_vars();
    let unreadable = |reason: String| {
        Failure::Common(Error::CannotReadEmqxVars {
            path: path.clone(),
            reason,
        })
    };
    let mut text =
        regular::read_text(&path, MAX_TEXT).map_err(|error| unreadable(error.to_string()))?;
    let (Some(vsn), Some(erts)) = (
        render_assignment("REL_VSN", &start.vsn),
        render_assignment("ERTS_VSN", &start.erts),
    ) else {
        return Err(unreadable(format!("it can't hold {start:?}")));
    };
    let last = |name: &str| {
        let mut lines = text.lines().map(str::trim).rev();
        lines.find(|line| line.starts_with(&format!("{name}=")))
    };
    if last("REL_VSN") == Some(vsn.trim()) && last("ERTS_VSN") == Some(erts.trim()) {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in [vsn, erts] {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    records::replace(&path, text.as_bytes())?;
    Ok(())
}
