//! A newer launcher in the tree in force does the work, and nothing else in its place does.
//!
//! The newer launcher is the launcher under test with another version in its note and other words in
//! its messages: see `e2e::newer`.

use e2e::deployed::{self, Deployed, attempts, is_good, mark_again};
use e2e::install::Install;
use e2e::newer::{OWNER, launcher_of, put, replace};
use e2e::node;
use e2e::process::{self, Finished};
use e2e::sample::{self, V4, V5, V6};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

const SWITCH: &str = "EMQX_LAUNCHER_HANDOVER";
const DEPTH: &str = "_EMQX_LAUNCHER_DEPTH";
/// What a launcher says with `DEBUG=1` when it hands over.
const HANDING: &str = "handing over";

fn installed_with_newer() -> e2e::Result<(Install, Deployed)> {
    let install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    put(&tree.launcher(), &launcher_of("9.1.0")?)?;
    Ok((install, tree))
}

/// `emqx ping` with the node down and tracing on: tells whether anything was handed over.
fn traced_ping(install: &Install) -> e2e::Result<Finished> {
    let mut command = install.emqx_command(&["ping"]);
    process::run(command.env("DEBUG", "1"), process::HANG)?.exit_code(1)
}

/// A boot that ends right after the launcher was chosen: there is no configuration.
fn refused_boot(install: &Install) -> e2e::Result<Finished> {
    let aside = install.path("etc/aside");
    if !aside.exists() {
        fs_err::rename(install.path("etc/emqx.conf"), aside)?;
    }
    install
        .emqx(&["foreground"])?
        .exit_code(1)?
        .says("emqx.conf is not found")
}

#[test]
fn a_newer_launcher_of_the_tree_does_the_work() -> e2e::Result<()> {
    let (install, tree) = installed_with_newer()?;
    let base = install.root().to_string_lossy().into_owned();
    install
        .emqx(&["start"])?
        .success()?
        .says("5.10.5 IS STARTED successfully!")?;
    assert_eq!((attempts(&install)?, is_good(&install)?), (1, true));
    assert_eq!(node::root_dir(&install)?, tree.root.to_string_lossy());
    assert_eq!(install.emqx(&["ping"])?.success()?.text(), "PONG");
    let root_dir = install.emqx(&["root_dir"])?.success()?;
    assert_eq!(root_dir.text(), tree.root.to_string_lossy());
    // The second name of the binary, and words that look like other commands.
    for args in [&["status"][..], &["help"]] {
        let mut ctl = install.command(install.path("bin/emqx_ctl"));
        let second = process::run(ctl.args(args), process::HANG)?;
        let first: Vec<&str> = std::iter::once("ctl").chain(args.iter().copied()).collect();
        let first = install.emqx(&first)?;
        assert_eq!((second.code, &second.stdout), (first.code, &first.stdout));
    }
    // These stay with the base's launcher.
    for args in [&["relup", "status"][..], &["ctl", "relup", "status"]] {
        install
            .emqx(args)?
            .success()?
            .says("running version: 5.10.5")?;
    }
    let mut never = install.emqx_command(&["ping"]);
    let never = process::run(never.env(SWITCH, "never"), process::HANG)?;
    assert_eq!(never.success()?.text(), "pong");

    // Whoever restarts the node goes through the base's launcher, and finds nothing of the handover.
    let vm = install.vms().pop().expect("one VM runs");
    let environ = fs_err::read_to_string(format!("/proc/{}/environ", vm.pid))?;
    let value = |name: &str| {
        let prefix = format!("{name}=");
        environ
            .split('\0')
            .find_map(|pair| pair.strip_prefix(&prefix).map(str::to_owned))
    };
    assert_eq!(
        value("HEART_COMMAND"),
        Some(format!("{base}/bin/emqx start"))
    );
    assert_eq!(value("PROGNAME"), Some(format!("{base}/bin/emqx")));
    assert_eq!(value("BASE_RUNNER_ROOT_DIR"), Some(base.clone()));
    assert!(!environ.contains("_EMQX_LAUNCHER"), "{environ}");
    let console = format!("exec {base}/bin/emqx console");
    let processes = install.processes();
    let run_erl = processes.iter().find(|process| {
        process
            .args
            .iter()
            .any(|arg| arg.to_string_lossy() == console)
    });
    assert!(run_erl.is_some(), "{processes:?}");
    // Heart's command is given what the VM was given.
    mark_again(&install)?;
    install.stop()?;
    let mut heart = install.command("/bin/sh");
    heart
        .arg("-c")
        .arg(value("HEART_COMMAND").expect("it is set"));
    heart.env("BASE_RUNNER_ROOT_DIR", &base);
    process::run(&mut heart, process::HANG)?
        .success()?
        .says("IS STARTED successfully!")?;
    install
        .emqx(&["restart"])?
        .success()?
        .says("IS STARTED successfully!")?;
    install.stop()?;

    let mut running = install.spawn(&["foreground"])?;
    process::wait_until("the node to be up", process::HANG, || {
        assert!(running.is_alive(), "{:?}", running.wait(process::HANG));
        Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
    })?;
    assert!(running.stdout_so_far().contains("STARTING "));
    assert_eq!(
        install.emqx(&["pid"])?.success()?.text(),
        running.pid().to_string()
    );
    install.stop()?;

    // After the way back the base's launcher is the only one there is.
    install.emqx(&["relup", "rollback"])?.success()?;
    install
        .emqx(&["start"])?
        .success()?
        .says("5.10.4 is started successfully!")?;
    assert_eq!(install.emqx(&["ping"])?.success()?.text(), "pong");
    Ok(())
}

#[test]
fn only_a_newer_launcher_is_handed_to() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    let path = tree.launcher();
    let own = fs_err::read(sample::launcher()?)?;
    // Without the note; with a text that is no version; another program; no program at all.
    let mut unnoted = launcher_of("9.1.0")?;
    replace(&mut unnoted, OWNER, b"emqx-launcheR\0");
    let other = fs_err::read("/bin/true")?;
    let cases: [(&str, &[u8]); 9] = [
        ("the release's script", &fs_err::read(&path)?),
        ("the same version", &own),
        ("the same version, changed", &launcher_of("0.1.0")?),
        ("an older version", &launcher_of("0.0.9")?),
        ("a version that is none", &launcher_of("9.1.x")?),
        ("no note", &unnoted),
        ("another program", &other),
        ("nothing", b""),
        ("the beginning of a program", &own[..70]),
    ];
    for (what, content) in cases {
        put(&path, content)?;
        let ping = traced_ping(&install)?;
        assert!(!ping.stderr.contains(HANDING), "{what}: {ping}");
        let boot = refused_boot(&install)?;
        assert!(!boot.stdout.contains("launcher"), "{what}: {boot}");
    }
    put(&path, &launcher_of("0.1.1")?)?;
    let ping = traced_ping(&install)?;
    assert!(ping.stderr.contains(HANDING), "{ping}");
    // No regular file, which nobody waits for.
    fs_err::remove_file(&path)?;
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
    traced_ping(&install)?;
    fs_err::remove_file(&path)?;
    traced_ping(&install)?;
    fs_err::create_dir(&path)?;
    traced_ping(&install)?;
    Ok(())
}

#[test]
fn a_newer_launcher_that_can_not_be_run_is_told_and_the_own_code_boots() -> e2e::Result<()> {
    let (install, tree) = installed_with_newer()?;
    let path = tree.launcher();
    let newer = fs_err::read(&path)?;
    let mut foreign = newer.clone();
    // The processor that the program is for.
    foreign[18] = if foreign[18] == 62 { 183 } else { 62 };
    for (what, content, mode, reason) in [
        ("not executable", &newer[..], 0o644, "cannot be run: "),
        ("another processor", &foreign, 0o755, "cannot be run: "),
        ("cut off", &newer[..64 * 1024], 0o755, "it is cut off"),
    ] {
        put(&path, content)?;
        fs_err::set_permissions(&path, PermissionsExt::from_mode(mode))?;
        let boot = refused_boot(&install)?;
        let warning = format!(
            "WARNING: {} is a newer launcher (9.1.0) and ",
            path.display()
        );
        assert_eq!(boot.stdout.matches(&warning).count(), 1, "{what}: {boot}");
        assert!(boot.stdout.contains(reason), "{what}: {boot}");
        let ping = install.emqx(&["ping"])?.exit_code(1)?;
        assert!(!ping.stderr.contains("WARNING"), "{what}: {ping}");
    }
    // And all the way: with its own code, the handover failing on each of the steps.
    put(&path, &foreign)?;
    fs_err::rename(install.path("etc/aside"), install.path("etc/emqx.conf"))?;
    install.start()?;
    assert_eq!(node::root_dir(&install)?, tree.root.to_string_lossy());
    assert_eq!(install.emqx(&["ping"])?.success()?.text(), "pong");
    Ok(())
}

#[test]
fn what_others_could_have_written_is_not_run() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: it takes a second user");
        return Ok(());
    }
    let (install, tree) = installed_with_newer()?;
    let path = tree.launcher();
    let bin = tree.root.join("bin");
    let relup = install.path("relup");
    let check = |what: &str, part: &str| -> e2e::Result<()> {
        let boot = refused_boot(&install)?;
        let told = boot.stdout.contains("and is not used: ") && boot.stdout.contains(part);
        assert!(told, "{what}: {boot}");
        let ping = traced_ping(&install)?;
        assert!(!ping.stderr.contains(HANDING), "{what}: {ping}");
        Ok(())
    };
    for owned in [&path, &bin, &tree.root, &relup] {
        chown(owned, Some(65534), None)?;
        check("another owner", "belongs to uid 65534")?;
        chown(owned, Some(0), None)?;
        let mode = fs_err::metadata(owned)?.permissions().mode();
        for more in [0o020, 0o002] {
            fs_err::set_permissions(owned, PermissionsExt::from_mode(mode | more))?;
            check("another writer", "may be written to by others")?;
        }
        fs_err::set_permissions(owned, PermissionsExt::from_mode(mode))?;
    }
    let ping = traced_ping(&install)?;
    assert!(ping.stderr.contains(HANDING), "{ping}");
    // A link to a newer launcher is no part of the tree.
    let elsewhere = install.scratch().join("elsewhere");
    fs_err::rename(&path, &elsewhere)?;
    symlink(&elsewhere, &path)?;
    assert!(!traced_ping(&install)?.stderr.contains(HANDING));
    fs_err::remove_file(&path)?;
    fs_err::rename(&bin, install.scratch().join("bin"))?;
    fs_err::rename(&elsewhere, install.scratch().join("bin/emqx"))?;
    symlink(install.scratch().join("bin"), &bin)?;
    check("a link on the way", "is a link")?;
    Ok(())
}

#[test]
fn it_happens_once_wherever_the_markers_lead() -> e2e::Result<()> {
    let (install, outer) = installed_with_newer()?;
    let inner = Deployed::below(&outer.root, V6)?;
    put(&inner.launcher(), &launcher_of("9.2.0")?)?;
    deployed::mark(&outer.root, V6)?;
    let ping = traced_ping(&install)?;
    assert_eq!(ping.stderr.matches(HANDING).count(), 1, "{ping}");
    assert!(ping.stderr.contains("version=9.2.0"), "{ping}");
    let tree = inner.root.to_string_lossy().into_owned();
    assert_eq!(
        ping.stderr.matches(&format!("tree = {tree} (")).count(),
        2,
        "{ping}"
    );
    // With what a launcher leaves to the next one, or with anything else in its place.
    for (depth, handed) in [
        ("1", 0),
        ("2", 0),
        ("99999999999", 0),
        ("x", 0),
        ("", 0),
        ("0", 1),
    ] {
        let mut command = install.emqx_command(&["ping"]);
        command.env(DEPTH, depth).env("DEBUG", "1");
        command.env("BASE_RUNNER_ROOT_DIR", install.root());
        let ping = process::run(&mut command, process::HANG)?.exit_code(1)?;
        assert_eq!(
            ping.stderr.matches(HANDING).count(),
            handed,
            "{depth:?}: {ping}"
        );
    }
    install
        .emqx(&["start"])?
        .success()?
        .says("5.10.6 IS STARTED successfully!")?;
    assert_eq!(node::root_dir(&install)?, tree);
    assert_eq!(install.emqx(&["root_dir"])?.success()?.text(), tree);
    Ok(())
}

#[test]
fn a_base_with_blanks_in_its_path_is_handed_on_whole() -> e2e::Result<()> {
    let recipe = e2e::install::Recipe {
        prefix: "emqx e2e with  blanks ".to_owned(),
        ..e2e::install::Recipe::sample(V4)?
    };
    let install = Install::unpack(&recipe, e2e::ports::Slot::claim()?)?;
    let tree = Deployed::marked(&install, V5)?;
    put(&tree.launcher(), &launcher_of("9.1.0")?)?;
    install
        .emqx(&["start"])?
        .success()?
        .says("5.10.5 IS STARTED successfully!")?;
    let words = install.emqx(&["eval", "{a,", "\"b  c\"}"])?.success()?;
    assert_eq!(words.text(), "{a,\"b  c\"}");
    install.stop()?;
    Ok(())
}

/// The launcher in the tree belongs to the runner user, who could have written anything into it:
/// root must have become that user before it is run.
#[test]
fn root_becomes_the_runner_user_before_the_launcher_of_the_tree_is_run() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() || which::which("strace").is_err() {
        println!("not tried here: it takes root and strace");
        return Ok(());
    }
    let (install, tree) = installed_with_newer()?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let vars = install.path("releases/emqx_vars");
    let text = fs_err::read_to_string(&vars)? + "\nRUNNER_USER=\"nobody\"\n";
    fs_err::write(vars, text)?;
    for dir in ["relup", "data", "log"] {
        let mut give = install.command("chown");
        give.arg("-R").arg("65534:65534").arg(install.path(dir));
        process::run(&mut give, process::HANG)?.success()?;
    }
    let trace = install.scratch().join("trace");
    let mut strace = install.command("strace");
    strace
        .args(["-e", "trace=execve,setuid", "-o"])
        .arg(&trace)
        .arg(install.path("bin/emqx"))
        .arg("start");
    process::run(&mut strace, process::HANG)?
        .success()?
        .says("IS STARTED successfully!")?;
    let trace = fs_err::read_to_string(trace)?;
    let at = |text: &str| {
        trace
            .find(text)
            .unwrap_or_else(|| panic!("no {text} in {trace}"))
    };
    let run = format!("execve(\"{}\"", tree.launcher().display());
    assert!(at("setuid(65534)") < at(&run), "{trace}");
    assert_eq!(install.emqx(&["ping"])?.success()?.text(), "PONG");
    for vm in install.vms() {
        let status = fs_err::read_to_string(format!("/proc/{}/status", vm.pid))?;
        assert!(status.contains("Uid:\t65534\t65534"), "{status}");
    }
    assert!(is_good(&install)?);
    // Without the switch root does not run it: the file is the other user's.
    let mut as_root = install.emqx_command(&["stop"]);
    process::run(as_root.env(SWITCH, "never"), process::HANG)?.success()?;
    let vars = install.path("releases/emqx_vars");
    let text = fs_err::read_to_string(&vars)?.replace("RUNNER_USER=\"nobody\"", "");
    fs_err::write(vars, text)?;
    let boot = refused_boot(&install)?;
    assert!(boot.stdout.contains("belongs to uid 65534"), "{boot}");
    Ok(())
}

/// The program may serve a base of its own: markers and launcher are the program's, data the base's.
#[test]
fn a_base_beside_the_program_is_handed_on_as_well() -> e2e::Result<()> {
    let (mut install, tree) = installed_with_newer()?;
    let base = install.scratch().join("a base");
    for dir in ["etc", "data", "log", "plugins"] {
        e2e::install::copy_tree(&install.path(dir), &base.join(dir))?;
    }
    install.set_env("BASE_RUNNER_ROOT_DIR", &base);
    install
        .emqx(&["start"])?
        .success()?
        .says("5.10.5 IS STARTED successfully!")?;
    assert_eq!(install.emqx(&["ping"])?.success()?.text(), "PONG");
    assert_eq!(node::root_dir(&install)?, tree.root.to_string_lossy());
    assert_eq!(
        node::data_dir(&install)?,
        base.join("data").to_string_lossy()
    );
    let vm = install.vms().pop().expect("one VM runs");
    let environ = fs_err::read_to_string(format!("/proc/{}/environ", vm.pid))?;
    let heart = format!("HEART_COMMAND={}/bin/emqx start", install.root().display());
    assert!(environ.split('\0').any(|pair| pair == heart), "{environ}");
    install.stop()?;
    Ok(())
}
