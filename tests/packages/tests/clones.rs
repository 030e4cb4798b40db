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

fn clone(from: &Path, to: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--no-hardlinks"]);
    process::run(git.arg(from).arg(to), process::HANG)?
        .success()
        .map(drop)
}

fn publish(place: &Path) -> Result<()> {
    let workspace = sample::workspace();
    let tools = workspace.join("dist/tools");
    if tools.is_dir() {
        fs_err::create_dir(place.join("dist"))?;
        std::os::unix::fs::symlink(tools, place.join("dist/tools"))?;
    }
    let mut make = Command::new("make");
    make.arg("dist").current_dir(place);
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
    // Of one commit, whatever is committed meanwhile.
    clone(&sample::workspace(), &one)?;
    clone(&one, &two)?;
    for place in [&one, &two] {
        publish(place)?;
    }
    let mut diff = Command::new("diff");
    diff.arg("-r")
        .args([&one, &two].map(|clone| clone.join("dist/release")));
    process::run(&mut diff, process::HANG)?.success()?;
    Ok(())
}
