//! The hidden `relup stage`: stages 4, 5 and 10 on a tarball and a directory, and their figures.
//!
//! Exists for the benchmarks. It does exactly what an upgrade does up to the deployed, flushed tree,
//! without any node and without the checks in between.

use std::time::{Duration, Instant};

use fs_err as fs;
use nix::sys::resource::{UsageWho, getrusage};
use relup::layout::{BaseRoot, Tree};
use serde_json::json;

use crate::cli;
use crate::debris;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::output::Answer;
use crate::release::Identity;
use crate::stage::{Limits, stage};
use crate::tarball::Tarball;

/// Stages a tarball into a directory and says how long each part took, in seconds.
pub(crate) fn run(args: &cli::Stage, interrupt: &Interrupt) -> Result<Answer, Error> {
    let into =
        fs::canonicalize(&args.into).map_err(|error| Error::io(&args.into, "open", error))?;
    let base = BaseRoot::new(into.clone())
        .map_err(|error| Error::io(&into, "use", std::io::Error::other(error)))?;
    let like = match &args.like {
        Some(dir) => {
            let dir = fs::canonicalize(dir).map_err(|error| Error::io(dir, "open", error))?;
            Tree::new(dir).ok()
        }
        None => None,
    };
    let lock = RelupLock::acquire(&base)?;
    debris::sweep(&base, &lock, &debris::names(&base), &mut |_| {})?;
    let begun = Instant::now();
    let tarball = Tarball::open(&args.tarball)?;
    let sidecar = tarball.sidecar()?;
    let verified = tarball.verify(&sidecar, None, interrupt, &mut |_| {})?;
    let digest = begun.elapsed();
    let compressed = verified.len();
    let staged = stage(
        verified,
        &base,
        &lock,
        Limits::DEFAULT,
        like.as_ref(),
        interrupt,
        &mut |_| {},
    )?;
    let extracted = begun.elapsed();
    let figures = staged.figures();
    let identity = Identity::read(staged.tree(), &base)?;
    let deployed = staged.deploy(identity, &mut || Ok(Vec::new()), &base, &lock, interrupt)?;
    let total = begun.elapsed();
    Ok(Answer::default()
        .field("tree", deployed.tree().path().to_string_lossy())
        .field("compressed_bytes", compressed)
        .field("bytes", figures.bytes)
        .field("shared_bytes", figures.shared)
        .field("files", figures.files)
        .field("entries", figures.entries)
        .field("digest_s", seconds(digest, Duration::ZERO))
        .field("extract_s", seconds(extracted, digest))
        .field("deploy_s", seconds(total, extracted))
        .field("total_s", seconds(total, Duration::ZERO))
        .field("peak_memory_kib", json!(peak_memory())))
}

fn seconds(end: Duration, begin: Duration) -> f64 {
    end.saturating_sub(begin).as_secs_f64()
}

/// The largest resident set of this process so far, in KiB.
fn peak_memory() -> Option<i64> {
    getrusage(UsageWho::RUSAGE_SELF)
        .ok()
        .map(|usage| usage.max_rss())
}
