//! The sample's three pairs of releases: hops that nobody has written.

use crate::scene::{apply, assert_target_runs, made};
use e2e::install::Install;
use e2e::node;
use e2e::sample::{Sample, V4, V5, V6};

/// Goes from one version to another by a hop that was made, in a node that runs already.
fn hop(install: &Install, from: &str, to: &str, more: &[&str]) -> e2e::Result<()> {
    let sample = Sample::find()?;
    let target = sample.tarball(to)?;
    let hop = match more {
        ["--reverse", ..] => made(install, &target, &sample.tarball(from)?, more)?,
        _ => made(install, &sample.tarball(from)?, &target, more)?,
    };
    apply(install, &hop, &target)?;
    assert_target_runs(install, to)
}

#[test]
fn made_hops_lead_there_and_back_under_live_clients() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let before = node::state(&install)?;
    hop(&install, V4, V5, &[])?;
    let there = node::state(&install)?;
    assert_eq!(
        there["emqx_stats.migrated_from"], V4,
        "its state was changed, not made anew"
    );
    assert_eq!(
        there["emqx_stats.started_at"],
        before["emqx_stats.started_at"]
    );
    assert_ne!(there["app.emqx_dashboard"], before["app.emqx_dashboard"]);
    hop(&install, V5, V4, &["--reverse"])?;
    let back = node::state(&install)?;
    assert_eq!(back["emqx_stats.layout"], before["emqx_stats.layout"]);
    assert_eq!(
        back["emqx_stats.started_at"],
        before["emqx_stats.started_at"]
    );
    assert_eq!(back["app.emqx_dashboard"], before["app.emqx_dashboard"]);
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V4);
    install.stop()?;
    Ok(())
}

#[test]
fn made_hops_lead_on_from_one_release_to_the_next() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    hop(&install, V4, V5, &[])?;
    hop(&install, V5, V6, &[])?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V6);
    install.stop()?;
    Ok(())
}

#[test]
fn a_made_hop_leads_over_two_releases_at_once() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    hop(&install, V4, V6, &[])?;
    install.stop()?;
    Ok(())
}
