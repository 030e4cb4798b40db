//! The stop of a node whose process is not in sight: another user's where those are hidden, or one
//! in another process namespace.

use std::thread;
use std::time::Instant;

use shims::command::os_pid;
use shims::dist::{CallOptions, CallOutcome, Connection, DistError};
use shims::term::{as_text, as_tuple, string};

use crate::error::Error;
use crate::host::ending::Ending;
use crate::host::process::{PID_NAMESPACE, pid_namespace};
use crate::node::target::{CONNECT_TIMEOUT, Contact};
use crate::patience::Patience;
use crate::stop::{KNOCK, RETRY, finish_rpc, shut_down};

/// Stops it. It has stopped when its connections are closed and its port does not answer, and its
/// process is gone where that can be known.
///
/// # Errors
/// It refuses, or is still there after the time to wait.
pub fn stop(
    contact: &Contact,
    mut connection: Connection,
    patience: Patience,
) -> Result<(), Error> {
    let vm = process_of(&mut connection);
    let outcome = shut_down(&mut connection, contact.dialect, patience);
    let unfinished = |reason: String| Error::StopUnseen {
        name: contact.name.to_string(),
        reason,
    };
    finish_rpc(0, outcome).map_err(|error| match error {
        Error::StopFailed { reason, .. } => unfinished(reason),
        other => other,
    })?;
    let deadline = patience.deadline();
    let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let too_late = |what: &str| unfinished(format!("{what} after {} seconds", patience.seconds()));
    while connection.recv_message(KNOCK).is_ok() {
        if late() {
            return Err(too_late("it keeps its connections"));
        }
    }
    while !matches!(
        Connection::connect(&contact.target, KNOCK),
        Err(DistError::Unreachable { .. } | DistError::NameUnknown { .. })
    ) {
        if late() {
            return Err(too_late("it still answers"));
        }
        thread::sleep(RETRY);
    }
    if vm.is_some_and(|vm| !vm.wait(deadline)) {
        return Err(too_late("its process is still there"));
    }
    Ok(())
}

/// The node's process by the node's own words: where other users' processes are hidden (`hidepid`),
/// one can be waited for all the same. None in another namespace, where its number means nothing.
fn process_of(connection: &mut Connection) -> Option<Ending> {
    let options = CallOptions {
        timeout: Some(CONNECT_TIMEOUT),
        console: None,
    };
    let link = vec![string(PID_NAMESPACE)];
    let answer = connection.call("file", "read_link_all", link, options);
    let Ok(CallOutcome::Return(answer)) = answer else {
        return None;
    };
    let theirs = as_tuple(&answer).and_then(|parts| as_text(parts.get(1)?));
    if theirs.is_none() || theirs != pid_namespace() {
        return None;
    }
    let pid = os_pid(connection, CONNECT_TIMEOUT).ok()?;
    Some(Ending::of(i32::try_from(pid).ok()?))
}
