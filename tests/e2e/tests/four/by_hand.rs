//! A node that something else has booted, as the shell script of 4.x does: its arguments have nothing
//! that only this launcher gives.

use std::path::PathBuf;
use std::process::Command;

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, HANG, Running};
use e2e::sample::FOUR_0;

/// A program of the release, as its shell script calls it.
fn program(install: &Install, name: &str) -> e2e::Result<Command> {
    let data = fs_err::read_to_string(install.path("releases/start_erl.data"))?;
    let erts = data.split(' ').next().unwrap_or_default();
    let bindir = install.path(format!("erts-{erts}/bin"));
    let mut command = install.command(bindir.join(name));
    command.env("ROOTDIR", install.root());
    command.env("BINDIR", bindir).env("EMU", "beam");
    command.env("PROGNAME", "erl");
    command.env("CUTTLEFISH_ENV_OVERRIDE_PREFIX", "EMQX_");
    command.current_dir(install.root());
    Ok(command)
}

fn generated(install: &Install, kind: &str) -> e2e::Result<PathBuf> {
    let entries = fs_err::read_dir(install.path("data/configs"))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<e2e::Result<Vec<_>>>()?;
    let mut found = paths.into_iter().filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(kind))
    });
    Ok(found.next().expect("cuttlefish has made it"))
}

fn boot(install: &Install) -> e2e::Result<Running> {
    let mut generate = program(install, "escript")?;
    generate.args(["bin/cuttlefish", "-i", "releases/4.4.0/emqx.schema"]);
    generate.args(["-c", "etc/emqx.conf", "-d", "data/configs", "generate"]);
    process::run(&mut generate, HANG)?.success()?;
    let vm_args = generated(install, "vm.")?;
    let text = fs_err::read_to_string(install.path("etc/vm.args"))?
        + "\n"
        + &fs_err::read_to_string(&vm_args)?;
    fs_err::write(&vm_args, text)?;
    let mut vm = program(install, "erlexec")?;
    vm.args(["-noshell", "-noinput", "+Bd", "-boot"]);
    vm.arg(install.path("releases/4.4.0/start"));
    vm.args(["-mode", "embedded", "-boot_var", "ERTS_LIB_DIR"]);
    vm.arg(install.path("lib")).args(["-mnesia", "dir"]);
    vm.arg(format!("\"{}\"", install.path("data/mnesia/x").display()));
    vm.arg("-config").arg(generated(install, "app.")?);
    vm.arg("-args_file").arg(&vm_args);
    vm.arg("-vm_args").arg(&vm_args);
    vm.args(["-start_epmd", "false", "-epmd_module", "ekka_epmd"]);
    vm.args(["-proto_dist", "ekka", "--", "foreground"]);
    Running::spawn(&mut vm)
}

#[test]
fn a_node_that_the_shell_script_has_booted_is_found_asked_and_stopped() -> e2e::Result<()> {
    let mut install = Install::four(FOUR_0)?;
    let mut vm = boot(&install)?;
    // Its process tells everything.
    install.remove_env("EMQX_NODE__NAME");
    process::wait_until("the broker to answer", HANG, || {
        Ok(install.emqx(&["ctl", "status"])?.code == Some(0))
    })?;
    assert_eq!(
        node::eval(&install, "node()")?,
        format!("'{}'", install.node_name())
    );
    install.emqx(&["ctl", "listeners"])?.success()?;
    let pid = install.emqx(&["pid"])?.success()?.text().to_owned();
    install.set_env("EMQX_NODE__NAME", install.node_name());
    install
        .emqx(&["start"])?
        .exit_code(1)?
        .says("is already running!")?;
    install.emqx(&["stop"])?.success()?;
    vm.wait(HANG)?.success()?;
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
    Ok(())
}
