//! Sections 5 and 6: values from the release's hocon, and the files that are generated.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::process;
use e2e::tree::Snapshot;
use e2e::{Error, Result};
use std::path::Path;

const SAMPLE: &[Need] = &[Need::Sample];

/// The cases.
pub const CASES: &[Case] = &[
    kept("5.4", "a preset replaces the look-up", Steps(preset)),
    kept(
        "5.5",
        "data directories as they are written",
        Steps(data_dirs),
    ),
    kept(
        "5.5",
        "size files of the disk log are removed",
        Steps(siz_files),
    ),
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
    .needs(SAMPLE),
    kept(
        "6.1",
        "the release's hocon has the last word",
        Steps(sources),
    )
    .needs(SAMPLE),
    kept("6.1", "a schema module that is not there", Steps(no_schema)),
    fix(
        "6.1",
        "a broken emqx.conf is told in hocon's words",
        Steps(broken),
    )
    .needs(SAMPLE),
    kept(
        "6.2",
        "overrides of the environment are told",
        Steps(overrides),
    ),
    kept("6.3", "three generations are kept", Steps(pruned)),
    kept(
        "6.5",
        "patches go before the release's code",
        Steps(patches),
    )
    .needs(SAMPLE),
    kept(
        "6.5",
        "patches of a package's data directory",
        Steps(package_patches),
    )
    .needs(&[Need::Sample, Need::Root, Need::Tool("unshare")]),
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

fn newest_vm_args(site: &Site) -> Result<String> {
    let names = generated_files(site, "vm.")?;
    let name = names.first().map(String::as_str).unwrap_or_default();
    Ok(fs_err::read_to_string(
        site.path("data/configs").join(name),
    )?)
}

fn preset(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let name = site.node_name();
    site.remove_env("EMQX_NODE__NAME");
    let data = site.path("preset data");
    let lines = [
        format!("node.name={name:?}"),
        format!("node.data_dir=\"{}/\"", data.display()),
        "node.cookie=\"of-the-preset\"".to_owned(),
        "node.db_backend=mnesia".to_owned(),
        "cluster.proto_dist=inet_tcp".to_owned(),
        "node.dist_net_ticktime=120".to_owned(),
        "license.key=<<\"evaluation\">>".to_owned(),
    ];
    site.set_env("EMQX_BOOT_CONFIGS", lines.join("\n"));
    site.start()?;
    ensure!(site.eval("node()")? == format!("'{name}'"), "another name");
    ensure!(
        site.eval("erlang:get_cookie()")? == "'of-the-preset'",
        "another cookie"
    );
    ensure!(
        data.join("configs").is_dir(),
        "not in the preset data directory"
    );
    ensure!(
        !site.path("data/configs").exists(),
        "the look-up was made all the same"
    );
    // Without quotes, as an operator would write it.
    let refused = site.emqx_with(
        "EMQX_BOOT_CONFIGS",
        "node.name=a b\nnode.data_dir=x",
        &["start"],
    );
    demand_refused(refused?, 1, "Invalid node name")?;
    site.remove_env("EMQX_BOOT_CONFIGS");
    site.emqx(&["stop"])?.success()?;
    Ok(())
}

fn data_dirs(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let node = site.capture_node()?;
    let absolute = site.path("data one");
    for (setting, expected) in [
        ("data two", site.path("data two")),
        ("data-three/", site.path("data-three")),
        ("./data-four//", site.path("./data-four")),
        (&format!("{}/", absolute.display()), absolute.clone()),
    ] {
        node.clear()?;
        site.set_env("EMQX_NODE__DATA_DIR", setting);
        site.emqx(&["foreground"])?.success()?;
        let args = node.args()?;
        let told = args.last().map(Path::new);
        ensure!(told == Some(&*expected), "{setting:?} became {told:?}");
        ensure!(
            expected.join("configs").is_dir(),
            "no configs in {}",
            expected.display()
        );
    }
    Ok(())
}

fn siz_files(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let _node = site.capture_node()?;
    for name in [
        "emqx.log.siz",
        "other.siz",
        "emqx.log.1",
        "siz",
        "a.siz.kept",
    ] {
        fs_err::write(site.path("log").join(name), "x")?;
    }
    site.emqx(&["foreground"])?.success()?;
    for (name, is_left) in [
        ("emqx.log.siz", false),
        ("other.siz", false),
        ("emqx.log.1", true),
        ("siz", true),
        ("a.siz.kept", true),
    ] {
        let exists = site.path("log").join(name).exists();
        ensure!(exists == is_left, "{name} is there: {exists}");
    }
    Ok(())
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

fn sources(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let node = site.capture_node()?;
    let ticktime = |site: &Site| -> Result<String> {
        node.clear()?;
        site.emqx(&["foreground"])?.success()?;
        let text = newest_vm_args(site)?;
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix("-kernel net_ticktime "));
        Ok(line.unwrap_or("none").to_owned())
    };
    // Each next one goes before all others.
    fs_err::write(
        site.path("etc/base.hocon"),
        "node.dist_net_ticktime = 31s\n",
    )?;
    ensure!(ticktime(&site)? == "31", "base.hocon does not count");
    fs_err::create_dir_all(site.path("data/configs"))?;
    let cluster = site.path("data/configs/cluster.hocon");
    fs_err::write(cluster, "node.dist_net_ticktime = 32s\n")?;
    ensure!(ticktime(&site)? == "32", "cluster.hocon does not count");
    site.append_conf("node.dist_net_ticktime = 33s")?;
    ensure!(ticktime(&site)? == "33", "emqx.conf does not count");
    site.set_env("EMQX_NODE__DIST_NET_TICKTIME", "34s");
    ensure!(ticktime(&site)? == "34", "the environment does not count");
    // What only a reader of hocon understands.
    site.remove_env("EMQX_NODE__DIST_NET_TICKTIME");
    site.append_conf("node { data_dir = \"first\" }, node.data_dir = \"last one\"")?;
    ticktime(&site).err();
    ensure!(
        site.path("last one/configs").is_dir(),
        "not as hocon reads it"
    );
    Ok(())
}

fn no_schema(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.append_vars("SCHEMA_MOD=no_such_schema")?;
    for command in ["check_config", "start", "foreground"] {
        let told = site.emqx(&[command])?;
        ensure!(told.code.is_some_and(|code| code != 0), "{told}");
        let said = format!("{}{}", told.stdout, told.stderr);
        ensure!(said.contains("no_such_schema"), "{told}");
    }
    site.demand_nothing_runs()
}

fn broken(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let conf = site.path("etc/emqx.conf");
    let right = fs_err::read_to_string(&conf)?;
    fs_err::create_dir_all(site.path("data/configs"))?;
    let before = Snapshot::of(site.root())?.without(&["etc"]);
    for (lines, words) in [
        ("node { unclosed = ", &["emqx.conf"][..]),
        ("node.no_such_field = 1", &["no_such_field"]),
        ("node.max_ports = many", &["max_ports", "many"]),
        ("mqtt.max_inflight = few", &["max_inflight", "few"]),
    ] {
        fs_err::write(&conf, format!("{right}\n{lines}\n"))?;
        for command in ["start", "foreground", "check_config"] {
            let told = site.emqx(&[command])?.exit_code(1)?;
            for word in words {
                ensure!(told.stderr.contains(word), "{lines:?}: no {word:?}: {told}");
            }
            ensure!(
                !told.stdout.contains("ERROR: "),
                "an error on stdout: {told}"
            );
            ensure!(told.stderr.contains("ERROR: "), "{told}");
            site.demand_nothing_runs()?;
            let now = Snapshot::of(site.root())?.without(&["etc"]);
            let differences = before.differences(&now);
            ensure!(differences.is_empty(), "{lines:?}: {differences:?}");
        }
    }
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

const ANY_LICENCE: &str = "-export([read_license/1]).\n\
    read_license(#{key := <<\"patched\">>}) -> {ok, #{}};\n\
    read_license(_) -> {error, not_patched}.\n";

fn patches(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let _node = site.capture_node()?;
    site.patch("emqx_license", ANY_LICENCE)?;
    site.emqx_with("EMQX_LICENSE__KEY", "patched", &["foreground"])?
        .success()?;
    let told = site.emqx_with("EMQX_LICENSE__KEY", "evaluation", &["foreground"])?;
    told.exit_code(1)?.says("not_patched")?;
    Ok(())
}

fn package_patches(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let _node = site.capture_node()?;
    site.patch("emqx_license", ANY_LICENCE)?;
    let aside = site.scratch().join("patches");
    fs_err::rename(site.path("data/patches"), &aside)?;
    let script = "mount -t tmpfs none /var/lib && mkdir -p /var/lib/emqx && \
                  cp -R \"$PATCHES\" /var/lib/emqx/patches && exec \"$@\"";
    let mut command = site.command("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(site.path("bin/emqx")).arg("foreground");
    command
        .env("PATCHES", &aside)
        .env("EMQX_LICENSE__KEY", "patched");
    process::run(&mut command, process::HANG)?.success()?;
    Ok(())
}
