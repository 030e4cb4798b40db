//! Whatever a power cut leaves of what was not flushed, one complete release boots and the command
//! comes to its end when it is run again; and no flush could be left out.

use crash::cuts::{Tally, cut_everywhere};
use crash::lab::Lab;
use crash::power::record;
use crash::scenes::{self, scene, shared};
use e2e::mounted::Mounted;
use std::collections::BTreeMap;

/// One test, because a flush that one situation can do without may be what saves another.
#[test]
fn power_cut_everywhere_and_without_each_flush() -> e2e::Result<()> {
    let mut failures = Vec::new();
    let mut needed: BTreeMap<String, bool> = BTreeMap::new();
    let mut sums = (0, 0, 0);
    for name in scenes::names() {
        let lab = Lab::new()?;
        let scene = scene(&lab, name)?;
        let tally = cut_everywhere(&lab, &scene, &record(&lab, &scene)?)?;
        say(name, &tally);
        sums = (
            sums.0 + tally.states,
            sums.1 + tally.distinct,
            sums.2 + tally.run,
        );
        failures.extend(tally.failures);
        for (purpose, noticed) in tally.flushes {
            *needed.entry(purpose).or_default() |= noticed;
        }
    }
    println!(
        "power cuts: {} states ({} different, program run on {}), {} bad",
        sums.0,
        sums.1,
        sums.2,
        failures.len()
    );
    for (purpose, noticed) in &needed {
        let word = if *noticed { "noticed" } else { "NOT noticed" };
        println!("without the {purpose}: {word}");
        if !noticed {
            failures.push(format!("nothing notices that this is missing: {purpose}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// On a file system that shares blocks: a clone is content that was not flushed, as any other.
#[test]
fn power_cut_everywhere_while_files_are_shared() -> e2e::Result<()> {
    let scratch = tempfile::tempdir()?;
    let at = scratch.path().join("mounted");
    fs_err::create_dir(&at)?;
    let image = scratch.path().join("image");
    let Some(_mounted) = Mounted::make("btrfs", &image, &at)? else {
        return Ok(());
    };
    let lab = Lab::at(tempfile::tempdir_in(&at)?)?;
    let scene = shared(&lab)?;
    let recording = record(&lab, &scene)?;
    assert_eq!(recording.clones, 2, "files are shared");
    let tally = cut_everywhere(&lab, &scene, &recording)?;
    say("upgrade-cold, shared", &tally);
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    let synced = tally
        .flushes
        .iter()
        .find(|(purpose, _)| purpose == "syncfs");
    assert!(
        synced.is_some_and(|(_, noticed)| *noticed),
        "{:?}",
        tally.flushes
    );
    Ok(())
}

fn say(name: &str, tally: &Tally) {
    let noticed = tally.flushes.iter().filter(|(_, noticed)| *noticed).count();
    println!(
        "{name}: {} states ({} different, program run on {}), {} bad; {noticed} of {} missing flushes noticed",
        tally.states,
        tally.distinct,
        tally.run,
        tally.failures.len(),
        tally.flushes.len()
    );
}
