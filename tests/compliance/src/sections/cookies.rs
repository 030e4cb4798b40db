//! Section 5: where the cookie comes from, and cookies that everybody knows.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, kept, ours};
use crate::ensure;
use crate::subject::Subject;
use e2e::process::{self, Running};
use e2e::{Error, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "5.6",
        "the variable goes before the configuration",
        Steps(variable),
    ),
    kept("5.6", "a cookie in a file", Steps(in_a_file)),
    kept("5.6", "a cookie in a FIFO is read once", Steps(in_a_fifo)),
    kept("5.6", "cookie files without a cookie", Steps(no_cookie)),
    kept(
        "5.6",
        "the release's own cookie where none is configured",
        Steps(default),
    ),
    kept(
        "5.6",
        "cookies that everybody knows warn",
        Steps(well_known),
    ),
    kept(
        "5.6",
        "cookies that everybody knows under another profile",
        Steps(hardened),
    ),
    ours("5.6", "cookies with unusual characters", Steps(unusual)).needs(&[Need::Sample]),
    ours("5.6", "no cookie is ever printed", Steps(never_printed)),
];

fn variable(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.append_conf("node.cookie = \"configured\"")?;
    site.start()?;
    ensure!(
        site.eval("erlang:get_cookie()")? == "configured",
        "not the configured one"
    );
    site.stop()?;
    site.set_env("EMQX_NODE__COOKIE", "from-the-environment");
    site.start()?;
    ensure!(
        site.eval("erlang:get_cookie()")? == "'from-the-environment'",
        "not that of the environment"
    );
    site.stop()?;
    Ok(())
}

fn in_a_file(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let file = site.scratch().join("cookie");
    for (content, conf) in [("of-a-file\n", true), ("of-a-file", false)] {
        fs_err::write(&file, content)?;
        let setting = format!("file://{}", file.display());
        if conf {
            site.append_conf(&format!("node.cookie = {setting:?}"))?;
        } else {
            site.set_env("EMQX_NODE__COOKIE", &setting);
        }
        site.start()?;
        // Nobody reads it again, not even to find out that it has changed.
        fs_err::write(&file, "changed")?;
        ensure!(
            site.eval("erlang:get_cookie()")? == "'of-a-file'",
            "another cookie"
        );
        site.emqx(&["ctl", "status"])?.success()?;
        site.stop()?;
    }
    Ok(())
}

fn in_a_fifo(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let fifo = site.scratch().join("cookie.fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600))
        .map_err(std::io::Error::from)?;
    site.set_env("EMQX_NODE__COOKIE", format!("file://{}", fifo.display()));
    for command in ["start", "foreground"] {
        let mut writer = site.command("sh");
        writer
            .args(["-c", "printf 'of-a-fifo\\n' >\"$0\""])
            .arg(&fifo);
        let mut writer = Running::spawn(writer.stdin(std::process::Stdio::null()))?;
        // A second reader would wait for a second writer, for ever.
        let _node = match command {
            "start" => {
                site.start()?;
                None
            }
            _ => Some(site.spawn(&[command])?),
        };
        site.wait_ready()?;
        writer.wait(process::HANG)?.success()?;
        ensure!(
            site.eval("erlang:get_cookie()")? == "'of-a-fifo'",
            "another cookie"
        );
        for args in [&["ping"][..], &["ctl", "status"], &["pid"]] {
            site.emqx(args)?.success()?;
        }
        ensure!(!is_read(&fifo), "somebody waits for a second cookie");
        site.stop()?;
    }
    Ok(())
}

/// Whether a FIFO has a reader.
fn is_read(fifo: &Path) -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).custom_flags(nix::libc::O_NONBLOCK);
    options.open(fifo).is_ok()
}

fn no_cookie(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let file = site.scratch().join("the cookie");
    let path = file.to_string_lossy().into_owned();
    site.set_env("EMQX_NODE__COOKIE", format!("file://{path}"));
    for (content, text) in [
        (None, "cannot be read"),
        (Some(""), "is empty"),
        (Some("\n"), "is empty"),
        (Some("with blank"), "blank"),
        (Some("with\ttab"), "blank"),
        (Some("two\nlines"), "blank"),
        (Some("back\\slash"), "backslash"),
        (Some("quote'"), "quote"),
        (Some("quote\""), "quote"),
    ] {
        if let Some(content) = content {
            fs_err::write(&file, content)?;
        }
        for command in ["start", "foreground"] {
            let told = demand_refused(site.emqx(&[command])?, 1, &path)?;
            ensure!(
                told.stderr.contains(text),
                "{content:?}: no {text:?}: {told}"
            );
        }
    }
    // A file that is there but may not be read, and a directory.
    fs_err::remove_file(&file)?;
    fs_err::create_dir(&file)?;
    demand_refused(site.emqx(&["start"])?, 1, &path)?;
    site.demand_nothing_runs()
}

fn default(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.append_vars("EMQX_DEFAULT_ERLANG_COOKIE='of-the-release'")?;
    let preset = "node.data_dir=\"data\"\nlicense.key=<<\"evaluation\">>";
    site.set_env("EMQX_BOOT_CONFIGS", preset);
    site.start()?;
    site.remove_env("EMQX_BOOT_CONFIGS");
    ensure!(
        site.eval("erlang:get_cookie()")? == "'of-the-release'",
        "another cookie"
    );
    site.stop()?;
    Ok(())
}

fn well_known(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    // Later lines of the licence's check end the boot.
    site.set_env("EMQX_LICENSE__KEY", "nonsense");
    for (cookie, warns) in [
        ("emqxsecretcookie", true),
        ("emqx50elixir", true),
        ("a-cookie-of-my-own", false),
    ] {
        site.set_env("EMQX_NODE__COOKIE", cookie);
        for command in ["start", "foreground"] {
            let told = site.emqx(&[command])?;
            let warnings: Vec<&str> = told
                .stdout
                .lines()
                .filter(|line| line.starts_with("WARNING: "))
                .collect();
            let cookies = match warnings.as_slice() {
                [] => !warns,
                [one, two, three] => {
                    warns
                        && one.contains("default (insecure)")
                        && two.contains("node.cookie")
                        && two.contains("EMQX_NODE__COOKIE")
                        && three.contains("cluster")
                }
                _ => false,
            };
            ensure!(cookies, "{cookie}: {warnings:?}");
        }
    }
    Ok(())
}

fn hardened(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_SECURITY_PROFILE", "hardened");
    let text = "Cannot continue with default cookie and EMQX_SECURITY_PROFILE set to 'hardened'.";
    for cookie in ["emqxsecretcookie", "emqx50elixir"] {
        site.set_env("EMQX_NODE__COOKIE", cookie);
        for command in ["start", "foreground"] {
            demand_refused(site.emqx(&[command])?, 1, text)?;
        }
    }
    site.set_env("EMQX_NODE__COOKIE", "a-cookie-of-my-own");
    let node = site.capture_node()?;
    site.emqx(&["foreground"])?;
    let profile = node.variable("EMQX_SECURITY_PROFILE")?;
    ensure!(profile.as_deref() == Some("hardened"), "{profile:?}");
    Ok(())
}

fn unusual(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_WAIT_FOR_START", "30");
    for cookie in ["it's \"two\" words", "#$HOME\\a,b;c"] {
        site.set_env("EMQX_NODE__COOKIE", cookie);
        site.start()?;
        for args in [&["ping"][..], &["ctl", "status"]] {
            site.emqx(args)?.success()?;
        }
        site.remove_env("EMQX_NODE__COOKIE");
        let known = site.eval("atom_to_list(erlang:get_cookie()) ++ [0]")?;
        let bytes: Vec<u8> = cookie.bytes().chain([0]).collect();
        let expected = format!("{bytes:?}").replace(", ", ",");
        ensure!(known == expected, "{cookie:?} became {known}");
        site.stop()?;
    }
    for cookie in ["ü", "two\nlines"] {
        let told = site.emqx_with("EMQX_NODE__COOKIE", cookie, &["start"])?;
        demand_refused(told, 1, "cookie")?;
    }
    Ok(())
}

fn never_printed(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let secret = "s3cr3t-of-this-node";
    site.set_env("EMQX_NODE__COOKIE", secret);
    site.set_env("DEBUG", "2");
    let mut said = String::new();
    let mut run = |args: &[&str]| -> Result<()> {
        let finished = site.emqx(args)?;
        said += &finished.stdout;
        said += &finished.stderr;
        Ok(())
    };
    run(&["check_config"])?;
    run(&["start"])?;
    run(&["ping"])?;
    run(&["ctl", "status"])?;
    run(&["start"])?;
    run(&["stop"])?;
    run(&["ping"])?;
    match said.find(secret) {
        None => Ok(()),
        Some(at) => {
            let from = said[..at].rfind('\n').map_or(0, |line| line + 1);
            Err(Error::Unexpected(format!("printed: {}", &said[from..at])))
        }
    }
}
