//! Staging of a big tarball against the two ways in which it is done without this program.
//!
//! What `emqx relup stage` does (verify the digest, extract, write a manifest with a digest of
//! every file, flush) is compared with `sha256sum` and `tar -xzf`, which record and flush nothing,
//! and with what the plugin does inside the VM (`crypto:hash` of the whole file, `erl_tar`, then
//! `cp -Rp` to the final place). The VM of the latter is up before its clock starts. All trees lie
//! on a memory file system, so that the disk stays out of it.

use super::big::{self, Size};
use super::measure::{Contender, take_turns, time};
use super::peak::peak_of;
use super::report::{Goal, Report};
use crate::error::{Error, Result};
use crate::install::Install;
use crate::process;
use crate::sample::{Sample, V4, workspace};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// A disk has moods, and time.
const ROUNDS_ON_DISK: usize = 3;
/// Room that the tarball and the trees need at the same time.
const ROOM: u64 = 2 << 30;

/// What the plugin does in the VM; the two arguments are the tarball and an empty directory.
const PLUGIN_WAY: &str = r#"
main([Tarball, Dir]) ->
    {Micros, ok} = timer:tc(fun() -> stage(Tarball, Dir) end),
    io:format("~b~n", [Micros]).
stage(Tarball, Dir) ->
    {ok, Sidecar} = file:read_file(Tarball ++ ".sha256"),
    [Expected | _] = binary:split(Sidecar, <<" ">>),
    {ok, Content} = file:read_file(Tarball),
    Expected = string:lowercase(binary:encode_hex(crypto:hash(sha256, Content))),
    Temp = filename:join(Dir, "temp"),
    ok = filelib:ensure_dir(filename:join(Temp, "x")),
    ok = erl_tar:extract(Tarball, [compressed, {cwd, Temp}]),
    Final = filename:join(Dir, "final"),
    ok = file:make_dir(Final),
    Copy = ["cp -Rp ", lists:join($\s, filelib:wildcard(filename:join(Temp, "*"))), " ", Final],
    [] = os:cmd(lists:flatten(Copy)),
    ok.
"#;

/// Measures the staging.
pub fn staging(install: &Install, report: &mut Report) -> Result<()> {
    let place = tempfile::Builder::new()
        .prefix("emqx-bench-")
        .tempdir_in(memory())?;
    let trial = Trial::prepare(install, place.path())?;
    trial.fresh()?;
    let (peak, said) = peak_of(&trial.stage())?;
    report.figures(
        "staging_said",
        serde_json::from_str(&said).unwrap_or_else(|_| json!(said)),
    );
    let mut contenders = [
        Contender {
            name: "emqx relup stage",
            every: 1,
            run: Box::new(|| trial.ours()),
        },
        Contender {
            name: "sha256sum + tar -xzf",
            every: 1,
            run: Box::new(|| trial.tar()),
        },
        Contender {
            name: "crypto:hash + erl_tar + cp -Rp",
            every: 1,
            run: Box::new(|| trial.plugin()),
        },
    ];
    let medians = take_turns(&mut contenders, ROUNDS)?;
    let ours = medians[0].1.as_secs_f64();
    let seconds: Vec<f64> = medians.iter().map(|(_, time)| time.as_secs_f64()).collect();
    let rows: Vec<_> = medians
        .iter()
        .zip(&seconds)
        .map(|((name, _), time)| {
            vec![
                (*name).to_owned(),
                format!("{time:.2} s"),
                format!("{:.2}x", time / ours),
            ]
        })
        .collect();
    let title = "Staging a release on a memory file system, median";
    report.table("staging", title, &["way", "time", "times ours"], &rows);
    let Size {
        files,
        bytes,
        compressed,
    } = trial.size;
    report.figures(
        "staging_figures",
        json!({
            "files": files, "bytes": bytes, "compressed_bytes": compressed, "peak_kib": peak,
            "seconds": seconds,
        }),
    );
    let goals = [
        (
            "staging, faster than erl_tar + cp -Rp",
            seconds[2] / ours,
            5.0,
            true,
            "x",
        ),
        (
            "staging, faster than sha256sum + tar",
            seconds[1] / ours,
            2.5,
            true,
            "x",
        ),
        ("staging, peak memory", kib_to_mib(peak), 32.0, false, "MiB"),
    ];
    for (name, measured, bound, at_least, unit) in goals {
        report.goal(Goal {
            name: name.to_owned(),
            measured,
            bound,
            at_least,
            unit,
        });
    }
    on_disk(&trial, report)
}

/// What it costs on a real disk that all of it is there after a power cut; told, not judged.
fn on_disk(trial: &Trial<'_>, report: &mut Report) -> Result<()> {
    let place = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(workspace().join("dist"))?;
    let trial = Trial {
        into: place.path().join("into"),
        ..trial.clone()
    };
    let flushed = RefCell::new(Vec::new());
    let mut contenders = [
        Contender {
            name: "emqx relup stage",
            every: 1,
            run: Box::new(|| {
                trial.fresh()?;
                let (_, said) = peak_of(&trial.stage())?;
                let said: Value = serde_json::from_str(&said).unwrap_or_default();
                let seconds = |name: &str| said[name].as_f64().unwrap_or_default();
                flushed.borrow_mut().push(seconds("deploy_s"));
                Ok(Duration::from_secs_f64(seconds("total_s")))
            }),
        },
        Contender {
            name: "sha256sum + tar -xzf + sync -f",
            every: 1,
            run: Box::new(|| {
                let unflushed = trial.tar()?;
                let mut sync = Command::new("sync");
                Ok(unflushed + time(sync.arg("-f").arg(&trial.into))?)
            }),
        },
    ];
    let medians = take_turns(&mut contenders, ROUNDS_ON_DISK)?;
    drop(contenders);
    let mut rows: Vec<_> = medians
        .iter()
        .map(|(name, time)| vec![(*name).to_owned(), format!("{:.2} s", time.as_secs_f64())])
        .collect();
    let mut flushed = flushed.into_inner();
    flushed.sort_by(f64::total_cmp);
    let median = flushed.get(flushed.len() / 2).copied().unwrap_or_default();
    let of_which = format!("{median:.2} s");
    rows.insert(
        1,
        vec![
            "  of which until it is durable and in place".to_owned(),
            of_which,
        ],
    );
    let title = "Staging the same on a disk, median";
    report.table("staging_on_disk", title, &["way", "time"], &rows);
    Ok(())
}

/// The three ways of staging one tarball.
#[derive(Clone)]
struct Trial<'a> {
    install: &'a Install,
    tarball: PathBuf,
    size: Size,
    script: PathBuf,
    into: PathBuf,
}

impl<'a> Trial<'a> {
    fn prepare(install: &'a Install, dir: &Path) -> Result<Self> {
        let tarball = dir.join("emqx-enterprise-5.10.4-bench.tar.gz");
        let begun = Instant::now();
        let size = big::build(&Sample::find()?.tarball(V4)?, &tarball)?;
        anstream::println!(
            "\n  a tarball of {} files, {} MB, {} MB compressed is made in {} s",
            size.files,
            size.bytes / 1_000_000,
            size.compressed / 1_000_000,
            begun.elapsed().as_secs()
        );
        let script = dir.join("plugin_way");
        fs_err::write(&script, format!("#!/usr/bin/env escript\n{PLUGIN_WAY}"))?;
        Ok(Self {
            install,
            tarball,
            size,
            script,
            into: dir.join("into"),
        })
    }

    fn stage(&self) -> Command {
        let mut command = self.install.emqx_command(&["relup", "stage"]);
        command.arg(&self.tarball).arg("--into").arg(&self.into);
        command
    }

    fn ours(&self) -> Result<Duration> {
        self.fresh()?;
        time(&mut self.stage())
    }

    fn tar(&self) -> Result<Duration> {
        self.fresh()?;
        let (mut sum, mut tar) = (Command::new("sha256sum"), Command::new("tar"));
        tar.arg("-xzf").arg(&self.tarball).arg("-C").arg(&self.into);
        Ok(time(sum.arg(&self.tarball))? + time(&mut tar)?)
    }

    fn plugin(&self) -> Result<Duration> {
        self.fresh()?;
        let mut erlang = Command::new("escript");
        erlang.arg(&self.script).arg(&self.tarball).arg(&self.into);
        let said = process::run(&mut erlang, process::HANG)?.success()?;
        let micros = said.text().parse().map_err(|_| {
            Error::Unexpected(format!("not a number of microseconds: {}", said.text()))
        })?;
        Ok(Duration::from_micros(micros))
    }

    /// An empty directory to stage into; making it costs nobody anything.
    fn fresh(&self) -> Result<()> {
        if self.into.exists() {
            fs_err::remove_dir_all(&self.into)?;
        }
        fs_err::create_dir(&self.into)?;
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a peak of memory is far below 2^52 KiB"
)]
fn kib_to_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// A memory file system with enough room, or the directory for temporary files, and it says so.
fn memory() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let room = nix::sys::statvfs::statvfs(shm)
        .map(|stat| stat.blocks_available().saturating_mul(stat.fragment_size()));
    if room.is_ok_and(|room| room >= ROOM) {
        return shm.to_path_buf();
    }
    let other = std::env::temp_dir();
    anstream::println!(
        "\n  /dev/shm has no room of 2 GiB: the trees lie in {}",
        other.display()
    );
    other
}
