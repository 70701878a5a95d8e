//! What is read from elsewhere: sets of sources and their series, every format of a page, real servers, and those that mean no
//! good.
#![cfg(all(feature = "source", feature = "http"))]

mod command;
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "config")]
mod config;
#[path = "../push/fake.rs"]
mod fake;
mod formats;
mod host;
mod hostile;
mod pages;
mod real;
#[path = "../prometheus/server.rs"]
mod server;
#[path = "../common/servers.rs"]
mod servers;
mod set;
mod threads;

use std::time::Duration;
use tachometer::source::{PollSettings, Receiver, Sample, SampleKind, Samples, Source, Sources};
use tachometer::{Engine, ManualClock, Registry};

/// An engine driven by hand, with a set of sources.
struct Stand {
    registry: Registry,
    clock: ManualClock,
    engine: Engine,
    sources: Sources,
}

impl Stand {
    fn new(own_metrics: bool) -> Stand {
        Stand::telling(own_metrics, |_: &tachometer::source::Polled<'_>| {})
    }

    fn telling(own_metrics: bool, receiver: impl Receiver + 'static) -> Stand {
        let registry = Registry::new();
        let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
        let builder = Engine::builder().registry(&registry).manual(&clock);
        let engine = builder.own_metrics(own_metrics).start().unwrap();
        let sources = Sources::builder().receiver(receiver).start(&engine).unwrap();
        Stand { registry, clock, engine, sources }
    }

    fn add(&self, source: impl Source + 'static) {
        self.sources.add(source, PollSettings::new()).unwrap();
    }

    /// Moves on, and polls what is due.
    fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.sources.poll_due();
    }

    fn page(&self) -> String {
        common::page_of(&self.engine)
    }
}

/// One gauge.
fn level(value: f64) -> Samples {
    let mut samples = Samples::new();
    samples.family("level", SampleKind::Gauge, "A level.").series.push(Sample::number([], value));
    samples
}
