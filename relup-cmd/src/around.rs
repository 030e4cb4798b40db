//! What the operator wants around every upgrade, hot or cold: hooks before and after it, and a backup
//! before the first change. An upgrade over releases in between is one change to them: a load balancer is
//! drained once, not once for each hop.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::backup;
use crate::cli::Upgrade;
use crate::error::Error;
use crate::hooks::{self, Hooks};
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::output::{Answer, Console};
use crate::prepare::Prepared;

/// Everything that is known before the change.
pub(crate) struct Around<'a> {
    args: &'a Upgrade,
    install: &'a Install,
    interrupt: &'a Interrupt,
    facts: Map<String, Value>,
    data_dir: Option<PathBuf>,
}

impl<'a> Around<'a> {
    /// For an upgrade that has passed its checks: to a prepared target, from what runs, over the
    /// releases in between where there are any.
    pub(crate) fn of(
        args: &'a Upgrade,
        install: &'a Install,
        prepared: &Prepared,
        via: &[&Prepared],
        interrupt: &'a Interrupt,
    ) -> Around<'a> {
        let Prepared {
            running, identity, ..
        } = prepared;
        let running = via.first().map_or(running, |first| &first.running);
        let via: Vec<&str> = via.iter().map(|one| one.identity.vsn.as_str()).collect();
        let mut facts = hooks::facts("upgrade", install, running.vsn.as_str(), &identity.vsn);
        facts.insert("via".to_owned(), json!(via));
        let tarball = prepared.staged.tarball().path();
        facts.insert("tarball".to_owned(), json!(tarball.to_string_lossy()));
        facts.insert("cold".to_owned(), json!(args.cold));
        Around {
            args,
            install,
            interrupt,
            facts,
            data_dir: running.data_dir.clone(),
        }
    }

    /// Runs the first hook, makes the backup, then the change, then the second hook.
    pub(crate) fn run(
        self,
        console: &mut Console<'_>,
        change: impl FnOnce(&mut Console<'_>) -> Result<Answer, Error>,
    ) -> Result<Answer, Error> {
        let Around {
            args,
            install,
            interrupt,
            facts,
            data_dir,
        } = self;
        let hooks = Hooks::of(hooks::Change::Upgrade, install, args.hooks, interrupt);
        hooks.before(&facts, console)?;
        let dir = args.backup.as_deref();
        let result =
            backup::back_up(dir, install, data_dir, console, interrupt).and_then(|backup| {
                let answer = change(console)?;
                Ok(match backup {
                    Some(path) => answer.field("backup", path.to_string_lossy()),
                    None => answer,
                })
            });
        // Also after a failure: what the first hook has prepared has to be taken back.
        hooks.after(facts, result.as_ref().map(|_| ()), console);
        result
    }
}
