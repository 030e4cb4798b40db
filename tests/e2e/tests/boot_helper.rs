//! What a boot asks the release's own code: in one VM where hocon is as expected, through nodetool
//! where it is not, with the same files as its result.

use e2e::install::{Install, copy_tree};
use e2e::process;
use e2e::sample::V4;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The generated files of one kind, oldest first.
fn generated(install: &Install, kind: &str) -> e2e::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(install.path("data/configs"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(kind) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a module of the release.
fn source(app: &str, module: &str) -> e2e::Result<String> {
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/apps");
    Ok(fs_err::read_to_string(
        apps.join(format!("{app}/src/{module}.erl")),
    )?)
}

/// Recompiles a module of the release from its changed source.
fn recompile(install: &Install, module: &str, old: &str, new: &str) -> e2e::Result<()> {
    let text = source("hocon", module)?;
    assert!(text.contains(old), "{module} has no {old}");
    let source = install.scratch().join(format!("{module}.erl"));
    // In its list of exports a function's arity follows its name.
    let exported = (old.replace('(', "/"), new.replace('(', "/"));
    let text = text.replace(old, new).replace(&exported.0, &exported.1);
    fs_err::write(&source, text)?;
    let mut lib = None;
    for entry in fs_err::read_dir(install.path("lib"))? {
        let path = entry?.path();
        if path.join(format!("ebin/{module}.beam")).exists() {
            lib = Some(path.join("ebin"));
        }
    }
    let lib = lib.expect("the release has hocon");
    let mut erlc = Command::new("erlc");
    erlc.arg("-o").arg(lib).arg(source);
    process::run(&mut erlc, process::HANG)?.success()?;
    Ok(())
}

#[test]
fn a_hocon_of_another_kind_is_asked_through_nodetool() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    for module in ["hocon_schema", "hocon_cli"] {
        recompile(&install, module, "resolve_struct_name(", "struct_name(")?;
    }
    install.set_env("DEBUG", "1");
    let started = install.start()?;
    assert!(
        started
            .stderr
            .contains("hocon_schema:resolve_struct_name/2"),
        "what is missing is told: {started}"
    );
    assert_eq!(generated(&install, "vm.")?.len(), 1);
    install.remove_env("DEBUG");
    install.emqx(&["ping"])?.success()?;
    install.stop()?;
    install.emqx(&["check_config"])?.success()?;
    install.set_env("EMQX_NODE__ROLE", "nothing");
    let refused = install.emqx(&["foreground"])?.exit_code(1)?;
    assert!(refused.stderr.contains("node.role"), "{refused}");
    Ok(())
}

#[test]
fn a_patched_schema_takes_the_place_of_the_releases_own() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let patches = install.path("data/patches");
    fs_err::create_dir_all(&patches)?;
    let patched = install.scratch().join("emqx_conf_schema.erl");
    let text = source("emqx_conf", "emqx_conf_schema")?;
    assert!(text.contains("default => 1000,"), "{text}");
    fs_err::write(
        &patched,
        text.replace("default => 1000,", "default => 4321,"),
    )?;
    let mut erlc = Command::new("erlc");
    erlc.arg("-o").arg(&patches).arg(patched);
    process::run(&mut erlc, process::HANG)?.success()?;
    install.start()?;
    let config = generated(&install, "app.")?.pop().expect("generated");
    let config = fs_err::read_to_string(config)?;
    assert!(config.contains("{max_inflight,4321}"), "{config}");
    Ok(())
}

#[test]
fn the_generated_files_are_those_of_the_releases_own_tool() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    // Text that is not ASCII, in a value that goes to both files, and an override to be told.
    let conf = install.path("etc/emqx.conf");
    let text = fs_err::read_to_string(&conf)?;
    fs_err::write(&conf, format!("# gr\u{fc}\u{df}e \u{4f60}\u{597d}\n{text}"))?;
    install.set_env("EMQX_NODE__MAX_PORTS", "1048576");
    let started = install.start()?;
    assert!(
        started
            .stdout
            .contains("EMQX_NODE__MAX_PORTS [node.max_ports]: 1048576"),
        "{started}"
    );
    install.stop()?;

    let into = install.scratch().join("by-nodetool");
    let erts = install.emqx(&["ertspath"])?.success()?.text().to_owned();
    let mut nodetool = install.command(format!("{erts}/bin/escript"));
    nodetool
        .arg(install.path("bin/nodetool"))
        .args([
            "hocon",
            "-v",
            "-t",
            "2026.01.02.03.04.05",
            "-s",
            "emqx_conf_schema",
        ])
        .arg("-c")
        .arg(install.path("etc/base.hocon"))
        .arg("-c")
        .arg(install.path("data/configs/cluster.hocon"))
        .arg("-c")
        .arg(&conf)
        .arg("-d")
        .arg(&into)
        .arg("generate")
        .env("RUNNER_ROOT_DIR", install.root())
        .env("REL_VSN", V4)
        .env("EMQX_ETC_DIR", install.path("etc"))
        .env("EMQX_LOG_DIR", install.path("log"))
        .env("HOCON_ENV_OVERRIDE_PREFIX", "EMQX_")
        .env("ROOTDIR", install.root())
        .env("BINDIR", format!("{erts}/bin"))
        .env("EMU", "beam")
        .current_dir(install.root());
    process::run(&mut nodetool, process::HANG)?.success()?;

    let app_config = generated(&install, "app.")?
        .pop()
        .expect("one was generated");
    assert_eq!(
        fs_err::read_to_string(app_config)?,
        fs_err::read_to_string(into.join("app.2026.01.02.03.04.05.config"))?
    );
    let vm_args = fs_err::read_to_string(generated(&install, "vm.")?.pop().expect("generated"))?;
    for line in fs_err::read_to_string(into.join("vm.2026.01.02.03.04.05.args"))?.lines() {
        // The cookie is the launcher's, which may come from elsewhere.
        let is_there = line.starts_with("-setcookie ") || vm_args.lines().any(|own| own == line);
        assert!(is_there, "{line} is missing");
    }
    Ok(())
}

#[test]
fn a_root_of_any_letters_boots_under_any_locale() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let root = install
        .scratch()
        .join("gr\u{fc}\u{df}e \u{4f60}\u{597d} it's");
    copy_tree(install.root(), &root)?;
    for locale in ["C", "C.UTF-8"] {
        install.set_env("LC_ALL", locale);
        let run = |args: &[&str]| {
            let mut command = install.command(root.join("bin/emqx"));
            process::run(command.args(args), process::HANG)
        };
        run(&["check_config"])?.success()?;
        run(&["start"])?
            .success()?
            .says("is started successfully!")?;
        assert_eq!(run(&["ping"])?.success()?.text(), "pong");
        run(&["stop"])?.success()?;
    }
    Ok(())
}

#[test]
fn what_hocon_refuses_is_told_once_and_leaves_nothing_behind() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let conf = install.path("etc/emqx.conf");
    let good = fs_err::read_to_string(&conf)?;
    let cases = [
        (
            "a file that is no hocon",
            format!("{good}\nnode = {{\n"),
            "parse_error",
        ),
        (
            "a wrong value",
            format!("{good}\nnode.db_backend = paper\n"),
            "node.db_backend",
        ),
        (
            "a wrong value elsewhere",
            format!("{good}\nlisteners.tcp.default.bind = nowhere\n"),
            "listeners.tcp.default",
        ),
    ];
    for (what, text, told) in cases {
        fs_err::write(&conf, text)?;
        for command in ["check_config", "start", "foreground"] {
            if what == "a wrong value elsewhere" {
                install.remove_env("EMQX_LISTENERS__TCP__DEFAULT__BIND");
            }
            let refused = install.emqx(&[command])?.exit_code(1)?;
            assert_eq!(refused.stderr.matches(told).count(), 1, "{what}: {refused}");
            assert!(refused.stderr.contains("hint: "), "{what}: {refused}");
            let left: Vec<_> = fs_err::read_dir(install.path("data/configs"))
                .map(|entries| entries.filter_map(Result::ok).collect())
                .unwrap_or_default();
            assert!(left.is_empty(), "{what}: {left:?}");
        }
    }
    assert!(install.processes().is_empty());
    Ok(())
}
