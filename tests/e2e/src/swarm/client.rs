//! One client of the swarm: connects, subscribes, publishes and listens until told to leave.
//!
//! Each connection is made from nothing: after a drop the library would repeat what it had on its
//! way, which would hide a loss.

use super::ledger::Ledger;
use super::{Options, Stage};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Time between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(200);
/// Requests that the library may hold back for one client.
const QUEUE: usize = 64;

/// What one client needs to know.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) index: usize,
    pub(super) run: u32,
    pub(super) options: Options,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stage: watch::Receiver<Stage>,
}

impl Talk {
    /// Talks over one connection after the other until the swarm leaves.
    pub(super) async fn for_ever(self) {
        // Whether this client has ever been connected: a first failure is no drop.
        let mut was_connected = false;
        while *self.stage.borrow() != Stage::Leaving {
            let reason = self.session(&mut was_connected).await;
            if *self.stage.borrow() == Stage::Leaving {
                return;
            }
            if was_connected {
                self.ledger.dropped(self.index, &reason);
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    /// One connection from its beginning to its end; gives the reason of the end.
    async fn session(&self, was_connected: &mut bool) -> String {
        let id = format!("e2e-{}-{}", self.run, self.index);
        let mut options = MqttOptions::new(id, self.options.host.as_str(), self.options.port);
        options
            .set_keep_alive(Duration::from_secs(30))
            .set_clean_session(true);
        let (client, mut events) = AsyncClient::new(options, QUEUE);
        // The kernel would hold back small packets for up to 40 ms, which is no gap of the broker.
        events.network_options.set_tcp_nodelay(true);
        let (queued, sent) = mpsc::unbounded_channel();
        let mut leaving = self.stage.clone();
        tokio::select! {
            reason = self.listen(&client, events, sent, was_connected) => reason,
            reason = self.publish(&client, &queued) => reason,
            _ = leaving.wait_for(|stage| *stage == Stage::Leaving) => "leaving".to_owned(),
        }
    }

    async fn listen(
        &self,
        client: &AsyncClient,
        mut events: EventLoop,
        mut sent: mpsc::UnboundedReceiver<u32>,
        was_connected: &mut bool,
    ) -> String {
        let on_its_way = Mutex::new(HashMap::new());
        loop {
            let event = match events.poll().await {
                Ok(event) => event,
                Err(error) => return error.to_string(),
            };
            match event {
                Event::Incoming(Packet::ConnAck(_)) => {
                    *was_connected = true;
                    let topic = self.topic(self.index);
                    if let Err(error) = client.subscribe(topic, QoS::AtLeastOnce).await {
                        return error.to_string();
                    }
                }
                Event::Incoming(Packet::SubAck(_)) => self.ledger.has_subscribed(self.index),
                Event::Incoming(Packet::Publish(message)) => {
                    if let Some((sender, number)) = parse(&message.payload) {
                        self.ledger.received(sender, number);
                    }
                }
                // The library sends in the order in which it was asked.
                Event::Outgoing(Outgoing::Publish(packet)) => {
                    if let (Ok(number), Ok(mut map)) = (sent.try_recv(), on_its_way.lock()) {
                        map.insert(packet, number);
                    }
                }
                Event::Incoming(Packet::PubAck(ack)) => {
                    let number = on_its_way
                        .lock()
                        .ok()
                        .and_then(|mut map| map.remove(&ack.pkid));
                    if let Some(number) = number {
                        self.ledger.acknowledged(self.index, number);
                    }
                }
                _ => {}
            }
        }
    }

    async fn publish(&self, client: &AsyncClient, queued: &mpsc::UnboundedSender<u32>) -> String {
        let mut stage = self.stage.clone();
        if stage
            .wait_for(|stage| *stage == Stage::Talking)
            .await
            .is_err()
        {
            return "the swarm is gone".to_owned();
        }
        // Not all in the same moment.
        let share = self.options.interval.mul_f64(fastrand::f64());
        tokio::time::sleep(share).await;
        let mut clock = tokio::time::interval(self.options.interval);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let partner = self.topic((self.index + 1) % self.options.clients);
        while *stage.borrow() == Stage::Talking {
            clock.tick().await;
            let number = self.ledger.published(self.index);
            let asked = queued.send(number).is_ok();
            let payload = render(self.index, number);
            let sent = client
                .publish(partner.as_str(), QoS::AtLeastOnce, false, payload)
                .await;
            if !asked || sent.is_err() {
                return "the connection took no more messages".to_owned();
            }
        }
        // Only the broker ends the connection now.
        std::future::pending().await
    }

    fn topic(&self, index: usize) -> String {
        format!("e2e/{}/{index}", self.run)
    }
}

fn render(sender: usize, number: u32) -> String {
    format!("{sender} {number}")
}

fn parse(payload: &[u8]) -> Option<(usize, u32)> {
    let (sender, number) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
    Some((sender.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_sender_and_number() {
        assert_eq!(
            parse(render(17, 4_000_000_000).as_bytes()),
            Some((17, 4_000_000_000))
        );
        assert_eq!(parse(b"something else"), None);
    }
}
