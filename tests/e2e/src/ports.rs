//! Node numbers that no other test of this machine uses.
//!
//! A node without epmd listens on port 4370 plus the number at the end of its short name, so two
//! tests that boot a node at the same time need two numbers. A number is claimed by a lock that
//! the kernel gives back when the process is gone, however it went: an abstract socket name, which
//! is seen by every user of the machine and leaves no file behind. The claim comes first and the
//! probe of the ports second, since a node of a killed test may still hold them.

use crate::error::{Error, Result};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Distribution port of a node whose short name does not end in a number.
pub const DIST_BASE: u16 = 4370;
/// Port of the MQTT listener of an untouched installation.
pub const MQTT_DEFAULT: u16 = 1883;
/// First of the ports that claimed slots give to their MQTT listeners.
const MQTT_BASE: u16 = 21000;
/// Ports that one slot owns: listeners of several nodes, and of kinds that a full EMQX opens.
const PORTS_PER_SLOT: u16 = 8;
/// Node numbers that one slot owns, so that a test may boot several nodes under one root.
const NODES_PER_SLOT: u16 = 2;
const SLOTS: std::ops::Range<u16> = 10..300;

/// A claimed range of node numbers and ports. Dropping it gives the range back.
#[derive(Debug)]
pub struct Slot {
    index: u16,
    _claim: Option<UnixListener>,
}

impl Slot {
    /// Claims the first slot whose ports are all free.
    pub fn claim() -> Result<Self> {
        // Tests that start together would all try the same numbers in the same order.
        let offset = fastrand::u16(0..SLOTS.end - SLOTS.start);
        for step in 0..(SLOTS.end - SLOTS.start) {
            let index = SLOTS.start + (offset + step) % (SLOTS.end - SLOTS.start);
            let Ok(name) = SocketAddr::from_abstract_name(format!("emqx-e2e-slot-{index}")) else {
                continue;
            };
            let Ok(claim) = UnixListener::bind_addr(&name) else {
                continue;
            };
            let slot = Self {
                index,
                _claim: Some(claim),
            };
            let nodes = (0..NODES_PER_SLOT).map(|n| slot.dist_port(n));
            let listeners = (0..PORTS_PER_SLOT).map(|n| slot.port(n));
            if nodes.chain(listeners).all(is_free) {
                return Ok(slot);
            }
        }
        Err(Error::Unexpected(
            "no free node number and ports between 4380 and 4970".to_owned(),
        ))
    }

    /// The default names and ports of an installation, when nothing else uses them.
    #[must_use]
    pub fn defaults() -> Option<Self> {
        let name = SocketAddr::from_abstract_name("emqx-e2e-slot-default").ok()?;
        let claim = UnixListener::bind_addr(&name).ok()?;
        let slot = Self {
            index: 0,
            _claim: Some(claim),
        };
        (is_free(slot.dist_port(0)) && is_free(slot.port(0))).then_some(slot)
    }

    /// A slot that another process has claimed and lends out.
    #[must_use]
    pub fn of_index(index: u16) -> Self {
        Self {
            index,
            _claim: None,
        }
    }

    /// What another process needs to use this slot as well.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Whether this is the slot of the default names and ports.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.index == 0
    }

    /// Name of the `nth` node of this slot.
    #[must_use]
    pub fn node_name(&self, nth: u16) -> String {
        if self.is_default() && nth == 0 {
            "emqx@127.0.0.1".to_owned()
        } else {
            format!("emqx{}@127.0.0.1", self.number(nth))
        }
    }

    /// Distribution port of the `nth` node of this slot, by EMQX's rule.
    #[must_use]
    pub fn dist_port(&self, nth: u16) -> u16 {
        if self.is_default() && nth == 0 {
            DIST_BASE
        } else {
            DIST_BASE + self.number(nth)
        }
    }

    /// The `nth` port of this slot for listeners; 0 is the MQTT listener of the first node.
    #[must_use]
    pub fn port(&self, nth: u16) -> u16 {
        debug_assert!(nth < PORTS_PER_SLOT, "a slot owns {PORTS_PER_SLOT} ports");
        match (self.is_default(), nth) {
            (true, 0) => MQTT_DEFAULT,
            _ => MQTT_BASE + self.index * PORTS_PER_SLOT + nth,
        }
    }

    fn number(&self, nth: u16) -> u16 {
        debug_assert!(
            nth < NODES_PER_SLOT,
            "a slot owns {NODES_PER_SLOT} node numbers"
        );
        self.index * NODES_PER_SLOT + nth
    }
}

/// Whether something listens on a port of the loopback address. Asking takes the port from nobody, as
/// [`is_free`] would do for a moment from whoever is about to listen there.
#[must_use]
pub fn is_served(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Whether nothing listens on a port of the loopback address.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_share_no_number_and_no_port() {
        let (one, two) = (
            Slot::claim().expect("free slots"),
            Slot::claim().expect("free slots"),
        );
        assert_ne!(one.node_name(0), two.node_name(0));
        assert_ne!(one.dist_port(0), two.dist_port(0));
        assert_ne!(one.port(0), two.port(0));
    }

    #[test]
    fn a_dropped_claim_can_be_had_again() {
        let slot = Slot::claim().expect("free slots");
        let index = slot.index;
        drop(slot);
        let name = SocketAddr::from_abstract_name(format!("emqx-e2e-slot-{index}")).expect("name");
        assert!(UnixListener::bind_addr(&name).is_ok());
    }
}
