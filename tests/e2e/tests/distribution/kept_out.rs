//! The life of a node whose TLS keeps this program out: it is not waited for without an end, and it
//! can be stopped.

use crate::authority::Wanted;
use crate::secure::{HOST, Secure, UNCHECKED, verified_by};
use e2e::install::Install;
use e2e::{Error, Result};

/// A start that waits for what cannot come about would take its hour.
#[test]
fn a_start_ends_when_its_options_can_never_reach_the_node() -> Result<()> {
    let expired = Wanted::new("node", &[HOST]).expired();
    let mut secure = Secure::with_node(expired, "", &verified_by("ca"))?;
    secure.install.set_env("EMQX_WAIT_FOR_START", "3600");
    let finished = secure.install.emqx(&["start"])?;
    finished
        .exit_code(2)?
        .says("expired at 2001-01-01")?
        .says("renew")?;
    assert!(secure.install.vms().is_empty(), "it was shut down");
    Ok(())
}

/// A node can be stopped although its options cannot be read any more: through its console.
#[test]
fn a_node_is_stopped_through_its_console_when_its_options_are_gone() -> Result<()> {
    let secure = Secure::new("", UNCHECKED)?;
    secure.install.start()?;
    fs_err::remove_file(secure.install.path("etc/ssl_dist.conf"))?;
    secure
        .install
        .emqx(&["ping"])?
        .exit_code(1)?
        .says("ssl_dist.conf")?;
    let stopped = secure.install.emqx(&["stop"])?.success()?;
    assert!(stopped.stdout.ends_with("ok\n"), "{stopped}");
    if secure.install.vms().is_empty() {
        return Ok(());
    }
    Err(Error::Unexpected("the node still runs".to_owned()))
}

#[test]
fn a_path_with_a_blank_is_refused_before_anything_starts() -> Result<()> {
    let mut install = Install::sample(e2e::sample::V4)?;
    install.set_env("EMQX_CLUSTER__PROTO_DIST", "inet_tls");
    install.set_env("EMQX_SSL_DIST_OPTFILE", "/some where/ssl_dist.conf");
    let name = install.node_name();
    for command in [&["start"][..], &["foreground"]] {
        install
            .emqx(command)?
            .exit_code(1)?
            .says("/some where/ssl_dist.conf")?;
    }
    install.remove_env("EMQX_NODE__NAME");
    let ping = install
        .emqx(&["ping"])?
        .exit_code(1)?
        .says("/some where/ssl_dist.conf")?;
    assert!(
        !ping.stderr.contains(&name) && install.vms().is_empty(),
        "{ping}"
    );
    Ok(())
}
