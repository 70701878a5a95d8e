//! `hdrhistogram`'s `Recorder`: a histogram per thread, sent to the reader when it asks for it.
//!
//! The crate has histograms only: no counters, no labels, no pages.

use std::sync::Mutex;

use hdrhistogram::Histogram;

use crate::harness::{Recording, Rival};

/// Two significant figures, from a nanosecond to an hour.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 2).expect("valid bounds")
}

pub struct Recorder;

impl Rival for Recorder {
    fn name(&self) -> &'static str {
        "hdrhistogram recorder"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["hdrhistogram"]
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            Mutex::new(histogram().into_sync()),
            |histogram, lap| {
                let mut recorder = histogram.lock().expect("no thread panicked").recorder();
                lap.latencies_mut(&mut recorder, |recorder, ns| recorder.saturating_record(ns));
            },
            |histogram| {
                let mut histogram = histogram.lock().expect("no thread panicked");
                histogram.refresh();
                histogram.len()
            },
        ))
    }
}
