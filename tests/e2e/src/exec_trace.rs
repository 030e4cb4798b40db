//! Which programs a command starts, as strace sees them: how many VMs it takes to boot one node.
//!
//! A VM counts from the moment at which the program `beam.smp` takes the place of its starter; the
//! node is the one that is told its data directory, all others are helpers. The trace goes to a
//! file that grows while the command runs, so that a node in the foreground can be looked at and
//! ended.

use crate::error::{Error, Result};
use crate::install::Install;
use crate::process::{self, HANG, Running};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the kernel ran when a command was given, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Execs(Vec<String>);

impl Execs {
    /// Reads the lines that strace wrote; attempts that failed are left out. A call that was going
    /// on when another process did something is told in two lines, each with the process's id.
    fn parse(text: &str) -> Self {
        let mut begun = BTreeMap::new();
        let mut execs = Vec::new();
        for line in text.lines() {
            let (pid, said) = line.split_once(' ').unwrap_or_default();
            if let Some(call) = said.trim_start().strip_suffix(" <unfinished ...>") {
                begun.insert(pid, call);
            } else if line.ends_with(" = 0") {
                let call = if said.contains("<... execve resumed>") {
                    begun.remove(pid).unwrap_or_default()
                } else {
                    said
                };
                execs.push(call.trim_start().to_owned());
            }
        }
        Self(execs)
    }

    /// How many VMs were started before the node; `None` when there is no node.
    #[must_use]
    pub fn vms_before_the_node(&self) -> Option<usize> {
        let node = self.0.iter().position(|line| is_node(line))?;
        Some(self.0[..node].iter().filter(|line| is_vm(line)).count())
    }

    /// All of it, for the message of a test that fails.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

fn is_vm(line: &str) -> bool {
    let program = line.split('"').nth(1).unwrap_or_default();
    program.ends_with("/beam.smp")
}

fn is_node(line: &str) -> bool {
    is_vm(line) && line.contains("\"-emqx_data_dir\"")
}

/// Whether strace is installed and may trace here.
#[must_use]
pub fn is_available() -> bool {
    let mut command = Command::new("strace");
    command.args(["-qq", "-e", "trace=none", "true"]);
    process::run(&mut command, HANG).is_ok_and(|finished| finished.code == Some(0))
}

/// Runs a command under strace until the node that it boots is there, and kills that node. The
/// command ends by itself or is the node.
pub fn trace_boot(install: &Install, command: &Command) -> Result<Execs> {
    let file = install.scratch().join("execs");
    // What is read below must not be of an earlier boot.
    fs_err::write(&file, "")?;
    let mut traced = under_strace(command, &file);
    let mut running = Running::spawn(traced.stdin(Stdio::null()))?;
    let mut execs = Execs::default();
    process::wait_until("the node under strace", HANG, || {
        execs = Execs::parse(&fs_err::read_to_string(&file).unwrap_or_default());
        Ok(execs.vms_before_the_node().is_some() || !running.is_alive())
    })?;
    install.kill_all()?;
    // Without the node, what has waited for it ends in an error, and strace with it.
    let finished = running.wait(HANG)?;
    if execs.vms_before_the_node().is_none() {
        return Err(Error::Unexpected(format!("no node was booted: {finished}")));
    }
    Ok(execs)
}

fn under_strace(command: &Command, file: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace
        // Without a stop at every other call of a VM that boots.
        .args(["-f", "--seccomp-bpf", "-qq"])
        .args(["-s", "65535", "-e", "trace=execve", "-o"])
        .arg(file)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        strace.current_dir(dir);
    }
    strace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_count_until_the_node_and_failed_attempts_never() {
        let text = r#"
12 execve("/r/bin/emqx", ["/r/bin/emqx", "foreground"], 0x7ff /* 9 vars */) = 0
13 execve("/none/beam.smp", ["x"], 0x7ff /* 9 vars */) = -1 ENOENT (No such file or directory)
13 execve("/r/erts-1/bin/beam.smp", ["x", "-noshell"], 0x7ff /* 9 vars */ <unfinished ...>
15 execve("/bin/sh", ["sh"], 0x7ff /* 9 vars */) = 0
13 <... execve resumed>)              = 0
12 execve("/r/erts-1/bin/erlexec", ["/r/erts-1/bin/erlexec", "-emqx_data_dir", "/d"], 0x7 /* 9 vars */) = 0
12 execve("/r/erts-1/bin/beam.smp", ["emqx", "-emqx_data_dir", "/d"], 0x7ff /* 9 vars */) = 0
14 execve("/r/erts-1/bin/beam.smp", ["later"], 0x7ff /* 9 vars */) = 0
"#;
        let execs = Execs::parse(text);
        assert_eq!(execs.vms_before_the_node(), Some(1), "{execs:?}");
        assert_eq!(execs.lines().len(), 6, "{execs:?}");
        assert_eq!(Execs::parse("").vms_before_the_node(), None);
    }
}
