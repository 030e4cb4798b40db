//! A case: what it stands for, what it needs, and how it is tried.

use crate::call::{self, Call};
use crate::subject::{Program, Subject};
use e2e::Result;
use std::process::Command;
use std::sync::OnceLock;

/// What a statement is about, as seen from the shell script that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Behaviour that the script has and that must stay.
    Kept,
    /// A defect or limit of the script that must be gone: the two are expected to differ.
    Fix,
    /// Something that only this launcher has; never tried on a script.
    Ours,
}

/// What a machine or a release must have for a case to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The caller is root.
    Root,
    /// A program of the machine.
    Tool(&'static str),
    /// The caller may make namespaces with mounts of their own: root, but not in every container.
    Namespaces,
    /// A name service that reads systemd's user records.
    NssSystemd,
    /// The sample release, whose commands and inside the case knows.
    Sample,
}

/// How a case is tried.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Commands on the running node that all looking cases share; they must not change it.
    Looking(&'static [Call]),
    /// Commands in an installation whose node does not run.
    Down(&'static [Call]),
    /// Steps of its own.
    Steps(fn(&Subject) -> Result<()>),
}

/// One statement put to the test.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The statement's number: section, then place in it.
    pub statement: &'static str,
    /// What it promises.
    pub promise: &'static str,
    /// What is expected of a shell script.
    pub class: Class,
    /// What has to be there.
    pub needs: &'static [Need],
    /// How it is tried.
    pub check: Check,
}

/// A case for behaviour that the script has.
#[must_use]
pub const fn kept(statement: &'static str, promise: &'static str, check: Check) -> Case {
    Case {
        statement,
        promise,
        class: Class::Kept,
        needs: &[],
        check,
    }
}

/// A case for a defect that must be gone.
#[must_use]
pub const fn fix(statement: &'static str, promise: &'static str, check: Check) -> Case {
    Case {
        class: Class::Fix,
        ..kept(statement, promise, check)
    }
}

/// A case for what only this launcher has.
#[must_use]
pub const fn ours(statement: &'static str, promise: &'static str, check: Check) -> Case {
    Case {
        class: Class::Ours,
        ..kept(statement, promise, check)
    }
}

impl Case {
    /// The same case with needs.
    #[must_use]
    pub const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    /// Its name: the section first, so that a failure names it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("s{} {}", self.statement, self.promise)
    }

    /// Tries it.
    pub fn run(&self, subject: &Subject) -> Result<()> {
        match self.check {
            Check::Looking(calls) => call::all(&subject.shared()?, calls),
            Check::Down(calls) => call::all(&subject.fresh()?, calls),
            Check::Steps(steps) => steps(subject),
        }
    }

    /// Why it cannot be tried with a subject on this machine; `None` when it can.
    #[must_use]
    pub fn obstacle(&self, subject: &Subject) -> Option<String> {
        if self.class == Class::Ours && subject.program == Program::Script {
            return Some("only this launcher has it".to_owned());
        }
        self.needs.iter().find_map(|need| need.obstacle(subject))
    }
}

impl Need {
    fn obstacle(self, subject: &Subject) -> Option<String> {
        match self {
            Need::Root if !nix::unistd::geteuid().is_root() => {
                Some("the caller is not root".to_owned())
            }
            Need::Tool(tool) if !is_installed(tool) => Some(format!("{tool} is not installed")),
            Need::Sample if !subject.is_sample() => {
                Some("it knows the sample release only".to_owned())
            }
            Need::Namespaces if !can_mount() => {
                Some("mounts in a namespace of its own are not allowed here".to_owned())
            }
            Need::NssSystemd if !has_nss_systemd() => {
                Some("the name service reads no systemd records".to_owned())
            }
            Need::Root | Need::Tool(_) | Need::Namespaces | Need::NssSystemd | Need::Sample => None,
        }
    }
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

fn has_nss_systemd() -> bool {
    let text = fs_err::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("passwd:"));
    lines.any(|line| line.contains("systemd"))
}

fn can_mount() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let script = "mount -t tmpfs none /mnt && mount -t proc -o hidepid=2 proc /proc";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--pid", "--fork", "sh", "-c", script]);
        unshare.output().is_ok_and(|output| output.status.success())
    })
}
