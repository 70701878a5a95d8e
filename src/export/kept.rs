//! Histograms as they were encoded last: one that did not change since is not encoded again.
//!
//! What tells is the number that the engine gives each state of a histogram: within a layout, equal numbers mean equal counts.

use crate::Exemplar;
use crate::limits::MAX_KEPT_BYTES;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// See the module. Keep one for each encoder.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By histogram of the layout.
    entries: Vec<Entry>,
    /// Bytes of memory for them.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// What was encoded last.
    state: Option<State>,
    /// How; empty if that is not kept.
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct State {
    version: u64,
    exemplars: Option<Arc<[Exemplar]>>,
}

impl State {
    fn is_that_of(&self, snapshot: &Snapshot, at: usize) -> bool {
        let same = match (&self.exemplars, &snapshot.exemplars[at]) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            _ => false,
        };
        same && self.version == snapshot.versions[at]
    }
}

impl Kept {
    /// Begins anew, for a layout with so many histograms.
    pub(crate) fn begin(&mut self, histograms: usize) {
        self.entries.clear();
        self.entries.resize_with(histograms, Entry::default);
        self.bytes = 0;
    }

    /// Appends to `out` how histogram `at` is encoded; `encode` does it, unless the last time is still right.
    ///
    /// What changes from page to page is not kept, so it costs no copy; but there is room for it from the first time on, so
    /// that keeping it, once it stands still, allocates nothing.
    #[inline]
    pub(crate) fn append(
        &mut self,
        snapshot: &Snapshot,
        at: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let Kept { entries, bytes } = self;
        let entry = &mut entries[at];
        let stands_still = entry.state.as_ref().is_some_and(|last| last.is_that_of(snapshot, at));
        if stands_still && !entry.bytes.is_empty() {
            out.extend_from_slice(&entry.bytes);
            return;
        }
        let from = out.len();
        encode(out);
        let fresh = &out[from..];
        entry.bytes.clear();
        if entry.bytes.capacity() < fresh.len() {
            let more = 2 * fresh.len() - entry.bytes.capacity();
            if *bytes + more > MAX_KEPT_BYTES {
                return;
            }
            entry.bytes.reserve_exact(2 * fresh.len());
            *bytes += more;
        }
        if stands_still {
            entry.bytes.extend_from_slice(fresh);
        } else {
            let exemplars = snapshot.exemplars[at].clone();
            entry.state = Some(State { version: snapshot.versions[at], exemplars });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, ManualClock, Registry};
    use std::time::Duration;

    #[test]
    fn what_stands_still_is_encoded_twice_and_then_kept() {
        let registry = Registry::new();
        let wait = registry.histogram("wait", "Waited.").unwrap();
        registry.histogram("still", "Nothing.").unwrap();
        let clock = ManualClock::at(Duration::from_secs(9));
        let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(false);
        let engine = engine.start().unwrap();
        let (mut kept, mut encoded) = (Kept::default(), Vec::new());
        kept.begin(2);
        // By name: still, wait.
        let mut page = |record: bool, trace: u8| {
            match (record, trace) {
                (false, _) => {}
                (true, 0) => wait.record(5),
                (true, trace) => wait.record_with_exemplar(5, [trace; 16], [1; 8]),
            }
            let now = engine.refresh();
            let mut out = vec![7];
            encoded.clear();
            for at in 0..2 {
                kept.append(&now, at, &mut out, |out| {
                    encoded.push(at);
                    out.extend([at as u8, now.histograms[at].count() as u8]);
                });
            }
            (out, encoded.clone())
        };
        assert_eq!(page(true, 0), (vec![7, 0, 0, 1, 1], vec![0, 1]));
        assert_eq!(page(true, 0), (vec![7, 0, 0, 1, 2], vec![0, 1]));
        assert_eq!(page(true, 0), (vec![7, 0, 0, 1, 3], vec![1]));
        assert_eq!(page(false, 0), (vec![7, 0, 0, 1, 3], vec![1]));
        assert_eq!(page(false, 0), (vec![7, 0, 0, 1, 3], vec![]));
        assert_eq!(page(true, 3), (vec![7, 0, 0, 1, 4], vec![1]));
        assert_eq!(page(false, 0), (vec![7, 0, 0, 1, 4], vec![1]));
        assert_eq!(page(false, 0), (vec![7, 0, 0, 1, 4], vec![]));
    }

    #[test]
    fn what_is_too_much_is_encoded_each_time() {
        let registry = Registry::new();
        registry.histogram("still", "Nothing.").unwrap();
        let clock = ManualClock::at(Duration::from_secs(9));
        let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(false);
        let now = engine.start().unwrap().refresh();
        for (len, encoded) in [(MAX_KEPT_BYTES / 2, 2), (MAX_KEPT_BYTES / 2 + 1, 5)] {
            let mut kept = Kept::default();
            kept.begin(1);
            let mut times = 0;
            for _ in 0..5 {
                let mut out = Vec::new();
                kept.append(&now, 0, &mut out, |out| {
                    times += 1;
                    out.resize(len, 1);
                });
                assert_eq!(out.len(), len);
            }
            assert_eq!(times, encoded);
        }
    }
}
