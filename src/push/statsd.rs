//! StatsD: what was counted since the snapshot that the system took last.

use super::protocol::{Part, Payload, Protocol};
use crate::{Encoder, Snapshot, StatsdEncoder};
use std::sync::Arc;

/// Deltas, the next one when the one before it was handed to the system: until then nothing counts as sent, so what
/// could not be sent, because the host's name has no address or the network is away, is in the next one.
#[derive(Debug)]
pub(super) struct Statsd {
    encoder: StatsdEncoder,
    /// The snapshot whose delta waits.
    prepared: Option<Arc<Snapshot>>,
}

impl Statsd {
    pub(super) fn new(encoder: StatsdEncoder) -> Statsd {
        Statsd { encoder, prepared: None }
    }
}

impl Protocol for Statsd {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let body = self.encoder.to_vec(snapshot);
        // Nothing rose, and there is no gauge: the next delta begins where this one did.
        if !body.is_empty() {
            self.prepared = Some(snapshot.clone());
            payloads.push(Payload::new(body, self.encoder.content_type()));
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn acknowledged(&mut self, _part: Part, _answer: &[u8]) {
        if let Some(prepared) = self.prepared.take() {
            self.encoder.acknowledge(&prepared);
        }
    }

    fn lost(&mut self, _part: Part) {
        self.prepared = None;
    }
}
