//! `systemctl`, asked about a unit and told to stop or restart it. It is started as whoever calls
//! this launcher, it asks for no password, and it waits until systemd has done what it was told.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::exec::ExecSpec;
use crate::host::Host;
use crate::host::accounts::Account;
use crate::host::environment::Environment;
use crate::service::{Manager, Unit};

/// Where it is on every system that has it, for callers with a short `PATH`.
const USUAL: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];

/// The properties of a unit that are asked for.
const PROPERTIES: &str = "LoadState,MainPID,InvocationID,Restart,ExecStart";

/// The way to the manager of one unit.
#[derive(Debug, Clone)]
pub struct Systemctl<'a> {
    program: PathBuf,
    unit: &'a Unit,
    /// The options that lead to the unit's manager.
    manager: Vec<String>,
    env: Environment,
}

impl<'a> Systemctl<'a> {
    /// Finds the program, and the way to the unit's manager. None where there is no such program,
    /// and for the manager of another user, which only root can speak to.
    pub fn find(host: &Host, unit: &'a Unit) -> Option<Systemctl<'a>> {
        let mut env = host.env.clone();
        let in_path = env
            .get_os("PATH")
            .and_then(|path| which::which_in("systemctl", Some(path), "/").ok());
        let usual = || {
            let mut places = USUAL.iter().map(PathBuf::from);
            places.find(|path| path.is_file())
        };
        let program = in_path.or_else(usual)?;
        let manager = match unit.manager {
            Manager::System => Vec::new(),
            Manager::User(uid) if uid == host.uid.as_raw() => {
                // A shell of `su` or `sudo` does not know where its manager listens.
                env.set_default("XDG_RUNTIME_DIR", format!("/run/user/{uid}"));
                vec!["--user".to_owned()]
            }
            Manager::User(uid) if host.uid.is_root() => {
                let user = Account::by_uid(uid)?.name;
                vec!["--user".to_owned(), format!("--machine={user}@.host")]
            }
            Manager::User(_) => return None,
        };
        Some(Systemctl {
            program,
            unit,
            manager,
            env,
        })
    }

    /// Asks about the unit. None where nobody answers, or knows it.
    pub fn show(&self) -> Option<Properties> {
        let options = ["--no-pager", "--property", PROPERTIES];
        let mut command = self.plan("show", &options).command().ok()?;
        let output = command.stdin(Stdio::null()).output().ok()?;
        let properties = Properties::parse(&String::from_utf8_lossy(&output.stdout));
        (output.status.success() && properties.load_state == "loaded").then_some(properties)
    }

    /// Stops or restarts the unit and waits until that is done.
    ///
    /// # Errors
    /// What it says against it, on one line.
    pub fn perform(&self, verb: &str, options: &[&str]) -> Result<(), String> {
        let options = [&["--no-ask-password"], options].concat();
        let command = self.plan(verb, &options).command();
        let output = command
            .and_then(|mut command| command.stdin(Stdio::null()).output())
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        Err(match lines.join(" ").trim() {
            "" => format!("systemctl {verb}: {}", output.status),
            words => words.to_owned(),
        })
    }

    fn plan(&self, verb: &str, options: &[&str]) -> ExecSpec {
        let words = self.manager.iter().map(String::as_str);
        let words = words.chain(options.iter().copied());
        let words = words.chain([verb, "--", &self.unit.name]);
        ExecSpec {
            program: self.program.clone(),
            args: words.map(OsString::from).collect(),
            env: self.env.clone(),
            cwd: "/".into(),
        }
    }
}

/// What systemd knows of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// `loaded`, `not-found`, ...
    load_state: String,
    /// The main process; 0 where there is none.
    pub main_pid: i32,
    /// Tells this run of the unit from others.
    pub invocation: String,
    /// After which ends it is started again: `no`, `always`, `on-failure`, ...
    pub restart: String,
    /// How it is started: the programs and their arguments, as `systemctl` writes them.
    exec_start: String,
}

impl Properties {
    fn parse(text: &str) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match name {
                "LoadState" => value.clone_into(&mut properties.load_state),
                "MainPID" => properties.main_pid = value.parse().unwrap_or(0),
                "InvocationID" => value.clone_into(&mut properties.invocation),
                "Restart" => value.clone_into(&mut properties.restart),
                // A line for each command of a unit that has several.
                "ExecStart" => {
                    properties.exec_start += value;
                    properties.exec_start.push('\n');
                }
                _ => {}
            }
        }
        properties
    }

    /// Whether the unit starts one of these programs, by whatever name, itself or by a shell.
    pub fn starts(&self, programs: &[PathBuf]) -> bool {
        let paths = self.exec_start.match_indices("path=").map(|(at, key)| {
            let value = &self.exec_start[at + key.len()..];
            value.split(" ;").next().unwrap_or_default()
        });
        let words = self.exec_start.split_whitespace();
        let words = words.map(|word| word.trim_matches(|c: char| "\"'`;=(){}".contains(c)));
        paths
            .chain(words)
            .filter(|path| path.starts_with('/'))
            .filter_map(|path| fs_err::canonicalize(Path::new(path)).ok())
            .any(|path| programs.contains(&path))
    }

    /// Whether a node that has shut down in good order would be started again.
    pub fn starts_again(&self) -> bool {
        matches!(self.restart.as_str(), "always" | "on-success")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, manager: Manager) -> Unit {
        Unit {
            name: name.to_owned(),
            manager,
        }
    }

    #[test]
    fn people_are_shown_a_command_that_their_shell_understands() {
        let check = |unit: Unit, expected: &str| {
            assert_eq!(unit.command_line("restart"), expected);
        };
        check(
            unit("emqx.service", Manager::System),
            "systemctl restart emqx.service",
        );
        check(
            unit("emqx@a\\x2db.service", Manager::User(7)),
            "systemctl --user restart 'emqx@a\\x2db.service'",
        );
    }

    #[test]
    fn the_programs_of_a_unit_are_known_by_any_of_their_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().join("real emqx");
        let link = dir.path().join("emqx");
        fs_err::write(&real, "").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        let real = fs_err::canonicalize(real).expect("there");
        let check = |exec_start: &str, expected: bool| {
            let text = format!("LoadState=loaded\nMainPID=7\nExecStart={exec_start}\n");
            let properties = Properties::parse(&text);
            assert_eq!(properties.main_pid, 7);
            let programs = [real.clone()];
            assert_eq!(properties.starts(&programs), expected, "{exec_start}");
        };
        let entry = |path: &str, argv: &str| {
            format!("{{ path={path} ; argv[]={argv} ; ignore_errors=no ; pid=7 ; status=0/0 }}")
        };
        let (name, blanks) = (link.display().to_string(), real.display().to_string());
        check(&entry(&name, &format!("{name} foreground")), true);
        check(&entry(&blanks, &format!("{blanks} foreground")), true);
        check(
            &entry("/bin/sh", &format!("/bin/sh -c \"exec {name} foreground\"")),
            true,
        );
        check(&entry("/bin/sh", "/bin/sh -c true"), false);
        check(&entry("/usr/sbin/cron", "/usr/sbin/cron -f"), false);
        check("", false);
    }
}
