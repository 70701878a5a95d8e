//! Which of many alike events are timed: one in N on average, each counting as N.
//!
//! The engine's own sampled timers keep their state in the recording thread's shard. Here each log,
//! state machine, link and client has state of its own at hand, so that an event that is not timed
//! touches no memory besides.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Draws one in `ONE_IN`, with random gaps from 1 to `2 · ONE_IN − 1`, so that events with a period
/// of their own are not sampled in step with it.
#[derive(Clone, Debug)]
pub struct Sampler<const ONE_IN: u32> {
    /// Events until the next that is drawn.
    left: u32,
    random: u64,
}

impl<const ONE_IN: u32> Default for Sampler<ONE_IN> {
    fn default() -> Self {
        let random = RandomState::new().build_hasher().finish() | 1;
        // The first event is drawn as any other: one time in `ONE_IN`.
        let left = 1 + random as u32 % ONE_IN;
        Self { left, random }
    }
}

impl<const ONE_IN: u32> Sampler<ONE_IN> {
    /// Whether this event is drawn.
    #[inline]
    pub fn draw(&mut self) -> bool {
        self.left -= 1;
        self.left == 0 && self.next_gap()
    }

    #[cold]
    fn next_gap(&mut self) -> bool {
        // xorshift64 (Marsaglia 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.left = 1 + (self.random >> 32) as u32 % (2 * ONE_IN - 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_n_is_drawn() {
        const EVENTS: usize = 1 << 20;
        let mut sampler = Sampler::<8>::default();
        let drawn = (0..EVENTS).filter(|_| sampler.draw()).count();
        // Gaps are 8 ± 4.3 on average, so the count is 131,072 within about 200.
        assert!(drawn.abs_diff(EVENTS / 8) < 2_000, "{drawn}");
        let mut every = Sampler::<1>::default();
        assert!((0..100).all(|_| every.draw()));
    }
}
