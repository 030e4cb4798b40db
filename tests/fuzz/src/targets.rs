//! The targets, and what each promises beyond not crashing.

use crate::{Target, mend};
use relup::app_file::AppFile;
use relup::appup_file::AppupFile;
use relup::assessment::Assessment;
use relup::beam::{Module, state_changes};
use relup::build_info::BuildInfo;
use relup::hop::parse_hop;
use relup::journal::{Record, attempts, parse_journal};
use relup::manifest::{Manifest, ManifestEntry, digest_to_hex};
use relup::marker::Marker;
use relup::rel_file::RelFile;
use relup::releases_file::{StartErl, parse_releases, render_releases};
use relup::sidecar::parse_sidecar;
use relup::term::external::{deflated, parse_external, parse_inflated};
use relup::term::parse_terms;
use relup::vars::{EmqxVars, rel_vsn_lines, render_assignment};

/// All of them.
pub const ALL: &[Target] = &[
    Target {
        name: "archive",
        max_len: 16 * 1024,
        run: archive,
    },
    Target {
        name: "zip",
        max_len: 4096,
        run: zip,
    },
    Target {
        name: "beam",
        max_len: 4096,
        run: relup_cmd::fuzzing::beam,
    },
    Target {
        name: "module",
        max_len: 4096,
        run: module,
    },
    Target {
        name: "external",
        max_len: 4096,
        run: external,
    },
    Target {
        name: "rules",
        max_len: 2048,
        run: relup_cmd::fuzzing::rules,
    },
    Target {
        name: "vars",
        max_len: 2048,
        run: vars,
    },
    Target {
        name: "sidecar",
        max_len: 1024,
        run: sidecar,
    },
    Target {
        name: "hop",
        max_len: 4096,
        run: hop,
    },
    Target {
        name: "term",
        max_len: 2048,
        run: term,
    },
    Target {
        name: "etf",
        max_len: 4096,
        run: shims::fuzzing::term,
    },
    Target {
        name: "frame",
        max_len: 4096,
        run: shims::fuzzing::frame,
    },
    Target {
        name: "marker",
        max_len: 512,
        run: marker,
    },
    Target {
        name: "manifest",
        max_len: 4096,
        run: manifest,
    },
    Target {
        name: "journal",
        max_len: 4096,
        run: journal,
    },
    Target {
        name: "assessment",
        max_len: 2048,
        run: assessment,
    },
    Target {
        name: "records",
        max_len: 2048,
        run: records,
    },
    Target {
        name: "release",
        max_len: 2048,
        run: release,
    },
    Target {
        name: "signature",
        max_len: 2048,
        run: signature,
    },
];

/// Whatever is in an archive: nothing is written beside the staging directory, and what is accepted
/// is as its manifest says.
fn archive(bytes: &[u8]) {
    let _ = accepted(&mend::archive(bytes));
}

/// The same of a zip archive.
fn zip(bytes: &[u8]) {
    let _ = extracted(bytes, true);
}

/// What is in an archive, when it is accepted as it is.
///
/// # Panics
/// When there is no directory for it, or a promise is broken.
#[must_use]
pub fn accepted(tar: &[u8]) -> Option<Vec<ManifestEntry>> {
    extracted(tar, false)
}

fn extracted(bytes: &[u8], zip: bool) -> Option<Vec<ManifestEntry>> {
    let memory = std::path::Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("emqx-fuzz-");
    // One for each input: what is kept in a static is never removed.
    let scratch = if memory.is_dir() {
        builder.tempdir_in(memory)
    } else {
        builder.tempdir()
    };
    let scratch = scratch.expect("a directory for archives can be made");
    relup_cmd::fuzzing::archive(bytes, zip, scratch.path())
}

/// A value that was read can be written as a line that gives it again.
fn vars(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lookup = |name: &str| (name == "RUNNER_ROOT_DIR").then(|| "/opt/emqx".to_owned());
    let _ = rel_vsn_lines(&text);
    let Ok(vars) = EmqxVars::parse(&text, &lookup) else {
        return;
    };
    let lines: Option<String> = vars
        .iter()
        .map(|(name, value)| render_assignment(name, value))
        .collect();
    let lines = lines.expect("what was read can be written");
    let again = EmqxVars::parse(&lines, &lookup).expect("what was written can be read");
    assert!(vars.iter().eq(again.iter()), "{lines:?}");
}

/// A digest is one that stands in the text.
fn sidecar(bytes: &[u8]) {
    if let Ok(sidecar) = parse_sidecar(bytes, "emqx-5.10.5.tar.gz") {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert!(text.contains(&digest_to_hex(&sidecar.digest)), "{text:?}");
    }
}

fn hop(bytes: &[u8]) {
    let _ = parse_hop(&String::from_utf8_lossy(bytes));
}

/// Terms that were read mean the same when they are written.
fn term(bytes: &[u8]) {
    let Ok(terms) = parse_terms(&String::from_utf8_lossy(bytes)) else {
        return;
    };
    for term in terms {
        let text = format!("{term}.");
        match parse_terms(&text) {
            Ok(again) => assert_eq!(again, [term], "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

/// A marker names one version, or is damaged.
fn marker(bytes: &[u8]) {
    if let Marker::Current(vsn) = Marker::parse(Some(bytes)) {
        let text = vsn.as_str();
        assert!(
            !text.contains('/') && text != ".." && text != ".",
            "{text:?}"
        );
        let written = Marker::render(&vsn);
        assert_eq!(
            Marker::parse(Some(written.as_bytes())),
            Marker::Current(vsn)
        );
    }
}

fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let again = Manifest::parse(manifest.render().as_bytes());
        assert_eq!(again.as_ref(), Ok(&manifest));
    }
}

/// Lines that are none are left out; the others stay what they are.
fn journal(bytes: &[u8]) {
    let records = parse_journal(bytes);
    let _ = attempts(&records);
    let text: String = records.iter().map(Record::to_line).collect();
    assert_eq!(parse_journal(text.as_bytes()), records, "{text}");
}

fn assessment(bytes: &[u8]) {
    if let Ok(assessment) = Assessment::parse(bytes) {
        let _ = assessment.verdict();
        let again = Assessment::parse(assessment.render().as_bytes());
        assert_eq!(again.ok(), Some(assessment));
    }
}

/// The records of the release handler.
fn records(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(releases) = parse_releases(&text) {
        let again = parse_releases(&render_releases(&releases));
        assert_eq!(again, Ok(releases));
    }
    if let Some(start) = StartErl::parse(&text) {
        assert_eq!(StartErl::parse(&start.render()), Some(start));
    }
}

/// The two files that say what a release is.
fn release(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = RelFile::parse(&text);
    let _ = AppFile::parse(&text);
    if let Ok(appup) = AppupFile::parse(&text) {
        // An entry that is kept is written into another appup.
        for entry in appup.up.iter().chain(&appup.down) {
            let again = parse_terms(&format!("{}.", entry.term));
            assert_eq!(again, Ok(vec![entry.term.clone()]), "{}", entry.term);
        }
    }
    let about = BuildInfo::parse(&text);
    let _ = (about.arch(), about.os(), about.erlang(), about.wordsize());
}

/// Everything that is asked of a compiled module.
fn module(bytes: &[u8]) {
    let Ok(module) = Module::parse(bytes) else {
        return;
    };
    let _ = (module.name().is_ok(), module.identity());
    let _ = (module.exports().is_ok(), module.imports().is_ok());
    let _ = (module.attributes().is_ok(), module.debug_info().is_some());
}

/// Debug info of a module; compared with itself it has not changed.
fn external(bytes: &[u8]) {
    let _ = deflated(bytes);
    for parsed in [parse_external(bytes), parse_inflated(bytes)] {
        let Ok(term) = parsed else { continue };
        let changes = state_changes(&term, &term, true);
        assert!(changes.is_none_or(|changes| changes.is_empty()), "{term}");
    }
}

/// The first line tells the key from the signature.
fn signature(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (key, signature) = text.split_once('\n').unwrap_or((&text, ""));
    relup_cmd::fuzzing::signature(key, signature);
}
