//! What was recorded between two cuts, and assertions on it.

use super::differ::{self, Changed, list, series_text};
use super::histogram::RecordedHistogram;
use crate::registry::Kind;
use crate::{Delta, SeriesView, Snapshot, Value};
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::Arc;

/// Labels that choose among the series of a metric: those that carry all of them, added up. `&[]` for all.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// What was recorded between two cuts: from [`Collector::cut`](super::Collector::cut), or of any engine's snapshots.
///
/// Each assertion names a metric and labels that choose among its series, and takes what was recorded *between* the cuts; for
/// gauges and up-down counters, what they stand at. One that fails panics at the line that makes it, with what there is instead;
/// if there is no such series, with those that there are, the nearest name first.
///
/// ```should_panic
/// use tachometer::testing::Collector;
/// let test = Collector::new();
/// test.registry().metric("commits_total", "Commits.").label("node", "n1").counter()?.add(3);
/// // commits_total{node="n1"} rose by 3, not by 5
/// test.cut().assert_counter("commits_total", &[("node", "n1")], 5);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorded {
    earlier: Arc<Snapshot>,
    later: Arc<Snapshot>,
}

/// What an assertion found wrong.
pub(super) type Checked<T = ()> = Result<T, String>;

impl Recorded {
    /// What was recorded up to a snapshot.
    pub fn of(snapshot: Arc<Snapshot>) -> Recorded {
        Recorded { earlier: Arc::new(Snapshot::none(Default::default())), later: snapshot }
    }

    /// What was recorded between two snapshots of one engine.
    pub fn between(earlier: Arc<Snapshot>, later: Arc<Snapshot>) -> Recorded {
        Recorded { earlier, later }
    }

    /// The snapshot at the end.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.later
    }

    /// The difference, to read from.
    pub fn since(&self) -> Delta<'_> {
        self.later.since(&self.earlier)
    }

    /// A counter rose by so much.
    ///
    /// # Panics
    /// It did not, or there is none.
    #[track_caller]
    pub fn assert_counter(&self, name: &str, labels: Labels<'_>, expected: u64) {
        held(self.check_counter(name, labels, expected));
    }

    /// An up-down counter stands at so much.
    ///
    /// # Panics
    /// It does not, or there is none.
    #[track_caller]
    pub fn assert_up_down_counter(&self, name: &str, labels: Labels<'_>, expected: i64) {
        held(self.check_up_down(name, labels, expected));
    }

    /// A gauge (or info metric, or state) stands at so much.
    ///
    /// # Panics
    /// It does not, or there is none.
    #[track_caller]
    pub fn assert_gauge(&self, name: &str, labels: Labels<'_>, expected: f64) {
        held(self.check_gauge(name, labels, expected));
    }

    /// What a histogram recorded, to be asserted further.
    ///
    /// ```
    /// use tachometer::testing::Collector;
    /// let test = Collector::new();
    /// let sizes = test.registry().histogram("size", "Sizes.")?;
    /// (1..=100).for_each(|size| sizes.record(1_000 * size));
    /// test.cut().assert_histogram("size", &[]).count(100).sum(5_050_000).quantile(0.5, 50_000).max(100_000);
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn assert_histogram(&self, name: &str, labels: Labels<'_>) -> RecordedHistogram {
        held(self.checked_histogram(name, labels))
    }

    /// A counter rose so fast, a second, by the engine's clock.
    ///
    /// # Panics
    /// It did not, there is none, or no time passed between the cuts.
    #[track_caller]
    pub fn assert_rate(
        &self,
        name: &str,
        labels: Labels<'_>,
        per_second: impl RangeBounds<f64> + Debug,
    ) {
        held(self.check_rate(name, labels, per_second));
    }

    /// One counter rose by such a share of what another rose by.
    ///
    /// ```
    /// use tachometer::testing::Collector;
    /// let test = Collector::new();
    /// test.registry().counter("requests_total", "Requests.")?.add(200);
    /// test.registry().counter("errors_total", "Errors.")?.add(1);
    /// test.cut().assert_ratio(("errors_total", &[]), ("requests_total", &[]), ..=0.01);
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    ///
    /// # Panics
    /// It did not, there is none, or the other did not rise at all.
    #[track_caller]
    pub fn assert_ratio(
        &self,
        part: (&str, Labels<'_>),
        whole: (&str, Labels<'_>),
        share: impl RangeBounds<f64> + Debug,
    ) {
        held(self.check_ratio(part, whole, share));
    }

    /// These, and no others, recorded anything (a gauge: shows something else than before). Each is a metric with labels that
    /// choose among its series; each must have changed. Series that are new and still at zero did not change.
    ///
    /// # Panics
    /// Others did, or one of these did not.
    #[track_caller]
    pub fn assert_only_changed(&self, expected: &[(&str, Labels<'_>)]) {
        held(self.check_only_changed(expected));
    }

    pub(super) fn check_counter(&self, name: &str, labels: Labels<'_>, expected: u64) -> Checked {
        let rise = self.rise(name, labels)?;
        if rise == expected {
            return Ok(());
        }
        let what = series_text(name, labels.iter().copied());
        Err(format!("{what} rose by {rise}, not by {expected}{}", self.family(name)))
    }

    fn check_up_down(&self, name: &str, labels: Labels<'_>, expected: i64) -> Checked {
        let is = self.later.up_down_counter_with(name, labels);
        let is = is.map_err(|_| self.missing(name, labels, Kind::UpDownCounter))?;
        if is == expected {
            return Ok(());
        }
        let what = series_text(name, labels.iter().copied());
        Err(format!("{what} stands at {is}, not at {expected}{}", self.family(name)))
    }

    fn check_gauge(&self, name: &str, labels: Labels<'_>, expected: f64) -> Checked {
        let mut found = self.later.select(name, labels).filter_map(|series| match series.value {
            Value::Gauge(value) => Some(value),
            _ => None,
        });
        let first = found.next().ok_or_else(|| self.missing(name, labels, Kind::Gauge))?;
        let is = found.fold(first, |sum, value| sum + value);
        if is == expected || (is.is_nan() && expected.is_nan()) {
            return Ok(());
        }
        let what = series_text(name, labels.iter().copied());
        Err(format!("{what} stands at {is}, not at {expected}{}", self.family(name)))
    }

    fn checked_histogram(&self, name: &str, labels: Labels<'_>) -> Checked<RecordedHistogram> {
        let found = self.since().histogram_with(name, labels);
        let found = found.map_err(|_| self.missing(name, labels, Kind::Histogram))?;
        Ok(RecordedHistogram::new(series_text(name, labels.iter().copied()), found))
    }

    fn check_rate(
        &self,
        name: &str,
        labels: Labels<'_>,
        per_second: impl RangeBounds<f64> + Debug,
    ) -> Checked {
        let rise = self.rise(name, labels)?;
        let (what, span) = (series_text(name, labels.iter().copied()), self.since().span());
        if span.is_zero() {
            return Err(format!(
                "no time passed between the cuts, so {what}, which rose by {rise}, has no rate: move the clock"
            ));
        }
        let rate = rise as f64 / span.as_secs_f64();
        if per_second.contains(&rate) {
            return Ok(());
        }
        Err(format!(
            "{what} rose by {rate} a second ({rise} in {span:?}), not by {per_second:?}{}",
            self.family(name)
        ))
    }

    fn check_ratio(
        &self,
        part: (&str, Labels<'_>),
        whole: (&str, Labels<'_>),
        share: impl RangeBounds<f64> + Debug,
    ) -> Checked {
        let (some, all) = (self.rise(part.0, part.1)?, self.rise(whole.0, whole.1)?);
        let [part, whole] = [part, whole].map(|one| series_text(one.0, one.1.iter().copied()));
        if all == 0 {
            return Err(format!(
                "{whole} did not rise, so {part} (which rose by {some}) is no share of it"
            ));
        }
        let is = some as f64 / all as f64;
        if share.contains(&is) {
            return Ok(());
        }
        Err(format!("{part} rose by {some}, {whole} by {all}: a share of {is}, not of {share:?}"))
    }

    pub(super) fn check_only_changed(&self, expected: &[(&str, Labels<'_>)]) -> Checked {
        let changed = differ::changed(&self.earlier, &self.later);
        let is = |one: &Changed, (name, labels): &(&str, Labels<'_>)| {
            let carries =
                |label: &(&str, &str)| one.labels.iter().any(|(k, v)| (&**k, &**v) == *label);
            one.name == *name && labels.iter().all(carries)
        };
        for wanted @ (name, labels) in expected {
            let is_there = self.later.select(name, labels).next().is_some();
            if !is_there && !changed.iter().any(|one| is(one, wanted)) {
                return Err(self.missing_of_any(name, labels));
            }
        }
        let unexpected: Vec<&Changed> =
            changed.iter().filter(|one| !expected.iter().any(|wanted| is(one, wanted))).collect();
        let unchanged: Vec<String> = expected
            .iter()
            .filter(|wanted| !changed.iter().any(|one| is(one, wanted)))
            .map(|(name, labels)| series_text(name, labels.iter().copied()))
            .collect();
        if unexpected.is_empty() && unchanged.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        if !unexpected.is_empty() {
            let lines = unexpected.iter().map(|one| one.to_string());
            text += &format!("what should not have changed did:{}", list(lines));
        }
        if !unchanged.is_empty() {
            let between = if text.is_empty() { "" } else { "\n" };
            text += &format!(
                "{between}what should have changed did not:{}",
                list(unchanged.into_iter())
            );
        }
        Err(text)
    }

    /// How much a counter rose.
    fn rise(&self, name: &str, labels: Labels<'_>) -> Checked<u64> {
        let found = self.since().counter_with(name, labels);
        found.map_err(|_| self.missing(name, labels, Kind::Counter))
    }

    /// What the series of a metric did, for the end of a message.
    fn family(&self, name: &str) -> String {
        let of = |series: SeriesView<'_>| Changed::of(&self.earlier, &series).to_string();
        format!(":{}", list(self.later.select(name, &[]).map(of)))
    }

    fn missing(&self, name: &str, labels: Labels<'_>, kind: Kind) -> String {
        let what = series_text(name, labels.iter().copied());
        match self.later.select(name, &[]).next().map(|series| series.definition.kind) {
            Some(other) if other != kind => {
                format!("{what} is asked for as a {}, but it is a {}", kind.name(), other.name())
            }
            _ => self.missing_of_any(name, labels),
        }
    }

    fn missing_of_any(&self, name: &str, labels: Labels<'_>) -> String {
        differ::missing(&self.earlier, &self.later, name, labels)
    }
}

/// Panics with what an assertion found wrong.
#[track_caller]
pub(super) fn held<T>(checked: Checked<T>) -> T {
    match checked {
        Ok(value) => value,
        Err(message) => panic!("{message}"),
    }
}
