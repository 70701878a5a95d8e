//! The contract: what a rival offers to be measured.
//!
//! A rival builds what a workload needs afresh each time it is asked, so that no measurement
//! inherits the state of another and the luck of one memory layout does not decide a row.

use super::Lap;

/// One row of the table: a crate, used in one of the ways its documentation recommends.
///
/// Every method stands for a group of columns and returns `None` where the crate has no such
/// feature.
pub trait Rival {
    /// The row's name.
    fn name(&self) -> &'static str;

    /// The crates that the row measures; their versions go into the results.
    fn crates(&self) -> &'static [&'static str];

    /// `count` counters, to each of which one is added in turn.
    fn counters(&self, _count: usize) -> Option<Recording> {
        None
    }

    /// One histogram of latencies.
    fn histogram(&self) -> Option<Recording> {
        None
    }

    /// One counter family with the labels `rpc` and `peer`, whose series is looked up at each call
    /// by two strings that the caller only lends.
    fn labels(&self) -> Option<Recording> {
        None
    }

    /// 100 counter families of 100 series each, with the values of `workload::counter_value`.
    fn scrape_counters(&self) -> Option<Scrape> {
        None
    }

    /// 10 histogram families of 100 series and 16 buckets each, with `workload::histogram_values`.
    fn scrape_histograms(&self) -> Option<Scrape> {
        None
    }

    /// As `scrape_counters`, in another format.
    fn encode_counters(&self, _format: Format) -> Option<Scrape> {
        None
    }

    /// As `scrape_histograms`, in another format. Formats that have exponential histograms may have
    /// the crate's own buckets instead of the 16.
    fn encode_histograms(&self, _format: Format) -> Option<Scrape> {
        None
    }
}

/// A format other than the Prometheus text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0 as text.
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
    /// An `ExportMetricsServiceRequest` of OpenTelemetry, as protobuf.
    Otlp,
}

/// Renders a page and hands its bytes to the caller's function. It may keep
/// buffers from one page to the next.
pub type Scrape = Box<dyn FnMut(&mut dyn FnMut(&[u8]))>;

/// What a workload records into: state that threads share, what each thread does with it, and how a
/// reader sees afterwards that all of it arrived.
pub struct Recording(Box<dyn Task>);

trait Task: Sync {
    fn work(&self, lap: &mut Lap<'_>);
    fn recorded(&self) -> Option<u64>;
}

struct Parts<S, W, R> {
    state: S,
    work: W,
    read: R,
}

impl<S, W, R> Task for Parts<S, W, R>
where
    S: Sync,
    W: Fn(&S, &mut Lap<'_>) + Sync,
    R: Fn(&S) -> Option<u64> + Sync,
{
    fn work(&self, lap: &mut Lap<'_>) {
        (self.work)(&self.state, lap);
    }

    fn recorded(&self) -> Option<u64> {
        (self.read)(&self.state)
    }
}

impl Recording {
    /// `work` is called once per thread and runs its lap; `read` counts the calls that a reader can
    /// see.
    pub fn new<S, W, R>(state: S, work: W, read: R) -> Self
    where
        S: Sync + 'static,
        W: Fn(&S, &mut Lap<'_>) + Sync + 'static,
        R: Fn(&S) -> u64 + Sync + 'static,
    {
        Self(Box::new(Parts { state, work, read: move |state: &S| Some(read(state)) }))
    }

    /// A recording that keeps nothing, so that there is nothing to check: the empty loop.
    pub fn unchecked(work: impl Fn(&mut Lap<'_>) + Sync + 'static) -> Self {
        Self(Box::new(Parts {
            state: (),
            work: move |_: &(), lap: &mut Lap<'_>| work(lap),
            read: |_: &()| None,
        }))
    }

    /// Runs one thread's lap.
    pub fn work(&self, lap: &mut Lap<'_>) {
        self.0.work(lap);
    }

    /// How many calls a reader sees now; `None` if nothing is kept.
    pub fn recorded(&self) -> Option<u64> {
        self.0.recorded()
    }
}
