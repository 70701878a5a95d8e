//! A connection that the live page is sent to: from its first tick to its end.

use super::{Connection, Progress, State, Stream};
use crate::limits::HTTP_WRITE_TIMEOUT;
use crate::serve::api::Call;
use crate::serve::live::{LiveStream, Pace};
use crate::serve::request::{Asks, Request};
use crate::serve::response::open_head;
use crate::serve::site::{Reply, Site, open_events};
use crate::serve::streaming::Went;
use std::time::Instant;

impl<S: Stream> Connection<S> {
    /// Begins a stream, with its first tick.
    pub(super) fn open_live(
        &mut self,
        request: &Request,
        first: &Reply,
        now: Instant,
        site: &Site,
    ) -> Progress {
        let Asks::Api(call) = &request.asks else { return Progress::Ended };
        let begun = (open_head(&open_events()), first);
        let live = LiveStream::new(call.clone(), begun, (now, site.generation()), site.watch());
        self.state = State::Live(live);
        self.deadline = now + HTTP_WRITE_TIMEOUT;
        self.live_on()
    }

    /// Sends what there is of the live page, and sees whether the client has closed: a page that is scrolled asks for another
    /// stream each time, and the place of the one before must be free at once.
    pub(super) fn live_on(&mut self) -> Progress {
        let State::Live(live) = &mut self.state else { return Progress::Again };
        match live.send(&mut self.stream) {
            Went::Gone => Progress::Ended,
            // Until when it waits, `tick` says.
            _ => self.read_away(),
        }
    }

    /// Whether the live page is sent to it, or will be once its first tick is there.
    pub(in crate::serve) fn is_live(&self) -> bool {
        match &self.state {
            State::Live(_) => true,
            State::Evaluating { request } => request.asks_live(),
            _ => false,
        }
    }

    /// Whether it waits to become so.
    pub(in crate::serve) fn asks_live(&self) -> bool {
        matches!(&self.state, State::Asked { request, .. } if request.asks_live())
    }

    /// The call of the tick that is due, if one is, for somebody else to answer, who has until `deadline`. Whoever finds nobody
    /// (`has_room` is false) waits a little.
    pub(in crate::serve) fn tick(
        &mut self,
        (now, deadline): (Instant, Instant),
        generation: Option<u64>,
        pace: Pace,
        has_room: bool,
    ) -> Option<Call> {
        let State::Live(live) = &mut self.state else { return None };
        if live.asked || !live.is_idle() {
            return None;
        }
        let due = live.due(generation, pace);
        if now < due || !has_room {
            self.deadline = due.max(if has_room { due } else { now + pace.gap });
            return None;
        }
        self.deadline = deadline;
        Some(live.ask(now, generation))
    }
}
