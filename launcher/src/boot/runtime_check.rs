//! Can the release's VM run on this machine: does it start, does crypto load, does mnesia have
//! the post-commit hook. Asked again with the release's own copies of system libraries (`dynlibs`)
//! where the machine lacks them.

use shims::boot_helper::Answer;

use crate::boot::helper::HelperVm;
use crate::error::Error;
use crate::host::environment::Environment;
use crate::message;
use crate::release::{Release, prepend_path};

/// A VM that was found usable.
#[derive(Debug)]
pub struct Runtime {
    /// The helper VM that was asked, ready for more.
    pub vm: HelperVm,
    /// True where `mnesia_hook` exists, which the `rlog` database backend needs.
    pub mnesia_hook: bool,
}

/// What one VM told of itself.
enum Probe {
    Usable(Runtime),
    NoCrypto(String),
    NoVm(String),
}

/// Starts the helper VM. Where `dynlibs` is needed, `env` gets it for everything that follows.
///
/// # Errors
/// The VM does not start, or crypto does not load, also with `dynlibs`.
pub fn start(release: &Release, env: &mut Environment) -> Result<Runtime, Error> {
    if let Probe::Usable(runtime) = probe(release, env)? {
        return Ok(runtime);
    }
    prepend_path(env, "LD_LIBRARY_PATH", &release.tree().dynlibs());
    match probe(release, env)? {
        Probe::Usable(runtime) => {
            message::warning(&format!(
                "using libraries of {}, the system lacks them",
                release.tree().dynlibs().display()
            ));
            Ok(runtime)
        }
        Probe::NoCrypto(output) => Err(Error::CryptoUnusable {
            output: one_line(&output),
        }),
        Probe::NoVm(output) => {
            let build_info = release.tree().build_info(&release.vsn);
            Err(Error::RuntimeUnusable {
                output: one_line(&output),
                build_info: fs_err::read_to_string(build_info).unwrap_or_default(),
                vsn: release.vsn.to_string(),
            })
        }
    }
}

fn probe(release: &Release, env: &Environment) -> Result<Probe, Error> {
    let mut vm = match HelperVm::start(release, env) {
        Ok(vm) => vm,
        // Built for another machine, or its loader is missing: no VM either.
        Err(error @ Error::Exec { .. }) => return Ok(Probe::NoVm(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(match vm.ask::<&str>("runtime", &[]) {
        Err(ended) => Probe::NoVm(ended.0),
        Ok(Answer::Done(words)) => {
            let mut words = words.iter().map(|word| String::from_utf8_lossy(word));
            match words.next() {
                Some(crypto) if crypto.is_empty() => Probe::Usable(Runtime {
                    mnesia_hook: words.next().as_deref() == Some("true"),
                    vm,
                }),
                Some(crypto) => Probe::NoCrypto(crypto.into_owned()),
                None => Probe::NoCrypto(String::new()),
            }
        }
        Ok(Answer::Refused(lines)) => Probe::NoCrypto(lines.join(" ")),
        Ok(Answer::Failed(reason)) => Probe::NoCrypto(reason),
    })
}

fn one_line(output: &str) -> String {
    output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}
