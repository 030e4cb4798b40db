//! Handing a command over to a newer launcher that a hot-upgraded tree brought along: it knows the
//! newer release best. Once, never to a script, never to what somebody else could have written, and
//! never for commands that have to stay the base's (`relup`, whose trees these are).
//!
//! Whether the file is such a launcher is read off the file; it is not run to find out. Where it
//! can't be run after all, this launcher goes on by itself.

pub mod candidate;
mod note;
pub mod received;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command::Command;
use crate::exec::exec_in_place;
use crate::handover::candidate::{Candidate, version_of};
use crate::handover::received::MAX_DEPTH;
use crate::host::Host;
use crate::host::environment::Environment;
use crate::message;
use crate::release::Release;

/// `never` switches all of this off.
const SWITCH: &str = "EMQX_LAUNCHER_HANDOVER";

/// Becomes the newer launcher of the tree in force, if there is one. Comes back otherwise.
pub fn hand_over(host: &Host, release: &Release, command: Command, words: &[OsString]) {
    let is_boot = command.boots();
    let warn = |text: &str| {
        if is_boot {
            message::warning(text);
        } else {
            // Probes run every few seconds: a boot has said it already.
            tracing::debug!("{text}");
        }
    };
    let Some(hot) = &release.install.hot else {
        return;
    };
    let stays = matches!(command, Command::Relup | Command::Itself) || command.manages_releases();
    if stays || host.depth >= MAX_DEPTH || !is_on(&host.env, &warn) {
        return;
    }
    let program = release.tree().launcher();
    let candidate = match Candidate::observe(&program) {
        Ok(Some(candidate)) => candidate,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!("the tree's launcher is not looked at: {error}");
            return;
        }
    };
    let own = version_of(env!("CARGO_PKG_VERSION"));
    if !own.is_some_and(|own| candidate.is_newer_than(&own)) {
        tracing::debug!(version = %candidate.version, "the tree's launcher is not newer");
        return;
    }
    let shown = program.display();
    let version = &candidate.version;
    if let Err(reason) = candidate.check_trust(host, hot.marker.parent()) {
        warn(&format!(
            "{shown} is a newer launcher ({version}) and is not used: {reason}"
        ));
        return;
    }
    tracing::debug!(program = %shown, %version, "handing over to a newer launcher");
    let spec = Spec::plan(host, release, program, command, words);
    let error = exec_in_place(&spec.program, &spec.args, &spec.env);
    warn(&format!(
        "{} is a newer launcher ({version}) and cannot be run: {error}",
        spec.program.display()
    ));
}

/// What a process that this launcher starts for itself has to know of the handover.
pub fn remember(host: &Host, env: &mut Environment) {
    if host.is_handed_over() {
        received::leave(env, host.depth, &host.exe);
    }
}

/// What the newer launcher is started with.
struct Spec {
    program: PathBuf,
    args: Vec<OsString>,
    env: Environment,
}

impl Spec {
    /// The command by its first name, whatever this program was called as: `emqx_ctl status` is
    /// `emqx ctl status`.
    fn plan(
        host: &Host,
        release: &Release,
        program: PathBuf,
        command: Command,
        words: &[OsString],
    ) -> Spec {
        let mut env = host.env.clone();
        env.set("BASE_RUNNER_ROOT_DIR", release.install.base.path());
        received::leave(&mut env, host.depth + 1, &host.exe);
        let name = OsString::from(command.explanation().names[0]);
        let args = std::iter::once(name).chain(words.iter().cloned()).collect();
        Spec { program, args, env }
    }
}

fn is_on(env: &Environment, warn: &dyn Fn(&str)) -> bool {
    match env.get(SWITCH) {
        None | Some("auto") => true,
        Some("never") => false,
        Some(other) => {
            warn(&format!(
                "{SWITCH} is '{other}'; it may be 'never' or 'auto'"
            ));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_never_switches_it_off_and_other_words_are_told() {
        for (value, on, told) in [
            ("", true, 0),
            ("auto", true, 0),
            ("never", false, 0),
            ("no", true, 1),
        ] {
            let mut env = Environment::default();
            env.set(SWITCH, value);
            let count = std::cell::Cell::new(0);
            let warn = |_: &str| count.set(count.get() + 1);
            assert_eq!((is_on(&env, &warn), count.get()), (on, told), "{value}");
        }
    }
}
