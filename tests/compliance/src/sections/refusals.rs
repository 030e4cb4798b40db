//! Section 5: what speaks against a boot, and what the machine must be able to do.

use crate::call::{Call, Text, demand_refused, refused, run};
use crate::case::Check::{Down, Looking, Steps};
use crate::case::{Case, Need, kept, ours};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::process::{self, Finished};
use e2e::tree::Snapshot;
use e2e::{Error, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SAMPLE: &[Need] = &[Need::Sample];

/// The cases.
pub const CASES: &[Case] = &[
    kept("5.1", "no emqx.conf", Steps(no_conf)),
    kept(
        "5.1",
        "a security profile that does not exist",
        Down(PROFILE),
    ),
    kept(
        "5.1",
        "the security profile is told to the node",
        Looking(PROFILE_IN_NODE),
    ),
    kept("5.1", "few open files", Steps(few_files)),
    kept(
        "5.2",
        "essential features load code on demand",
        Steps(essential),
    ),
    kept("5.2", "all features load all code", Looking(EMBEDDED)),
    kept("5.3", "a VM that does not start", Steps(no_vm)),
    ours("5.3", "a release for another machine", Steps(other_machine)),
    kept("5.3", "a crypto that does not load", Steps(no_crypto)).needs(SAMPLE),
    kept(
        "5.3",
        "a crypto that loads with the release's own libraries",
        Steps(dynlibs),
    )
    .needs(SAMPLE),
    kept("5.3", "rlog without its hook", Steps(rlog)).needs(SAMPLE),
    ours("5.3", "rlog with its hook", Steps(rlog_with_hook)).needs(SAMPLE),
    kept("5.8", "no licence", Steps(no_licence)),
    kept(
        "5.8",
        "a licence that the release refuses",
        Steps(wrong_licence),
    )
    .needs(SAMPLE),
    kept("5.8", "a release that needs no licence", Steps(community)).needs(SAMPLE),
    ours("5.1", "a refusal writes nothing", Steps(writes_nothing)),
];

const PROFILE: &[Call] = &[
    profile(&["start"]),
    profile(&["foreground"]),
    profile(&["console"]),
    profile(&["check_config"]),
];

const fn profile(args: &'static [&'static str]) -> Call {
    refused(
        args,
        1,
        "Invalid security profile: paranoid. Valid values are: legacy, hardened.",
    )
    .out(Text::Any)
    .env(&[("EMQX_SECURITY_PROFILE", "paranoid")])
}

const PROFILE_IN_NODE: &[Call] =
    &[run(&["eval", "os:getenv(\"EMQX_SECURITY_PROFILE\")"]).out(Text::Is("\"legacy\"\n"))];

const EMBEDDED: &[Call] = &[run(&["eval", "code:get_mode()"]).out(Text::Is("embedded\n"))];

fn no_conf(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    fs_err::remove_file(site.path("etc/emqx.conf"))?;
    let text = site.fill("emqx.conf is not found in {root}/etc");
    for command in ["start", "foreground", "console", "check_config"] {
        demand_refused(site.emqx(&[command])?, 1, &text)?;
    }
    site.demand_nothing_runs()
}

/// A boot that ends after its warnings: there is no licence.
fn boot_with_limit(site: &Site, files: u32) -> Result<Finished> {
    let mut command = site.command("sh");
    command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" start")]);
    command
        .arg(site.path("bin/emqx"))
        .env("EMQX_LICENSE__KEY", "nonsense");
    process::run(&mut command, process::HANG)
}

fn few_files(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let warned = boot_with_limit(&site, 512)?;
    let mut lines = warned
        .stdout
        .lines()
        .filter(|line| line.contains("ulimit -n"));
    let line = lines.next().unwrap_or_default();
    ensure!(line.starts_with("WARNING: "), "no warning: {warned}");
    ensure!(line.contains("512") && line.contains("1024"), "{warned}");
    let quiet = boot_with_limit(&site, 1024)?;
    ensure!(!quiet.stdout.contains("ulimit"), "{quiet}");
    Ok(())
}

fn essential(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_FEATURES", "ESSENTIAL");
    site.start()?;
    ensure!(
        site.eval("code:get_mode()")? == "interactive",
        "not on demand"
    );
    site.demand_variable("CODE_LOADING_MODE", "interactive")?;
    site.stop()?;
    // What the operator says himself stays.
    let node = site.capture_node()?;
    site.emqx_with("CODE_LOADING_MODE", "embedded", &["foreground"])?;
    let args = node.args()?;
    let mode = args.windows(2).find(|pair| pair[0] == "-mode");
    ensure!(mode.is_some_and(|pair| pair[1] == "embedded"), "{args:?}");
    Ok(())
}

fn other_machine(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let program = site.path(format!("erts-{}/bin/erlexec", site.facts.erts));
    let mut elf = fs_err::read(&program)?;
    // The machine in the header of an ELF file: one that nobody has.
    elf[18..20].copy_from_slice(&[0xfe, 0xfe]);
    fs_err::write(&program, elf)?;
    for command in ["start", "foreground", "check_config"] {
        let told = site.emqx(&[command])?.exit_code(1)?;
        for text in ["erlexec", "Exec format error", &site.facts.vsn, "libcrypto"] {
            ensure!(told.stderr.contains(text), "nothing of {text:?}: {told}");
        }
        ensure!(told.stderr.matches("ERROR: ").count() == 1, "{told}");
    }
    site.demand_nothing_runs()
}

fn no_vm(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let emulator = site.path(format!("erts-{}/bin/beam.smp", site.facts.erts));
    fs_err::remove_file(&emulator)?;
    let text = "libatomic.so.1: cannot open shared object file";
    fs_err::write(
        &emulator,
        format!("#!/bin/sh\necho '{text}' >&2\nexit 127\n"),
    )?;
    fs_err::set_permissions(&emulator, PermissionsExt::from_mode(0o755))?;
    let build_info = site.path(format!("releases/{}/BUILD_INFO", site.facts.vsn));
    for command in ["start", "foreground"] {
        let told = site.emqx(&[command])?.exit_code(1)?;
        let said = format!("{}{}", told.stdout, told.stderr);
        ensure!(said.contains(text), "not what the VM said: {told}");
        ensure!(said.contains(&site.facts.vsn), "no version: {told}");
        for word in ["libcrypto", "libtinfo", "libatomic"] {
            ensure!(said.contains(word), "{word} is needed: {told}");
        }
        for line in fs_err::read_to_string(&build_info)
            .unwrap_or_default()
            .lines()
        {
            ensure!(
                said.contains(line.trim()),
                "no {line:?} of BUILD_INFO: {told}"
            );
        }
        ensure!(told.stderr.matches("ERROR: ").count() == 1, "{told}");
    }
    site.demand_nothing_runs()
}

/// Makes the release's crypto need a library that no machine has; gives the machine's own one.
fn break_crypto(site: &Site) -> Result<PathBuf> {
    let mut find = site.command("find");
    find.arg(site.path("lib")).args(["-name", "crypto.so"]);
    let found = process::run(&mut find, process::HANG)?.success()?;
    let library = PathBuf::from(found.text());
    let mut ldd = site.command("ldd");
    let needs = process::run(ldd.arg(&library), process::HANG)?.success()?;
    let line = needs
        .stdout
        .lines()
        .find(|line| line.contains("libcrypto.so"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let [name, "=>", real, ..] = words.as_slice() else {
        return Err(Error::Unexpected(format!(
            "crypto is linked otherwise: {needs}"
        )));
    };
    let other = name.replace("libcrypto", "libcryptx");
    let bytes = fs_err::read(&library)?;
    let bytes = replace(&bytes, name.as_bytes(), other.as_bytes());
    fs_err::remove_file(&library)?;
    fs_err::write(&library, bytes)?;
    let dynlibs = site.path("dynlibs");
    fs_err::create_dir_all(&dynlibs)?;
    fs_err::copy(real, dynlibs.join(&other))?;
    Ok(dynlibs.join(other))
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from) {
            result[at..at + to.len()].copy_from_slice(to);
        }
    }
    result
}

fn no_crypto(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let library = break_crypto(&site)?;
    fs_err::remove_file(&library)?;
    let name = library
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for command in ["start", "foreground"] {
        let told = site.emqx(&[command])?.exit_code(2)?;
        ensure!(
            told.stderr.contains(&name),
            "the loader's words are missing: {told}"
        );
        ensure!(told.stderr.matches("ERROR: ").count() == 1, "{told}");
        ensure!(told.stderr.contains("openssl"), "no remedy: {told}");
    }
    site.demand_nothing_runs()
}

fn dynlibs(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let library = break_crypto(&site)?;
    let dir = library
        .parent()
        .unwrap_or(Path::new("/"))
        .to_string_lossy()
        .into_owned();
    let started = site.start()?;
    let mut lines = started.stdout.lines();
    let warns = lines.any(|line| line.starts_with("WARNING: ") && line.contains(&dir));
    ensure!(warns, "no warning names {dir}: {started}");
    let path = site.eval("os:getenv(\"LD_LIBRARY_PATH\")")?;
    ensure!(
        path.trim_matches('"').split(':').next() == Some(&dir),
        "{path}"
    );
    ensure!(
        site.eval("is_list(crypto:info_lib())")? == "true",
        "no crypto in the node"
    );
    site.stop()?;
    // In front of what is there already, not instead of it.
    site.set_env("LD_LIBRARY_PATH", "/usr/lib/other");
    let node = site.capture_node()?;
    site.emqx(&["foreground"])?;
    let path = node.variable("LD_LIBRARY_PATH")?;
    ensure!(path == Some(format!("{dir}:/usr/lib/other")), "{path:?}");
    Ok(())
}

fn rlog(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.append_conf("node.db_backend = rlog\nnode.role = replicant")?;
    site.set_env("EMQX_NODE__ROLE", "replicant");
    let started = site.start()?;
    ensure!(
        started
            .stdout
            .lines()
            .any(|line| line.starts_with("WARNING: ") && line.contains("rlog")),
        "no warning: {started}"
    );
    site.demand_variable("EMQX_NODE__DB_BACKEND", "mnesia")?;
    site.demand_variable("EMQX_NODE__ROLE", "core")?;
    ensure!(
        site.eval("application:get_env(emqx, node_role)")? == "{ok,core}",
        "the configuration was generated before"
    );
    site.stop()?;
    Ok(())
}

fn rlog_with_hook(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let mut find = site.command("find");
    find.arg(site.path("lib"))
        .args(["-path", "*/mnesia-*/ebin"]);
    let ebin = process::run(&mut find, process::HANG)?.success()?;
    let source = site.scratch().join("mnesia_hook.erl");
    fs_err::write(&source, "-module(mnesia_hook).\n")?;
    let mut erlc = site.command("erlc");
    erlc.arg("-o").arg(ebin.text()).arg(&source);
    process::run(&mut erlc, process::HANG)?.success()?;
    site.append_conf("node.db_backend = rlog")?;
    site.set_env("EMQX_NODE__ROLE", "replicant");
    let node = site.capture_node()?;
    let told = site.emqx(&["foreground"])?;
    ensure!(!told.stdout.contains("rlog"), "a warning: {told}");
    ensure!(
        node.variable("EMQX_NODE__DB_BACKEND")?.is_none(),
        "changed all the same"
    );
    let role = node.variable("EMQX_NODE__ROLE")?;
    ensure!(role.as_deref() == Some("replicant"), "{role:?}");
    Ok(())
}

fn no_licence(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let preset = "node.data_dir=\"data\"\nnode.cookie=\"mine\"\nlicense.key=undefined";
    site.set_env("EMQX_BOOT_CONFIGS", preset);
    site.append_vars("IS_ENTERPRISE=yes")?;
    for command in ["start", "foreground"] {
        let told = demand_refused(site.emqx(&[command])?, 1, "License not found.")?;
        for name in ["EMQX_LICENSE__KEY", "license.key"] {
            ensure!(told.stderr.contains(name), "no hint at {name}: {told}");
        }
    }
    // The variable alone is enough.
    let node = site.capture_node()?;
    site.emqx_with("EMQX_LICENSE__KEY", "evaluation", &["foreground"])?;
    ensure!(!node.args()?.is_empty(), "no node was started");
    Ok(())
}

fn wrong_licence(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    for command in ["start", "foreground"] {
        let finished = site.emqx_with("EMQX_LICENSE__KEY", "nonsense", &[command])?;
        let told = finished.exit_code(1)?;
        ensure!(told.stderr.matches("ERROR: ").count() >= 1, "{told}");
        let said = format!("{}{}", told.stdout, told.stderr);
        ensure!(
            said.contains("invalid_license"),
            "not the release's words: {told}"
        );
    }
    site.append_conf("license.key = \"nonsense as well\"")?;
    site.emqx(&["start"])?
        .exit_code(1)?
        .says("invalid_license")?;
    site.demand_nothing_runs()
}

fn community(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.append_vars("IS_ENTERPRISE=no")?;
    let node = site.capture_node()?;
    site.emqx_with("EMQX_LICENSE__KEY", "nonsense", &["foreground"])?
        .success()?;
    ensure!(!node.args()?.is_empty(), "no node was started");
    Ok(())
}

fn writes_nothing(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let before = Snapshot::of(site.root())?;
    for (name, value) in [
        ("EMQX_SECURITY_PROFILE", "paranoid"),
        ("EMQX_NODE__NAME", "no name"),
        ("EMQX_NODE__COOKIE", "file:///no/such/file"),
        ("EMQX_NODE__DIST_NET_TICKTIME", "soon"),
        ("EMQX_LICENSE__KEY", "nonsense"),
    ] {
        for command in ["start", "foreground"] {
            site.emqx_with(name, value, &[command])?.exit_code(1)?;
        }
        site.demand_nothing_runs()?;
        let now = Snapshot::of(site.root())?;
        // The directory itself may be made: there is nothing in it.
        let mut differences = before.differences(&now);
        differences.retain(|line| !["new: data/configs", "new: data"].contains(&line.as_str()));
        ensure!(differences.is_empty(), "{name}={value}: {differences:?}");
    }
    Ok(())
}
