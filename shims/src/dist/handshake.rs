//! Who this program is to the node, and the handshake (version 6, by `erl_dist`).
//!
//! The connection is hidden: the node's subscribers never see a nodeup or nodedown for a command.
//! Source: "Distribution Handshake" in the ERTS reference, and what each OTP release demands.

use super::deadline::Deadline;
use super::error::DistError;
use super::tls::{TlsFailure, is_alert};
use super::transport::{Buffered, Timed};
use super::{Target, pick};
use erl_dist::handshake::{ClientSideHandshake, HandshakeError, HandshakeStatus};
use erl_dist::node::{Creation, LocalNode, NodeName as DistName};
use erl_dist::{DistributionFlags as Flags, LOWEST_DISTRIBUTION_PROTOCOL_VERSION};
use futures::executor::block_on;
use futures::io::AllowStdIo;
use std::io;

/// What this side can do. The first eleven are demanded since OTP 25, `V4_NC` and `UNLINK_ID` since
/// 26, and `MANDATORY_25_DIGEST` since 27; without `UNICODE_IO` text arrives in latin1.
///
/// Left out on purpose: `PUBLISHED` (hidden), `DIST_HDR_ATOM_CACHE` and `FRAGMENTS` (a frame is a
/// whole message then), `SEND_SENDER`, `ALIAS` and `NAME_ME` (nothing here needs them).
pub(crate) const FLAGS: &[Flags] = &[
    Flags::EXTENDED_REFERENCES,
    Flags::FUN_TAGS,
    Flags::NEW_FUN_TAGS,
    Flags::EXTENDED_PIDS_PORTS,
    Flags::EXPORT_PTR_TAG,
    Flags::BIT_BINARIES,
    Flags::NEW_FLOATS,
    Flags::UTF8_ATOMS,
    Flags::MAP_TAGS,
    Flags::BIG_CREATION,
    Flags::HANDSHAKE_23,
    Flags::V4_NC,
    Flags::UNLINK_ID,
    Flags::MANDATORY_25_DIGEST,
    Flags::UNICODE_IO,
    Flags::DIST_MONITOR,
    Flags::DIST_MONITOR_NAME,
    Flags::EXIT_PAYLOAD,
    Flags::SPAWN,
];

/// This program's name and incarnation on a node.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: DistName,
    pub(crate) creation: u32,
}

/// What the node said of itself.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Whether it takes `SPAWN_REQUEST`; else calls go through its `rex` server.
    pub(crate) spawns: bool,
}

/// A handshake that did not fail.
#[derive(Debug)]
pub(crate) enum Greeting {
    Done(Peer),
    /// The node has a connection under this name already.
    NameInUse,
}

/// Shakes hands over a fresh stream.
pub(crate) fn shake_hands(
    stream: &mut Buffered,
    target: &Target,
    identity: &Identity,
    shown: &str,
    deadline: Deadline,
) -> Result<Greeting, DistError> {
    let mut local = LocalNode::new(identity.name.clone(), Creation::new(identity.creation));
    local.flags = FLAGS
        .iter()
        .fold(Flags::from_bits_truncate(0), |all, flag| all | *flag);
    let mut timed = if target.tls.is_some() {
        Timed::widened(stream, deadline)
    } else {
        Timed::new(stream, deadline)
    };
    let result = block_on(async {
        let connection = AllowStdIo::new(&mut timed);
        let mut handshake = ClientSideHandshake::new(connection, local, target.cookie.expose());
        match handshake
            .execute_send_name(LOWEST_DISTRIBUTION_PROTOCOL_VERSION)
            .await?
        {
            // Answering would either take the name over or leave the node waiting; hanging up
            // does neither.
            HandshakeStatus::Alive => Ok(None),
            _ => handshake
                .execute_rest(false)
                .await
                .map(|(_, peer)| Some(peer)),
        }
    });
    // The first message is the name, the second the answer to the node's challenge: a node that
    // hangs up after that one has found another digest than its own.
    let answered_challenge = timed.flushes >= 2;
    let is_alert = target.tls.is_none() && is_alert(&timed.first);
    match result {
        Ok(None) => Ok(Greeting::NameInUse),
        Ok(Some(peer)) => Ok(Greeting::Done(Peer {
            name: peer.name.to_string(),
            spawns: peer.flags.contains(Flags::SPAWN),
        })),
        Err(_) if is_alert => Err(of_tls(&TlsFailure::wanted(), shown)),
        Err(error) => Err(explain(error, answered_challenge, target, shown)),
    }
}

fn explain(error: HandshakeError, challenged: bool, target: &Target, shown: &str) -> DistError {
    let node = || target.name.to_string();
    // TLS 1.3 lets a client speak before the node has judged its certificate.
    if let HandshakeError::Io(error) = &error
        && let Some(failure) = TlsFailure::of_io(error)
    {
        return of_tls(failure, shown);
    }
    match error {
        HandshakeError::CookieMismatch => DistError::CookieRejected { node: node() },
        HandshakeError::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
                if challenged =>
            {
                DistError::CookieRejected { node: node() }
            }
            io::ErrorKind::TimedOut => DistError::Unreachable {
                address: shown.to_owned(),
                reason: "it accepts connections, but does not answer the handshake".to_owned(),
            },
            io::ErrorKind::UnexpectedEof => {
                DistError::Closed(format!("{shown} hung up during the handshake"))
            }
            io::ErrorKind::InvalidData => DistError::Protocol(error.to_string()),
            _ => DistError::Closed(error.to_string()),
        },
        HandshakeError::NotAllowed => {
            DistError::Protocol(format!("node {} does not allow this connection", node()))
        }
        other => DistError::Protocol(other.to_string()),
    }
}

fn of_tls(failure: &TlsFailure, shown: &str) -> DistError {
    DistError::Tls {
        address: shown.to_owned(),
        reason: failure.reason.clone(),
        hint: failure.hint.clone(),
    }
}

/// The names that are tried, one after the other, when the node has a connection of that name.
pub(crate) const NAMES: u32 = 16;

/// A name for this process: `remsh<pid>r<n>@<host>`.
///
/// Names that begin with `remsh` have no port in EMQX, so that a node never tries to connect back.
/// The node keeps every name that it has ever seen as an atom, of which it can hold about a million,
/// and health probes connect every few seconds for months. So the pid is taken modulo 4096 and `n`
/// modulo [`NAMES`]: processes that run at the same time still differ, and the sum stays bounded.
pub(crate) fn identity(target: &Target, attempt: u32) -> Result<Identity, DistError> {
    let host = match target.name.host() {
        Some(host) => host.to_owned(),
        None => short_host_name(),
    };
    let short = format!("remsh{}r{}", std::process::id() % 4096, attempt % NAMES);
    let name = DistName::new(&short, &host).map_err(|error| DistError::NameUnknown {
        name: host,
        reason: format!("not usable as a host: {error}"),
    })?;
    // 0 to 3 were incarnations of old releases; a node may treat them as "any".
    Ok(Identity {
        name,
        creation: pick(4..u32::MAX),
    })
}

/// The host part of the names of a VM that was started with `-sname`.
fn short_host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DFLAG_DIST_MANDATORY` of the releases, as bits: 25 has the first, 26 adds `V4_NC` and
    /// `UNLINK_ID`, 27 and 28 the digest that stands for everything mandatory in 25.
    const DEMANDED: [(u32, u64); 4] = [
        (25, 0x0107_0F94),
        (26, 0x0107_0F94 | 1 << 34 | 0x0200_0000),
        (27, 0x0107_0F94 | 1 << 34 | 0x0200_0000 | 1 << 36),
        (28, 0x0107_0F94 | 1 << 34 | 0x0200_0000 | 1 << 36),
    ];

    #[test]
    fn every_release_finds_the_flags_that_it_demands_and_the_node_stays_hidden() {
        let all = FLAGS.iter().fold(0, |all, flag| all | flag.bits());
        for (release, demanded) in DEMANDED {
            assert_eq!(demanded & !all, 0, "OTP {release}");
        }
        assert_ne!(all & 0x1000, 0, "text must not arrive as latin1");
        let refused = [
            Flags::PUBLISHED,
            Flags::FRAGMENTS,
            Flags::DIST_HDR_ATOM_CACHE,
            Flags::NAME_ME,
        ];
        for flag in refused {
            assert_eq!(all & flag.bits(), 0, "{flag:?}");
        }
    }
}
