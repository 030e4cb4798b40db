//! A value together with where it came from, so that an error, `DEBUG=1` and a plan can say why it
//! is what it is. Secrets are never shown: how a value is shown belongs to its type.

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use relup::layout::{BaseRoot, Tree};
use relup::vsn::ReleaseVsn;
use shims::cookie::Cookie;
use shims::node_name::NodeName;

/// A value and its origin. It can be used like the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    value: T,
    origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// Whoever called.
    Caller,
    /// The place where this executable stands.
    Executable(PathBuf),
    /// No marker leads away from the installation.
    Unmarked,
    /// The marker that names a deployed release, the last one where several follow each other.
    Marker(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A line, from 1, of an `emqx_vars`.
    Vars(PathBuf, usize),
    /// The arguments of the running node with that process id.
    Process(i32),
    /// The arguments that were generated for the last boot.
    Generated(PathBuf),
    /// A plain line, from 1, of `emqx.conf`.
    Conf(PathBuf, usize),
    /// `start_erl.data`, which names the release that is permanent.
    StartErl(PathBuf),
    /// What a file has and has not.
    Recognised(PathBuf),
    /// A path of the configuration that has no plain line: what the release's hocon and schema make
    /// of the file.
    Hocon(&'static str, PathBuf),
    /// The same for its cuttlefish.
    Cuttlefish(&'static str, PathBuf),
    /// A line of `EMQX_BOOT_CONFIGS`.
    Preset(&'static str),
    /// What a file or FIFO held that another setting names.
    File(PathBuf, Box<Origin>),
    /// It follows from other values.
    Derived(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Caller => f.write_str("the caller"),
            Origin::Executable(exe) => write!(f, "the place of {}", exe.display()),
            Origin::Unmarked => f.write_str("the installation, no marker leads away from it"),
            Origin::Marker(marker) => write!(f, "marker {}", marker.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Vars(file, line) | Origin::Conf(file, line) => {
                write!(f, "{}:{line}", file.display())
            }
            Origin::Process(pid) => write!(f, "arguments of process {pid}"),
            Origin::Generated(file) => write!(f, "generated file {}", file.display()),
            Origin::Hocon(key, file) => {
                write!(f, "hocon, {key} has no line in {}", file.display())
            }
            Origin::StartErl(file) => f.write_str(&file.to_string_lossy()),
            Origin::Recognised(file) => write!(f, "what {} says", file.display()),
            Origin::Cuttlefish(key, file) => {
                write!(f, "cuttlefish, {key} has no line in {}", file.display())
            }
            Origin::Preset(key) => write!(f, "{key} in EMQX_BOOT_CONFIGS"),
            Origin::File(file, named_by) => {
                write!(f, "file {}, named by {named_by}", file.display())
            }
            Origin::Derived(from) => f.write_str(from),
        }
    }
}

impl Origin {
    /// The line of a file, from 1; 0 for what is no line.
    pub fn line(&self) -> usize {
        match self {
            Origin::Vars(_, line) | Origin::Conf(_, line) => *line,
            _ => 0,
        }
    }
}

impl<T> Sourced<T> {
    /// A value and its origin.
    pub fn new(value: T, origin: Origin) -> Sourced<T> {
        Sourced { value, origin }
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// What follows from the value has the same origin.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced {
            value: with(self.value),
            origin: self.origin,
        }
    }

    /// The same where something can go wrong.
    ///
    /// # Errors
    /// What `with` says against the value.
    pub fn try_map<U, E>(
        self,
        with: impl FnOnce(T, &Origin) -> Result<U, E>,
    ) -> Result<Sourced<U>, E> {
        Ok(Sourced {
            value: with(self.value, &self.origin)?,
            origin: self.origin,
        })
    }
}

impl<T: Shown> Sourced<T> {
    /// The value and where it came from, for people.
    pub fn told(&self) -> String {
        format!("{} (from {})", self.value.shown(), self.origin)
    }

    /// Tells the decision where `DEBUG` asks for it.
    #[must_use]
    pub fn decided(self, name: &str) -> Sourced<T> {
        tracing::debug!("{name} = {}", self.told());
        self
    }
}

impl<T> Deref for Sourced<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: AsRef<Path>> AsRef<Path> for Sourced<T> {
    fn as_ref(&self) -> &Path {
        self.value.as_ref()
    }
}

impl<T: AsRef<OsStr>> AsRef<OsStr> for Sourced<T> {
    fn as_ref(&self) -> &OsStr {
        self.value.as_ref()
    }
}

impl<T: fmt::Display> fmt::Display for Sourced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// How a value is shown to people.
pub trait Shown {
    /// The text; nothing secret is in it.
    fn shown(&self) -> String;
}

impl Shown for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl Shown for BaseRoot {
    fn shown(&self) -> String {
        self.path().display().to_string()
    }
}

impl Shown for Tree {
    fn shown(&self) -> String {
        self.path().display().to_string()
    }
}

impl Shown for ReleaseVsn {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for NodeName {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Cookie {
    fn shown(&self) -> String {
        "<redacted>".to_owned()
    }
}

impl Shown for Vec<String> {
    fn shown(&self) -> String {
        self.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_with_its_origin_and_a_secret_without_itself() {
        let check = |told: String, expected: &str| assert_eq!(told, expected);
        check(
            Sourced::new("x@h".to_owned(), Origin::Variable("EMQX_NODE__NAME".into())).told(),
            "x@h (from environment variable EMQX_NODE__NAME)",
        );
        check(
            Sourced::new(
                PathBuf::from("/etc/emqx"),
                Origin::Vars("/r/emqx_vars".into(), 7),
            )
            .told(),
            "/etc/emqx (from /r/emqx_vars:7)",
        );
        let named_by = Box::new(Origin::Variable("EMQX_NODE__COOKIE".into()));
        check(
            Sourced::new(
                Cookie::new("s3cret".into()),
                Origin::File("/run/cookie".into(), named_by),
            )
            .told(),
            "<redacted> (from file /run/cookie, named by environment variable EMQX_NODE__COOKIE)",
        );
        check(
            Sourced::new(vec!["-a".to_owned(), "b".to_owned()], Origin::Default).told(),
            "-a b (from default)",
        );
    }
}
