//! Nodes that are not in the process table: the last generated arguments tell, then `emqx.conf`.
//!
//! One installation runs the node, another one with the same settings asks for it.

use crate::secure::Secure;
use e2e::Result;
use e2e::install::Install;
use e2e::process;
use e2e::sample::V4;
use e2e::witness::faults_of_words;
use nix::sys::stat::Mode;

/// An installation that is told nothing by its environment.
fn asker(conf: &str) -> Result<Install> {
    let mut install = Install::sample(V4)?;
    install.remove_env("EMQX_NODE__NAME");
    fs_err::write(install.path("etc/emqx.conf"), conf)?;
    Ok(install)
}

fn pong(install: &Install) -> Result<()> {
    install.emqx(&["ping"])?.success()?.says("pong")?;
    Ok(())
}

fn refused(install: &Install, texts: &[&str]) -> Result<()> {
    let ping = install.emqx(&["ping"])?.exit_code(1)?;
    for text in texts {
        assert!(ping.stderr.contains(text), "{text}: {ping}");
    }
    assert_eq!(faults_of_words(&ping), Vec::<String>::new(), "{ping}");
    Ok(())
}

#[test]
fn settings_of_files_find_a_node_that_is_not_seen() -> Result<()> {
    let mut running = Install::sample(V4)?;
    running.set_env("EMQX_NODE__COOKIE", "biscuit");
    running.start()?;
    let name = running.node_name();
    let conf = format!("node {{ name = \"{name}\", cookie = \"biscuit\" }} # plain\n");
    pong(&asker(&conf)?)?;
    let conf = format!("node.name = \"{name}\"\nnode.cookie = \"other\"\n");
    let mut install = asker(&conf)?;
    refused(
        &install,
        &["rejected the cookie", "no process of this installation"],
    )?;
    // The environment overrides the file.
    install.set_env("EMQX_NODE__COOKIE", "biscuit");
    pong(&install)?;
    install.remove_env("EMQX_NODE__COOKIE");
    generated(&mut install, &name)?;
    cookies_of_files(&mut install, &name)?;
    // Other settings name another node.
    fs_err::write(
        install.path("etc/emqx.conf"),
        "node.name = \"emqx1@127.0.0.1\"\n",
    )?;
    install.set_env("EMQX_NODE__NAME", "emqx2@127.0.0.1");
    refused(&install, &["Node emqx2@127.0.0.1 is not running?"])
}

/// The last generated arguments know what was in force.
fn generated(install: &mut Install, name: &str) -> Result<()> {
    let configs = install.path("data/configs");
    fs_err::create_dir_all(&configs)?;
    fs_err::write(
        configs.join("vm.2026.01.02.03.04.05.args"),
        format!("# -name x\n-setcookie 'biscuit'\n-name {name}\n"),
    )?;
    fs_err::write(
        configs.join("vm.2025.01.02.03.04.05.args"),
        "-setcookie 'older'\n-name older@127.0.0.1\n",
    )?;
    pong(install)?;
    fs_err::remove_dir_all(configs)?;
    Ok(())
}

/// A cookie may be in a file; a FIFO is for the boot alone.
fn cookies_of_files(install: &mut Install, name: &str) -> Result<()> {
    let file = install.scratch().join("cookie");
    fs_err::write(&file, "biscuit\n")?;
    let setting = format!("file://{}", file.display());
    let conf = format!("node.name = \"{name}\"\nnode.cookie = \"{setting}\"\n");
    fs_err::write(install.path("etc/emqx.conf"), &conf)?;
    pong(install)?;
    fs_err::remove_file(&file)?;
    nix::unistd::mkfifo(&file, Mode::S_IRUSR | Mode::S_IWUSR).map_err(std::io::Error::from)?;
    // Were it opened, this would hang.
    refused(install, &["rejected the cookie"])?;
    install.set_env("EMQX_NODE__COOKIE", &setting);
    refused(install, &["rejected the cookie"])?;
    install.remove_env("EMQX_NODE__COOKIE");
    Ok(())
}

#[test]
fn a_node_is_told_apart_that_speaks_tls_or_not_against_the_settings() -> Result<()> {
    let mut secure = Secure::new("", "{verify, verify_none}")?;
    secure.install.set_env("EMQX_NODE__COOKIE", "biscuit");
    secure.install.start()?;
    let mut plain = Install::sample(V4)?;
    plain.set_env("EMQX_NODE__COOKIE", "biscuit");
    plain.start()?;
    let conf = |name: &str, proto_dist: &str| {
        format!(
            "node {{\n name = \"{name}\"\n cookie = biscuit\n}}\ncluster.proto_dist = {proto_dist}\n"
        )
    };
    let of_secure = secure.install.node_name();
    let of_plain = plain.node_name();
    // The settings say what they should.
    let mut install = asker(&conf(&of_secure, "inet_tls"))?;
    fs_err::write(
        install.path("etc/ssl_dist.conf"),
        "[{client, [{verify, verify_none}]}].\n",
    )?;
    pong(&install)?;
    // They say TCP, the node speaks TLS.
    fs_err::write(install.path("etc/emqx.conf"), conf(&of_secure, "inet_tcp"))?;
    refused(&install, &["it speaks TLS", "cluster.proto_dist"])?;
    install.set_env("EMQX_CLUSTER__PROTO_DIST", "inet_tls");
    pong(&install)?;
    // They say TLS, the node speaks TCP.
    fs_err::write(install.path("etc/emqx.conf"), conf(&of_plain, "inet_tcp"))?;
    refused(&install, &["TLS with 127.0.0.1", "may speak without TLS"])?;
    install.remove_env("EMQX_CLUSTER__PROTO_DIST");
    pong(&install)?;
    // Another file of options than that in etc.
    fs_err::write(install.path("etc/emqx.conf"), conf(&of_secure, "inet_tls"))?;
    fs_err::remove_file(install.path("etc/ssl_dist.conf"))?;
    refused(&install, &["etc/ssl_dist.conf", "cannot be read"])?;
    let elsewhere = install.scratch().join("options");
    fs_err::write(&elsewhere, "[{client, [{verify, verify_none}]}].\n")?;
    install.set_env("EMQX_SSL_DIST_OPTFILE", &elsewhere);
    let mut ping = install.emqx_command(&["ping"]);
    process::run(&mut ping, process::HANG)?
        .success()?
        .says("pong")?;
    Ok(())
}
