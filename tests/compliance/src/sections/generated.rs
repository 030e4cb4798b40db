//! Sections 5 and 6: the files that a boot generates.

use crate::case::Check::Steps;
use crate::case::{Case, Need, kept};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::process;
use e2e::{Error, Result};

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "5.7",
        "names and content of the generated files",
        Steps(generated),
    ),
    kept(
        "5.7",
        "generated options replace installed ones",
        Steps(merged),
    )
    .needs(&[Need::Sample]),
    kept(
        "6.2",
        "overrides of the environment are told",
        Steps(overrides),
    ),
    kept("6.3", "three generations are kept", Steps(pruned)),
];

/// The generated files by kind, newest first.
fn generated_files(site: &Site, kind: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(site.path("data/configs"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(kind) {
            names.push(name);
        }
    }
    names.sort();
    names.reverse();
    Ok(names)
}

/// The text of the newest generated arguments.
pub fn newest_vm_args(site: &Site) -> Result<String> {
    let names = generated_files(site, "vm.")?;
    let name = names.first().map(String::as_str).unwrap_or_default();
    Ok(fs_err::read_to_string(
        site.path("data/configs").join(name),
    )?)
}

fn generated(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let _node = site.capture_node()?;
    site.emqx(&["foreground"])?.success()?;
    let (apps, vms) = (
        generated_files(&site, "app.")?,
        generated_files(&site, "vm.")?,
    );
    let [app] = apps.as_slice() else {
        return Err(Error::Unexpected(format!("not one file: {apps:?}")));
    };
    let time = app
        .strip_prefix("app.")
        .and_then(|name| name.strip_suffix(".config"));
    let time = time.unwrap_or_default();
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    ensure!(shape == "9999.99.99.99.99.99", "no time: {app}");
    ensure!(
        vms == [format!("vm.{time}.args")],
        "not the same time: {vms:?}"
    );
    // The time is this machine's own.
    let mut date = site.command("date");
    let now = process::run(date.arg("+%Y.%m.%d.%H"), process::HANG)?.success()?;
    let day = &now.text()[..10];
    ensure!(time.starts_with(day), "{time} is not of {day}");
    let installed = fs_err::read_to_string(site.path("etc/vm.args"))?;
    let text = newest_vm_args(&site)?;
    let lines: Vec<&str> = text.lines().collect();
    let [.., name, mnesia] = lines.as_slice() else {
        return Err(Error::Unexpected(text));
    };
    ensure!(*name == site.fill("-name {name}"), "{name}");
    let expected = site.fill("-mnesia dir '\"{root}/data/mnesia/{name}\"'");
    ensure!(*mnesia == expected, "{mnesia}, not {expected}");
    let pa = site.fill("-pa \"{root}/releases/{vsn}/consolidated\"");
    ensure!(lines.contains(&pa.as_str()), "no {pa}: {text}");
    ensure!(
        text.matches("-setcookie").count() == 1,
        "not one cookie: {text}"
    );
    for comment in installed.lines().filter(|line| line.starts_with("##")) {
        ensure!(lines.contains(&comment), "{comment:?} is gone");
    }
    let app = fs_err::read_to_string(site.path(format!("data/configs/{app}")))?;
    ensure!(app.trim_end().ends_with("]."), "no term: {app}");
    let left: Vec<String> = fs_err::read_dir(site.path("data/configs"))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    ensure!(left.len() == 2, "something half-written: {left:?}");
    Ok(())
}

fn merged(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.append_vm_args(
        "-kernel net_ticktime 60\n\
         -kernel refc_limit 7\n\
         -kernel quoted '[{a,1},{b,\"two words\"}]'\n\
         -env COMPLIANCE_VARIABLE \"with, comma and blank\"\n\
         -env ERL_CRASH_DUMP_SECONDS 1\n\
         +Q 2048\n\
         # +Q 4096\n\
         -name wrong@127.0.0.1\n\
         -setcookie wrong",
    )?;
    site.set_env("EMQX_NODE__DIST_NET_TICKTIME", "90s");
    site.set_env("EMQX_NODE__MAX_PORTS", "65536");
    site.start()?;
    let text = newest_vm_args(&site)?;
    for (line, count) in [
        ("-kernel net_ticktime 60", 0),
        ("-kernel net_ticktime 90", 1),
        ("-kernel refc_limit 7", 1),
        ("-env ERL_CRASH_DUMP_SECONDS 1", 0),
        ("-env ERL_CRASH_DUMP_SECONDS 30", 1),
        ("+Q 2048", 0),
        ("+Q 65536", 1),
        ("# +Q 4096", 1),
        ("-name wrong@127.0.0.1", 0),
        ("-setcookie wrong", 0),
    ] {
        let found = text.lines().filter(|have| *have == line).count();
        ensure!(found == count, "{found} times {line:?}: {text}");
    }
    for (expression, value) in [
        ("application:get_env(kernel, net_ticktime)", "{ok,90}"),
        (
            "application:get_env(kernel, quoted)",
            "{ok,[{a,1},{b,\"two words\"}]}",
        ),
        (
            "application:get_env(kernel, inet_dist_listen_options)",
            "{ok,[{buffer,1048576}]}",
        ),
        (
            "os:getenv(\"COMPLIANCE_VARIABLE\")",
            "\"with, comma and blank\"",
        ),
        ("erlang:system_info(port_limit)", "65536"),
        ("os:getenv(\"ERL_CRASH_DUMP_SECONDS\")", "\"30\""),
    ] {
        let found = site.eval(expression)?;
        ensure!(found == value, "{expression} is {found}, not {value}");
    }
    site.stop()?;
    Ok(())
}

fn overrides(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let _node = site.capture_node()?;
    site.set_env("EMQX_NODE__COOKIE", "a-secret-of-mine");
    site.set_env("EMQX_MQTT__MAX_PACKET_SIZE", "2MB");
    let told = site.emqx(&["foreground"])?.success()?;
    for (variable, path, value) in [
        ("EMQX_NODE__NAME", "node.name", site.node_name().as_str()),
        ("EMQX_MQTT__MAX_PACKET_SIZE", "mqtt.max_packet_size", "2MB"),
        ("EMQX_NODE__COOKIE", "node.cookie", ""),
    ] {
        let has_all =
            |line: &&str| line.contains(variable) && line.contains(path) && line.contains(value);
        let count = told.stdout.lines().filter(has_all).count();
        ensure!(count == 1, "{count} lines tell {variable}: {told}");
    }
    ensure!(
        !told.stdout.contains("a-secret-of-mine"),
        "a secret is told: {told}"
    );
    Ok(())
}

fn pruned(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let _node = site.capture_node()?;
    let dir = site.path("data/configs");
    fs_err::create_dir_all(&dir)?;
    for year in 2001..2006 {
        let time = format!("{year}.01.02.03.04.05");
        fs_err::write(dir.join(format!("app.{time}.config")), "[].\n")?;
        fs_err::write(dir.join(format!("vm.{time}.args")), "+P 1\n")?;
    }
    let others = [
        "cluster.hocon",
        "vm.args",
        "app.config",
        "app.2001.config",
        "notes",
    ];
    for name in others {
        fs_err::write(dir.join(name), "")?;
    }
    site.emqx(&["foreground"])?.success()?;
    for kind in ["app.20", "vm.20"] {
        let mut names = generated_files(&site, kind)?;
        names.retain(|name| name != "app.2001.config");
        ensure!(names.len() == 3, "not three: {names:?}");
        ensure!(
            names[1].contains("2005.") && names[2].contains("2004."),
            "{names:?}"
        );
    }
    for name in others {
        ensure!(dir.join(name).exists(), "{name} was removed");
    }
    Ok(())
}
