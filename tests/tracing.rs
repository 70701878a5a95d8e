//! Spans and events of the `tracing` crate, and what the layer makes of them.
#![cfg(feature = "tracing")]

mod common;

use common::page::{parse, value};
use common::{by_hand, page_of};
use std::time::Duration;
use tachometer::facade::TraceContext;
use tachometer::facade::tracing::{Builder, MetricsLayer};
use tachometer::{Encoder as _, OpenMetricsEncoder, Registry};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan as _;

const DURATION: &str = "tracing_span_duration_seconds";

fn under(builder: Builder, registry: &Registry, work: impl FnOnce()) {
    let layer = builder.build(registry).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
}

#[test]
fn spans_by_name_and_chosen_fields() {
    let registry = Registry::new();
    under(MetricsLayer::builder().field("table").field("rows"), &registry, || {
        for i in 0..6 {
            let span = tracing::info_span!("query", table = %["a", "b"][i % 2], user = i, rows = tracing::field::Empty);
            span.in_scope(|| std::thread::sleep(Duration::from_millis(2)));
            span.record("rows", 3);
        }
        tracing::debug_span!("commit").in_scope(|| {});
    });
    let engine = by_hand(&registry);
    let now = engine.refresh();
    let a =
        now.histogram_with(DURATION, &[("span", "query"), ("table", "a"), ("rows", "3")]).unwrap();
    assert_eq!(a.count(), 3);
    assert!(a.min().unwrap() >= 2_000_000, "at least the sleep: {:?}", a.min());
    assert_eq!(now.histogram_with(DURATION, &[("span", "query")]).unwrap().count(), 6);
    assert_eq!(now.histogram_with(DURATION, &[("span", "commit")]).unwrap().count(), 1);
    let samples = parse(&page_of(&engine));
    let labelled =
        |key: &str| samples.keys().any(|(_, labels)| labels.iter().any(|(k, _)| k == key));
    assert!(labelled("table") && !labelled("user"), "only chosen fields are labels");
}

#[test]
fn events_by_level_and_by_target() {
    let registry = Registry::new();
    under(MetricsLayer::builder(), &registry, || {
        tracing::error!("one");
        (0..3).for_each(|i| tracing::info!(i, "three"));
    });
    let now = by_hand(&registry).refresh();
    let of = |level| now.counter_with("tracing_events_total", &[("level", level)]).unwrap();
    assert_eq!(["error", "warn", "info", "debug", "trace"].map(of), [1, 0, 3, 0, 0]);

    let registry = Registry::new();
    under(MetricsLayer::builder().targets(true), &registry, || {
        (0..2).for_each(|_| tracing::warn!(target: "store::log", "two"));
        tracing::warn!("one");
    });
    let now = by_hand(&registry).refresh();
    let store = [("level", "warn"), ("target", "store::log")];
    assert_eq!(now.counter_with("tracing_events_total", &store).unwrap(), 2);
    assert_eq!(now.counter("tracing_events_total").unwrap(), 3);
}

#[test]
fn busy_time_is_that_in_which_the_span_is_entered() {
    let registry = Registry::new();
    under(MetricsLayer::builder().busy(true), &registry, || {
        let span = tracing::info_span!("task");
        span.in_scope(|| span.in_scope(|| std::thread::sleep(Duration::from_millis(5))));
        std::thread::sleep(Duration::from_millis(30));
    });
    let now = by_hand(&registry).refresh();
    let whole = now.histogram(DURATION).unwrap().sum();
    let busy = now.histogram("tracing_span_busy_seconds").unwrap().sum();
    assert!(busy >= 5_000_000 && whole >= busy + 30_000_000, "{busy} of {whole}");
}

#[test]
fn a_flood_of_values_ends_in_the_overflow_series() {
    let registry = Registry::new();
    under(MetricsLayer::builder().field("user").limit(5), &registry, || {
        (0..50).for_each(|user| tracing::info_span!("login", user).in_scope(|| {}));
    });
    let engine = by_hand(&registry);
    let now = engine.refresh();
    assert_eq!(now.select(DURATION, &[]).count(), 6);
    assert_eq!(now.histogram_with(DURATION, &[("overflow", "true")]).unwrap().count(), 45);
    let refused = [("facade", "tracing"), ("reason", "limit")];
    let samples = parse(&page_of(&engine));
    assert_eq!(value(&samples, "tachometer_facade_refused_total", &refused), Some("45"));
}

#[test]
fn spans_of_many_threads() {
    let registry = Registry::new();
    let layer = MetricsLayer::builder().field("i").build(&registry).unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..500).for_each(|i| tracing::info_span!("work", i = i % 50).in_scope(|| {}));
                });
            });
        }
    });
    let now = by_hand(&registry).refresh();
    assert_eq!(now.histogram(DURATION).unwrap().count(), 2_000);
    assert_eq!(now.select(DURATION, &[]).count(), 50);
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// The exemplars that an OpenMetrics page has of a span's durations, without their values.
fn exemplars_of(registry: &Registry, span: &str) -> Vec<String> {
    let mut page = Vec::new();
    OpenMetricsEncoder::new().encode(&by_hand(registry).refresh(), &mut page);
    let page = String::from_utf8(page).unwrap();
    let name = format!("tracing_span_duration_seconds_bucket{{span=\"{span}\"");
    let lines = page.lines().filter(|line| line.starts_with(&name));
    lines.filter_map(|line| Some(line.split_once(" # ")?.1.split_once('}')?.0.to_owned())).collect()
}

fn exemplar(trace: &str, span: &str) -> Vec<String> {
    vec![format!("{{trace_id=\"{trace}\",span_id=\"{span}\"")]
}

#[test]
fn durations_lead_to_the_trace_that_the_fields_name() {
    let registry = Registry::new();
    let other = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    under(MetricsLayer::builder().exemplars(true).field("table"), &registry, || {
        let request =
            tracing::info_span!("request", trace_id = %TRACE, span_id = tracing::field::Empty);
        request.in_scope(|| {
            // The nearest that has both; recorded later, and in capitals.
            let query = tracing::info_span!("query", table = "a", trace_id = "no trace");
            query.in_scope(|| request.record("span_id", SPAN.to_uppercase()));
            tracing::info_span!("own", trace_id = other, span_id = SPAN).in_scope(|| {});
        });
        for wrong in ["", "1", &"0".repeat(32), &TRACE[..31]] {
            tracing::info_span!("wrong", trace_id = wrong, span_id = SPAN).in_scope(|| {});
        }
        tracing::info_span!("half", trace_id = TRACE).in_scope(|| {});
        tracing::info_span!("none").in_scope(|| {});
    });
    assert_eq!(exemplars_of(&registry, "request"), exemplar(TRACE, SPAN));
    assert_eq!(exemplars_of(&registry, "query"), exemplar(TRACE, SPAN));
    assert_eq!(exemplars_of(&registry, "own"), exemplar(other, SPAN));
    for without in ["wrong", "half", "none"] {
        assert!(exemplars_of(&registry, without).is_empty(), "{without}");
    }
    let now = by_hand(&registry).refresh();
    assert_eq!(now.histogram(DURATION).unwrap().count(), 9, "each is recorded all the same");

    let registry = Registry::new();
    under(MetricsLayer::builder(), &registry, || {
        tracing::info_span!("request", trace_id = TRACE, span_id = SPAN).in_scope(|| {});
    });
    assert!(exemplars_of(&registry, "request").is_empty(), "only if it is asked for");
}

/// In the place of a layer for OpenTelemetry: leaves its data with a span, and takes them away when it closes.
struct Telemetry;

struct Data(TraceContext);

impl<S> tracing_subscriber::Layer<S> for Telemetry
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut data = Data(TraceContext::from_hex(TRACE, SPAN).unwrap());
        data.0.sampled = attributes.metadata().name() != "unsampled";
        context.span(id).unwrap().extensions_mut().insert(data);
    }

    fn on_close(&self, id: tracing::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        context.span(&id).unwrap().extensions_mut().remove::<Data>();
    }
}

#[test]
fn durations_lead_to_the_trace_that_another_layer_has() {
    for inside in [true, false] {
        let registry = Registry::new();
        let builder = MetricsLayer::builder().busy(true);
        let builder = builder.exemplars_from(|id, dispatch| {
            let spans = dispatch.downcast_ref::<tracing_subscriber::Registry>()?;
            let span = spans.span(id)?;
            span.extensions().get().map(|Data(context)| *context)
        });
        let layer = builder.build(&registry).unwrap();
        let work = || {
            let span = tracing::info_span!("request");
            (0..3).for_each(|_| span.in_scope(|| {}));
            drop(span);
            tracing::info_span!("unsampled").in_scope(|| {});
        };
        let base = tracing_subscriber::registry();
        match inside {
            true => tracing::subscriber::with_default(base.with(Telemetry).with(layer), work),
            false => tracing::subscriber::with_default(base.with(layer).with(Telemetry), work),
        }
        assert_eq!(exemplars_of(&registry, "request"), exemplar(TRACE, SPAN), "{inside}");
        assert!(exemplars_of(&registry, "unsampled").is_empty());
        let now = by_hand(&registry).refresh();
        assert_eq!(now.histogram(DURATION).unwrap().count(), 2);
        assert_eq!(now.histogram("tracing_span_busy_seconds").unwrap().count(), 2);
    }
}

/// With the real layer for OpenTelemetry, inside and outside of ours: the page has the identifiers that it exports.
#[test]
fn durations_lead_to_the_trace_that_opentelemetry_exports() {
    use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};
    for (inside, sampled) in [(true, true), (false, true), (true, false), (false, false)] {
        let exporter = InMemorySpanExporter::default();
        let sampler = if sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone());
        let provider = provider.with_sampler(sampler).build();
        let registry = Registry::new();
        let builder = MetricsLayer::builder().exemplars_from(|id, dispatch| {
            let context = tracing_opentelemetry::get_otel_context(id, dispatch)?;
            let ids = context.span().span_context().clone();
            let found = TraceContext::new(ids.trace_id().to_bytes(), ids.span_id().to_bytes())?;
            Some(TraceContext { sampled: ids.is_sampled(), ..found })
        });
        let layer = builder.build(&registry).unwrap();
        let work = || {
            let request = tracing::info_span!("request");
            request.in_scope(|| tracing::info_span!("query").in_scope(|| {}));
            request.in_scope(|| {});
        };
        let base = tracing_subscriber::registry();
        let tracer = provider.tracer("test");
        match inside {
            true => {
                let telemetry = tracing_opentelemetry::layer().with_tracer(tracer);
                tracing::subscriber::with_default(base.with(telemetry).with(layer), work);
            }
            false => {
                let telemetry = tracing_opentelemetry::layer().with_tracer(tracer);
                tracing::subscriber::with_default(base.with(layer).with(telemetry), work);
            }
        }
        let exported = exporter.get_finished_spans().unwrap();
        assert_eq!(exported.len(), if sampled { 2 } else { 0 });
        for name in ["request", "query"] {
            let ids = exported.iter().find(|span| span.name == name).map(|span| {
                let ids = &span.span_context;
                exemplar(&ids.trace_id().to_string(), &ids.span_id().to_string())
            });
            assert_eq!(exemplars_of(&registry, name), ids.unwrap_or_default(), "{name} {inside}");
        }
    }
}
