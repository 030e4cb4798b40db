//! What is wrong with a chain is found before its first hop.

use crate::scene::{second_hop, tarball, two_hops_away};
use e2e::sample::{V5, V6, with_suffix};
use e2e::tarball::{Edit, rewrite};
use e2e::witness::{Witness, error_name, faults_of_words, relup_json};
use minisign::KeyPair;
use std::path::{Path, PathBuf};

#[test]
fn what_is_wrong_anywhere_on_the_way_is_refused_before_the_first_hop() -> e2e::Result<()> {
    let install = two_hops_away()?;
    install.start()?;
    let target = tarball(V6)?;
    let dir = install.scratch().join("down loads");
    fs_err::create_dir_all(&dir)?;
    let in_dir = |name: &str| dir.join(name);
    let refuse = |via: &Path, error: &str, value: &str| -> e2e::Result<()> {
        let witness = Witness::of_running(&install)?;
        let via = via.to_string_lossy();
        let (finished, json) = relup_json(&install, &["upgrade", &target, "--via", &via])?;
        assert_eq!(error_name(&json), error, "{finished}");
        assert_eq!(finished.code, Some(1), "{finished}");
        let spoken = install.emqx(&["relup", "upgrade", &target, "--via", &via])?;
        assert!(spoken.stderr.contains(value), "{value}: {spoken}");
        assert_eq!(faults_of_words(&spoken), Vec::<String>::new());
        assert_eq!(
            witness.differences(&install)?,
            Vec::<String>::new(),
            "{error}"
        );
        Ok(())
    };

    refuse(
        &dir,
        "missing_chain_tarball",
        "5.10.4 -> 5.10.5 -> 5.10.6, and no tarball of 5.10.5",
    )?;
    refuse(
        &in_dir("no.tar.gz"),
        "target_tarball_not_found",
        "no.tar.gz",
    )?;
    let named = in_dir("emqx-enterprise-5.10.5-debian12-amd64.tar.gz");
    fs_err::copy(tarball(V5)?, &named)?;
    refuse(
        &dir,
        "missing_sha256_sidecar",
        "5.10.5-debian12-amd64.tar.gz.sha256",
    )?;
    fs_err::write(
        e2e::sample::sidecar_of(&named),
        format!("{}\n", "0".repeat(64)),
    )?;
    refuse(&dir, "sha256_mismatch", "expected 0000")?;
    // A tarball that is another release than its name says, and one for another system.
    fs_err::copy(&target, &named)?;
    e2e::tarball::seal(&named)?;
    refuse(
        &dir,
        "tarball_of_other_version",
        "holds 5.10.6, its name says 5.10.5",
    )?;
    let info = PathBuf::from("releases/5.10.5/BUILD_INFO");
    let os =
        |os: &str| Edit::Substitute(info.clone(), "os:".to_owned(), format!("os: \"{os}\"\n#"));
    rewrite(Path::new(&tarball(V5)?), &named, &[os("plan9")])?;
    refuse(&dir, "os_arch_mismatch", "plan9")?;
    fs_err::remove_file(&named)?;

    // The second hop asks for a module that its target does not have.
    second_hop(
        &install,
        "{load_module, emqx_release}, {load_module, emqx_never}",
    )?;
    let good = PathBuf::from(tarball(V5)?);
    refuse(&good, "module_not_found", "hop 2 of 2, 5.10.5 -> 5.10.6")?;
    fs_err::write(install.path("relup/catalog/5.10.5-to-5.10.6.relup"), "#{")?;
    refuse(&good, "no_relup_path", "no chain of hops 5.10.4 -> 5.10.6")?;

    let wrong = install.emqx(&[
        "relup",
        "upgrade",
        &target,
        "--cold",
        "--via",
        &tarball(V5)?,
    ])?;
    assert_eq!(wrong.code, Some(2), "{wrong}");
    install.stop()?;
    Ok(())
}

/// Signs a tarball.
fn sign(keys: &KeyPair, tarball: &Path) -> e2e::Result<()> {
    let bytes = fs_err::read(tarball)?;
    let signed = minisign::sign(Some(&keys.pk), &keys.sk, &bytes[..], Some("a test"), None);
    Ok(fs_err::write(
        with_suffix(tarball, ".minisig"),
        signed.map_err(|error| odd(&error))?.to_string(),
    )?)
}

fn odd(error: &minisign::PError) -> e2e::Error {
    e2e::Error::Unexpected(format!("minisign: {error}"))
}

#[test]
fn a_demanded_signature_is_demanded_of_every_release_on_the_way() -> e2e::Result<()> {
    let install = two_hops_away()?;
    install.start()?;
    let dir = install.scratch().join("signed ones");
    fs_err::create_dir_all(&dir)?;
    let [between, target] = [V5, V6].map(|vsn| {
        let path = dir.join(format!("emqx-enterprise-{vsn}-debian12-amd64.tar.gz"));
        fs_err::copy(tarball(vsn)?, &path)?;
        e2e::tarball::seal(&path)?;
        Ok::<_, e2e::Error>(path)
    });
    let (between, target) = (between?, target?);
    let keys = KeyPair::generate_unencrypted_keypair().map_err(|error| odd(&error))?;
    let key = dir.join("key.pub");
    fs_err::write(
        &key,
        keys.pk.to_box().map_err(|error| odd(&error))?.to_string(),
    )?;
    let (words, via, key) = (
        target.to_string_lossy(),
        dir.to_string_lossy(),
        key.to_string_lossy(),
    );
    let words = [
        "upgrade",
        &words,
        "--via",
        &via,
        "--require-signature",
        "--pubkey",
        &key,
    ];

    sign(&keys, &target)?;
    let refuse = |error: &str| -> e2e::Result<()> {
        let witness = Witness::of_running(&install)?;
        let (finished, json) = relup_json(&install, &words)?;
        assert_eq!(error_name(&json), error, "{finished}");
        assert!(
            finished.stdout.contains(&*between.to_string_lossy()),
            "{finished}"
        );
        assert_eq!(
            witness.differences(&install)?,
            Vec::<String>::new(),
            "{error}"
        );
        Ok(())
    };
    refuse("missing_signature")?;
    sign(
        &KeyPair::generate_unencrypted_keypair().map_err(|error| odd(&error))?,
        &between,
    )?;
    refuse("invalid_signature")?;
    sign(&keys, &between)?;
    let done = install
        .emqx(&[&["relup"], &words[..]].concat())?
        .success()?;
    assert_eq!(done.stdout.matches("good signature").count(), 2, "{done}");
    assert_eq!(e2e::node::version(&install)?, V6);
    install.stop()?;
    Ok(())
}
