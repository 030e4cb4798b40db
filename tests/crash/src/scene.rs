//! One command in one situation: the state before it, the state after it, and everything that a state
//! in between is compared with.

use crate::fault;
use crate::image::Image;
use crate::lab::Lab;
use e2e::Result;
use std::collections::BTreeMap;

/// A complete tree with the manifest that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The tree.
    pub tree: Image,
    /// Its manifest.
    pub manifest: Vec<u8>,
}

/// What is tried.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Its name in reports.
    pub name: &'static str,
    /// The words after `emqx`.
    pub words: Vec<String>,
    /// Below which directory of the site `relup/` is: `base`, or `into` for `relup stage`.
    pub home: &'static str,
    /// The state before the command.
    pub start: Image,
    /// Names of the refusals by which a second run says that it is all done.
    pub done: &'static [&'static str],
}

/// A situation with what the undisturbed command makes of it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The command and the state before it.
    pub situation: Situation,
    /// The state after it.
    pub after: Image,
    /// Complete trees by version; a rebuilt version has two.
    pub builds: BTreeMap<String, Vec<Build>>,
}

impl Scene {
    /// Runs the command once, undisturbed. `builds` are the trees that the situation has had before.
    pub fn of(lab: &Lab, situation: Situation, known: &[&Image]) -> Result<Scene> {
        lab.restore(&situation.start)?;
        let words: Vec<&str> = situation.words.iter().map(String::as_str).collect();
        lab.run(&words)?.success()?;
        Scene::seen(situation, lab.observe()?, known)
    }

    /// A command of which the states before and after it were seen.
    pub fn seen(situation: Situation, after: Image, known: &[&Image]) -> Result<Scene> {
        let mut builds = BTreeMap::new();
        for image in known.iter().copied().chain([&after]) {
            collect(image, situation.home, &mut builds);
        }
        if situation.start == after {
            return Err(fault(format!("{} changes nothing", situation.name)));
        }
        Ok(Scene {
            situation,
            after,
            builds,
        })
    }

    /// The name of a file in `relup/`, relative to the site.
    #[must_use]
    pub fn relup(&self, name: &str) -> String {
        format!("{}/relup/{name}", self.situation.home)
    }

    /// Whether the command decides what boots.
    #[must_use]
    pub fn switches(&self) -> bool {
        let marker = self.relup("current");
        self.situation.start.file(&marker) != self.after.file(&marker)
    }
}

/// The complete trees of a state.
fn collect(image: &Image, home: &str, builds: &mut BTreeMap<String, Vec<Build>>) {
    let relup = image.below(&format!("{home}/relup"));
    for name in relup.0.keys() {
        let Some(vsn) = name.strip_suffix(".manifest").filter(|vsn| is_version(vsn)) else {
            continue;
        };
        let (tree, manifest) = (relup.below(vsn), relup.file(name));
        if tree.0.is_empty() {
            continue;
        }
        let manifest = manifest.unwrap_or_default().to_vec();
        let build = Build { tree, manifest };
        let known: &mut Vec<Build> = builds.entry(vsn.to_owned()).or_default();
        if !known.contains(&build) {
            known.push(build);
        }
    }
}

/// Whether a name in `relup/` is that of a version.
#[must_use]
pub fn is_version(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
}
