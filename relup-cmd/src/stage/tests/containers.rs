//! The gzip stream, the end of the archive, and the way of the bytes from the file to the tree.

use super::*;

#[test]
fn containers_that_are_not_whole_or_more_than_that_are_refused() {
    let body = "0123456789".repeat(200);
    let whole = raw().file("bin/x", &body).file("bin/y", &body);
    let tar = whole.clone().ended().0;
    let gz = gzip(&tar);
    let with = |at: usize, byte: u8| {
        let mut gz = gz.clone();
        let at = if at < 8 { gz.len() - 8 + at } else { at };
        gz[at] ^= byte;
        gz
    };
    for (case, gz) in [
        ("77 cut in a body", gzip(&tar[..1000])),
        ("78 cut in a header", gzip(&tar[..200])),
        ("79 no end", gzip(&whole.0)),
        ("79 half an end", gzip(&tar[..tar.len() - 512])),
        (
            "80 garbage after the end",
            gzip(&[tar.as_slice(), b"x"].concat()),
        ),
        ("81 two archives", gzip(&[tar.as_slice(), &tar].concat())),
        (
            "a zero block between entries",
            gzip(&[&tar[..2560], &[0; 512], &tar[2560..]].concat()),
        ),
        ("82 two members", [gz.as_slice(), &gz].concat()),
        ("garbage after the member", [gz.as_slice(), b"\0"].concat()),
        ("84 CRC", with(0, 1)),
        ("85 length", with(4, 1)),
        ("cut in the trailer", gz[..gz.len() - 4].to_vec()),
        ("cut in the stream", gz[..gz.len() / 2].to_vec()),
        ("damaged stream", with(40, 0xff)),
        ("86 zip", b"PK\x03\x04".repeat(300)),
        ("86 zstd", b"\x28\xb5\x2f\xfd".repeat(300)),
        ("86 plain tar", tar.clone()),
        ("87 empty", Vec::new()),
    ] {
        check_refused_gz(case, &gz, CORRUPT, Limits::DEFAULT);
    }
    let padded = [tar.as_slice(), &[0; 9216]].concat();
    let place = Place::new();
    place
        .stage(&gzip(&padded), Limits::DEFAULT)
        .expect("padding to a tape's record is harmless");
}

#[test]
fn a_tarball_that_changes_after_its_verification_is_refused() {
    let first = raw().file("bin/x", "good").ended().0;
    let second = raw().file("bin/x", "evil").ended().0;
    for (case, bytes) in [
        ("118 another archive", gzip(&second)),
        ("118 damage", b"x".repeat(20)),
    ] {
        let place = Place::new();
        let verified = place.verified(&gzip(&first));
        let path = place.dir.path().join("x.tar.gz");
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("opened");
        file.file()
            .write_all_at(&bytes, 0)
            .expect("rewritten in place");
        let lock = RelupLock::acquire(&place.base).expect("free");
        let staged = stage(
            verified,
            &place.base,
            &lock,
            Limits::DEFAULT,
            None,
            &Interrupt::deaf(),
            &mut |_| {},
        );
        let error = staged.map(drop).expect_err(case);
        assert!(
            matches!(error, Error::TarballChanged { .. }),
            "{case}: {error}"
        );
    }
}

#[test]
fn a_tarball_replaced_after_its_verification_is_not_looked_at() {
    let place = Place::new();
    let verified = place.verified(&gzip(&raw().file("bin/x", "good").ended().0));
    let path = place.dir.path().join("x.tar.gz");
    fs::remove_file(&path).expect("removed");
    fs::write(&path, gzip(&raw().file("bin/x", "evil").ended().0)).expect("written");
    let lock = RelupLock::acquire(&place.base).expect("free");
    let interrupt = Interrupt::deaf();
    let staged = stage(
        verified,
        &place.base,
        &lock,
        Limits::DEFAULT,
        None,
        &interrupt,
        &mut |_| {},
    )
    .expect("good");
    let written = fs::read_to_string(staged.tree().bin().join("x")).expect("readable");
    assert_eq!(written, "good");
}

#[test]
fn the_manifest_lists_everything_that_was_written() {
    let archive = raw()
        .file("bin/emqx", "12345")
        .dir("lib")
        .symlink("lib/l", "../bin/emqx")
        .hardlink("lib/h", "bin/emqx")
        .file("etc/x", "x")
        .ended();
    let place = Place::new();
    let (_lock, staged) = place
        .stage(&gzip(&archive.0), Limits::DEFAULT)
        .expect("accepted");
    let figures = Figures {
        entries: 5,
        files: 2,
        bytes: 5,
        shared: 0,
        links: 1,
    };
    assert_eq!(staged.figures(), figures);
    let path = place.dir.path().join("manifest");
    let header = ManifestHeader {
        vsn: "5.10.5".parse().expect("a version"),
        tarball: "x.tar.gz".to_owned(),
        sha256: *staged.tarball().digest(),
        base: None,
    };
    staged
        .entries()
        .write_manifest(&header, &path)
        .expect("written");
    let manifest = Manifest::parse(&fs::read(&path).expect("readable")).expect("a manifest");
    let paths: Vec<_> = manifest
        .entries
        .iter()
        .map(|entry| entry.path().to_owned())
        .collect();
    assert_eq!(paths, ["bin", "bin/emqx", "lib", "lib/l", "lib/h"]);
    crate::manifest_file::check_tree(staged.tree(), &path)
        .expect("the tree is as the manifest says");
    let inode = |name: &str| {
        fs::metadata(staged.tree().path().join(name))
            .expect("there")
            .ino()
    };
    assert_eq!(inode("bin/emqx"), inode("lib/h"));
}

#[test]
fn more_than_a_few_buffers_arrive_unchanged_and_are_interruptible() {
    // Does not compress, so that the compressed side takes several buffers too.
    let mut random = fastrand::Rng::with_seed(7);
    let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(9 << 20)
        .collect();
    let archive = raw()
        .entry(b'0', b"lib/a", b"", 0o644, body.len() as u64, &body)
        .entry(b'0', b"lib/b", b"", 0o644, 1_000_001, &body[..1_000_001])
        .ended();
    let gz = gzip(&archive.0);
    let place = Place::new();
    let (lock, staged) = place.stage(&gz, Limits::DEFAULT).expect("accepted");
    let read = |name: &str| fs::read(staged.tree().path().join(name)).expect("readable");
    assert!(read("lib/a") == body && read("lib/b") == body[..1_000_001]);
    let interrupt = Interrupt::deaf();
    let mut progress = |_| interrupt.raise();
    let verified = place.verified(&gz);
    let staged = stage(
        verified,
        &place.base,
        &lock,
        Limits::DEFAULT,
        None,
        &interrupt,
        &mut progress,
    );
    assert!(matches!(staged.map(drop), Err(Error::Interrupted)));
}
