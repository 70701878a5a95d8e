//! How a source is polled, and how much it may give.

use crate::Error;
use crate::limits::{
    DEFAULT_SOURCE_BYTES, DEFAULT_SOURCE_INTERVAL, DEFAULT_SOURCE_SERIES,
    DEFAULT_SOURCE_TIME_LIMIT, MAX_SOURCE_TIME, MIN_SOURCE_TIME, SOURCE_STALE_INTERVALS,
};
use std::time::Duration;

/// What a poll must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollLimits {
    /// How long it may take. A source that takes longer counts as failed at once, and is not polled again before it returns.
    pub time: Duration,
    /// How many bytes it may read, after unpacking.
    pub bytes: usize,
    /// How many series it may give, each bucket and quantile counted.
    pub series: usize,
}

impl Default for PollLimits {
    fn default() -> Self {
        let (time, bytes) = (DEFAULT_SOURCE_TIME_LIMIT, DEFAULT_SOURCE_BYTES);
        PollLimits { time, bytes, series: DEFAULT_SOURCE_SERIES }
    }
}

/// How often a source is polled, what it may take, and what becomes of its series.
///
/// ```
/// use std::time::Duration;
/// use tachometer::source::PollSettings;
/// let settings = PollSettings::new()
///     .interval(Duration::from_secs(5))
///     .time_limit(Duration::from_secs(2))
///     .label("zone", "b");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is to be given to `SourcesBuilder::source` or `Sources::add`"]
pub struct PollSettings {
    pub(super) interval: Duration,
    pub(super) limits: PollLimits,
    pub(super) stale_after: Option<Duration>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) source_label: Option<bool>,
    pub(super) shown: bool,
}

impl Default for PollSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl PollSettings {
    /// The [limits](crate::limits) hold unless something else is said.
    pub fn new() -> PollSettings {
        PollSettings {
            interval: DEFAULT_SOURCE_INTERVAL,
            limits: PollLimits::default(),
            stale_after: None,
            labels: Vec::new(),
            source_label: None,
            shown: true,
        }
    }

    /// From one poll to the next, beginning to beginning; [`DEFAULT_SOURCE_INTERVAL`] by default. A poll that takes longer
    /// is followed by the next one at once.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a poll may take; [`DEFAULT_SOURCE_TIME_LIMIT`] by default.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limits.time = limit;
        self
    }

    /// The most bytes that a poll may read, after unpacking; [`DEFAULT_SOURCE_BYTES`] by default.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// The most series that the source may give, each bucket and quantile counted; [`DEFAULT_SOURCE_SERIES`] by default.
    pub fn max_series(mut self, series: usize) -> Self {
        self.limits.series = series;
        self
    }

    /// After how long without a good poll the source's series end; [`SOURCE_STALE_INTERVALS`] intervals by default.
    pub fn stale_after(mut self, span: Duration) -> Self {
        self.stale_after = Some(span);
        self
    }

    /// Adds a label to each of the source's series in the engine. Where the source has it too, the source's own is kept as
    /// `exported_NAME`, as Prometheus does.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Whether the engine's series carry the label `source` with the source's name; by default unless the source says that
    /// its series [tell](super::Source::is_distinct) where they are from.
    pub fn source_label(mut self, wanted: bool) -> Self {
        self.source_label = Some(wanted);
        self
    }

    /// Whether the samples become series of the engine, and so are on its pages, in its history and in what it pushes; by
    /// default they do. [Receivers](super::Receiver) get them in any case.
    pub fn shown(mut self, shown: bool) -> Self {
        self.shown = shown;
        self
    }

    /// After how long without a good poll the series end.
    pub(super) fn stale(&self) -> Duration {
        self.stale_after.unwrap_or_else(|| {
            self.interval
                .saturating_mul(SOURCE_STALE_INTERVALS)
                .min(MAX_SOURCE_TIME.max(self.interval))
        })
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        let spans = [
            ("interval", self.interval),
            ("time_limit", self.limits.time),
            ("stale_after", self.stale()),
        ];
        if let Some((setting, span)) = spans.into_iter().find(|(_, span)| *span < MIN_SOURCE_TIME) {
            let reason = format!("of source {name:?} it is {span:?}, below {MIN_SOURCE_TIME:?}");
            return invalid(setting, reason);
        }
        if let Some((setting, span)) = spans.into_iter().find(|(_, span)| *span > MAX_SOURCE_TIME) {
            let reason = format!("of source {name:?} it is {span:?}, above {MAX_SOURCE_TIME:?}");
            return invalid(setting, reason);
        }
        if self.limits.bytes == 0 {
            return invalid(
                "max_bytes",
                format!("source {name:?} may read nothing: give more than 0"),
            );
        }
        if self.limits.series == 0 {
            return invalid(
                "max_series",
                format!("source {name:?} may give nothing: give more than 0"),
            );
        }
        crate::registry::checked_labels(self.labels.clone(), crate::Kind::Histogram).map(drop)
    }
}
