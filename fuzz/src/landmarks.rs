//! What an input has reached, told to libFuzzer beside the code that it covered.
//!
//! Most of what can go wrong with a series lies not in code that is rarely run but in an order of things that rarely
//! happens: recorded, expired, recorded again before the next cut. So the last few events of each series are a feature of
//! their own, and an input that brings a new order about is kept.

use std::sync::atomic::{AtomicU8, Ordering};

const COUNTERS: usize = 1 << 14;

/// libFuzzer finds these by the name of their section, and clears them before each input.
// An array of bytes, which is what libFuzzer expects in this section.
#[allow(unsafe_code)]
#[cfg_attr(target_os = "linux", unsafe(link_section = "__libfuzzer_extra_counters"))]
static REACHED: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

/// What happens to a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Recorded = 1,
    RecordedInGroup,
    Taken,
    LetGo,
    Cut,
    IncompleteCut,
    Gone,
    EngineRestarted,
    ThreadEnded,
}

/// The last three events of a series, the latest in the lowest bits. Repeated cuts count once.
#[derive(Clone, Copy, Debug, Default)]
pub struct History(u16);

impl History {
    /// Adds an event in the life of a series of class `class`.
    pub fn add(&mut self, class: usize, event: Event) {
        let event = event as u16;
        if self.0 & 0xF == event {
            return;
        }
        self.0 = (self.0 << 4 | event) & 0xFFF;
        let feature = (class * 0x1000 + usize::from(self.0)).wrapping_mul(0x9E37_79B1) >> 8;
        let reached = &REACHED[feature % COUNTERS];
        // Relaxed: one thread counts, and libFuzzer reads after the input.
        reached.store(reached.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }
}
