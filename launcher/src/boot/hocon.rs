//! The release's own hocon, through `nodetool hocon`: it alone knows what a configuration means.

use std::ffi::OsString;
use std::path::Path;

use crate::boot::config::{BootConfigs, KEYS, LICENSE_KEY};
use crate::boot::helper;
use crate::environment::Environment;
use crate::error::Error;
use crate::message;
use crate::release::Release;

/// Looks up the values that decide how to boot.
///
/// # Errors
/// What hocon says against the configuration, with its exit code.
pub fn look_up(release: &Release, env: &Environment) -> Result<BootConfigs, Error> {
    let mut args = words(&["hocon", "-s", &release.schema_mod, "-c"]);
    args.push(release.etc_dir.join("emqx.conf").into());
    args.push("multi_get".into());
    args.extend(KEYS.iter().map(OsString::from));
    if release.needs_license() {
        args.push(LICENSE_KEY.into());
    }
    let output = helper::capture(&helper::nodetool(release, env, args))?;
    if output.code != 0 {
        return Err(refused(
            "multi_get",
            output.code,
            &(output.stdout + &output.stderr),
        ));
    }
    Ok(BootConfigs::parse(&output.stdout))
}

/// Writes `app.<time>.config` and `vm.<time>.args`; what it prints (which environment variables
/// override what) goes to standard output.
///
/// # Errors
/// What hocon says against the configuration, with its exit code.
pub fn generate(
    release: &Release,
    env: &Environment,
    configs_dir: &Path,
    time: &str,
) -> Result<(), Error> {
    let mut args = words(&["hocon", "-v", "-t", time]);
    args.extend(sources(release, configs_dir));
    args.extend(["-d".into(), configs_dir.into(), "generate".into()]);
    let output = helper::capture(&helper::nodetool(release, env, args))?;
    message::relay(&output.stdout, &output.stderr);
    if output.code != 0 {
        return Err(Error::Hocon {
            command: "generate".into(),
            code: output.code,
        });
    }
    Ok(())
}

/// Checks the whole configuration without writing anything.
///
/// # Errors
/// What hocon says against it, with its exit code.
pub fn check_schema(release: &Release, env: &Environment, configs_dir: &Path) -> Result<(), Error> {
    let mut args = words(&["hocon", "-v"]);
    args.extend(sources(release, configs_dir));
    args.push("check_schema".into());
    match helper::pass_through(&helper::nodetool(release, env, args))? {
        0 => Ok(()),
        code => Err(Error::Hocon {
            command: "check_schema".into(),
            code,
        }),
    }
}

/// Checks the licence's key through the release's own code.
///
/// # Errors
/// No key, or one that the release refuses.
pub fn check_license(
    release: &Release,
    env: &Environment,
    configs: &BootConfigs,
) -> Result<(), Error> {
    if !release.needs_license() {
        return Ok(());
    }
    let key = env
        .get("EMQX_LICENSE__KEY")
        .or_else(|| configs.get(LICENSE_KEY));
    let key = key.ok_or(Error::NoLicense)?;
    match helper::pass_through(&helper::nodetool(release, env, ["check_license_key", key]))? {
        0 => Ok(()),
        code => Err(Error::License { code }),
    }
}

/// The schema and the files, in the order in which later ones override earlier ones.
fn sources(release: &Release, configs_dir: &Path) -> Vec<OsString> {
    let mut args = words(&["-s", &release.schema_mod]);
    let files = [
        release.etc_dir.join("base.hocon"),
        configs_dir.join("cluster.hocon"),
        release.etc_dir.join("emqx.conf"),
    ];
    for file in files {
        args.extend(["-c".into(), file.into()]);
    }
    args
}

fn refused(command: &str, code: u8, output: &str) -> Error {
    for line in output.lines().filter(|line| !line.trim().is_empty()) {
        message::error(line);
    }
    Error::Hocon {
        command: command.to_owned(),
        code,
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
