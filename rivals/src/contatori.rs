//! `contatori`: counters of 128 padded atomics, one per thread modulo 128.
//!
//! `Monotone` is the crate's counter for Prometheus. No histogram; labels are fixed at compile time
//! (`labeled_group!`), so neither the look-up nor a page of labelled series can be built.

use contatori::counters::Observable;
use contatori::counters::monotone::Monotone;

use crate::harness::{Recording, Rival};

pub struct Contatori;

impl Rival for Contatori {
    fn name(&self) -> &'static str {
        "contatori"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["contatori"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let counters: Vec<Box<Monotone>> = (0..count).map(|_| Box::default()).collect();
        Some(Recording::new(
            counters,
            |counters, lap| lap.in_turn(counters, |counter| counter.add(1)),
            |counters| counters.iter().map(|counter| counter.value().as_u64()).sum(),
        ))
    }
}
