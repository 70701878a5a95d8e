//! A `tracing_subscriber` layer: durations of spans as histograms, events as counters.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::{Engine, ManualClock, Registry, facade::tracing::MetricsLayer};
//! use tracing_subscriber::{layer::SubscriberExt as _, registry};
//! let registry_of_metrics = Registry::new();
//! let layer = MetricsLayer::builder().field("table").build(&registry_of_metrics)?;
//! tracing::subscriber::with_default(registry().with(layer), || {
//!     tracing::info_span!("query", table = "users").in_scope(|| tracing::warn!("slow"));
//! });
//! let clock = ManualClock::at(Duration::ZERO);
//! let engine = Engine::builder().registry(&registry_of_metrics).manual(&clock).start()?;
//! let now = engine.refresh();
//! let query = [("span", "query"), ("table", "users")];
//! assert_eq!(now.histogram_with("tracing_span_duration_seconds", &query)?.count(), 1);
//! assert_eq!(now.counter_with("tracing_events_total", &[("level", "warn")])?, 1);
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! | series | |
//! |---|---|
//! | `tracing_span_duration_seconds{span, …}` | from a span's creation to its close, in nanoseconds; by its name and the chosen fields |
//! | `tracing_span_busy_seconds{span, …}` | the time in which it was entered, with [`Builder::busy`] |
//! | `tracing_events_total{level, target}` | events; `target` with [`Builder::targets`] |
//!
//! Only fields that were named beforehand become labels: a list that is closed, because each value is a series. Values past
//! the [limit](Builder::limit) share the series `overflow="true"`, and `tachometer_facade_refused_total{facade="tracing"}`
//! counts them. A field that a span does not have is an empty label, which is the same as none. Fields recorded after the
//! span began count too.
//!
//! # Exemplars
//!
//! A page leads from a slow bucket to a trace if the layer knows in which trace a span was. The identifiers of the `tracing`
//! crate are not those of a trace, so it must be told:
//!
//! - by fields `trace_id` and `span_id`, in hexadecimal, of the span or of the nearest around it that has both:
//!   [`Builder::exemplars`];
//! - by a function that asks another layer for them, such as one for OpenTelemetry: [`Builder::exemplars_from`].
//!
//! Cost: what the subscriber takes for a span, and two readings of the clock, an allocation for the span's own state and a
//! look-up without a lock; for an event by level alone a [`Counter::inc`](crate::Counter::inc).

use super::TraceContext;
use super::cache::Cache;
use super::names::{Measure, Names};
use super::trace::hex;
use crate::{Counter, Error, Histogram, Kind, Registry};
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

const DURATION: &str = "tracing_span_duration_seconds";
const BUSY: &str = "tracing_span_busy_seconds";
const EVENTS: &str = "tracing_events_total";
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Settings of a [`MetricsLayer`].
///
/// ```
/// use tachometer::{Registry, facade::tracing::MetricsLayer};
/// let layer = MetricsLayer::builder().field("peer").busy(true).targets(true).limit(200);
/// layer.build(&Registry::new())?;
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "there is no layer until `build`"]
pub struct Builder {
    fields: Vec<String>,
    busy: bool,
    targets: bool,
    limit: Option<usize>,
    exemplars: bool,
    trace: Option<TraceOf>,
}

/// Asks for the trace that a span belongs to.
pub type TraceOf = fn(&Id, &Dispatch) -> Option<TraceContext>;

impl Builder {
    /// Makes the values of a span's field a label.
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.fields.push(name.into());
        self
    }

    /// Whether the time in which spans are entered is recorded too, beside the whole.
    pub fn busy(mut self, wanted: bool) -> Self {
        self.busy = wanted;
        self
    }

    /// Whether events are counted by target too.
    pub fn targets(mut self, wanted: bool) -> Self {
        self.targets = wanted;
        self
    }

    /// Sets how many series each metric may have; [`DEFAULT_FAMILY_LIMIT`](crate::limits::DEFAULT_FAMILY_LIMIT) unless
    /// set.
    pub fn limit(mut self, series: usize) -> Self {
        self.limit = Some(series);
        self
    }

    /// Whether durations are recorded with the trace that the fields `trace_id` and `span_id` of a span name, or of the
    /// nearest span around it that has both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachometer::facade::tracing::MetricsLayer;
    /// use tachometer::{Encoder as _, Engine, ManualClock, OpenMetricsEncoder, Registry};
    /// use tracing_subscriber::{layer::SubscriberExt as _, registry};
    /// let metrics = Registry::new();
    /// let layer = MetricsLayer::builder().exemplars(true).build(&metrics)?;
    /// tracing::subscriber::with_default(registry().with(layer), || {
    ///     let (trace_id, span_id) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    ///     tracing::info_span!("request", trace_id, span_id).in_scope(|| ());
    /// });
    /// let engine = Engine::builder().registry(&metrics).manual(&ManualClock::at(Duration::ZERO)).start()?;
    /// let mut page = Vec::new();
    /// OpenMetricsEncoder::new().encode(&engine.refresh(), &mut page);
    /// assert!(String::from_utf8(page).unwrap().contains(r#"{trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="#));
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn exemplars(mut self, wanted: bool) -> Self {
        self.exemplars = wanted;
        self
    }

    /// Has durations recorded with the trace that `trace` finds, by a span and the subscriber that has it. It is asked
    /// whenever the span is left, and when it closes, until it gives one; what it gives stands before any field. It must not
    /// enter a span.
    ///
    /// With `tracing-opentelemetry` (0.33 and later), whichever of the two layers comes first:
    ///
    /// ```ignore
    /// builder.exemplars_from(|id, dispatch| {
    ///     let context = tracing_opentelemetry::get_otel_context(id, dispatch)?;
    ///     let ids = context.span().span_context().clone();
    ///     let found = TraceContext::new(ids.trace_id().to_bytes(), ids.span_id().to_bytes())?;
    ///     Some(TraceContext { sampled: ids.is_sampled(), ..found })
    /// })
    /// ```
    pub fn exemplars_from(mut self, trace: TraceOf) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The layer, recording into `registry`.
    ///
    /// # Errors
    /// The layer's metrics are registered there as something else, or there are too many series.
    pub fn build(self, registry: &Registry) -> Result<MetricsLayer, Error> {
        let names = Names::new(registry, "tracing")?;
        self.limit.into_iter().for_each(|limit| names.set_limit(limit));
        let time = Some(Measure::time(1.0));
        names.describe(Kind::Histogram, DURATION, "From a span's creation to its close.", time);
        names.describe(Kind::Histogram, BUSY, "The time in which a span was entered.", time);
        let help = "Events, by level.";
        names.describe(Kind::Counter, EVENTS, help, None);
        let levels = match self.targets {
            true => Vec::new(),
            false => LEVELS
                .iter()
                .map(|level| registry.metric(EVENTS, help).label("level", *level).counter())
                .collect::<Result<_, _>>()?,
        };
        Ok(MetricsLayer {
            fields: self.fields,
            busy: self.busy,
            exemplars: self.exemplars,
            trace: self.trace,
            dispatch: OnceLock::new(),
            levels,
            spans: Cache::new(),
            events: Cache::new(),
            making: Mutex::new(names),
        })
    }
}

/// Records durations of spans and counts of events; see the [module](self).
pub struct MetricsLayer {
    fields: Vec<String>,
    busy: bool,
    exemplars: bool,
    trace: Option<TraceOf>,
    /// The subscriber that the layer is a part of.
    dispatch: OnceLock<WeakDispatch>,
    /// A counter for each of [`LEVELS`]; none if events are counted by target.
    levels: Vec<Counter>,
    spans: Cache<Arc<SpanKey>, Durations>,
    events: Cache<(Level, &'static str), Counter>,
    /// Locked to make a series, so that none is made twice.
    making: Mutex<Names>,
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer").field("fields", &self.fields).finish_non_exhaustive()
    }
}

/// What tells one series of spans from another: the span's name, and the chosen fields in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SpanKey {
    name: &'static str,
    values: Box<[String]>,
}

#[derive(Clone, Debug)]
struct Durations {
    whole: Histogram,
    busy: Option<Histogram>,
}

/// What a span carries from its creation to its close.
struct Timing {
    key: SpanKey,
    began: Instant,
    entered: Option<Instant>,
    /// Entries that are open: threads may be in a span at once.
    depth: u32,
    busy: Duration,
    /// What was found by the function, and by the fields.
    trace: Option<TraceContext>,
    fields: TraceFields,
}

/// The identifiers that a span's fields name.
#[derive(Default)]
struct TraceFields {
    trace_id: Option<[u8; 16]>,
    span_id: Option<[u8; 8]>,
}

impl TraceFields {
    fn context(&self) -> Option<TraceContext> {
        TraceContext::new(self.trace_id?, self.span_id?)
    }
}

/// Picks the chosen fields, and those that name a trace if they are wanted.
struct Pick<'a> {
    fields: &'a [String],
    values: &'a mut [String],
    trace: Option<&'a mut TraceFields>,
}

impl Pick<'_> {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        if let Some(at) = self.fields.iter().position(|name| name == field.name()) {
            self.values[at] = value.to_string();
        }
        if let Some(trace) = &mut self.trace {
            match field.name() {
                "trace_id" => trace.trace_id = hex(value.to_string().as_bytes()),
                "span_id" => trace.span_id = hex(value.to_string().as_bytes()),
                _ => {}
            }
        }
    }
}

impl Visit for Pick<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
}

fn hash_of(key: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
}

impl MetricsLayer {
    /// Settings for a new layer.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A layer without labels beyond a span's name and an event's level.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(registry: &Registry) -> Result<MetricsLayer, Error> {
        Self::builder().build(registry)
    }

    fn closed(&self, timing: &Timing, trace: Option<TraceContext>) {
        let whole = timing.began.elapsed();
        let exemplar = trace.and_then(TraceContext::exemplar);
        let put = |histogram: &Histogram, duration: Duration| match exemplar {
            Some((trace, span)) => {
                let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
                histogram.record_with_exemplar(nanoseconds, trace, span);
            }
            None => histogram.record_duration(duration),
        };
        let record = |durations: &Durations| {
            put(&durations.whole, whole);
            durations.busy.iter().for_each(|busy| put(busy, timing.busy));
        };
        let hash = hash_of(&timing.key);
        let is = |key: &Arc<SpanKey>| **key == timing.key;
        if self.spans.with(hash, is, record).is_some() {
            return;
        }
        let names = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.spans.with(hash, is, record).is_some() {
            return;
        }
        let fields = self.fields.iter().zip(&timing.key.values);
        let labels = || {
            let fields = fields.clone().filter(|(_, value)| !value.is_empty());
            let fields = fields.map(|(name, value)| (name.as_str(), value.as_str()));
            [("span", timing.key.name)].into_iter().chain(fields)
        };
        let Some(whole) = names.series(DURATION, labels()) else {
            return names.refused.conflict.inc();
        };
        let busy = self.busy.then(|| names.series(BUSY, labels())).flatten();
        let durations = Durations { whole: whole.metric, busy: busy.map(|made| made.metric) };
        record(&durations);
        if !whole.overflow {
            self.spans.insert(hash, Arc::new(timing.key.clone()), durations);
        }
    }

    /// Asks the function for a span's trace, if there is one and it has not said yet. It may look at the span's extensions,
    /// so none are held meanwhile.
    fn ask<'a, R: LookupSpan<'a>>(&self, span: &SpanRef<'a, R>) -> Option<TraceContext> {
        let of = self.trace?;
        let said = span.extensions().get::<Timing>()?.trace;
        let dispatch = self.dispatch.get()?;
        if said.is_some() { None } else { of(&span.id(), &dispatch.upgrade()?) }
    }

    /// The trace of a span that closes: what the function said of it, or else the fields of the nearest span that has them.
    fn trace_of<'a, R: LookupSpan<'a>>(&self, span: &SpanRef<'a, R>) -> Option<TraceContext> {
        let said = span.extensions().get::<Timing>().and_then(|timing| timing.trace);
        if said.is_some() || !self.exemplars {
            return said;
        }
        span.scope().find_map(|near| near.extensions().get::<Timing>()?.fields.context())
    }

    fn count_by_target(&self, level: Level, target: &'static str) {
        let hash = hash_of(&(level, target));
        let is = |key: &(Level, &str)| *key == (level, target);
        if self.events.with(hash, is, Counter::inc).is_some() {
            return;
        }
        let names = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.events.with(hash, is, Counter::inc).is_some() {
            return;
        }
        let labels = [("level", LEVELS[index(level)]), ("target", target)];
        match names.series::<Counter>(EVENTS, labels.into_iter()) {
            Some(made) => {
                made.metric.inc();
                if !made.overflow {
                    self.events.insert(hash, (level, target), made.metric);
                }
            }
            None => names.refused.conflict.inc(),
        }
    }
}

/// The place of a level among [`LEVELS`].
fn index(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        _ => 4,
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for MetricsLayer {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // A layer is a part of one subscriber.
        let _ = self.dispatch.set(subscriber.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut values = vec![String::new(); self.fields.len()].into_boxed_slice();
        let mut fields = TraceFields::default();
        let trace = self.exemplars.then_some(&mut fields);
        attributes.record(&mut Pick { fields: &self.fields, values: &mut values, trace });
        let key = SpanKey { name: attributes.metadata().name(), values };
        let (began, entered, depth, busy) = (Instant::now(), None, 0, Duration::ZERO);
        let timing = Timing { key, began, entered, depth, busy, trace: None, fields };
        span.extensions_mut().replace(timing);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let wanted = !self.fields.is_empty() || self.exemplars;
        let Some(span) = context.span(id).filter(|_| wanted) else { return };
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            let trace = self.exemplars.then_some(&mut timing.fields);
            let values = &mut timing.key.values;
            record.record(&mut Pick { fields: &self.fields, values, trace });
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|_| self.busy) else { return };
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            timing.depth += 1;
            timing.entered.get_or_insert_with(Instant::now);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let wanted = self.busy || self.trace.is_some();
        let Some(span) = context.span(id).filter(|_| wanted) else { return };
        let said = self.ask(&span);
        if let Some(timing) = span.extensions_mut().get_mut::<Timing>() {
            timing.trace = timing.trace.or(said);
            timing.depth = timing.depth.saturating_sub(u32::from(self.busy));
            if timing.depth == 0 {
                timing.busy +=
                    timing.entered.take().map_or(Duration::ZERO, |since| since.elapsed());
            }
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let trace = self.ask(&span).or_else(|| self.trace_of(&span));
        let timing = span.extensions_mut().remove::<Timing>();
        timing.iter().for_each(|timing| self.closed(timing, trace));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        match self.levels.get(index(level)) {
            Some(counter) => counter.inc(),
            None => self.count_by_target(level, target),
        }
    }
}
