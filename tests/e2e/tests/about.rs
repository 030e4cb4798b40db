//! What the program tells about itself: version, completions, manual pages. None of it needs a
//! release, so most of it is tried on a binary that stands alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::install::Install;
use e2e::process::{Finished, HANG, run};
use e2e::sample::{self, V4, workspace};
use e2e::terminal::Terminal;
use tempfile::TempDir;

/// The binary outside of any release, as after a download.
struct Alone {
    dir: TempDir,
}

impl Alone {
    fn new() -> e2e::Result<Self> {
        let dir = tempfile::Builder::new().prefix("emqx-alone-").tempdir()?;
        fs_err::copy(sample::launcher()?, dir.path().join("emqx"))?;
        Ok(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A program that finds the binary first on its path and nothing about EMQX around it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("EMQX_") || text == "DEBUG" {
                command.env_remove(&name);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let own = self.path().display();
        command
            .env("PATH", format!("{own}:{path}"))
            .env("HOME", self.path())
            .current_dir(self.path());
        command
    }

    fn emqx(&self, args: &[&str]) -> e2e::Result<Finished> {
        run(self.command("./emqx").args(args), HANG)
    }

    /// Writes the completions of a shell to a file.
    fn completions(&self, shell: &str, file: &str) -> e2e::Result<PathBuf> {
        let script = self.emqx(&["completions", shell])?.success()?;
        let path = self.path().join(file);
        fs_err::write(&path, &script.stdout)?;
        run(self.command(shell).arg("-n").arg(&path), HANG)?.success()?;
        Ok(path)
    }
}

#[test]
fn a_binary_without_a_release_tells_about_itself() -> e2e::Result<()> {
    let alone = Alone::new()?;
    for args in [
        &["--version"][..],
        &["-V"],
        &["version"],
        &["help"],
        &["man"],
        &["completions", "bash"],
        &["start", "--help"],
        &["relup", "--help"],
        &["relup", "upgrade", "--help"],
        &["ctl", "relup", "help"],
        &["completions", "help"],
        &["man", "-h"],
    ] {
        let told = alone.emqx(args)?.success()?;
        assert!(told.stderr.is_empty() && told.text().len() > 20, "{told}");
    }
    let version = alone.emqx(&["version"])?;
    assert!(version.stdout.starts_with("emqx launcher "), "{version}");
    assert!(version.stdout.contains("\nrelease: none"), "{version}");
    for fact in ["commit:", "target:", "profile:", "rustc:"] {
        assert!(version.stdout.contains(&format!("\n{fact} ")), "{version}");
    }
    // A command that needs a release says so instead of guessing.
    let refused = alone.emqx(&["root_dir"])?.exit_code(1)?;
    assert!(refused.stderr.contains("is not a release"), "{refused}");
    Ok(())
}

#[test]
fn the_version_names_the_release_in_force() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let told = install.emqx(&["--version"])?.success()?;
    let expected = format!("{V4} in {}", install.root().display());
    assert!(told.stdout.contains(&expected), "{told}");
    fs_err::write(install.path("relup/current"), "../x\n")?;
    let told = install.emqx(&["--version"])?.success()?;
    assert!(told.stdout.contains("relup/current"), "{told}");
    Ok(())
}

#[test]
fn an_unknown_shell_or_page_is_refused_with_the_remedy() -> e2e::Result<()> {
    let alone = Alone::new()?;
    for (args, name) in [
        (&["completions", "tcsh"][..], "'tcsh'"),
        (&["completions"], "`completions`"),
        (&["completions", "bash", "zsh"], "`completions`"),
        (&["man", "strat"], "'strat'"),
        (&["man", "relup", "stage"], "'relup stage'"),
        (&["man", "--dir"], "`man`"),
        (&["man", "--dri", "x"], "`man`"),
    ] {
        let refused = alone.emqx(args)?.exit_code(1)?;
        let first = refused.stderr.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("ERROR: ") && first.contains(name),
            "{refused}"
        );
        assert!(refused.stderr.contains("\nhint: "), "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
    }
    Ok(())
}

/// Types into a shell on a terminal; what the Tab key completed is then run and must answer.
fn completes_when_typed(alone: &Alone, shell: &str, setup: &str) -> e2e::Result<()> {
    let mut script = alone.command("script");
    // Styles would stand between the words that are looked for.
    script.env("NO_COLOR", "1");
    let mut terminal = Terminal::run_line(script, shell)?;
    terminal.types(&format!("{setup}; echo 'rea''dy'\n"))?;
    terminal.shows("ready")?;
    for (typed, answer) in [
        ("emqx sta\thelp\n", "Usage: emqx start"),
        ("emqx relup up\t--help\n", "Usage: emqx relup upgrade"),
        ("emqx ctl relup stat\t--help\n", "Usage: emqx relup status"),
        ("emqx man relup ro\t| head -n 3\n", "EMQX-RELUP-ROLLBACK 1"),
        ("emqx completions z\t| head -n 1\n", "#compdef emqx"),
    ] {
        terminal.types(typed)?;
        terminal.shows(answer)?;
    }
    terminal.types("exit\n")?;
    terminal.ends()?;
    Ok(())
}

#[test]
fn the_tab_key_completes_commands_in_bash() -> e2e::Result<()> {
    let alone = Alone::new()?;
    let script = alone.completions("bash", "emqx.bash")?;
    completes_when_typed(
        &alone,
        "bash --norc --noprofile -i",
        &format!("source '{}'", script.display()),
    )
}

#[test]
fn the_tab_key_completes_commands_in_zsh() -> e2e::Result<()> {
    let alone = Alone::new()?;
    alone.completions("zsh", "_emqx")?;
    let setup = "fpath=($PWD $fpath); autoload -U compinit; compinit -D -u";
    completes_when_typed(&alone, "zsh -f -i", setup)
}

#[test]
fn the_tab_key_completes_commands_in_fish() -> e2e::Result<()> {
    let alone = Alone::new()?;
    let script = alone.completions("fish", "emqx.fish")?;
    let completed = |line: &str| -> e2e::Result<Vec<String>> {
        let ask = format!("source '{}'; complete -C '{line}'", script.display());
        let mut fish = alone.command("fish");
        let told = run(fish.args(["--no-config", "-c", &ask]), HANG)?.success()?;
        // Later versions of fish also offer words that have the letters somewhere.
        let typed = line.rsplit(' ').next().unwrap_or_default();
        let words = told
            .stdout
            .lines()
            .filter_map(|line| line.split('\t').next())
            .filter(|word| word.starts_with(typed));
        Ok(words.map(str::to_owned).collect())
    };
    for (line, expected) in [
        ("emqx st", &["start", "stop"][..]),
        ("emqx relup up", &["upgrade"]),
        ("emqx relup upgrade --fo", &["--force"]),
        ("emqx relup upgrade --upf", &[]),
        ("emqx relup relup --upf", &["--upfrom"]),
        ("emqx relup rollback --t", &["--to"]),
        ("emqx man relup rol", &["rollback"]),
        ("emqx completions ", &["bash", "fish", "help", "zsh"]),
        ("emqx relup sta", &["status"]),
    ] {
        assert_eq!(completed(line)?, expected, "{line}");
    }
    Ok(())
}

#[test]
fn every_command_has_a_manual_page_that_is_clean() -> e2e::Result<()> {
    let alone = Alone::new()?;
    let dir = alone.path().join("share/man/man 1");
    let dir_text = dir.to_string_lossy().into_owned();
    let first = alone.emqx(&["man", "--dir", &dir_text])?.success()?;
    let again = alone.emqx(&["man", "--dir", &dir_text])?.success()?;
    assert_eq!(
        first.stdout, again.stdout,
        "a second run replaces the pages"
    );
    let told: BTreeSet<&str> = first.stdout.lines().collect();
    let mut found = BTreeSet::new();
    for entry in fs_err::read_dir(&dir)? {
        found.insert(entry?.path().to_string_lossy().into_owned());
    }
    assert_eq!(told, found.iter().map(String::as_str).collect());
    for name in ["emqx", "emqx_ctl", "emqx-start", "emqx-relup-upgrade"] {
        assert!(dir.join(format!("{name}.1")).is_file(), "{name}");
    }
    for path in &found {
        let mut mandoc = alone.command("mandoc");
        run(mandoc.args(["-Tlint", "-W", "warning", path]), HANG)?.success()?;
    }
    let help = alone.emqx(&["help"])?.success()?;
    let commands = help
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for command in commands {
        let page = alone.emqx(&["man", command])?.success()?;
        assert!(page.stdout.contains(".SH \"EXIT STATUS\""), "{page}");
        let file = fs_err::read_to_string(dir.join(format!("emqx-{command}.1")))?;
        assert_eq!(page.stdout, file, "{command}");
    }
    Ok(())
}

/// The names in `env.get("NAME")` and the like, and everything that is named like EMQX's variables.
fn variables_read(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.split_whitespace().collect();
    let mut names = BTreeSet::new();
    for call in ["get", "get_os", "seconds", "take", "set_default", "rename"] {
        for piece in code.split(&format!(".{call}(\"")).skip(1) {
            let name = piece.split('"').next().unwrap_or_default();
            if name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
            {
                names.insert(name.to_owned());
            }
        }
    }
    // Not what the compiler is asked for, nor what is set for the release to read.
    let code = code.replace("env!(\"EMQX_", "");
    let named = code.split('"').filter(|word| {
        let rest = word.strip_prefix("EMQX_").unwrap_or_default();
        let is_name = rest.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        !rest.is_empty() && is_name && !rest.contains("__")
    });
    names.extend(named.map(str::to_owned));
    names
}

#[test]
fn every_environment_variable_that_is_read_is_in_the_manual() -> e2e::Result<()> {
    let manual = Alone::new()?.emqx(&["man"])?.success()?.stdout;
    let mut open = vec![workspace().join("launcher/src")];
    let mut read = BTreeSet::new();
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                read.extend(variables_read(&fs_err::read_to_string(path)?));
            }
        }
    }
    assert!(read.contains("EMQX_NODE__NAME"), "{read:?}");
    // What emqx_vars defines is read by the same calls, and ROOTDIR is only thrown away.
    let others = [
        "EMQX_DEFAULT_ERLANG_COOKIE",
        "EMQX_DESCRIPTION",
        "EMQX_ETC_DIR",
        "EMQX_LOG_DIR",
        "ERTS_VSN",
        "IS_ENTERPRISE",
        "REL_NAME",
        "REL_VSN",
        "ROOTDIR",
        "RUNNER_DATA_DIR",
        "RUNNER_LOG_DIR",
        "RUNNER_USER",
        "SCHEMA_MOD",
    ];
    let missing: Vec<_> = read
        .iter()
        .filter(|name| {
            !others.contains(&name.as_str()) && !manual.contains(&format!("\\fB{name}\\fR"))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "add them to launcher/src/release/variables.rs: {missing:?}"
    );
    Ok(())
}
