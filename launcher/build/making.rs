//! What the binary can say about its own making: commit, date, target, profile, compiler. Needs no
//! network, and no git either: a source tarball of `git archive` carries its commit in `source-id`.
//! Everything here is a function of the sources and the tools, so that two builds give the same
//! bytes: the date is `SOURCE_DATE_EPOCH` or the commit's, never the clock's.

use std::env::var;
use std::path::Path;
use std::process::Command;

/// What the binary is made of, relative to the root of the sources.
const MADE_OF: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    "launcher",
    "relup",
    "relup-cmd",
    "shims",
];

/// Hands all of it to the compiler as variables.
pub fn tell() {
    let root = Path::new("..");
    for part in MADE_OF {
        println!("cargo::rerun-if-changed=../{part}");
    }
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let (commit, seconds) = of_git(root)
        .or_else(of_archive)
        .unwrap_or_else(|| ("unknown".into(), String::new()));
    let seconds = var("SOURCE_DATE_EPOCH").unwrap_or(seconds);
    let linkage = match var("CARGO_CFG_TARGET_FEATURE") {
        Ok(features) if features.split(',').any(|name| name == "crt-static") => "static",
        Ok(_) | Err(_) => "dynamic",
    };
    let rustc = var("RUSTC").unwrap_or_default();
    let rustc = said(Command::new(rustc).arg("--version"));
    for (name, value) in [
        ("COMMIT", commit),
        ("SECONDS", seconds),
        ("TARGET", var("TARGET").unwrap_or_default()),
        ("LINKAGE", linkage.to_owned()),
        ("PROFILE", var("PROFILE").unwrap_or_default()),
        ("RUSTC", rustc.unwrap_or_default()),
    ] {
        println!("cargo::rustc-env=EMQX_LAUNCHER_{name}={value}");
    }
}

/// Commit and its time, where these sources are a git work tree of their own and not a folder in
/// somebody else's.
fn of_git(root: &Path) -> Option<(String, String)> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        said(git.arg("--no-optional-locks").args(args).current_dir(root))
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // A commit adds a line to the log, a change of branch changes the other.
    for name in ["logs/HEAD", "HEAD"] {
        let path = git(&["rev-parse", "--git-path", name]).map(|path| root.join(path));
        // A path that does not exist would count as changed for ever.
        if let Some(path) = path.filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let seconds = git(&["log", "-1", "--format=%ct"])?;
    let mut changes = vec!["status", "--porcelain", "--"];
    changes.extend(MADE_OF);
    match git(&changes) {
        Some(changes) if changes.is_empty() => Some((commit, seconds)),
        Some(_) | None => Some((format!("{commit} with changes"), seconds)),
    }
}

/// Commit and its time, as `git archive` writes them into the file; in a work tree it is unwritten.
fn of_archive() -> Option<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "a build script has no fs-err")]
    let text = std::fs::read_to_string("source-id").ok()?;
    let (commit, seconds) = text.trim().split_once(' ')?;
    let written = commit.chars().all(|c| c.is_ascii_hexdigit());
    written.then(|| (commit.to_owned(), seconds.to_owned()))
}

/// What a program printed; `None` where it is missing or failed.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
