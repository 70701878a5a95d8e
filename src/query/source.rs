//! What queries are answered from: the interface between the evaluator, which reads, and whatever keeps series over time (the
//! engine's own history, a fixed set in a test), which implements [`Source`] and [`Series`].
//!
//! Times are milliseconds since 1970-01-01 UTC. **Windows have both ends in them**: `from_ms..=to_ms`. A series' samples rise
//! strictly in time. That a series ended is a sample of its own, the [`stale`](STALE) marker; all other NaNs are values.

use super::distribution::Distribution;
use super::error::QueryError;
use super::labels::Labels;
use super::matcher::Matcher;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The bits of the NaN by which Prometheus says that a series ended.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;
/// The sample that says that a series ended.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether a sample says that its series ended.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// Something that keeps series over time. Shared between threads; one query reads it from one.
pub trait Source: Send + Sync {
    /// The series that all `matchers` take (all series, if there are none) and that may have samples in
    /// `from_ms..=to_ms`, in any order, none twice. It need not look whether they really have.
    ///
    /// # Errors
    /// The source cannot be read.
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError>;

    /// The names of all labels of the series that [`Source::select`] gives, sorted.
    ///
    /// # Errors
    /// As [`Source::select`].
    fn label_names(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        let series = self.select(matchers, from_ms, to_ms)?;
        let names = series.iter().flat_map(|series| series.labels().iter().map(|(name, _)| name));
        Ok(names.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect())
    }

    /// The values that label `name` has among the series that [`Source::select`] gives, sorted.
    ///
    /// # Errors
    /// As [`Source::select`].
    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        let series = self.select(matchers, from_ms, to_ms)?;
        let values = series.iter().filter_map(|series| series.labels().get(name));
        Ok(values.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect())
    }

    /// What is known of the metrics themselves: of `metric`, or of all, by name.
    fn metadata(&self, metric: Option<&str>) -> Vec<Metadata> {
        let _ = metric;
        Vec::new()
    }
}

/// What is known of a metric beside its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metadata {
    /// The metric family's name.
    pub metric: String,
    /// Its type in Prometheus's words: `counter`, `gauge`, `histogram`, `summary`, `info`, `stateset` or `unknown`.
    pub kind: &'static str,
    /// What it counts or measures.
    pub help: String,
    /// Its unit, or nothing.
    pub unit: String,
}

/// What samples a series can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Numbers only.
    Floats,
    /// Histograms, and numbers only as stale markers.
    Histograms,
    /// Either.
    Mixed,
}

/// One series over time.
pub trait Series: Send + Sync {
    /// Its identity.
    fn labels(&self) -> &Labels;

    /// What samples it can have. A source that knows spares the evaluator looking for the others.
    fn content(&self) -> Content {
        Content::Mixed
    }

    /// Appends the numbers of `from_ms..=to_ms` to `out`, by time, stale markers among them.
    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>);

    /// Appends the histograms of `from_ms..=to_ms` to `out`, by time; each is cumulative since the series began or was reset.
    /// A stale marker is no histogram: [`Series::floats`] gives it.
    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>);

    /// The latest histogram of `from_ms..=to_ms`.
    fn latest_histogram(&self, from_ms: i64, to_ms: i64) -> Option<(i64, Arc<Distribution>)> {
        let mut all = Vec::new();
        self.histograms(from_ms, to_ms, &mut all);
        all.pop()
    }

    /// What the histograms of `from_ms..=to_ms` add up to: `rate` and `increase` ask for it. A source that keeps deltas has
    /// it without making each cumulative histogram. `None` if there are fewer than two histograms in the window.
    fn increase(&self, from_ms: i64, to_ms: i64) -> Option<Increase> {
        let mut all = Vec::new();
        self.histograms(from_ms, to_ms, &mut all);
        Increase::of(&all)
    }
}

/// What a window of a cumulative histogram adds up to.
#[derive(Clone, Debug, PartialEq)]
pub struct Increase {
    /// The time of the first histogram in the window. What came before it is not in `delta`.
    pub first_ms: i64,
    /// The time of the last one.
    pub last_ms: i64,
    /// How many there are in the window, at least two.
    pub samples: u64,
    /// What was added from the first to the last. Where the histogram was reset in between, what it had before and after: the
    /// sum of the differences of all neighbours, a histogram that fell counting as a whole.
    pub delta: Distribution,
}

impl Increase {
    /// What `all`, by time, add up to; `None` of fewer than two.
    pub fn of(all: &[(i64, Arc<Distribution>)]) -> Option<Increase> {
        let ([(first_ms, first), ..], [.., (last_ms, last)]) = (all, all) else { return None };
        if all.len() < 2 {
            return None;
        }
        let mut delta = Distribution::clone(last);
        delta.sub(first);
        for pair in all.windows(2) {
            if pair[1].1.is_reset_of(&pair[0].1) {
                delta.add(&pair[0].1);
            }
        }
        delta.compact();
        let (first_ms, last_ms) = (*first_ms, *last_ms);
        Some(Increase { first_ms, last_ms, samples: all.len() as u64, delta })
    }
}
