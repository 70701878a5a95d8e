//! Prometheus remote write: the requests for a snapshot in their order, what their answers mean, and what has to be
//! said again when they are given up.

use super::protocol::{Answer, Part, Payload, Protocol, Verdict};
use crate::export::remote_write::{SaidOnce, older};
use crate::{RemoteWriteAnswer, RemoteWriteEncoder, RemoteWriteVersion, Snapshot};
use std::collections::VecDeque;
use std::sync::Arc;

/// Each snapshot at its time, as it was encoded then; a retry sends the very same bytes.
///
/// What a request says and later ones do not, the ends of series, exemplars and (1.0) what families are, is remembered until
/// the receiver has it: if a request of the snapshot is given up, the next snapshot says it again. A series may so be ended
/// twice, and never not at all.
#[derive(Debug)]
pub(super) struct RemoteWrite {
    encoder: RemoteWriteEncoder,
    /// Whether all series are ended when the pusher stops.
    ends: bool,
    /// By generation, what is not known to be the receiver's.
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    generation: u64,
    /// Requests that were neither answered nor given up.
    open: usize,
    said: SaidOnce,
}

impl RemoteWrite {
    pub(super) fn new(encoder: RemoteWriteEncoder, ends: bool) -> RemoteWrite {
        RemoteWrite { encoder, ends, pending: VecDeque::new() }
    }

    /// What waits to be known about a generation.
    fn find(&mut self, generation: u64) -> Option<usize> {
        self.pending.iter().position(|pending| pending.generation == generation)
    }
}

fn payload(version: RemoteWriteVersion, body: Vec<u8>) -> Payload {
    let headers = version.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Payload { body, headers: headers.into(), query: String::new() }
}

/// The version that a payload is of: also one that an earlier process prepared.
fn version_of(payload: &Payload) -> RemoteWriteVersion {
    let is_of = |version: RemoteWriteVersion| {
        let [content_type, ..] = version.headers();
        payload.headers.iter().any(|(name, value)| (&**name, &**value) == content_type)
    };
    match is_of(RemoteWriteVersion::V2) {
        true => RemoteWriteVersion::V2,
        false => RemoteWriteVersion::V1,
    }
}

/// How many samples and histograms of a request of 2.0 were rejected, if the others were written: the answer is 400
/// then, and says how many those are.
fn rejected(payload: &Payload, answer: &Answer<'_>) -> Option<u64> {
    let [samples, histograms, _] = RemoteWriteVersion::COUNTED;
    let count = |name| answer.header(name)?.parse::<u64>().ok();
    let counts = [samples, histograms].map(count);
    let written = counts.into_iter().flatten().fold(0, u64::saturating_add);
    if answer.status != 400 || written == 0 || version_of(payload) == RemoteWriteVersion::V1 {
        return None;
    }
    older::points(&payload.body)?.checked_sub(written)
}

impl Protocol for RemoteWrite {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let (version, from) = (self.encoder.version(), payloads.len());
        let bodies = self.encoder.encode(snapshot);
        payloads.extend(bodies.map(|body| payload(version, body.to_vec())));
        let (said, open) = (self.encoder.said_once(), payloads.len() - from);
        if !said.is_empty() && open > 0 {
            self.pending.push_back(Pending { generation: snapshot.generation(), open, said });
        }
    }

    fn acknowledged(&mut self, part: Part, _answer: &[u8]) {
        if let Some(at) = self.find(part.generation) {
            self.pending[at].open -= 1;
            if self.pending[at].open == 0 {
                self.pending.remove(at);
            }
        }
    }

    fn answered(&mut self, part: Option<Part>, payload: &Payload, answer: &Answer<'_>) -> Verdict {
        let counted = RemoteWriteVersion::COUNTED.iter().any(|name| answer.header(name).is_some());
        match version_of(payload).answer(answer.status, counted) {
            RemoteWriteAnswer::Written => {
                if let Some(part) = part {
                    self.acknowledged(part, answer.body);
                }
                Verdict::Taken
            }
            RemoteWriteAnswer::FallBack => {
                self.encoder.set_version(RemoteWriteVersion::V1);
                let older = older::body(&payload.body);
                let instead = older.map(|body| self::payload(RemoteWriteVersion::V1, body));
                instead.map_or(Verdict::Refused, Verdict::Instead)
            }
            RemoteWriteAnswer::Refused | RemoteWriteAnswer::TryAgain => {
                let Some(rejected) = rejected(payload, answer) else { return Verdict::Refused };
                // Whether the ends of series are among what was written it does not say.
                part.into_iter().for_each(|part| self.lost(part));
                let message = String::from_utf8_lossy(answer.body).into_owned();
                Verdict::Partly { rejected, message }
            }
        }
    }

    fn finish(&mut self, last: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        if self.ends {
            let version = self.encoder.version();
            let bodies = self.encoder.end(last.unix_time());
            payloads.extend(bodies.map(|body| payload(version, body.to_vec())));
        }
    }

    fn lost(&mut self, part: Part) {
        self.encoder.lost(part.generation);
        if let Some(pending) = self.find(part.generation).and_then(|at| self.pending.remove(at)) {
            self.encoder.say_again(pending.said);
        }
    }
}
