//! tachometer through the macros of `metrics`: what a program that is instrumented with them gets.

use std::time::Duration;

use ::metrics::{Counter, Histogram, counter, histogram, with_local_recorder};
use ::tachometer::facade::metrics::Recorder;
use ::tachometer::{Engine, ManualClock, Registry};

use crate::harness::{Recording, Rival};

pub struct Facade;

/// A recorder, and an engine that makes snapshots when it is asked to.
fn recorder() -> (Recorder, Engine) {
    let registry = Registry::new();
    let recorder = Recorder::new(&registry).expect("a fresh registry");
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start();
    (recorder, engine.expect("a fresh registry"))
}

impl Rival for Facade {
    fn name(&self) -> &'static str {
        "tachometer through metrics"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["metrics", "tachometer"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let (recorder, engine) = recorder();
        let name = |i| format!("counter_{i}_total");
        let counters: Vec<Counter> =
            with_local_recorder(&recorder, || (0..count).map(|i| counter!(name(i))).collect());
        Some(Recording::new(
            (counters, engine),
            |(counters, _), lap| lap.in_turn(counters, |counter| counter.increment(1)),
            move |(counters, engine)| {
                let snapshot = engine.refresh();
                let value = |i| snapshot.counter(&name(i)).expect("registered");
                (0..counters.len()).map(value).sum()
            },
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let (recorder, engine) = recorder();
        let histogram: Histogram = with_local_recorder(&recorder, || histogram!("latency_seconds"));
        Some(Recording::new(
            (histogram, engine),
            |(histogram, _), lap| lap.latencies_in_seconds(histogram, Histogram::record),
            |(_, engine)| {
                engine.refresh().histogram("latency_seconds").expect("registered").count()
            },
        ))
    }

    /// The `counter!` macro, with owned copies of the lent values, as in the row `metrics`.
    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            recorder(),
            |(recorder, _), lap| {
                with_local_recorder(recorder, || {
                    lap.label_pairs(|rpc, peer| {
                        counter!("calls_total", "rpc" => rpc.to_owned(), "peer" => peer.to_owned())
                            .increment(1);
                    });
                });
            },
            |(_, engine)| engine.refresh().counter("calls_total").unwrap_or(0),
        ))
    }
}
