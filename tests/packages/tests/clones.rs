//! `make dist` in two clones in different directories gives the same bytes. Two whole builds take long:
//! `make packages` does it.

use e2e::Result;
use e2e::process;
use e2e::sample;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A build from nothing, with everything optimised at once.
const BUILD: Duration = Duration::from_secs(3600);

fn publish(clone: &Path) -> Result<()> {
    let workspace = sample::workspace();
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--no-hardlinks"])
        .arg(&workspace)
        .arg(clone);
    process::run(&mut git, process::HANG)?.success()?;
    let tools = workspace.join("dist/tools");
    if tools.is_dir() {
        fs_err::create_dir(clone.join("dist"))?;
        std::os::unix::fs::symlink(tools, clone.join("dist/tools"))?;
    }
    let mut make = Command::new("make");
    make.arg("dist").current_dir(clone);
    for name in [
        "CARGO_TARGET_DIR",
        "EMQX_LAUNCHER",
        "EMQX_BIN",
        "MAKEFLAGS",
        "RUSTFLAGS",
    ] {
        make.env_remove(name);
    }
    process::run(&mut make, BUILD)?.success().map(drop)
}

#[test]
fn two_clones_publish_the_same_bytes() -> Result<()> {
    if std::env::var_os("PACKAGES_FULL").is_none() {
        packages::left_out("make dist in two clones (make packages does it)");
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let [one, two] = ["one", "a longer/two"].map(|name| scratch.path().join(name));
    for clone in [&one, &two] {
        publish(clone)?;
    }
    let mut diff = Command::new("diff");
    diff.arg("-r")
        .args([&one, &two].map(|clone| clone.join("dist/release")));
    process::run(&mut diff, process::HANG)?.success()?;
    Ok(())
}
