//! Stage 9: where hops come from, and the one that leads from the running version to the target.
//!
//! Files are read here and judged one by one: a malformed one is reported and passed over, never
//! fatal, unless it is the very file that was asked for. Literal files need no VM; those with
//! expressions are evaluated by the node in one go, and only when nothing before them matches.

pub(crate) mod chain;
mod sources;

use std::path::{Path, PathBuf};

use relup::hop::{HopPath, HopText, parse_hop};
use relup::node::{CompanionBeam, HopScript};
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::node::Node;
use crate::regular;
pub(crate) use sources::{Candidate, Companions, Sources, beside, inside, installed};

/// Longest hop file, and longest beam that one brings along.
const MAX_HOP: u64 = 16 * 1024 * 1024;

/// The hop to apply, with what it brings along.
#[derive(Debug, Clone)]
pub(crate) struct FoundHop {
    pub(crate) path: PathBuf,
    pub(crate) script: HopScript,
    pub(crate) beams: Vec<CompanionBeam>,
}

/// A hop that is there, with the first file that is one from this version to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: HopPath,
    pub(crate) file: PathBuf,
}

impl FoundHop {
    /// Names the hop by where it will be once the tree that it came in has been moved.
    pub(crate) fn move_along(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| path.strip_prefix(from).ok().map(|rest| to.join(rest));
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        if let Some(path) = moved(&self.path) {
            self.script.file = text(path.clone());
            self.path = path;
        }
        for beam in &mut self.beams {
            if let Some(path) = moved(Path::new(&beam.file)) {
                beam.file = text(path);
            }
        }
    }
}

/// A hop file that could be read.
struct HopFile {
    candidate: Candidate,
    source: Vec<u8>,
    hop: Known,
}

/// What is known about a hop file so far.
enum Known {
    Path(HopPath),
    NeedsVm,
    Malformed(String),
}

/// The first hop from `from` to `to`. Malformed files on the way are told to `warn`.
pub(crate) fn find(
    sources: &Sources<'_>,
    from: &ReleaseVsn,
    to: &ReleaseVsn,
    node: &mut dyn Node,
    warn: &mut dyn FnMut(String),
) -> Result<FoundHop, Error> {
    let wanted = HopPath {
        from: from.to_string(),
        to: to.to_string(),
    };
    if let Some(path) = sources.given {
        return given(path, &wanted, node);
    }
    let mut files = read_all(sources.candidates(), warn);
    let literal = files.iter().position(|file| file.leads(&wanted));
    // What stands behind the first literal match can't win.
    let end = literal.map_or(files.len(), |index| index + 1);
    evaluate(&mut files[..end], node)?;
    report_malformed(&files, warn);
    match files.iter().position(|file| file.leads(&wanted)) {
        Some(index) => files.swap_remove(index).load(),
        None => {
            let there: Vec<_> = listed(&files).into_iter().map(|hop| hop.path).collect();
            let chain = chain::shortest(&there, &wanted.from, &wanted.to).unwrap_or_default();
            Err(Error::NoRelupEntry {
                chain: chain.iter().map(|&index| there[index].clone()).collect(),
                from: wanted.from,
                to: wanted.to,
                supported: there.iter().map(HopPath::to_string).collect(),
            })
        }
    }
}

/// All hops that these files are, in the order in which they are searched; for each pair of versions
/// once.
pub(crate) fn list(
    candidates: Vec<Candidate>,
    node: &mut dyn Node,
    warn: &mut dyn FnMut(String),
) -> Vec<Listed> {
    let mut files = read_all(candidates, warn);
    if let Err(error) = evaluate(&mut files, node) {
        for file in &files {
            if matches!(file.hop, Known::NeedsVm) {
                warn(format!(
                    "{}: could not be evaluated: {error}",
                    file.candidate.path.display()
                ));
            }
        }
    }
    report_malformed(&files, warn);
    listed(&files)
}

impl HopFile {
    fn leads(&self, wanted: &HopPath) -> bool {
        matches!(&self.hop, Known::Path(path) if path == wanted)
    }

    /// Reads the beams that the hop brings along.
    fn load(self) -> Result<FoundHop, Error> {
        let path = self.candidate.path;
        let file = path.to_string_lossy().into_owned();
        let beams = self.candidate.companions.load(&path)?;
        Ok(FoundHop {
            path,
            script: HopScript {
                file,
                source: self.source,
            },
            beams,
        })
    }
}

impl Companions {
    fn load(&self, hop: &Path) -> Result<Vec<CompanionBeam>, Error> {
        let invalid = |path: PathBuf, reason: String| Error::InvalidRelupFile {
            name: "invalid_relup_file",
            path,
            reason,
        };
        let mut beams = Vec::new();
        for path in self.beams(hop) {
            let module = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let beam = regular::read(&path, MAX_HOP)
                .map_err(|error| invalid(path.clone(), error.to_string()))?;
            beams.push(CompanionBeam {
                module,
                file: path.to_string_lossy().into_owned(),
                beam,
            });
        }
        Ok(beams)
    }
}

/// The file that was asked for: everything that is wrong with it is fatal.
fn given(path: &Path, wanted: &HopPath, node: &mut dyn Node) -> Result<FoundHop, Error> {
    let invalid = |name, reason: String| Error::InvalidRelupFile {
        name,
        path: path.to_owned(),
        reason,
    };
    let source = regular::read(path, MAX_HOP)
        .map_err(|error| invalid("invalid_relup_file", error.to_string()))?;
    let hop = match parse(&source) {
        Ok(known) => known,
        Err((name, reason)) => return Err(invalid(name, reason)),
    };
    let candidate = Candidate {
        path: path.to_owned(),
        companions: Companions::Beside,
    };
    let mut files = [HopFile {
        candidate,
        source,
        hop,
    }];
    evaluate(&mut files, node)?;
    let [file] = files;
    match &file.hop {
        Known::Path(leads) if leads == wanted => file.load(),
        Known::Path(leads) => Err(Error::NoRelupEntry {
            from: wanted.from.clone(),
            to: wanted.to.clone(),
            supported: vec![leads.to_string()],
            chain: Vec::new(),
        }),
        Known::Malformed(reason) => Err(invalid("invalid_relup_file", reason.clone())),
        Known::NeedsVm => Err(invalid(
            "invalid_relup_file",
            "it was not evaluated".to_owned(),
        )),
    }
}

fn read_all(candidates: Vec<Candidate>, warn: &mut dyn FnMut(String)) -> Vec<HopFile> {
    let mut files = Vec::new();
    for candidate in candidates {
        match regular::read(&candidate.path, MAX_HOP) {
            Ok(source) => {
                let hop = parse(&source).unwrap_or_else(|(_, reason)| Known::Malformed(reason));
                files.push(HopFile {
                    candidate,
                    source,
                    hop,
                });
            }
            Err(error) => warn(skipped(&candidate.path, &error.to_string())),
        }
    }
    files
}

fn parse(source: &[u8]) -> Result<Known, (&'static str, String)> {
    let text = std::str::from_utf8(source)
        .map_err(|_| ("invalid_relup_file", "it is not UTF-8".to_owned()))?;
    match parse_hop(text) {
        Ok(HopText::Literal(hop)) => Ok(Known::Path(hop.path())),
        Ok(HopText::Expression) => Ok(Known::NeedsVm),
        Err(error) => Err((error.name(), error.to_string())),
    }
}

/// Lets the node evaluate the files that need it.
fn evaluate(files: &mut [HopFile], node: &mut dyn Node) -> Result<(), Error> {
    let mut waiting: Vec<_> = files
        .iter_mut()
        .filter(|file| matches!(file.hop, Known::NeedsVm))
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let scripts: Vec<_> = waiting
        .iter()
        .map(|file| HopScript {
            file: file.candidate.path.to_string_lossy().into_owned(),
            source: file.source.clone(),
        })
        .collect();
    let answers = node.evaluate_hops(&scripts)?;
    if answers.len() != scripts.len() {
        return Err(Error::NodeRpc(format!(
            "{} hop files were to be evaluated, {} answers came",
            scripts.len(),
            answers.len()
        )));
    }
    for (file, answer) in waiting.iter_mut().zip(answers) {
        file.hop = match answer {
            Ok(summary) => Known::Path(HopPath {
                from: summary.from,
                to: summary.to,
            }),
            Err(reason) => Known::Malformed(reason),
        };
    }
    Ok(())
}

fn report_malformed(files: &[HopFile], warn: &mut dyn FnMut(String)) {
    for file in files {
        if let Known::Malformed(reason) = &file.hop {
            warn(skipped(&file.candidate.path, reason));
        }
    }
}

fn skipped(path: &Path, reason: &str) -> String {
    format!("{} is skipped: {reason}", path.display())
}

fn listed(files: &[HopFile]) -> Vec<Listed> {
    let mut found: Vec<Listed> = Vec::new();
    for file in files {
        if let Known::Path(path) = &file.hop
            && found.iter().all(|hop| hop.path != *path)
        {
            found.push(Listed {
                path: path.clone(),
                file: file.candidate.path.clone(),
            });
        }
    }
    found
}
