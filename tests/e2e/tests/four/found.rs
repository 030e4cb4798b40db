//! Which release of a tree is booted: what OTP's release handler has made permanent.

use e2e::install::{Install, extract};
use e2e::node;
use e2e::sample::{FOUR_0, FOUR_16, Sample4};

/// A tree with both releases, as after an upgrade: files that were there are kept.
fn with_two_releases() -> e2e::Result<Install> {
    let install = Install::four(FOUR_0)?;
    let other = install.scratch().join("other");
    extract(&Sample4::find()?.tarball(FOUR_16)?, &other)?;
    let mut copy = install.command("cp");
    copy.args(["-Rn", "--"]);
    for dir in ["bin", "lib", "releases"] {
        copy.arg(other.join(dir));
    }
    e2e::process::run(copy.arg(install.root()), e2e::process::HANG)?;
    Ok(install)
}

fn make_permanent(install: &Install, content: &str) -> e2e::Result<()> {
    Ok(fs_err::write(
        install.path("releases/start_erl.data"),
        content,
    )?)
}

fn erts(install: &Install) -> e2e::Result<String> {
    let data = fs_err::read_to_string(install.path("releases/start_erl.data"))?;
    Ok(data.split(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn the_permanent_release_is_booted_with_its_own_schema_and_code() -> e2e::Result<()> {
    let install = with_two_releases()?;
    let erts = erts(&install)?;
    make_permanent(&install, &format!("{erts} 4.4.16"))?;
    // A schema that only the release in force has.
    let schema = install.path("releases/4.4.16/emqx.schema");
    let text = fs_err::read_to_string(&schema)?;
    let more = "{mapping, \"mqtt.new\", \"emqx.new\", [{default, 7}, {datatype, integer}]}.";
    fs_err::write(&schema, format!("{text}\n{more}\n"))?;
    install.start()?.says("EMQX Broker 4.4.16 is started")?;
    assert_eq!(node::version(&install)?, "4.4.16");
    assert_eq!(
        node::eval(&install, "application:get_env(emqx, new)")?,
        "{ok,7}"
    );
    let root = install.root().to_string_lossy().into_owned();
    assert_eq!(node::root_dir(&install)?, root);
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, "4.4.16");
    install.stop()?;
    make_permanent(&install, &format!("{erts} 4.4.0"))?;
    install.start()?;
    assert_eq!(node::version(&install)?, "4.4.0");
    install.stop()?;
    Ok(())
}

#[test]
fn a_file_that_a_crash_has_cut_is_said_aloud_and_does_not_count() -> e2e::Result<()> {
    let install = with_two_releases()?;
    let erts = erts(&install)?;
    let file = install.path("releases/start_erl.data");
    for content in [
        "",
        "13.1",
        &format!("{erts} 4.4.1"),
        "0.0 4.4.16",
        "../x 4.4.16",
    ] {
        make_permanent(&install, content)?;
        let plan = install.emqx(&["root_dir", "--show-plan"])?.success()?;
        let warning = format!("WARNING: {}: ", file.display());
        assert!(plan.stderr.contains(&warning), "{content:?} {plan}");
        assert!(
            plan.stderr.contains("REL_VSN=4.4.0 of "),
            "{content:?} {plan}"
        );
        assert!(
            plan.stdout.contains("version = 4.4.0 (from "),
            "{content:?} {plan}"
        );
    }
    fs_err::remove_file(&file)?;
    let plan = install.emqx(&["root_dir", "--show-plan"])?.success()?;
    assert_eq!(plan.stderr, "");
    assert!(plan.stdout.contains("emqx_vars:3)"), "{plan}");
    Ok(())
}
