//! Section 2: as which user the node runs, and who may say so.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept, ours};
use crate::ensure;
use crate::second_user::{SecondUser, as_ids, give};
use crate::site::Site;
use crate::subject::Subject;
use e2e::process;
use e2e::{Error, Result};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const ROOT: &[Need] = &[Need::Root, Need::Tool("useradd"), Need::Tool("setpriv")];

/// The cases.
pub const CASES: &[Case] = &[
    fix(
        "2.1",
        "root starts the node as the runner user",
        Steps(switched),
    )
    .needs(ROOT),
    kept(
        "2.1",
        "the runner user needs no switch",
        Steps(runner_itself),
    )
    .needs(ROOT),
    fix(
        "2.1",
        "a runner user that only the name service knows",
        Steps(name_service),
    )
    .needs(&[Need::Namespaces, Need::NssSystemd]),
    ours(
        "2.1",
        "a runner user that does not exist",
        Steps(no_such_user),
    )
    .needs(ROOT),
    kept("2.2", "anybody else is turned away", Steps(anybody_else)).needs(ROOT),
    fix(
        "2.3",
        "the foreground is switched in place",
        Steps(foreground),
    )
    .needs(ROOT),
    kept("2.4", "a user without a name", Steps(nameless)).needs(ROOT),
    ours(
        "2.5",
        "what belongs to root is told with path and user",
        Steps(roots_files),
    )
    .needs(ROOT),
];

/// An installation that names a runner user, who owns it and has no login shell.
fn packaged(subject: &Subject) -> Result<(Site, SecondUser)> {
    let site = subject.fresh()?;
    let user = SecondUser::make("/usr/sbin/nologin")?;
    site.append_vars(&format!("RUNNER_USER='{}'", user.name))?;
    site.open_to_all()?;
    user.own(site.root())?;
    Ok((site, user))
}

/// Makes every VM of the installation write its ids into a file before it starts.
fn witness_vms(site: &Site) -> Result<PathBuf> {
    let seen = fs_err::canonicalize(site.scratch())?.join("ids");
    fs_err::write(&seen, "")?;
    fs_err::set_permissions(&seen, PermissionsExt::from_mode(0o666))?;
    let script = format!("echo \"$(id -u) $(id -g) $(id -G)\" >>'{}'", seen.display());
    site.wrap_erlexec(&script)?;
    Ok(seen)
}

/// Demands that a process is the user's for good.
fn demand_user(pid: u32, user: &SecondUser) -> Result<()> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)).unwrap_or("");
        let words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
        words
    };
    let four = |id: u32| vec![id.to_string(); 4];
    ensure!(
        field("Uid:") == four(user.uid),
        "user ids {:?}",
        field("Uid:")
    );
    ensure!(
        field("Gid:") == four(user.gid),
        "group ids {:?}",
        field("Gid:")
    );
    let mut groups = field("Groups:");
    groups.sort();
    let mut expected = vec![user.gid.to_string(), user.further_gid.to_string()];
    expected.sort();
    ensure!(groups == expected, "groups {groups:?}, not {expected:?}");
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        let value = field(set).concat();
        ensure!(
            value.trim_matches('0').is_empty(),
            "{set} {value}: it could go back"
        );
    }
    Ok(())
}

fn switched(subject: &Subject) -> Result<()> {
    let (mut site, user) = packaged(subject)?;
    let ids = witness_vms(&site)?;
    site.set_env("COMPLIANCE", "kept, with blanks");
    site.start()?;
    let processes = site.processes();
    ensure!(processes.len() >= 2, "no run_erl and no VM: {processes:?}");
    for process in &processes {
        demand_user(process.pid, &user)?;
    }
    let shell = "/usr/sbin/nologin";
    for (name, expected) in [
        ("COMPLIANCE", "kept, with blanks"),
        ("EMQX_NODE__NAME", site.node_name().as_str()),
        ("HOME", "/nonexistent"),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("SHELL", shell),
    ] {
        site.demand_variable(name, expected)?;
    }
    let expected = format!("{} {} ", user.uid, user.gid);
    let seen = fs_err::read_to_string(&ids)?;
    ensure!(seen.lines().count() >= 2, "no helper VM was seen: {seen}");
    for line in seen.lines() {
        ensure!(line.starts_with(&expected), "a VM ran with {line}");
        let group = user.further_gid.to_string();
        ensure!(
            line.split(' ').any(|gid| gid == group),
            "a VM lacks {group}: {line}"
        );
    }
    let pipes = format!("data/{}_erl_pipes/{}", user.name, site.node_name());
    ensure!(site.path(&pipes).is_dir(), "no {pipes}");
    for part in ["data", "log"] {
        demand_owner(&site.path(part), user.uid)?;
    }
    // Both may talk to it and stop it.
    site.emqx(&["ctl", "status"])?.success()?;
    user.run(&site.emqx_command(&["ping"]))?.success()?;
    site.stop()?;
    site.demand_nothing_runs()?;
    Ok(())
}

/// Demands that everything below a directory belongs to a user.
fn demand_owner(dir: &Path, uid: u32) -> Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let metadata = fs_err::symlink_metadata(entry.path())?;
        let owner = metadata.uid();
        ensure!(
            owner == uid,
            "{} belongs to {owner}",
            entry.path().display()
        );
        if metadata.is_dir() {
            demand_owner(&entry.path(), uid)?;
        }
    }
    Ok(())
}

fn runner_itself(subject: &Subject) -> Result<()> {
    let (site, user) = packaged(subject)?;
    user.run(&site.emqx_command(&["start"]))?.success()?;
    for vm in site.vms() {
        demand_user(vm.pid, &user)?;
    }
    user.run(&site.emqx_command(&["stop"]))?.success()?;
    // Started by root it is the user's all the same, and the user may stop it.
    site.emqx(&["start"])?.success()?;
    for vm in site.vms() {
        demand_user(vm.pid, &user)?;
    }
    user.run(&site.emqx_command(&["stop"]))?.success()?;
    Ok(())
}

fn anybody_else(subject: &Subject) -> Result<()> {
    let (site, _user) = packaged(subject)?;
    site.start()?;
    let text = "You need to be root or use sudo to run this command";
    for args in [
        &["start"][..],
        &["foreground"],
        &["check_config"],
        &["ping"],
        &["ctl", "status"],
        &["stop"],
    ] {
        let mut command = as_ids(&site.emqx_command(args), 65534, 65534, None);
        demand_refused(process::run(&mut command, process::HANG)?, 1, text)?;
    }
    site.emqx(&["ping"])?.success()?;
    Ok(())
}

fn foreground(subject: &Subject) -> Result<()> {
    let (site, user) = packaged(subject)?;
    // Root may call from where the user may not even look.
    let private = site.scratch().join("private");
    fs_err::create_dir(&private)?;
    fs_err::set_permissions(&private, PermissionsExt::from_mode(0o700))?;
    let mut command = site.emqx_command(&["foreground"]);
    command
        .current_dir(&private)
        .stdin(std::process::Stdio::null());
    let mut running = process::Running::spawn(&mut command)?;
    site.wait_ready()?;
    demand_user(running.pid(), &user)?;
    site.demand_variable("HOME", "/nonexistent")?;
    let told = site.emqx(&["pid"])?.success()?;
    ensure!(
        told.text() == running.pid().to_string(),
        "another process: {told}"
    );
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    running.wait(process::HANG)?.success()?;
    Ok(())
}

fn nameless(subject: &Subject) -> Result<()> {
    const UID: u32 = 12345;
    let site = subject.fresh()?;
    site.open_to_all()?;
    give(site.root(), &format!("{UID}:0"))?;
    let run = |args: &[&str]| {
        let mut command = as_ids(&site.emqx_command(args), UID, 0, None);
        process::run(command.env("HOME", "/").env_remove("USER"), process::HANG)
    };
    let started = run(&["start"])?.success()?;
    ensure!(started.stderr.is_empty(), "{started}");
    let pipes = format!("data/{UID}_erl_pipes/{}", site.node_name());
    ensure!(site.path(&pipes).is_dir(), "no {pipes}");
    for args in [&["ping"][..], &["ctl", "status"], &["pid"], &["stop"]] {
        run(args)?.success()?;
    }
    ensure!(
        !Path::new("/.erlang.cookie").exists(),
        "a cookie was written to HOME"
    );
    Ok(())
}

fn no_such_user(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.append_vars("RUNNER_USER='no-such-user-here'")?;
    for command in ["start", "foreground", "check_config", "ping", "stop"] {
        let told = demand_refused(site.emqx(&[command])?, 1, "no-such-user-here")?;
        ensure!(told.stderr.contains("hint: "), "no remedy: {told}");
    }
    site.demand_nothing_runs()?;
    Ok(())
}

/// A real name service on its own mount of `/run`: records as systemd's userdb keeps them.
fn name_service(subject: &Subject) -> Result<()> {
    const NAME: &str = "emqx-ct-nss";
    const UID: u32 = 23456;
    let site = subject.fresh()?;
    site.append_vars(&format!("RUNNER_USER='{NAME}'"))?;
    site.open_to_all()?;
    give(site.root(), &format!("{UID}:{UID}"))?;
    let user = format!(
        "{{\"userName\":\"{NAME}\",\"uid\":{UID},\"gid\":{UID},\
          \"homeDirectory\":\"/nonexistent\",\"shell\":\"/usr/sbin/nologin\"}}"
    );
    let script = "mount -t tmpfs none /run && mkdir /run/userdb && cd /run/userdb && \
                  printf %s \"$RECORD\" >\"$NAME.user\" && ln -s \"$NAME.user\" \"$UID_.user\" && \
                  exec \"$@\"";
    let run = |args: &[&str]| {
        let mut command = site.command("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(site.path("bin/emqx")).args(args);
        command.env("RECORD", &user).env("NAME", NAME);
        command.env("UID_", UID.to_string());
        process::run(&mut command, process::HANG)
    };
    run(&["start"])?.success()?;
    let vm = site.vms().pop();
    let pid = vm.ok_or_else(|| Error::Unexpected("no VM".to_owned()))?.pid;
    let owner = fs_err::metadata(format!("/proc/{pid}"))?.uid();
    ensure!(owner == UID, "the VM runs as {owner}");
    let pipes = format!("data/{NAME}_erl_pipes/{}", site.node_name());
    ensure!(site.path(&pipes).is_dir(), "no {pipes}");
    run(&["ping"])?.success()?.says("pong")?;
    run(&["stop"])?.success()?;
    Ok(())
}

/// Somebody started it once as root: what is left then must not end in a riddle.
fn roots_files(subject: &Subject) -> Result<()> {
    let (site, user) = packaged(subject)?;
    site.start()?;
    site.stop()?;
    let database = format!("data/mnesia/{}", site.node_name());
    let schema = format!("{database}/schema.DAT");
    for path in [
        "data/configs",
        &database,
        &schema,
        "log",
        "log/erlang.log.1",
    ] {
        let path = site.path(path);
        ensure!(path.exists(), "{} is not there", path.display());
        nix::unistd::chown(&path, Some(0.into()), Some(0.into())).map_err(std::io::Error::from)?;
        for who in ["root", "the user"] {
            let command = site.emqx_command(&["start"]);
            let finished = match who {
                "root" => site.emqx(&["start"])?,
                _ => user.run(&command)?,
            };
            let told = demand_refused(finished, 1, &path.to_string_lossy())?;
            let uid = format!("uid {}", user.uid);
            ensure!(told.stderr.contains(&uid), "no {uid:?}: {told}");
            site.demand_nothing_runs()?;
        }
        let ids = (Some(user.uid.into()), Some(user.gid.into()));
        nix::unistd::chown(&path, ids.0, ids.1).map_err(std::io::Error::from)?;
    }
    user.run(&site.emqx_command(&["start"]))?.success()?;
    site.stop()?;
    Ok(())
}
