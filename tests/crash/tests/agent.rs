//! The agent in the VM writes the marker and the journal: whatever a power cut leaves of that, and at
//! whichever of its calls the VM is killed, one complete release boots and is told.

use crash::agent::{Attempt, record};
use crash::cuts::judge_everywhere;
use crash::image::Image;
use crash::is_full;
use crash::judge::Boots;
use e2e::install::Install;
use e2e::node;
use e2e::sample::{Sample, V4, V5};
use std::path::Path;

#[test]
fn power_cuts_while_the_agent_writes_leave_one_release_and_each_flush_is_needed() -> e2e::Result<()>
{
    let tarball = Sample::find()?.tarball(V5)?;
    let mut attempt = Attempt::begin(&tarball)?;
    let (scene, recording) = record(&mut attempt)?;
    let (tally, states) = judge_everywhere(&scene, &recording);
    println!(
        "agent: {} changes and flushes, {} states ({} different), {} bad",
        recording.ops.len(),
        tally.states,
        tally.distinct,
        tally.failures.len()
    );
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    for (purpose, noticed) in &tally.flushes {
        println!(
            "without the {purpose}: {}",
            if *noticed { "noticed" } else { "NOT noticed" }
        );
    }
    assert!(tally.flushes.len() > 6, "{:?}", tally.flushes);
    assert!(
        tally.flushes.iter().all(|(_, noticed)| *noticed),
        "{:?}",
        tally.flushes
    );
    let both = [Boots::Old, Boots::New];
    let seen = both.map(|side| {
        states
            .iter()
            .filter(|(_, verdict)| verdict.boots == side)
            .count()
    });
    assert!(seen.iter().all(|count| *count > 0), "old and new: {seen:?}");
    // The program sees the same in each of them, with the power back.
    attempt.kill_vm()?;
    let mut booted = [0, 0];
    for (image, verdict) in &states {
        put(&attempt.install, image)?;
        let vsn = if verdict.boots == Boots::New { V5 } else { V4 };
        agrees(&attempt.install, vsn)?;
        let count = &mut booted[usize::from(verdict.boots == Boots::New)];
        if is_full() || *count == 0 {
            *count += 1;
            boots(&attempt, vsn, &tarball)?;
        }
    }
    println!(
        "agent: the program agrees about {} states, {booted:?} booted",
        states.len()
    );
    Ok(())
}

/// Makes the files in `relup/` those of a state; the trees are as they were.
fn put(install: &Install, image: &Image) -> e2e::Result<()> {
    let relup = install.path("relup");
    for entry in fs_err::read_dir(&relup)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs_err::remove_file(entry.path())?;
        }
    }
    let state = image.below("emqx/relup");
    for name in state.0.keys().filter(|name| !name.contains('/')) {
        if let Some(bytes) = state.file(name) {
            fs_err::write(relup.join(name), bytes)?;
        }
    }
    Ok(())
}

/// The launcher, `verify` and `status` find the release that the marker names.
fn agrees(install: &Install, vsn: &str) -> e2e::Result<()> {
    let tree = match vsn {
        V5 => install.path("relup").join(V5),
        _ => install.root().to_path_buf(),
    };
    let found = install.emqx(&["root_dir"])?.success()?;
    assert_eq!(Path::new(found.text()), tree, "{found}");
    install.emqx(&["relup", "verify", V5])?.success()?;
    let status = install.emqx(&["relup", "status"])?.success()?;
    status.says(&format!("next start: {vsn} from "))?;
    Ok(())
}

/// A VM boots it, and the same command again comes to its end.
fn boots(attempt: &Attempt, vsn: &str, tarball: &Path) -> e2e::Result<()> {
    let install = &attempt.install;
    install.start()?;
    assert_eq!(node::version(install)?, vsn);
    let again = install.emqx(&["relup", "upgrade", &tarball.to_string_lossy()])?;
    let done = vsn == V5 && again.stderr.contains("already");
    assert!(again.code == Some(0) || done, "{again}");
    is_upgraded(install)?;
    attempt.kill_vm()
}

/// It runs 5.10.5, nothing temporary is left, and every attempt has an end.
fn is_upgraded(install: &Install) -> e2e::Result<()> {
    assert_eq!(node::version(install)?, V5);
    let status = install.emqx(&["relup", "status"])?.success()?;
    status.says("next start: 5.10.5 from ")?;
    let logs = install.emqx(&["relup", "logs"])?.success()?;
    assert!(!logs.stdout.contains("in-progress"), "{logs}");
    for entry in fs_err::read_dir(install.path("relup"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "relup/{name} is left");
    }
    Ok(())
}

/// `None`: there is no such call any more.
fn killed_at(call: &str, when: u32, tarball: &Path) -> e2e::Result<Option<&'static str>> {
    let mut attempt = Attempt::begin(tarball)?;
    let mut options = vec!["-o".to_owned(), "/dev/null".to_owned()];
    for file in attempt.files()? {
        options.extend(["-P".to_owned(), file.to_string_lossy().into_owned()]);
    }
    options.extend(["-e".to_owned(), format!("trace={call}"), "-e".to_owned()]);
    options.push(format!("inject={call}:signal=KILL:when={when}"));
    let ended = attempt.go_on(&options)?;
    let install = &attempt.install;
    if !install.vms().is_empty() {
        ended.success()?;
        is_upgraded(install)?;
        return Ok(None);
    }
    let at = format!("VM killed at {call} {when}: {ended}");
    let marker = fs_err::read_to_string(install.path("relup/current"));
    let vsn = match marker.as_deref() {
        Ok("5.10.5\n") => V5,
        Ok(other) => panic!("the marker is {other:?}: {at}"),
        Err(_) => V4,
    };
    // Success was told only for what boots.
    assert!(ended.code != Some(0) || vsn == V5, "{at}");
    agrees(install, vsn)?;
    boots(&attempt, vsn, tarball)?;
    Ok(Some(vsn))
}

/// Every call with which the agent opens, writes, flushes, renames or closes; of each name each one.
#[test]
fn a_vm_that_is_killed_at_a_call_of_its_agent_boots_old_or_new() -> e2e::Result<()> {
    let tarball = Sample::find()?.tarball(V5)?;
    let mut seen = [0, 0];
    for call in ["rename", "fsync", "writev", "write", "openat", "close"] {
        // The flush of the marker's directory, and the last record, are where it is decided.
        let some: &[u32] = match call {
            "rename" => &[1],
            "fsync" => &[4, 5],
            _ => &[],
        };
        let points: Vec<u32> = if is_full() {
            (1..100).collect()
        } else {
            some.to_vec()
        };
        let mut hits = 0;
        for when in points {
            let Some(vsn) = killed_at(call, when, &tarball)? else {
                break;
            };
            hits += 1;
            seen[usize::from(vsn == V5)] += 1;
        }
        println!("VM killed at {hits} calls of {call}");
    }
    println!("{} boot the old release, {} the new one", seen[0], seen[1]);
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    Ok(())
}

/// What a fault came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// There is no such call any more.
    Through,
    /// The upgrade was done, with a warning where a record could not be kept.
    Done,
    /// The old version runs and boots.
    Refused,
    /// The new one runs, and the command says what to do about the marker.
    Attention,
}

fn refused_at(call: &str, error: &str, when: u32, tarball: &Path) -> e2e::Result<Came> {
    let mut attempt = Attempt::begin(tarball)?;
    let said = attempt.install.scratch().join("fault");
    let mut options = vec!["-y".to_owned(), "-o".to_owned()];
    options.push(said.to_string_lossy().into_owned());
    for file in attempt.files()? {
        options.extend(["-P".to_owned(), file.to_string_lossy().into_owned()]);
    }
    options.extend(["-e".to_owned(), format!("trace={call}"), "-e".to_owned()]);
    options.push(format!("inject={call}:error={error}:when={when}"));
    let ended = attempt.go_on(&options)?;
    let said = fs_err::read_to_string(said)?;
    let Some(hit) = said.lines().find(|line| line.contains("(INJECTED)")) else {
        ended.success()?;
        return Ok(Came::Through);
    };
    let install = &attempt.install;
    let at = format!("{call} {when} {error}: {hit}\n{ended}");
    let running = node::version(install)?;
    let marked = install.path("relup/current").exists();
    let came = match ended.code {
        Some(0) => {
            // Neither a failed write nor a failed flush of the marker ends in success.
            // The directory is closed after it was flushed: that loses nothing.
            let is_flushed = call == "close" && hit.contains("/relup>");
            assert!(is_flushed || hit.contains("journal.jsonl"), "{at}");
            assert_eq!((running.as_str(), marked), (V5, true), "{at}");
            Came::Done
        }
        Some(1 | 3) => {
            assert_eq!((running.as_str(), marked), (V4, false), "{at}");
            Came::Refused
        }
        Some(4) => {
            assert_eq!(running, V5, "{at}");
            Came::Attention
        }
        _ => panic!("{at}"),
    };
    assert!(
        came == Came::Done || ended.stderr.contains("ERROR: "),
        "{at}"
    );
    let status = install.emqx(&["relup", "status"])?.success()?;
    let next = if marked { V5 } else { V4 };
    status.says(&format!("next start: {next} from "))?;
    if came == Came::Attention && !marked {
        // As the hint says.
        assert!(ended.stderr.contains("rollback --to"), "{at}");
        install
            .emqx(&["relup", "rollback", "--to", V5])?
            .success()?;
    }
    let again = install.emqx(&["relup", "upgrade", &tarball.to_string_lossy()])?;
    let done = running == V5 && again.stderr.contains("already");
    assert!(again.code == Some(0) || done, "{at}\n{again}");
    is_upgraded(install)?;
    Ok(came)
}

/// The kernel refuses one of the agent's calls: the old version runs on, or the new one with a marker
/// that is on the disk, or the command says that somebody has to look.
#[test]
fn a_call_of_the_agent_that_fails_is_told_and_nothing_is_called_done_that_is_not() -> e2e::Result<()>
{
    let tarball = Sample::find()?.tarball(V5)?;
    let mut seen = Vec::new();
    for (call, error) in [
        ("rename", "EACCES"),
        ("fsync", "EIO"),
        ("writev", "ENOSPC"),
        ("openat", "EMFILE"),
        ("close", "EIO"),
    ] {
        // The first record, the marker's temporary file, the directory.
        let some: &[u32] = match call {
            "rename" => &[1],
            "fsync" => &[1, 4, 5],
            _ => &[],
        };
        let points: Vec<u32> = if is_full() {
            (1..100).collect()
        } else {
            some.to_vec()
        };
        for when in points {
            let came = refused_at(call, error, when, &tarball)?;
            if came == Came::Through {
                break;
            }
            println!("{error} at {call} {when}: {came:?}");
            seen.push(came);
        }
    }
    assert!(seen.contains(&Came::Refused), "{seen:?}");
    Ok(())
}
