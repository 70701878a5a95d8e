//! What the cutter knows of one histogram's exemplars: those found and not asked for yet, and the latest of each octave.

use crate::shard::arena::Cells;
use crate::shard::exemplar::{Traced, octave, take};
use std::sync::Arc;
use std::time::Duration;

/// A value that a histogram recorded, and the trace that it came from.
///
/// A snapshot has the latest that is known for each factor of two of the values, from generation to generation; of those
/// that threads kept since the last complete cut, the largest value's. See
/// [`Histogram::record_with_exemplar`](crate::Histogram::record_with_exemplar) and
/// [`SeriesView::exemplars`](crate::SeriesView::exemplars).
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Engine, Exemplar, ManualClock, Registry};
/// let registry = Registry::new();
/// let sizes = registry.histogram("request_size", "Size of requests.")?;
/// sizes.record_with_exemplar(1_500, [7; 16], [1; 8]);
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let now = engine.refresh();
/// let series = now.select("request_size", &[]).next().expect("registered above");
/// let (trace_id, span_id) = ([7; 16], [1; 8]);
/// let unix_time = Duration::from_secs(1_700_000_000);
/// assert_eq!(series.exemplars(), [Exemplar { value: 1_500, trace_id, span_id, unix_time }]);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// The exact value, in the recorded unit.
    pub value: u64,
    /// The trace, as in a W3C `traceparent`.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// The wall's time of the snapshot that had it first, since 1970-01-01 UTC: recording does not look at the clock. Later
    /// than the record by an interval of the engine at most.
    pub unix_time: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    /// One an octave, ascending.
    found: Vec<Traced>,
    latest: Option<Arc<[Exemplar]>>,
}

impl Exemplars {
    /// Takes what a shard has for the head at `head` (slot plus bank), in a bank that stands still.
    #[inline]
    pub(crate) fn take(&mut self, cells: Cells, head: usize) {
        take(cells, head, |traced| self.find(traced));
    }

    /// Of several in one octave the largest stays, whatever the order of the shards.
    fn find(&mut self, traced: Traced) {
        match self.found.binary_search_by_key(&octave(traced.value), |found| octave(found.value)) {
            Ok(at) => self.found[at] = self.found[at].max(traced),
            Err(at) => self.found.insert(at, traced),
        }
    }

    /// The latest of each octave, ascending. What was found since the last call is stamped `now`; if nothing was, this is
    /// the same list as before.
    pub(crate) fn latest(&mut self, now: Duration) -> Option<Arc<[Exemplar]>> {
        if !self.found.is_empty() {
            let before = self.latest.as_deref().unwrap_or_default();
            let is_found = |old: &&Exemplar| {
                self.found.iter().any(|new| octave(new.value) == octave(old.value))
            };
            let kept = before.iter().filter(|old| !is_found(old)).copied();
            let mut all: Vec<Exemplar> =
                kept.chain(self.found.iter().map(|found| found.at(now))).collect();
            all.sort_unstable_by_key(|exemplar| exemplar.value);
            self.latest = Some(all.into());
            self.found.clear();
        }
        self.latest.clone()
    }
}

impl Traced {
    fn at(self, unix_time: Duration) -> Exemplar {
        let trace = u128::from(self.trace[0]) << 64 | u128::from(self.trace[1]);
        Exemplar {
            value: self.value,
            trace_id: trace.to_be_bytes(),
            span_id: self.span.to_be_bytes(),
            unix_time,
        }
    }
}
