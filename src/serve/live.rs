//! One viewer's stream of the live page on its way: ticks are evaluated by the threads that answer queries, one at a time for each
//! stream, and framed as server-sent events. A viewer who does not read gets the next tick when he has read the last: ticks
//! say all that there is, so none that was left out is missed.

use super::api::Call;
use super::connection::Stream;
use super::events::{OPENING, Watch};
use super::site::Reply;
use super::streaming::{Went, send_all};
use crate::limits::{HTTP_LIVE_BACKEND_GAP, HTTP_LIVE_GAP, HTTP_LIVE_PATIENCE};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// How often there are ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Not more often than this.
    pub(super) gap: Duration,
    /// Not less often than this, whether there is a new generation or not.
    pub(super) patience: Duration,
}

impl Pace {
    /// That of an engine with this interval. Who is not woken by evaluations looks as often as there should be generations.
    pub(super) fn of(interval: Option<Duration>, is_woken: bool, is_elsewhere: bool) -> Pace {
        let gap = if is_elsewhere { HTTP_LIVE_BACKEND_GAP } else { HTTP_LIVE_GAP };
        let by_itself = interval.unwrap_or(HTTP_LIVE_PATIENCE).min(HTTP_LIVE_PATIENCE);
        let patience = if is_woken { HTTP_LIVE_PATIENCE } else { by_itself };
        Pace { gap, patience: patience.max(gap) }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct LiveStream {
    call: Call,
    /// What is to be sent; empty once the client has all of it.
    taken: Vec<u8>,
    sent: usize,
    /// Whether a tick is being evaluated.
    pub(super) asked: bool,
    /// When the last one was asked for, and for which generation.
    last: (Instant, Option<u64>),
    /// Has the worker woken.
    _watch: Option<Watch>,
}

impl LiveStream {
    /// A stream that begins with `head` and the first tick.
    pub(super) fn new(
        call: Call,
        (mut head, first): (Vec<u8>, &Reply),
        (now, generation): (Instant, Option<u64>),
        watch: Option<Watch>,
    ) -> LiveStream {
        head.extend_from_slice(OPENING);
        let last = (now, generation);
        let mut stream =
            LiveStream { call, taken: head, sent: 0, asked: false, last, _watch: watch };
        stream.push(first);
        stream
    }

    /// Whether the client has all that it was given.
    pub(super) fn is_idle(&self) -> bool {
        self.taken.is_empty()
    }

    /// When the next tick is due.
    pub(super) fn due(&self, generation: Option<u64>, pace: Pace) -> Instant {
        let (at, of) = self.last;
        at + if generation == of { pace.patience } else { pace.gap }
    }

    /// Asks for the next tick.
    pub(super) fn ask(&mut self, now: Instant, generation: Option<u64>) -> Call {
        self.asked = true;
        self.last = (now, generation);
        self.call.clone()
    }

    /// Has a tick, or why there is none, to send.
    pub(super) fn push(&mut self, tick: &Reply) {
        self.asked = false;
        self.taken.extend_from_slice(b"event: tick\ndata: ");
        // JSON of one line: line ends within texts are escaped.
        self.taken.extend_from_slice(tick.body.bytes());
        self.taken.extend_from_slice(b"\n\n");
    }

    /// Sends what there is.
    pub(super) fn send(&mut self, stream: &mut impl Stream) -> Went {
        match send_all(stream, &self.taken, &mut self.sent) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Went::Blocked { anew: false };
            }
            Err(_) => return Went::Gone,
        }
        self.taken.clear();
        self.sent = 0;
        Went::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_rules_looks_as_often_as_there_are_generations() {
        let pace = |ms, woken, elsewhere| {
            let pace = Pace::of(Some(Duration::from_millis(ms)), woken, elsewhere);
            (pace.gap, pace.patience)
        };
        assert_eq!(pace(1_000, true, false), (HTTP_LIVE_GAP, HTTP_LIVE_PATIENCE));
        assert_eq!(pace(1_000, false, false), (HTTP_LIVE_GAP, Duration::from_secs(1)));
        assert_eq!(pace(10, false, false), (HTTP_LIVE_GAP, HTTP_LIVE_GAP));
        assert_eq!(pace(60_000, false, false), (HTTP_LIVE_GAP, HTTP_LIVE_PATIENCE));
        assert_eq!(pace(1_000, true, true), (HTTP_LIVE_BACKEND_GAP, HTTP_LIVE_BACKEND_GAP));
    }
}
