//! The release's own cuttlefish, in releases before 5.0: it alone knows what their configuration means.
//! It is a program that writes two files and prints their names, a VM for each run, so a boot runs it
//! once: what decides how to boot is read off what it has made. It works in a directory that is gone
//! afterwards; the launcher writes the files that stay, whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use relup::term::{Term, parse_terms};
use tempfile::TempDir;

use crate::boot::config::BootConfigs;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::release::Release;
use crate::release::dialect::override_prefix;

/// Limits that keep its VM small.
const SMALL_VM: &str = "+P 65536 +Q 65536 +S 2";

/// How much of what it says is told: a line of it, in characters, and the number of lines.
const LONGEST_LINE: usize = 160;
const MOST_LINES: usize = 12;

/// What a run of cuttlefish has made.
#[derive(Debug, Clone)]
struct Made {
    /// The environment that it was made in.
    env: Environment,
    app_config: Vec<u8>,
    vm_args: String,
}

/// The way to the release's cuttlefish.
#[derive(Debug)]
pub struct Cuttlefish {
    release: Release,
    program: PathBuf,
    schema: PathBuf,
    made: Option<Made>,
}

impl Cuttlefish {
    /// Finds program and schema of the release in force. A program of that very version is taken
    /// before the one without a version in its name, which an interrupted upgrade may not have replaced.
    ///
    /// # Errors
    /// One of them is missing.
    pub fn open(release: &Release) -> Result<Cuttlefish, Error> {
        let tree = release.tree();
        let schema = tree.cuttlefish_schema(&release.vsn);
        let own = tree.cuttlefish_of(&release.vsn);
        let program = if own.is_file() {
            own
        } else {
            tree.cuttlefish()
        };
        for path in [&schema, &program] {
            if !path.is_file() {
                return Err(Error::Incomplete {
                    vsn: release.vsn.clone(),
                    missing: path.clone(),
                });
            }
        }
        Ok(Cuttlefish {
            release: release.clone(),
            program,
            schema,
            made: None,
        })
    }

    /// The values that decide how to boot, as the look-up of later releases prints them.
    ///
    /// # Errors
    /// What cuttlefish says against the configuration.
    pub fn look_up(&mut self, env: &Environment) -> Result<BootConfigs, Error> {
        let file = self.conf();
        let content = fs_err::read(&file).unwrap_or_default();
        let made = self.made(env)?;
        let configs = BootConfigs::parse(&values(made));
        Ok(configs.of_cuttlefish(file, &String::from_utf8_lossy(&content)))
    }

    /// The applications' configuration and the VM's arguments.
    ///
    /// # Errors
    /// What cuttlefish says against the configuration.
    pub fn generate(&mut self, env: &Environment) -> Result<(Vec<u8>, String), Error> {
        let made = self.made(env)?;
        Ok((made.app_config.clone(), made.vm_args.clone()))
    }

    /// The command that is run, with a directory for what it makes.
    pub fn spec(&self, env: &Environment, dir: &Path) -> ExecSpec {
        let mut env = env.clone();
        adopt_prefix(&mut env);
        let flags = env.get("ERL_FLAGS").unwrap_or_default();
        env.set("ERL_FLAGS", format!("{flags} {SMALL_VM}").trim_start());
        env.set("ERL_CRASH_DUMP_BYTES", "0");
        let mut args: Vec<OsString> = vec![self.program.clone().into()];
        args.extend(["-i".into(), self.schema.clone().into()]);
        args.extend(["-c".into(), self.conf().into()]);
        args.extend(["-d".into(), dir.into(), "generate".into()]);
        ExecSpec {
            program: self.release.bindir().join("escript"),
            args,
            env,
            cwd: self.release.install.base.path().to_path_buf(),
        }
    }

    fn conf(&self) -> PathBuf {
        self.release.etc_dir.join("emqx.conf")
    }

    /// What an earlier run has made holds for as long as the environment does.
    fn made(&mut self, env: &Environment) -> Result<&Made, Error> {
        let kept = self.made.take().filter(|made| !differs(&made.env, env));
        let made = match kept {
            Some(made) => made,
            None => self.run(env)?,
        };
        Ok(self.made.insert(made))
    }

    fn run(&self, env: &Environment) -> Result<Made, Error> {
        let dir = scratch(&self.release)?;
        // It works elsewhere, where a relative name would mean something else.
        let place = fs_err::canonicalize(dir.path())?;
        let spec = self.spec(env, &place);
        let output = spec
            .command()
            .and_then(|mut command| command.stdin(Stdio::null()).output());
        let output = output.map_err(|source| Error::Exec {
            program: spec.program.clone(),
            source,
        })?;
        let refused = |lines| Error::Cuttlefish {
            conf: self.conf(),
            lines,
        };
        if !output.status.success() {
            return Err(refused(words_of(&output)));
        }
        let Some(files) = Files::told(&output.stdout, &place) else {
            let said = words_of(&output).join(" | ");
            return Err(refused(vec![format!(
                "its last line does not tell where the generated files are: {said}"
            )]));
        };
        let vm_args = fs_err::read(&files.vm_args)?;
        Ok(Made {
            env: env.clone(),
            app_config: fs_err::read(&files.app_config)?,
            vm_args: String::from_utf8_lossy(&vm_args).into_owned(),
        })
    }
}

/// A directory that nobody else can look into: the files in it hold the cookie. A container may have
/// no place for temporary files; then it is where the generated files will be.
fn scratch(release: &Release) -> Result<TempDir, Error> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".cuttlefish-")
        .permissions(Permissions::from_mode(0o700));
    let dir = tempfile::env::temp_dir();
    builder
        .tempdir_in(&dir)
        .or_else(|error| {
            let configs = release
                .data_dir()
                .map(|data| data.join("configs"))
                .ok_or(error)?;
            fs_err::create_dir_all(&configs)?;
            builder.tempdir_in(&configs)
        })
        .map_err(|error| Error::NotWritable {
            dir,
            reason: error.kind().to_string(),
        })
}

/// Whether something that may override the configuration has another value.
fn differs(before: &Environment, now: &Environment) -> bool {
    let prefix = override_prefix(now).to_owned();
    now.changes_since(before)
        .any(|(name, _)| name.as_bytes().starts_with(prefix.as_bytes()))
}

/// The launcher's own settings are known by the usual prefix, whatever the configuration's is.
fn adopt_prefix(env: &mut Environment) {
    let prefix = override_prefix(env).to_owned();
    for setting in ["NODE__NAME", "NODE__COOKIE"] {
        if let Some(value) = env.get_os(&format!("EMQX_{setting}")).map(OsStr::to_owned) {
            env.set_default(&format!("{prefix}{setting}"), value);
        }
    }
}

/// The generated files by the names that cuttlefish prints.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    app_config: PathBuf,
    vm_args: PathBuf,
}

impl Files {
    /// Reads the last line: ` -config FILE -args_file FILE -vm_args FILE `. Names may hold blanks; both
    /// kinds of arguments are one file, and nothing lies outside of the directory.
    fn told(stdout: &[u8], dir: &Path) -> Option<Files> {
        let line = stdout
            .split(|byte| *byte == b'\n')
            .rfind(|line| !line.trim_ascii().is_empty())?;
        let rest = line.trim_ascii().strip_prefix(b"-config ")?;
        let (app_config, rest) = split_once(rest, b" -args_file ")?;
        let (vm_args, again) = split_once(rest, b" -vm_args ")?;
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let files = Files {
            app_config: path(app_config),
            vm_args: path(vm_args),
        };
        let is_inside = |path: &Path| path.parent() == Some(dir);
        (vm_args == again && is_inside(&files.app_config) && is_inside(&files.vm_args))
            .then_some(files)
    }
}

fn split_once<'a>(text: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(by.len()).position(|window| window == by)?;
    Some((&text[..at], &text[at + by.len()..]))
}

/// What it has said against the configuration: each thing once, without time and level, and without
/// what only tells where in itself it was. A whole configuration that it throws at somebody is cut:
/// nobody reads it, and secrets are in it.
fn words_of(output: &Output) -> Vec<String> {
    let text = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes));
    let mut lines: Vec<String> = Vec::new();
    for line in text.iter().flat_map(|text| text.lines()) {
        let line = line
            .split_once("[error] ")
            .map_or(line, |(_, said)| said)
            .trim();
        let line = match line.char_indices().nth(LONGEST_LINE) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line.to_owned(),
        };
        let is_place = line.starts_with("Error generating configuration in phase");
        if !line.is_empty() && !is_place && !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        lines.push(format!("it ended with {} and said nothing", output.status));
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push("...".to_owned());
    }
    lines
}

/// The lines `key=<term>` of what was made. An option and its value are a line, the value as it was
/// configured: what a VM would make of quotes in it is not meant.
fn values(made: &Made) -> String {
    let of_arguments = [
        ("node.name", "-name "),
        ("node.cookie", "-setcookie "),
        ("node.dist_net_ticktime", "-kernel net_ticktime "),
    ]
    .map(|(key, option)| {
        let mut lines = made.vm_args.lines();
        let value = lines.find_map(|line| line.trim().strip_prefix(option));
        (key, value.map(|value| value.trim().to_owned()))
    });
    let proto_dist = ("cluster.proto_dist", proto_dist(&made.app_config));
    let lines = of_arguments.into_iter().chain([proto_dist]);
    lines
        .filter_map(|(key, value)| Some(format!("{key}={}\n", Term::Str(value?))))
        .collect()
}

/// `{ekka, [{proto_dist, inet_tcp}]}` of the applications' configuration.
fn proto_dist(app_config: &[u8]) -> Option<String> {
    let terms = parse_terms(std::str::from_utf8(app_config).ok()?).ok()?;
    let applications = terms.into_iter().next()?.into_list().ok()?;
    let ekka = pair(&applications, "ekka")?.clone().into_list().ok()?;
    pair(&ekka, "proto_dist")?.as_atom().map(str::to_owned)
}

fn pair<'a>(list: &'a [Term], key: &str) -> Option<&'a Term> {
    list.iter().find_map(|term| match term {
        Term::Tuple(parts) => match parts.as_slice() {
            [name, value] if name.as_atom() == Some(key) => Some(value),
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests;
