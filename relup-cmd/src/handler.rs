//! Releases managed by OTP's release handler: the commands of EMQX 4.x.
//!
//! `versions`, `unpack`, `install` (also `upgrade` and `downgrade`) and `uninstall` print what the
//! operators' documents show. The release handler in the running node does the work; files are
//! extracted here, by the rules of hot upgrades, and its records are kept whole here.
//!
//! (Relup contract, section 7.)

mod cli;
mod failure;
mod install;
mod merge;
mod node;
mod package;
mod records;
mod repair;
mod script;
mod uninstall;
mod unpack;
mod versions;

use std::ffi::OsString;

use relup::layout::Tree;
use relup::releases_file::ReleaseStatus;
use relup::vsn::ReleaseVsn;
use serde_json::json;

use crate::deploy::same_place;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::output::{Answer, Console, Told};
use crate::recovery;
use crate::run::print;
use cli::{Command, Install as InstallArgs, Uninstall, Unpack, parse};
use failure::Failure;
pub use node::{Handled, Installed, NotInstalled, ReleaseHandler, Settings};

/// Runs one of the commands and prints what it has to say. `name` is the command, `words` what
/// follows it.
///
/// The return value is the exit code: 0 done; 1 wrong usage, or the node could not be asked; 2
/// refused, or not installed; 3 the check failed or old processes run; 4 the installation failed.
#[must_use]
pub fn run(name: &str, words: &[OsString], install: &Install, node: &mut dyn ReleaseHandler) -> u8 {
    let command = match parse(name, words) {
        Ok(command) => command,
        Err(error) => return u8::from(print(&error) != 0),
    };
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let mut console = Console::new(&mut out, &mut err, command.json())
        .with_terminal()
        .with_fleeting_stages();
    perform(&command, install, node, &mut console, &Interrupt::listen())
}

/// Prints help where the words ask for it, and what is wrong with them where something is, and gives
/// the exit code; `None` for a command that can be run.
#[must_use]
pub fn explain(name: &str, words: &[OsString]) -> Option<u8> {
    let error = parse(name, words).err()?;
    Some(u8::from(print(&error) != 0))
}

/// Runs a parsed command. Returns the exit code.
pub(crate) fn perform(
    command: &Command,
    install: &Install,
    node: &mut dyn ReleaseHandler,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> u8 {
    match dispatch(command, install, node, console, interrupt) {
        Ok(answer) => {
            console.answer(answer);
            0
        }
        Err(failure) => {
            if failure.is_about_package()
                && let Ok(installed) = node.releases()
            {
                for line in versions::table(&installed) {
                    console.say(&line);
                }
            }
            console.error(&failure);
            failure.exit_code()
        }
    }
}

fn dispatch(
    command: &Command,
    install: &Install,
    node: &mut dyn ReleaseHandler,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Failure> {
    let (vsn, act): (_, Act<'_>) = match command {
        Command::Versions(args) if args.repair => return repair::run(install, node, console),
        Command::Versions(_) => return versions::run(install, node, console),
        Command::Unpack(Unpack { version, .. }) => {
            (version, Box::new(|session| session.unpack(version)))
        }
        Command::Install(args) | Command::Upgrade(args) | Command::Downgrade(args) => {
            let InstallArgs {
                version,
                no_permanent,
                ..
            } = args;
            let act = move |session: &mut Session<'_, '_>| {
                install::install(session, version, !no_permanent)
            };
            (version, Box::new(act))
        }
        Command::Uninstall(Uninstall { version, .. }) => (
            version,
            Box::new(|session| uninstall::uninstall(session, version)),
        ),
    };
    let mut session = Session::begin(install, node, console, interrupt)?;
    act(&mut session)?;
    // What was asked for is done, whether the node can still tell or not.
    let installed = session.node.releases().unwrap_or_default();
    let status = installed.iter().find(|known| known.vsn == vsn.as_str());
    Ok(Answer::default()
        .field("version", vsn.as_str())
        .field("status", json!(status.map(|known| known.status.as_str())))
        .field("versions", versions::to_json(&installed)))
}

/// What a command does once it may.
type Act<'a> = Box<dyn FnOnce(&mut Session<'_, '_>) -> Result<(), Failure> + 'a>;

/// What a command that changes something works with: it holds the lock, the node answers and runs
/// from this installation, and its records are whole.
pub(crate) struct Session<'a, 'c> {
    pub(crate) install: &'a Install,
    pub(crate) root: Tree,
    pub(crate) node: &'a mut dyn ReleaseHandler,
    pub(crate) console: &'a mut Console<'c>,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) lock: RelupLock,
}

impl<'a, 'c> Session<'a, 'c> {
    fn begin(
        install: &'a Install,
        node: &'a mut dyn ReleaseHandler,
        console: &'a mut Console<'c>,
        interrupt: &'a Interrupt,
    ) -> Result<Session<'a, 'c>, Failure> {
        let root = install.base.tree();
        let runs = node.root_dir()?;
        if !same_place(&runs, root.path()) {
            return Err(Failure::ElsewhereBooted {
                runs,
                root: root.path().to_owned(),
            });
        }
        let lock = recovery::take_lock(install, node, console)?.lock;
        records::sweep(&root)?;
        records::read(&root)?;
        Ok(Session {
            install,
            root,
            node,
            console,
            interrupt,
            lock,
        })
    }

    /// What the release handler thinks of a release. One whose files are gone is none; nor is one that
    /// has lost modules, if it can be unpacked again.
    pub(crate) fn status(&mut self, vsn: &ReleaseVsn) -> Result<Option<ReleaseStatus>, Failure> {
        let known = self.node.releases()?;
        let status = known
            .iter()
            .find(|known| known.vsn == vsn.as_str())
            .map(|known| known.status);
        let is_idle = matches!(status, Some(ReleaseStatus::Old | ReleaseStatus::Unpacked));
        let rel_name = &self.install.rel_name;
        let is_there = || {
            repair::has_its_modules(&self.root, vsn, rel_name)
                || repair::is_complete(&self.root, vsn, rel_name)
                    && package::find(self.install, vsn).is_err()
        };
        Ok(status.filter(|_| !is_idle || is_there()))
    }

    /// The version that runs: the current one, else the permanent one.
    pub(crate) fn running(&mut self) -> Result<String, Failure> {
        let known = self.node.releases()?;
        let of = |status| known.iter().find(|known| known.status == status);
        let running = of(ReleaseStatus::Current).or_else(|| of(ReleaseStatus::Permanent));
        running.map(|known| known.vsn.clone()).ok_or_else(|| {
            Failure::Common(Error::NodeRpc(
                "the release handler knows no release that runs".to_owned(),
            ))
        })
    }

    fn unpack(&mut self, vsn: &ReleaseVsn) -> Result<(), Failure> {
        let words = match self.status(vsn)? {
            None => {
                let running = self.running()?;
                check_patch_hop(&running, vsn)?;
                return unpack::unpack(self, vsn);
            }
            Some(ReleaseStatus::Old) => "is marked old.",
            Some(ReleaseStatus::Unpacked) => "is already unpacked.",
            Some(ReleaseStatus::Current) => "is already installed and current.",
            Some(ReleaseStatus::Permanent) => "is already installed and set permanent.",
        };
        self.console.say(&format!("Release {vsn} {words}"));
        Ok(())
    }
}

/// Refuses what is more than a patch: only the third number may differ, or 4.4 and 4.5.
pub(crate) fn check_patch_hop(from: &str, to: &ReleaseVsn) -> Result<(), Failure> {
    let allowed = from.parse::<ReleaseVsn>().is_ok_and(|from| {
        let series = |vsn: &ReleaseVsn, wanted: &str| {
            wanted
                .parse()
                .is_ok_and(|wanted: ReleaseVsn| vsn.is_patch_hop_to(&wanted))
        };
        let merged = |vsn: &ReleaseVsn| series(vsn, "4.4.0") || series(vsn, "4.5.0");
        from.is_patch_hop_to(to) || merged(&from) && merged(to)
    });
    if allowed {
        return Ok(());
    }
    Err(Failure::OtherMinor {
        from: from.to_owned(),
        to: to.to_string(),
    })
}
