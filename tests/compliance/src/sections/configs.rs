//! Sections 5 and 6: values from the release's hocon.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::sections::generated::newest_vm_args;
use crate::site::Site;
use crate::subject::Subject;
use e2e::Result;
use e2e::process;
use e2e::tree::Snapshot;
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
    .needs(&[Need::Sample, Need::Namespaces]),
];

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
