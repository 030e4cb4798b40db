//! A hop proven by the node, which changes nothing there.

use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::node::{ApplyRequest, Proof};

use crate::apply::Watch;
use crate::debris;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::Console;

/// Has the node prove a hop.
pub(crate) fn prove(
    request: &ApplyRequest,
    lock: &RelupLock,
    node: &mut dyn Node,
    interrupt: &Interrupt,
    leave: &(dyn Fn() + Sync),
) -> Result<Proof, Error> {
    interrupt.check()?;
    let mut watch = Watch {
        interrupt,
        progress: &mut |_| {},
        leave,
    };
    let proven = watch.during(lock.path(), |_| node.prove(request));
    interrupt.check()?;
    proven?.map_err(Error::ApplyFailed)
}

/// What ends the process on Ctrl-C while the node still proves, which changes nothing there.
pub(crate) fn leave(staged: Vec<PathBuf>, relup: &Path, json: bool) -> impl Fn() + Sync {
    let relup = relup.to_owned();
    move || {
        let error = Error::Interrupted;
        // What could not be removed is removed by the next command.
        let _ = staged.iter().try_for_each(|path| debris::remove(path));
        // Only if this command has made it.
        let _ = fs::remove_dir(&relup);
        let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
        Console::new(&mut out, &mut err, json).error(&error);
        std::process::exit(error.exit_code().into());
    }
}
