//! Stage 7: gathers the facts about both releases that `relup::compat` judges.
//!
//! The running release's `BUILD_INFO` is looked up where the running *version* has its files, which
//! after a hop without a restart is not the tree that the node was booted from.

use std::io::Read;
use std::path::Path;

use relup::build_info::BuildInfo;
use relup::compat::{CompatFacts, check_compat};
use relup::layout::{BaseRoot, Tree};

use crate::error::Error;
use crate::regular;
use crate::release::{self, Identity};
use crate::running::Running;

/// Checks that the target may take over the running VM. `before` is the tree of the running version
/// where that is not deployed yet.
pub(crate) fn check(
    base: &BaseRoot,
    running: &Running,
    before: Option<&Tree>,
    target: &Tree,
    identity: &Identity,
    force: bool,
) -> Result<(), Error> {
    check_compat(&CompatFacts {
        running: running_build_info(base, running, before)?,
        target: release::read_build_info(target, &identity.vsn)?,
        running_mnesia_hook: running.mnesia_hook,
        target_has_mnesia: !release::app_dirs(target, "mnesia").is_empty(),
        target_mnesia_hook: release::has_mnesia_hook(target),
        from: running.vsn.clone(),
        to: identity.vsn.clone(),
        force,
    })?;
    check_machine(&identity.program(target, "beam.smp"))
}

/// The running version's tree: deployed under its own version, else the tree that was booted, else
/// the base.
fn running_build_info(
    base: &BaseRoot,
    running: &Running,
    before: Option<&Tree>,
) -> Result<BuildInfo, Error> {
    let Running { vsn, root, .. } = running;
    if let Some(tree) = before {
        return release::read_build_info(tree, vsn);
    }
    let mut trees = vec![base.deployed(vsn)];
    trees.extend(Tree::new(root.clone()));
    trees.push(base.tree());
    for tree in &trees {
        let path = tree.build_info(vsn);
        match release::optional_text(&path) {
            Ok(Some(text)) => return Ok(BuildInfo::parse(&text)),
            Ok(None) => {}
            Err(reason) => return Err(Error::CannotReadBuildInfo { path, reason }),
        }
    }
    let path = trees[1.min(trees.len() - 1)].build_info(vsn);
    Err(Error::CannotReadBuildInfo {
        path,
        reason: "no such file".to_owned(),
    })
}

/// A runtime for another processor is refused by what it is, whatever its `BUILD_INFO` says.
pub(crate) fn check_machine(program: &Path) -> Result<(), Error> {
    let mut head = [0; 20];
    let read = regular::open(program)
        .ok()
        .and_then(|(mut file, _)| file.read_exact(&mut head).ok());
    let is_elf = read.is_some() && head.starts_with(b"\x7fELF");
    if !is_elf {
        // A script, for instance; whether it runs is not decided by its header.
        return Ok(());
    }
    let little = head[5] == 1;
    let pair = [head[18], head[19]];
    let number = if little {
        u16::from_le_bytes(pair)
    } else {
        u16::from_be_bytes(pair)
    };
    let target = machine(number);
    let host = std::env::consts::ARCH;
    // A 32-bit runtime may run on a 64-bit machine of the same kind; BUILD_INFO has compared those.
    let known = matches!(host, "x86_64" | "aarch64");
    if !known || target == host {
        return Ok(());
    }
    Err(Error::ForeignMachine {
        path: program.to_owned(),
        target: target.to_owned(),
        host: host.to_owned(),
    })
}

/// The name that Rust gives a machine of the ELF specification.
fn machine(number: u16) -> &'static str {
    match number {
        0x03 => "x86",
        0x28 => "arm",
        0x3e => "x86_64",
        0xb7 => "aarch64",
        0xf3 => "riscv64",
        _ => "another machine",
    }
}
