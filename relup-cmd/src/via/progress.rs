//! How far an upgrade over several hops has come, for what is said when it stops.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use relup::hop::HopPath;

use super::Leg;
use crate::cli::Upgrade;
use crate::error::{ChainError, Error, Stopped};
use crate::install::Install;

/// The way, and the place on it.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    way: Vec<HopPath>,
    tarballs: Vec<PathBuf>,
    /// The command without its tarballs.
    command: String,
    options: String,
    at: usize,
    done: usize,
}

impl Progress {
    /// At the beginning of the way.
    pub(crate) fn new(args: &Upgrade, install: &Install, legs: &[Leg]) -> Progress {
        let tarball = |leg: &Leg| leg.prepared.staged.tarball().path().to_owned();
        Progress {
            way: legs.iter().map(Leg::path).collect(),
            tarballs: legs.iter().map(tarball).collect(),
            command: format!("{} upgrade", install.invocation),
            options: options(args),
            at: 0,
            done: 0,
        }
    }

    /// Whether there is more than one hop.
    pub(crate) fn is_chain(&self) -> bool {
        self.way.len() > 1
    }

    /// All hops.
    pub(crate) fn way(&self) -> &[HopPath] {
        &self.way
    }

    /// The version at its end.
    pub(crate) fn target(&self) -> &str {
        self.way.last().map_or("", |hop| &hop.to)
    }

    /// `hop 1 of 2: 5.10.4 -> 5.10.5`.
    pub(crate) fn title(&self) -> String {
        let (at, way) = (self.at, &self.way);
        format!("hop {} of {}: {}", at + 1, way.len(), way[at])
    }

    /// The same way, looked at from another hop.
    pub(crate) fn at(&self, at: usize) -> Progress {
        Progress { at, ..self.clone() }
    }

    /// The next hop has been done.
    pub(crate) fn hop_done(&mut self) {
        self.done += 1;
        self.at = self.done.min(self.way.len() - 1);
    }

    /// An error of the present hop, with what it means for the whole way.
    pub(crate) fn stopped(&self, error: Error) -> Error {
        if !self.is_chain() {
            return error;
        }
        Error::Chain(ChainError::Stopped(Box::new(Stopped {
            error,
            way: self.way.clone(),
            at: self.at,
            done: self.done,
            go_on: self.go_on(),
        })))
    }

    /// The command that does the hops that are not done.
    fn go_on(&self) -> String {
        let mut text = self.command.clone();
        let left = &self.tarballs[self.done..];
        if let Some((target, between)) = left.split_last() {
            // Writing to a string cannot fail.
            let _ = write!(text, " {}", quoted(target));
            for tarball in between {
                let _ = write!(text, " --via {}", quoted(tarball));
            }
        }
        text + &self.options
    }
}

/// The options that change what an upgrade does. Hooks have run and the backup is made.
fn options(args: &Upgrade) -> String {
    let mut text = String::new();
    for (is_given, name) in [
        (args.force, "--force"),
        (args.brutal_purge, "--brutal-purge"),
        (args.undo_on_callback_failure, "--undo-on-callback-failure"),
        (args.signature.require_signature, "--require-signature"),
    ] {
        if is_given {
            let _ = write!(text, " {name}");
        }
    }
    if let Some(key) = &args.signature.pubkey {
        let _ = write!(text, " --pubkey {}", quoted(key));
    }
    text
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%~=".contains(c);
    if !text.is_empty() && !text.starts_with('~') && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_a_shell_takes_for_one_word() {
        for (path, word) in [
            ("/a/b-5.10.5.tar.gz", "/a/b-5.10.5.tar.gz"),
            ("/a b", "'/a b'"),
            ("it's", r"'it'\''s'"),
            ("~x", "'~x'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
