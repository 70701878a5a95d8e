//! `nm`: events that belong to one thread, read by a report over all threads.
//!
//! A pull event can be read at any time. A push event is cheaper, and invisible until the thread
//! publishes it by hand. Both keep a count and a sum, so a counter is already more than a counter.
//! An event is normally a `thread_local!`; here the lap owns its events, which spares them that
//! look-up.
//!
//! No labels, and a report for terminals instead of a page of Prometheus text.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nm::{Event, Magnitude, MetricsPusher, Report};

use crate::harness::workload::{BOUNDS_NS, BUCKETS};
use crate::harness::{Recording, Rival};

pub struct Pull;

pub struct Push;

static BOUNDS: [Magnitude; BUCKETS] = {
    let mut bounds = [0; BUCKETS];
    let mut bucket = 0;
    while bucket < BUCKETS {
        bounds[bucket] = BOUNDS_NS[bucket] as Magnitude;
        bucket += 1;
    }
    bounds
};

/// A name that no other recording has: the crate's registry is global and never forgets.
fn fresh_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("recording_{:06}", NEXT.fetch_add(1, Relaxed))
}

fn observed(name: &str) -> u64 {
    let report = Report::collect();
    report.events().filter(|event| event.name().starts_with(name)).map(|event| event.count()).sum()
}

impl Rival for Pull {
    fn name(&self) -> &'static str {
        "nm, pull"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["nm"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::new(
            fresh_name(),
            move |name, lap| {
                let event = |i| Event::builder().name(format!("{name}_{i}")).build();
                let events: Vec<Event> = (0..count).map(event).collect();
                lap.in_turn(&events, Event::observe_once);
            },
            |name| observed(name),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            fresh_name(),
            |name, lap| {
                let event = Event::builder().name(name.clone()).histogram(&BOUNDS).build();
                lap.latencies(&event, |event, ns| event.observe(ns as Magnitude));
            },
            |name| observed(name),
        ))
    }
}

impl Rival for Push {
    fn name(&self) -> &'static str {
        "nm, push (unpublished)"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["nm"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::new(
            fresh_name(),
            move |name, lap| {
                let pusher = MetricsPusher::new();
                let event =
                    |i| Event::builder().name(format!("{name}_{i}")).pusher(&pusher).build();
                let events: Vec<Event<nm::Push>> = (0..count).map(event).collect();
                lap.in_turn(&events, Event::observe_once);
                pusher.push();
            },
            |name| observed(name),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            fresh_name(),
            |name, lap| {
                let pusher = MetricsPusher::new();
                let event =
                    Event::builder().name(name.clone()).histogram(&BOUNDS).pusher(&pusher).build();
                lap.latencies(&event, |event, ns| event.observe(ns as Magnitude));
                pusher.push();
            },
            |name| observed(name),
        ))
    }
}
