//! What a state is worth: the invariants I1 to I7, first by comparing the disk with what it may be,
//! then by asking the program.

use crate::fault;
use crate::image::Image;
use crate::lab::Lab;
use crate::scene::{Scene, is_version};
use e2e::process::Finished;
use e2e::{Result, process};

/// Which release a state boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boots {
    /// The one from before the command.
    Old,
    /// The one that the command chose, or the same as before where it chooses none.
    New,
}

/// What a state holds besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What boots.
    pub boots: Boots,
    /// Whether there is something that the next command has to remove.
    pub debris: bool,
}

/// Judges a state by itself: the marker is exactly old or new (I1), the tree that it names is
/// complete, byte by byte, with the manifest that belongs to it (I2, I3), no name of a version leads
/// to half a tree, and everything but `relup/` is as it was (I6).
pub fn judge(scene: &Scene, image: &Image) -> std::result::Result<Verdict, String> {
    let relup = format!("{}/relup", scene.situation.home);
    let is_relup = |path: &str| path == relup || path.starts_with(&format!("{relup}/"));
    let outside = image.without(is_relup);
    let faults = outside.differences(&scene.situation.start.without(is_relup));
    if !faults.is_empty() {
        return Err(format!("outside of relup/: {}", faults.join("; ")));
    }
    let marker = scene.relup("current");
    let now = image.file(&marker);
    let boots = if now == scene.after.file(&marker) {
        Boots::New
    } else if now == scene.situation.start.file(&marker) {
        Boots::Old
    } else {
        return Err(format!(
            "the marker is {:?}",
            now.map(String::from_utf8_lossy)
        ));
    };
    let named = now.map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let state = image.below(&relup);
    for vsn in state
        .0
        .keys()
        .filter(|name| is_version(name) && !name.contains('/'))
    {
        if !vsn.ends_with(".manifest") {
            judge_tree(scene, &state, vsn, named.as_deref() == Some(vsn))?;
        }
    }
    if let Some(vsn) = named.filter(|vsn| !state.0.contains_key(vsn)) {
        return Err(format!("the marker names {vsn}, and there is no such tree"));
    }
    let debris = state.0.keys().any(|name| name.starts_with('.'));
    Ok(Verdict { boots, debris })
}

fn judge_tree(
    scene: &Scene,
    state: &Image,
    vsn: &str,
    named: bool,
) -> std::result::Result<(), String> {
    let tree = state.below(vsn);
    let manifest = state.file(&format!("{vsn}.manifest"));
    let known = scene.builds.get(vsn).map_or(&[][..], Vec::as_slice);
    let build = known.iter().find(|build| build.tree == tree);
    let Some(build) = build else {
        let begun = scene.situation.start.below(&scene.relup(vsn));
        if !named && tree == begun {
            return Ok(());
        }
        let best = known.last().map(|build| tree.differences(&build.tree));
        return Err(format!(
            "relup/{vsn} is no complete tree: {:?}",
            best.unwrap_or_default()
        ));
    };
    match manifest {
        None if !named => Ok(()),
        Some(found) if found == build.manifest => Ok(()),
        None => Err(format!("the marker names {vsn}, which has no manifest")),
        Some(_) => Err(format!("relup/{vsn} has a manifest that is not its own")),
    }
}

/// Judges a state after the command has ended with success: nothing of it may be missing (I7), and
/// nothing temporary is left. What is only kept tidy may still be there.
pub fn judge_done(scene: &Scene, image: &Image) -> std::result::Result<(), String> {
    judge_files(scene, image)?;
    let journal = scene.relup("journal.jsonl");
    let lines = |image: &Image| {
        let text = image.file(&journal).map(String::from_utf8_lossy);
        text.map_or(0, |text| {
            text.lines().filter(|line| line.ends_with('}')).count()
        })
    };
    let (expected, found) = (lines(&scene.after), lines(image));
    if found < expected {
        return Err(format!(
            "after success: {found} records instead of {expected}"
        ));
    }
    Ok(())
}

/// The same without the journal: of runs that were killed it has other records.
fn judge_files(scene: &Scene, image: &Image) -> std::result::Result<(), String> {
    let (journal, lock) = (scene.relup("journal.jsonl"), scene.relup("lock"));
    let tidy = [
        scene.relup("assessment.json"),
        scene.relup("current.retired"),
    ];
    let is_out = |path: &str| path == journal || path == lock || tidy.iter().any(|one| one == path);
    let faults = image
        .without(is_out)
        .differences(&scene.after.without(is_out));
    if !faults.is_empty() {
        return Err(format!("after success: {}", faults.join("; ")));
    }
    Ok(())
}

/// Asks the program about the state that the site is in, without changing it: the resolver finds the
/// tree that the marker names, and `verify` finds it whole.
pub fn ask(lab: &Lab, scene: &Scene, verdict: Verdict) -> Result<()> {
    if scene.situation.home != "base" {
        return Ok(());
    }
    let marker = scene.relup("current");
    let state = match verdict.boots {
        Boots::Old => &scene.situation.start,
        Boots::New => &scene.after,
    };
    let named = state
        .file(&marker)
        .map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let base = lab.site().join("base");
    let tree = named
        .as_ref()
        .map_or(base.clone(), |vsn| base.join("relup").join(vsn));
    let found = lab.run(&["root_dir"])?.success()?;
    if found.text() != tree.to_string_lossy() {
        return Err(fault(format!(
            "the launcher finds {} instead of {}",
            found.text(),
            tree.display()
        )));
    }
    if let Some(vsn) = named {
        lab.run(&["relup", "verify", &vsn])?.success()?;
    }
    Ok(())
}

/// What `status` says has to agree with the disk (I5).
pub fn ask_status(lab: &Lab, scene: &Scene, verdict: Verdict) -> Result<()> {
    if scene.situation.home != "base" {
        return Ok(());
    }
    let state = match verdict.boots {
        Boots::Old => &scene.situation.start,
        Boots::New => &scene.after,
    };
    let named = state.file(&scene.relup("current"));
    let vsn = match named {
        Some(text) => String::from_utf8_lossy(text).into_owned(),
        None => version_of_base(state)?,
    };
    let said = lab.run(&["relup", "status"])?.success()?;
    said.says(&format!("next start: {} from ", vsn.trim()))
        .map(drop)
}

/// What the base is, by its own file.
fn version_of_base(state: &Image) -> Result<String> {
    let vars = state.file("base/releases/emqx_vars").unwrap_or_default();
    let vars = String::from_utf8_lossy(vars);
    let line = vars.lines().find_map(|line| line.strip_prefix("REL_VSN="));
    line.map(|vsn| vsn.trim_matches('"').to_owned())
        .ok_or_else(|| fault("the base has no version"))
}

/// Runs the command again and demands that it converges (I4): success, or a refusal that truly says
/// that it is done; then the state is that after success, and every attempt has an end.
pub fn converge(lab: &Lab, scene: &Scene) -> Result<()> {
    let mut words = scene.situation.words.clone();
    words.push("--json".to_owned());
    let again = process::run(&mut lab.command(&words), process::HANG)?;
    if again.code != Some(0) && !scene.situation.done.contains(&error_name(&again).as_str()) {
        return Err(fault(format!("run again: {again}")));
    }
    let left = lab.observe()?;
    let names = left.below(&format!("{}/relup", scene.situation.home));
    let is_left = |name: &&String| name.starts_with('.') || *name == "lock";
    if let Some(name) = names.0.keys().find(is_left) {
        return Err(fault(format!(
            "run again, and relup/{name} is still there: {again}"
        )));
    }
    judge_files(scene, &left).map_err(|why| fault(format!("run again: {why}\n{again}")))?;
    if scene.situation.home == "base" {
        let logs = lab.run(&["relup", "logs"])?.success()?;
        if logs.stdout.contains("in-progress") || logs.stdout.contains("interrupted result=unknown")
        {
            return Err(fault(format!(
                "an attempt was left without an end\n{again}{logs}"
            )));
        }
    }
    Ok(())
}

/// The name of the error in an answer in JSON.
#[must_use]
pub fn error_name(finished: &Finished) -> String {
    let value = serde_json::from_str(&finished.stdout).unwrap_or_default();
    e2e::witness::error_name(&value).to_owned()
}
