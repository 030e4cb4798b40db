//! What packages are made of: the same bytes every time, and what the checkers of both systems say.

use e2e::Result;
use e2e::process::{self, Finished};
use e2e::sample::{self, Sample, V4};
use e2e::tarball::{Addition, Edit, rewrite};
use packages::making;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The findings of a checker, by name, without those that are accepted.
fn new_findings(
    checker: &str,
    said: &Finished,
    finding: fn(&str) -> Option<&str>,
) -> Result<BTreeSet<String>> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("accepted/{checker}"));
    let accepted = fs_err::read_to_string(list)?;
    let accepted: BTreeSet<&str> = accepted
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let found: BTreeSet<&str> = said.stdout.lines().filter_map(finding).collect();
    println!("{checker}: {} kinds of findings: {found:?}", found.len());
    Ok(found
        .difference(&accepted)
        .map(|&name| name.to_owned())
        .collect())
}

/// `E: package: name ...`
fn of_lintian(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_finding = matches!(words.next()?, "E:" | "W:");
    words.nth(1).filter(|_| is_finding)
}

/// `package.x86_64: E: name ...`
fn of_rpmlint(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_finding = matches!(words.nth(1)?, "E:" | "W:");
    words.next().filter(|_| is_finding)
}

fn built_twice(kind: &str) -> Result<tempfile::TempDir> {
    let scratch = tempfile::tempdir()?;
    let [one, two] = ["one", "two"].map(|name| scratch.path().join(name));
    for out in [&one, &two] {
        fs_err::create_dir(out)?;
        making::package(kind, V4, out)?;
        making::overlay(kind, out)?;
    }
    let mut diff = Command::new("diff");
    diff.arg("-r").arg(&one).arg(&two);
    process::run(&mut diff, process::HANG)?.success()?;
    Ok(scratch)
}

fn check(program: &str, args: &[&str], dir: &Path) -> Result<Finished> {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{program} \"$@\" one/* 2>&1"))
        .arg("sh");
    command.args(args).current_dir(dir).env("LC_ALL", "C.UTF-8");
    process::run(&mut command, process::HANG)
}

#[test]
fn debian_packages_are_the_same_each_time_and_lintian_finds_nothing_serious() -> Result<()> {
    let scratch = built_twice("deb")?;
    if !making::is_there("lintian") {
        return Ok(());
    }
    let said = check(
        "lintian",
        &["--allow-root", "--no-tag-display-limit"],
        scratch.path(),
    )?;
    let new = new_findings("lintian", &said, of_lintian)?;
    assert!(
        new.is_empty(),
        "not in tests/packages/accepted/lintian: {new:?}\n{said}"
    );
    Ok(())
}

/// A program that links to a library that no machine has, and to that of C.
fn lacking(dir: &Path) -> Result<Vec<u8>> {
    let line = "echo 'int lost(void) { return 0; }' >lost.c
        echo 'int lost(void); int main(void) { return lost(); }' >main.c
        cc -shared -Wl,-soname,liblost.so.2 -o liblost.so lost.c && cc -o server main.c -L. -llost";
    let mut sh = Command::new("sh");
    sh.args(["-e", "-c", line]).current_dir(dir);
    process::run(&mut sh, process::HANG)?.success()?;
    Ok(fs_err::read(dir.join("server"))?)
}

#[test]
fn a_library_that_the_builder_lacks_is_told_and_the_others_are_depended_on() -> Result<()> {
    if !making::is_there("dpkg-shlibdeps") || !making::is_there("cc") {
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let from = Sample::find()?.tarball(V4)?;
    let tarball = scratch.path().join(from.file_name().unwrap_or_default());
    let name = "lib/odbc-2.14/priv/bin/odbcserver";
    let server = Addition::file(name, &lacking(scratch.path())?);
    rewrite(&from, &tarball, &[Edit::Add(server)])?;
    let args = [tarball.as_path(), Path::new("-o"), scratch.path()];
    let built = making::run("deb/build", &args)?.success()?;
    assert_eq!(
        built.stderr.trim_end(),
        format!("WARNING: this machine lacks liblost.so.2, which /usr/lib/emqx/{name} links to")
    );
    let mut field = Command::new("dpkg-deb");
    field.arg("-f").arg(built.text()).arg("Depends");
    let depends = process::run(&mut field, process::HANG)?.success()?;
    assert!(depends.text().contains("libssl"), "{depends}");
    Ok(())
}

#[test]
fn a_release_of_5_0_is_laid_out_like_the_later_ones() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let from = Sample::find()?.tarball(V4)?;
    let tarball = scratch.path().join(from.file_name().unwrap_or_default());
    let conf = r#"node { data_dir = "data" }
listeners.ssl.default.ssl_options.keyfile = "etc/certs/key.pem"
log.file_handlers.default { enable = true, file = "log/emqx.log" }
"#;
    let vars = PathBuf::from("releases/emqx_vars");
    let [now, then] = ["export EMQX_LOG_DIR=", "RUNNER_LOG_DIR="].map(str::to_owned);
    let edits = [
        Edit::Substitute(vars, now, then),
        Edit::Replace("etc/emqx.conf".into(), conf.into()),
    ];
    rewrite(&from, &tarball, &edits)?;
    let args = [tarball.as_path(), Path::new("-o"), scratch.path()];
    let built = making::run("deb/build", &args)?.success()?;
    let mut unpack = Command::new("dpkg-deb");
    let root = scratch.path().join("root");
    unpack.arg("-x").arg(built.text()).arg(&root);
    process::run(&mut unpack, process::HANG)?.success()?;
    let vars = fs_err::read_to_string(root.join("usr/lib/emqx/releases/emqx_vars"))?;
    let line = r#"RUNNER_LOG_DIR="${EMQX_LOG_DIR:-${RUNNER_LOG_DIR:-/var/log/emqx}}""#;
    assert!(vars.lines().any(|found| found == line), "{vars}");
    let conf = fs_err::read_to_string(root.join("etc/emqx/emqx.conf"))?;
    let expected = r#"node { data_dir = "/var/lib/emqx" }
listeners.ssl.default.ssl_options.keyfile = "/etc/emqx/certs/key.pem"
log.file_handlers.default { enable = true, file = "/var/log/emqx/emqx.log" }
"#;
    assert_eq!(conf, expected);
    Ok(())
}

#[test]
fn rpm_packages_are_the_same_each_time_and_rpmlint_finds_nothing_serious() -> Result<()> {
    if !making::is_there("rpmbuild") {
        return Ok(());
    }
    let scratch = built_twice("rpm")?;
    if !making::is_there("rpmlint") {
        return Ok(());
    }
    let said = check("rpmlint", &[], scratch.path())?;
    assert!(
        said.stdout.contains("packages and"),
        "it has looked: {said}"
    );
    let new = new_findings("rpmlint", &said, of_rpmlint)?;
    assert!(
        new.is_empty(),
        "not in tests/packages/accepted/rpmlint: {new:?}\n{said}"
    );
    Ok(())
}

#[test]
fn what_is_published_is_the_same_each_time_and_its_digests_are_right() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let [one, two] = ["one", "two"].map(|name| scratch.path().join(name));
    let tool = sample::workspace().join("dist/tools/bin/cargo-cyclonedx");
    let has_tool = tool.is_file() || making::is_there("cargo-cyclonedx");
    for out in [&one, &two] {
        let mut dist = making::script("dist")?;
        dist.arg("-o").arg(out);
        dist.env("SBOM", if has_tool { "yes" } else { "no" });
        process::run(&mut dist, process::HANG)?.success()?;
    }
    let mut diff = Command::new("diff");
    diff.arg("-r").arg(&one).arg(&two);
    process::run(&mut diff, process::HANG)?.success()?;
    let mut sums = Command::new("sha256sum");
    sums.args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&one);
    let checked = process::run(&mut sums, process::HANG)?.success()?;
    let files = fs_err::read_dir(&one)?.count();
    assert_eq!(checked.stdout.lines().count(), files - 1, "{checked}");
    if has_tool {
        let mut names = fs_err::read_dir(&one)?.flatten().map(|entry| entry.path());
        let list = names.find(|path| path.to_string_lossy().ends_with(".cdx.json"));
        let list = fs_err::read_to_string(list.unwrap_or_default())?;
        for part in ["\"CycloneDX\"", "pkg:cargo/rustls@", "pkg:cargo/relup@"] {
            assert!(list.contains(part), "{part}");
        }
        let here = sample::workspace().display().to_string();
        assert!(!list.contains(&here), "it does not tell where it was made");
    }
    Ok(())
}
