//! Can the release's VM run on this machine: does it start, does crypto load, does mnesia have
//! the post-commit hook. Asked in one helper VM; asked again with the release's own copies of
//! system libraries (`dynlibs`) where the machine lacks them.

use crate::boot::helper;
use crate::environment::Environment;
use crate::error::Error;
use crate::release::{Release, prepend_path};

/// Prints a word for each thing that works. The words are this module's own.
const PROBE: &str = "\
    io:put_chars(\"vm_starts\\n\"), \
    case catch crypto:info_lib() of \
        [_ | _] -> io:put_chars(\"crypto_loads\\n\"); \
        Failed -> io:format(\"crypto: ~0p~n\", [Failed]) \
    end, \
    case code:ensure_loaded(mnesia_hook) of \
        {module, _} -> io:put_chars(\"mnesia_hook_exists\\n\"); \
        _ -> ok \
    end, \
    erlang:halt(0).";

/// What the VM of the release can do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runtime {
    /// True where `mnesia_hook` exists, which the `rlog` database backend needs.
    pub mnesia_hook: bool,
    /// True where it only runs with the libraries of `dynlibs`.
    pub needs_dynlibs: bool,
}

/// Checks the runtime. Where `dynlibs` is needed, `env` gets it for everything that follows.
///
/// # Errors
/// The VM does not start, or crypto does not load, also with `dynlibs`.
pub fn check(release: &Release, env: &mut Environment) -> Result<Runtime, Error> {
    let first = probe(release, env)?;
    if first.contains("crypto_loads") {
        return Ok(Runtime {
            mnesia_hook: first.contains("mnesia_hook_exists"),
            needs_dynlibs: false,
        });
    }
    prepend_path(env, "LD_LIBRARY_PATH", &release.tree().dynlibs());
    let second = probe(release, env)?;
    if !second.contains("vm_starts") {
        let build_info = release.tree().build_info(&release.vsn);
        return Err(Error::RuntimeUnusable {
            output: one_line(&second),
            build_info: fs_err::read_to_string(build_info).unwrap_or_default(),
            vsn: release.vsn.to_string(),
        });
    }
    if !second.contains("crypto_loads") {
        return Err(Error::CryptoUnusable {
            output: one_line(&second),
        });
    }
    Ok(Runtime {
        mnesia_hook: second.contains("mnesia_hook_exists"),
        needs_dynlibs: true,
    })
}

fn probe(release: &Release, env: &Environment) -> Result<String, Error> {
    let output = helper::capture(&helper::eval(release, env, PROBE))?;
    Ok(output.stdout + &output.stderr)
}

fn one_line(output: &str) -> String {
    output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}
