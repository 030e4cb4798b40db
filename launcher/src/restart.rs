//! `restart`: everything that could keep the next boot from happening is found out while the node
//! still runs. Only a boot that needs nothing but its VM is worth a stop; and the node is away for
//! no longer than its VM takes to go and to come.

use shims::dist::{Connection, DistError};

use crate::boot::Boot;
use crate::boot::daemon::{self, InnerConsole, Prepared};
use crate::boot::refusal::refuse_besides;
use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::node::target::{CONNECT_TIMEOUT, Contact};
use crate::release::Release;
use crate::stop;

/// Stops the node, if one runs, and starts it.
///
/// # Errors
/// Everything that speaks against the boot, with the node untouched; a node that does not stop; a
/// boot that fails.
pub fn restart(host: &Host, release: &Release) -> Result<(), Error> {
    let Some(contact) = find_running(host, release)? else {
        return daemon::start(host, release, &InnerConsole::Own);
    };
    let boot = Boot::prepare(host, release, Command::Restart)?;
    let stopped = contact.process.as_ref().map(|process| process.pid);
    let name = boot.name.to_string();
    refuse_besides(release, Some(&name), Some(&boot.data_dir), stopped)?;
    let prepared = Prepared::of(host, release, boot, InnerConsole::Own)?;
    stop::stop(host, release, &contact)?;
    prepared.launch(host)
}

/// The node that has to be stopped first. One that is not in sight (another user's, or in another
/// process namespace) is found by its answer.
fn find_running(host: &Host, release: &Release) -> Result<Option<Contact>, Error> {
    let contact = match Contact::find(release, &host.env) {
        Ok(contact) => contact,
        Err(Error::NamedNodeNotRunning { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if contact.process.is_some() {
        return Ok(Some(contact));
    }
    match Connection::connect(&contact.target, CONNECT_TIMEOUT) {
        Ok(_) => Ok(Some(contact)),
        // It is there, and the cookie that is configured now is not the one it was started with.
        // The same goes for a node that speaks TLS, but not with these options.
        Err(error @ (DistError::CookieRejected { .. } | DistError::Tls { .. })) => {
            Err(contact.not_responding(error))
        }
        Err(_) => Ok(None),
    }
}
