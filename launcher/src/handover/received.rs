//! What one launcher leaves for the next in its environment.

use std::path::{Path, PathBuf};

use relup::layout::BaseRoot;

use crate::host::environment::Environment;

/// How many launchers have handed the command on, for the next one.
const DEPTH: &str = "_EMQX_LAUNCHER_DEPTH";

/// The launcher that did: the next one works for its installation, and children go back to it.
const LAUNCHER: &str = "_EMQX_LAUNCHER_EXE";

/// A launcher that was handed a command does not hand it on.
pub const MAX_DEPTH: u32 = 1;

/// What another launcher has left for this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// How many have handed the command on.
    pub depth: u32,
    /// The one that this launcher stands for.
    pub launcher: Option<PathBuf>,
}

impl Received {
    /// Takes it out of the environment, so that nothing that this process starts finds it there.
    pub fn take(env: &mut Environment) -> Received {
        let depth = match env.take(DEPTH) {
            None => 0,
            // Whatever is no number was not written by a launcher: better none than one too many.
            Some(text) => text.parse().unwrap_or(MAX_DEPTH),
        };
        let launcher = env.take(LAUNCHER).filter(|path| !path.is_empty());
        // One that leaves no more than the contract asks for stands in its base.
        let of_base = || {
            let base = env.get_os("BASE_RUNNER_ROOT_DIR")?;
            let base = BaseRoot::new(fs_err::canonicalize(base).ok()?).ok()?;
            Some(base.tree().launcher())
        };
        Received {
            depth,
            launcher: match depth {
                0 => None,
                _ => launcher.map(PathBuf::from).or_else(of_base),
            },
        }
    }
}

/// Leaves it for the next one: `depth` launchers have handed the command on, for `launcher`.
pub fn leave(env: &mut Environment, depth: u32, launcher: &Path) {
    env.set(DEPTH, depth.to_string());
    env.set(LAUNCHER, launcher);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_taken_out_and_bounded() {
        let check = |depth: Option<&str>, expected: u32, launcher: Option<&str>| {
            let mut env = Environment::default();
            env.set(LAUNCHER, "/opt/emqx/bin/emqx");
            if let Some(depth) = depth {
                env.set(DEPTH, depth);
            }
            let received = Received::take(&mut env);
            assert_eq!(received.depth, expected, "{depth:?}");
            assert_eq!(received.launcher, launcher.map(PathBuf::from), "{depth:?}");
            assert_eq!(env.iter().count(), 0);
        };
        let there = Some("/opt/emqx/bin/emqx");
        check(None, 0, None);
        check(Some("0"), 0, None);
        check(Some("1"), 1, there);
        check(Some("7"), 7, there);
        check(Some(""), MAX_DEPTH, there);
        check(Some("-1"), MAX_DEPTH, there);
        check(Some("99999999999"), MAX_DEPTH, there);
    }

    #[test]
    fn without_its_launcher_the_base_is_known_all_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = fs_err::canonicalize(dir.path()).expect("a path");
        let mut env = Environment::default();
        env.set(DEPTH, "1");
        env.set("BASE_RUNNER_ROOT_DIR", &root);
        let received = Received::take(&mut env);
        assert_eq!(received.launcher, Some(root.join("bin/emqx")));
        assert!(env.get_os("BASE_RUNNER_ROOT_DIR").is_some());
        let received = Received::take(&mut Environment::default());
        assert_eq!(received, Received::default());
    }
}
