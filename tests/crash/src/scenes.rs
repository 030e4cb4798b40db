//! The table of situations. Each begins with a state that real commands have made, so that what is
//! judged later is what this program makes and not what somebody thinks it does.

use crate::image::{Image, Node};
use crate::lab::Lab;
use crate::release::Release;
use crate::scene::{Scene, Situation};
use e2e::Result;
use e2e::sample::{V4, V5, V6};
use std::path::PathBuf;

/// A situation by its name, and how it is set up.
type Setup = fn(&Stage<'_>) -> Result<Scene>;

/// All situations.
const ALL: [(&str, Setup); 12] = [
    ("upgrade-cold", first_upgrade),
    ("upgrade-cold-again", again_over_a_complete_tree),
    ("upgrade-cold-incomplete", over_an_incomplete_tree),
    ("upgrade-cold-rebuilt", over_another_build),
    ("upgrade-cold-chained", chained_after_a_kill),
    ("rollback", rollback),
    ("rollback-to", rollback_to),
    ("package-installed", package_installed),
    ("prune", prune),
    ("logs-clear", logs_clear),
    ("status-tidies", status_tidies),
    ("stage", stage),
];

/// The names of all situations.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// The situation of a name.
pub fn scene(lab: &Lab, name: &str) -> Result<Scene> {
    let found = ALL.iter().find(|(known, _)| *known == name);
    let (_, setup) = found.ok_or_else(|| crate::fault(format!("no situation {name}")))?;
    setup(&Stage::new(lab)?)
}

/// What situations are made of.
struct Stage<'a> {
    lab: &'a Lab,
    /// The installation as a package leaves it.
    base: Image,
    v5: PathBuf,
    v6: PathBuf,
}

impl<'a> Stage<'a> {
    fn new(lab: &'a Lab) -> Result<Stage<'a>> {
        let mut base = Image::default();
        base.put_all("base", &Release::of(V4).files);
        base.put_node("base/bin/emqx", Node::Program);
        // What must never change, whatever happens to the upgrade.
        base.put("base/data/mnesia/schema.DAT", 0o600, "data");
        base.put("base/log/emqx.log.1", 0o640, "log");
        base.put("base/plugins/one/x.beam", 0o644, "plugin");
        base.put_node("into", Node::Dir { mode: 0o755 });
        Ok(Stage {
            v5: Release::of(V5).pack(lab.packages())?,
            v6: Release::of(V6).pack(lab.packages())?,
            base,
            lab,
        })
    }

    /// The state after real commands on a state.
    fn after(&self, start: &Image, commands: &[Vec<String>]) -> Result<Image> {
        self.lab.restore(start)?;
        for words in commands {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.lab.run(&words)?.success()?;
        }
        self.lab.observe()
    }

    /// A marker on 5.10.5, as an upgrade leaves it.
    fn upgraded(&self) -> Result<Image> {
        self.after(&self.base, &[cold(&self.v5)])
    }

    fn scene(
        &self,
        name: &'static str,
        words: Vec<String>,
        start: Image,
        known: &[&Image],
    ) -> Result<Scene> {
        let situation = Situation {
            name,
            words,
            home: if name == "stage" { "into" } else { "base" },
            done: match name {
                "rollback" | "rollback-to" => &["nothing_to_roll_back"],
                _ => &["duplicate_pending_target", "already_upgraded_to_target_vsn"],
            },
            start,
        };
        let mut all = known.to_vec();
        let begins = situation.start.clone();
        all.push(&begins);
        Scene::of(self.lab, situation, &all)
    }
}

fn cold(tarball: &std::path::Path) -> Vec<String> {
    let tarball = tarball.to_string_lossy().into_owned();
    words(&["relup", "upgrade", "--cold", &tarball])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whatever was recorded of the boots of the tree before.
fn assessed(mut image: Image) -> Image {
    let record = "{\"schema\":1,\"deployment\":{\"version\":\"5.10.5\",\"tree\":\"relup/5.10.5\",\
                  \"marked_at\":\"2026-01-01T00:00:00.000000000Z\"},\"attempts\":1}\n";
    image.put("base/relup/assessment.json", 0o644, record);
    image
}

/// What killed commands have left.
fn littered(mut image: Image) -> Image {
    image.put("base/relup/.staging-a1/lib/x/ebin/x.beam", 0o644, "half");
    image.put("base/relup/.trash-b2/bin/emqx", 0o755, "gone");
    image.put("base/relup/.current-c3", 0o644, "5.1");
    image.put("base/relup/.manifest-d4", 0o644, "");
    image.put("base/relup/lock", 0o644, "1                   \n");
    image
}

/// The very first upgrade: there is not even a `relup/`.
fn first_upgrade(stage: &Stage<'_>) -> Result<Scene> {
    stage.scene("upgrade-cold", cold(&stage.v5), stage.base.clone(), &[])
}

/// The very first upgrade, with a file that both releases have, and one that only begins alike: what a
/// file system shares where it can. Not in the table, because elsewhere it is the upgrade above.
pub fn shared(lab: &Lab) -> Result<Scene> {
    let mut stage = Stage::new(lab)?;
    let files = |last: u8| {
        let mut other = vec![7; 8192];
        other.push(last);
        [
            ("dynlibs/same.so", vec![5; 8192]),
            ("dynlibs/other.so", other),
        ]
    };
    for (path, bytes) in files(1) {
        stage.base.put(&format!("base/{path}"), 0o755, bytes);
    }
    let mut target = Release::of(V5);
    for (path, bytes) in files(2) {
        target.files.put(path, 0o755, bytes);
    }
    stage.v5 = target.pack(&lab.path("shared"))?;
    first_upgrade(&stage)
}

/// S11: the tree is there, complete, and nothing names it.
fn again_over_a_complete_tree(stage: &Stage<'_>) -> Result<Scene> {
    let start = stage.after(&stage.upgraded()?, &[words(&["relup", "rollback"])])?;
    stage.scene("upgrade-cold-again", cold(&stage.v5), start, &[])
}

/// S12: something is missing from the tree that is there.
fn over_an_incomplete_tree(stage: &Stage<'_>) -> Result<Scene> {
    let whole = stage.after(&stage.upgraded()?, &[words(&["relup", "rollback"])])?;
    let start = whole.without(|path| path.contains("relup/5.10.5/lib/"));
    let scene = stage.scene("upgrade-cold-incomplete", cold(&stage.v5), start, &[])?;
    Ok(only_complete(scene))
}

/// Another build of the same version, all files of the same size, is there and complete.
fn over_another_build(stage: &Stage<'_>) -> Result<Scene> {
    let rebuilt = Release::of(V5).rebuilt().pack(&stage.lab.path("rebuilt"))?;
    let start = stage.after(
        &stage.base,
        &[cold(&rebuilt), words(&["relup", "rollback"])],
    )?;
    stage.scene(
        "upgrade-cold-rebuilt",
        cold(&stage.v5),
        assessed(start),
        &[],
    )
}

/// S13: a second hop, with what a killed command has left in the way.
fn chained_after_a_kill(stage: &Stage<'_>) -> Result<Scene> {
    let start = assessed(littered(stage.upgraded()?));
    stage.scene("upgrade-cold-chained", cold(&stage.v6), start, &[])
}

/// A package of a later version was unpacked over the base.
fn package_installed(stage: &Stage<'_>) -> Result<Scene> {
    let upgraded = stage.upgraded()?;
    let is_packaged =
        |path: &str| path.starts_with("base/lib") || path.starts_with("base/releases");
    let mut start = littered(upgraded.without(is_packaged));
    start.put_all("base", &Release::of(V6).files);
    start.put_node("base/bin/emqx", Node::Program);
    let words = words(&["self", "package-installed"]);
    stage.scene("package-installed", words, start, &[])
}

fn rollback(stage: &Stage<'_>) -> Result<Scene> {
    let start = assessed(littered(stage.upgraded()?));
    stage.scene("rollback", words(&["relup", "rollback"]), start, &[])
}

fn rollback_to(stage: &Stage<'_>) -> Result<Scene> {
    let start = stage.after(&stage.upgraded()?, &[cold(&stage.v6)])?;
    let command = words(&["relup", "rollback", "--to", V5]);
    stage.scene("rollback-to", command, assessed(start), &[])
}

/// Two trees go, the one that the marker names stays.
fn prune(stage: &Stage<'_>) -> Result<Scene> {
    let v7 = Release::of("5.10.7").pack(stage.lab.packages())?;
    let start = stage.after(&stage.upgraded()?, &[cold(&stage.v6), cold(&v7)])?;
    stage.scene("prune", words(&["relup", "prune"]), start, &[])
}

fn logs_clear(stage: &Stage<'_>) -> Result<Scene> {
    let start = littered(stage.upgraded()?);
    stage.scene("logs-clear", words(&["relup", "logs-clear"]), start, &[])
}

fn status_tidies(stage: &Stage<'_>) -> Result<Scene> {
    let start = littered(stage.upgraded()?);
    stage.scene("status-tidies", words(&["relup", "status"]), start, &[])
}

/// The hidden command of the benchmarks; nothing boots from where it stages.
fn stage(stage: &Stage<'_>) -> Result<Scene> {
    let (tarball, into) = (&stage.v5, stage.lab.site().join("into"));
    let command = words(&[
        "relup",
        "stage",
        &tarball.to_string_lossy(),
        "--into",
        &into.to_string_lossy(),
    ]);
    stage.scene("stage", command, stage.base.clone(), &[])
}

/// Takes the broken tree of the beginning out of the builds that count as complete.
fn only_complete(mut scene: Scene) -> Scene {
    for (vsn, builds) in &mut scene.builds {
        let dir = scene.situation.home;
        let begun = scene.situation.start.below(&format!("{dir}/relup/{vsn}"));
        builds.retain(|build| build.tree != begun);
    }
    scene
}
