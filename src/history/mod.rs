//! The engine's own history: every generation of every series, for as long as its tiers reach, within a bound of bytes.
//!
//! [`History`] is shown each generation right after it was published, by whoever made it: the cut is over, readers of
//! snapshots see it already, and none is left out. It keeps numbers as (time, value) and histograms as what each
//! generation added to their HDR buckets. Windows of any length therefore have exact counts and sums, and quantiles
//! within the histograms' precision: nothing is an average of averages.
//!
//! # Tiers
//!
//! By default a second for 15 minutes and 15 seconds for 24 hours. The finest tier has every generation as a row. A row
//! of a coarser tier is the last generation of a step: numbers as they were then, histograms with all that the step
//! added. A window reads the finest tier as far as it reaches and coarser ones before that; what both have is not
//! counted twice.
//!
//! # Time
//!
//! Times are the wall's, in milliseconds. They never go backwards: where the wall's clock steps back, time goes on from
//! the last generation at the pace of the monotonic clock until the wall has caught up;
//! `tachometer_history_clock_steps_total` counts it. Generations in one millisecond are a millisecond apart. A process
//! that was stopped leaves a gap, and nothing is made up for it ([`Window::longest_gap`]).
//!
//! # Series that come and go
//!
//! A series that ends has a mark at the first generation without it. One that begins counts from zero, as does one that
//! expired and came back, even between two generations. What was recorded before history began is in no window.
//!
//! # Cost and visibility
//!
//! Appending takes time on the aggregator's thread, after publication, in proportion to the series (for histograms, to
//! those that changed); `tachometer_history_append_seconds` tells it, `benches/history.rs` measures it. A reader takes
//! out of the history what it needs, under a lock, and computes without it. A window has every generation that was
//! published before it was asked for. A panic in here is caught and counted in `tachometer_callback_panics_total`.
//!
//! # On disk
//!
//! With [`HistoryBuilder::directory`] each row is also appended to a log in a directory, and the next process begins with
//! what the log has. What was written survives the end of the process, SIGKILL at any moment included: the history opens
//! with all rows up to the last one that was written as a whole. A loss of power costs at most what was not synced:
//! [`HISTORY_LOG_SYNC`](crate::limits::HISTORY_LOG_SYNC), 5 seconds; [`History::sync`] waits until all is.
//!
//! A restart is a gap in time. The new process counts from zero, and all series begin anew: what they counted before and
//! after adds up, as far as the last row. A history that is started again by the same process, on the same registry, does
//! not count anything twice; what was counted in between is in no window. Where the wall's clock was set back meanwhile,
//! time goes on from the last row. Damage is skipped, and costs the rest of one file at most; [`History::damage`] tells
//! where. A series goes on behind it with what it has then, so that no difference is wrong.
//!
//! Writing is the matter of a thread of its own. Where the disk does not follow, or refuses, rows are dropped and counted,
//! [`History::persistence`] says why, and the history in memory goes on; writing is tried again every
//! [`HISTORY_LOG_RETRY`](crate::limits::HISTORY_LOG_RETRY). When the last clone is dropped, what waits is written and synced
//! first.
//!
//! # Limits
//!
//! [`HistoryBuilder::max_bytes`] bounds the memory of all of it. When it is taken, the oldest block of the coarsest
//! tier goes, and `tachometer_history_dropped_chunks_total` counts its columns. Series that there is no room for are
//! refused, and counted in `tachometer_history_refused_series_total`.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::{Engine, History, ManualClock, Registry, Unit};
//! let registry = Registry::new();
//! let latency = registry.metric("commit_latency_seconds", "Latency.").unit(Unit::Nanoseconds).histogram()?;
//! let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
//! let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
//! let history = History::builder().start(&engine)?;
//! for second in 0..600 {
//!     latency.record(1_000_000 * (1 + second / 300)); // 1 ms for five minutes, then 2 ms
//!     clock.advance(Duration::from_secs(1));
//!     engine.refresh();
//! }
//! let window = history.window("commit_latency_seconds", &[], Duration::from_secs(300))?;
//! assert_eq!((window.count()?, window.sum()?), (300, 600_000_000));
//! assert!(window.quantile(0.01)?.is_some_and(|p1| p1 >= 2_000_000));
//! # Ok::<(), tachometer::Error>(())
//! ```

mod axis;
mod bits;
mod bound;
mod column;
mod counts;
mod dense;
mod log;
#[doc(hidden)]
pub mod outside;
mod own;
mod pieces;
mod range;
mod reading;
mod scalars;
mod segment;
mod series;
mod settings;
#[cfg(feature = "promql")]
mod source;
mod sparse;
mod staged;
mod store;
#[cfg(test)]
mod tests;
mod tier;
mod window;

pub use log::{Damage, Persistence};
pub use settings::HistoryBuilder;
pub use window::{Window, WindowSeries};

use crate::aggregate::subscribe::Subscriber;
use crate::{Error, Snapshot};
use axis::millis;
use own::OwnMetrics;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::Store;

/// An engine's history. Clones are the same one; it ends when the last is dropped. See [the module](self).
#[derive(Clone, Debug)]
pub struct History {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    own: OwnMetrics,
    log: Option<OnDisk>,
}

/// What there is to say of a log.
#[derive(Debug)]
struct OnDisk {
    handle: log::Handle,
    opened: log::Opened,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Shared {
    fn published(&self, snapshot: &Snapshot) {
        let began = Instant::now();
        let mut store = self.lock();
        let before = (store.counts, store.steps_back());
        let first = store.first;
        store.append(snapshot, first);
        let log = self.log.as_ref().map(|log| log.handle.counts());
        self.own.appended(&store, before, log, began.elapsed());
    }
}

impl History {
    /// Settings for a new history.
    pub fn builder() -> HistoryBuilder {
        HistoryBuilder::new()
    }

    /// What the series of `name` that carry all of `labels` did within `span` before the last generation.
    ///
    /// # Errors
    /// History has no such series in that time.
    pub fn window(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        span: Duration,
    ) -> Result<Window, Error> {
        let now = self.lock_now();
        self.read(name, labels, now.saturating_sub(millis(span)), now)
    }

    /// What the series of `name` that carry all of `labels` did between two times, both since 1970-01-01 UTC: after
    /// `from`, and up to `to`.
    ///
    /// # Errors
    /// As [`History::window`].
    pub fn between(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        from: Duration,
        to: Duration,
    ) -> Result<Window, Error> {
        self.read(name, labels, millis(from), millis(to))
    }

    /// The time of the last generation; `None` before the first.
    #[cfg(feature = "rules")]
    pub(crate) fn now_ms(&self) -> Option<i64> {
        self.shared.lock().now()
    }

    /// Whether it keeps this engine's generations.
    #[cfg(feature = "rules")]
    pub(crate) fn is_of(&self, core: &crate::aggregate::engine::Core) -> bool {
        core.shows(Arc::as_ptr(&self.shared).cast())
    }

    fn lock_now(&self) -> i64 {
        self.shared.lock().now().unwrap_or_default()
    }

    fn read(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        after: i64,
        to: i64,
    ) -> Result<Window, Error> {
        let store = self.shared.lock();
        let rows = store.rows(after, to);
        let named =
            || store.series.iter().flatten().filter(|series| series.key.definition.name == name);
        let carries =
            |series: &&series::Series| labels.iter().all(|(k, v)| series.key.label(k) == Some(v));
        let found = named().filter(carries).filter_map(|series| store.read(series, &rows));
        let series: Vec<_> = found.collect();
        if !series.is_empty() {
            return Ok(Window { name: name.to_owned(), rows, series });
        }
        let shown: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        let advice = match (named().next(), named().find(carries)) {
            (_, Some(_)) => "it is not there in this time; ask for a longer one",
            (Some(_), None) => "the metric exists, but none of its series carries these labels",
            _ => {
                "history has no metric of that name; check the name, and that a generation was made since"
            }
        };
        Err(Error::NoSuchSeries {
            asked: format!("{name}{{{}}} in the history", shown.join(",")),
            advice: advice.to_owned(),
        })
    }

    /// From the oldest row that is kept to the last generation, since 1970-01-01 UTC; `None` before the first.
    pub fn kept(&self) -> Option<(Duration, Duration)> {
        let time = |millis: i64| Duration::from_millis(millis.max(0) as u64);
        self.shared.lock().kept().map(|(from, to)| (time(from), time(to)))
    }

    /// Waits until all generations that were made so far are on the disk and synced, so that they survive a loss of power.
    /// Without [a directory](HistoryBuilder::directory) there is nothing to wait for.
    ///
    /// # Errors
    /// The system did not take all of them, or not within `limit`.
    pub fn sync(&self, limit: Duration) -> Result<(), Error> {
        self.wait(true, limit)
    }

    /// As [`History::sync`], without the sync: what the system has survives the end of the process, however it ends.
    ///
    /// # Errors
    /// As [`History::sync`].
    pub fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.wait(false, limit)
    }

    fn wait(&self, sync: bool, limit: Duration) -> Result<(), Error> {
        let Some(log) = &self.shared.log else { return Ok(()) };
        if !log.handle.wait(sync, limit) {
            return Err(Error::TimedOut(limit));
        }
        log.handle.counts().failing.map_or(Ok(()), |reason| {
            let attempt = "write the history to the disk".to_owned();
            Err(Error::Io { attempt, kind: std::io::ErrorKind::Other, reason })
        })
    }

    /// How it does on disk; `None` without [a directory](HistoryBuilder::directory).
    pub fn persistence(&self) -> Option<Persistence> {
        let OnDisk { handle, opened } = self.shared.log.as_ref()?;
        let counts = handle.counts();
        Some(Persistence {
            bytes: counts.bytes,
            segments: counts.segments,
            written_bytes: counts.written_bytes,
            written_rows: counts.rows,
            dropped_rows: counts.dropped_waiting + counts.dropped_failed,
            deleted_segments: counts.aged_segments + counts.displaced_segments,
            errors: counts.errors,
            failing: counts.failing,
            replayed_rows: opened.rows,
            replay_time: opened.time,
        })
    }

    /// What of the directory could not be read at the start, and was skipped: file, place and reason. At most
    /// [`MAX_HISTORY_DAMAGE`](crate::limits::MAX_HISTORY_DAMAGE).
    pub fn damage(&self) -> &[Damage] {
        self.shared.log.as_ref().map_or(&[], |log| &log.opened.damage)
    }

    /// Bytes of memory that it takes: columns, times, and the series' names and labels.
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes()
    }

    /// How many series it has, those that ended and are still kept among them.
    pub fn series(&self) -> usize {
        self.shared.lock().by_key.len()
    }
}
