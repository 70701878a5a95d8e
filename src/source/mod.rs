//! Reading what others know: anything that can be polled, as series of the engine or for whoever wants it. Feature `source`.
//!
//! A [`Source`] gives [`Samples`] when it is polled: [`HostSource`] reads `/proc`, [`PageSource`] any Prometheus page over HTTP
//! (text, OpenMetrics, protobuf, or tachometer's own JSON with its histograms whole), [`JsonSource`] any JSON page by a
//! [`Mapping`] from fields to series, [`CommandSource`] what a program prints, and [`from_fn`] makes one of a closure.
//! [`Sources`] polls any number of them side by side, each at its interval and with its time limit.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::source::{PollSettings, Sample, SampleKind, Samples, Sources, from_fn};
//! use tachometer::{Engine, ManualClock, Registry};
//! let registry = Registry::new();
//! let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
//! let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
//! let mut height = 100.0;
//! let chain = from_fn("chain", move |_limits| {
//!     height += 1.0; // a real one would ask somebody
//!     let mut samples = Samples::new();
//!     samples.family("chain_height", SampleKind::Gauge, "Blocks.").series.push(Sample::number([], height));
//!     Ok(samples)
//! });
//! let sources = Sources::builder().source(chain, PollSettings::new()).start(&engine)?;
//! sources.poll_due(); // an engine with a thread has them polled by themselves
//! assert_eq!(engine.refresh().gauge_with("chain_height", &[("source", "chain")])?, 101.0);
//! clock.advance(Duration::from_secs(15));
//! sources.poll_due();
//! assert_eq!(engine.refresh().gauge("chain_height")?, 102.0);
//!
//! // Nobody polls any more: the series end, instead of lying on.
//! clock.advance(Duration::from_secs(60));
//! assert!(engine.refresh().gauge("chain_height").is_err());
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! # Side by side
//!
//! Each source has a thread, which sleeps between its polls; so one that is slow, fails or hangs holds up no other. One that does
//! not return within its time limit counts as failed at that moment, and what it gives later counts for nothing; it is not
//! polled again before it has returned, so it never has more than its one thread. After a failure the next attempt comes
//! sooner (after half an interval), and then ever later, up to eight intervals or a minute; a random part keeps many sources
//! from failing in step.
//!
//! With an engine that is driven by hand there are no threads: [`Sources::poll_due`] polls what is due by the engine's clock,
//! on the calling thread. [`Sources::poll_all`] polls all of them now, with any engine.
//!
//! # What becomes of samples
//!
//! Unless [told otherwise](PollSettings::shown) they are series of the engine: in its snapshots, and so on `/metrics`, in history,
//! on the ways out. All that one poll read is in a snapshot together. A series that the source no longer gives ends, as all of
//! them do when the source had no good poll for [a while](PollSettings::stale_after), is removed, or the last handle of its
//! `Sources` is dropped. The engine's own series come first: what has the name and labels of one of them, or another
//! definition, is left out and counted.
//!
//! | sample | in the engine |
//! |---|---|
//! | counter | a counter. It holds whole numbers: of `…_seconds` and `…_seconds_total` nanoseconds, of others a fraction is cut off |
//! | gauge, state set, unknown type | a gauge |
//! | info | an info metric, if its name ends in `_info` and it is 1; else a gauge |
//! | tachometer's histogram | a histogram, bucket for bucket |
//! | histogram with `le` buckets | `NAME_bucket{le}` and `NAME_count` as counters, `NAME_sum` as a gauge |
//! | native histogram | its `le` buckets, where the page has them beside; `NAME_count` and `NAME_sum`. Its own buckets are for receivers |
//! | summary | `NAME{quantile}` and `NAME_sum` as gauges, `NAME_count` as a counter |
//!
//! A counter or histogram that falls was reset at its source: its series ends and another one begins, so that neither a rate nor
//! a target that is sent differences sees a negative one.
//!
//! A [`Receiver`] gets the samples of each poll as they were read, histograms of every kind whole, and the errors.
//!
//! # Sources as series
//!
//! If the engine records its own metrics there are, by `source`: `tachometer_source_up` (1 or 0),
//! `tachometer_source_age_seconds` of the last good samples, `tachometer_source_poll_duration_seconds`,
//! `tachometer_source_polls_total`, `tachometer_source_failures_total` by `reason`, `tachometer_source_series`, and
//! `tachometer_source_left_out_total` of series by `reason`.
//!
//! # Limits
//!
//! See [`crate::limits`]: of sources, of the bytes and series of a poll, of names and labels. A source that passes one of its own
//! has failed; nothing else is disturbed.
//!
//! # Fork
//!
//! A child polls nothing. The series of sources end there with its first snapshot, unless the fork came while one was being shown.

#![forbid(unsafe_code)]

mod command;
mod entry;
mod error;
mod flat;
mod format;
mod host;
mod http;
mod json;
mod mapping;
mod own;
mod page;
mod samples;
mod set;
mod settings;
mod shown;
mod status;

pub use command::CommandSource;
pub use error::SourceError;
pub use format::PageFormat;
pub use host::HostSource;
pub use json::{JsonSource, JsonSourceBuilder};
pub use mapping::{Mapping, MetricMapping};
pub use page::{PageSource, PageSourceBuilder};
pub use samples::{
    ClassicHistogram, NativeHistogram, Sample, SampleFamily, SampleKind, SampleValue, Samples,
    SummaryValue,
};
pub use set::{Sources, SourcesBuilder};
pub use settings::{PollLimits, PollSettings};
pub use status::SourceStatus;

use crate::Moment;
use std::fmt;
use std::time::Duration;

/// Something that can be polled.
///
/// It is polled by one thread at a time, and may block: its thread is its own. It should keep to `limits.time`; one that does
/// not counts as failed all the same. It may keep what makes the next poll cheaper: a connection, the last reading.
pub trait Source: Send {
    /// Its name: how operators, its series and errors call it.
    fn name(&self) -> &str;

    /// Reads what there is now.
    ///
    /// # Errors
    /// There is nothing to be had: why.
    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError>;

    /// Whether its series tell by labels of their own where they are from (a node's identity): then the engine's series do
    /// not carry the label `source`, unless [asked to](PollSettings::source_label).
    fn is_distinct(&self) -> bool {
        false
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        (**self).poll(limits)
    }

    fn is_distinct(&self) -> bool {
        (**self).is_distinct()
    }
}

/// A source that calls `poll`. See [the module](self) for an example.
pub fn from_fn<F>(name: impl Into<String>, poll: F) -> FnSource<F>
where
    F: FnMut(&PollLimits) -> Result<Samples, SourceError> + Send,
{
    FnSource { name: name.into(), poll }
}

/// A source that is a closure: see [`from_fn`].
pub struct FnSource<F> {
    name: String,
    poll: F,
}

impl<F> Source for FnSource<F>
where
    F: FnMut(&PollLimits) -> Result<Samples, SourceError> + Send,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        (self.poll)(limits)
    }
}

impl<F> fmt::Debug for FnSource<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnSource").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What came of a poll.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Polled<'a> {
    /// The name of the source.
    pub source: &'a str,
    /// When the poll began, on the engine's clocks: the time of its samples, but for those with a time of their own.
    pub time: Moment,
    /// How long it took.
    pub took: Duration,
    /// The samples as they were read, without labels that [settings](PollSettings::label) add; or why there are none.
    pub outcome: Result<&'a Samples, &'a SourceError>,
}

/// Who is given what sources read, beside the engine: a store of its own, a test.
///
/// It is called on the source's thread, after each poll, for one source by one thread at a time; of a poll that hangs it is told when
/// its time is over, on another thread. A panic in it is caught and counted with the failures as `receiver`.
///
/// ```
/// use std::sync::mpsc;
/// use tachometer::source::Polled;
/// let (sender, polls) = mpsc::channel();
/// // A closure is a receiver.
/// let receiver = move |polled: &Polled<'_>| {
///     let _ = sender.send((polled.source.to_owned(), polled.time.unix, polled.outcome.map(|samples| samples.len()).ok()));
/// };
/// # let _ = (polls, tachometer::source::Sources::builder().receiver(receiver));
/// ```
pub trait Receiver: Send + Sync {
    /// A poll is over.
    fn polled(&self, polled: &Polled<'_>);

    /// The series of `source` end: it had no good poll for too long, or was removed. `time` is now.
    fn ended(&self, source: &str, time: Moment) {
        let _ = (source, time);
    }
}

impl<F: Fn(&Polled<'_>) + Send + Sync> Receiver for F {
    fn polled(&self, polled: &Polled<'_>) {
        self(polled);
    }
}
