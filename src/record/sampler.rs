//! `Sampler`: which of many alike events are measured, one in N on average.

use super::timer::first_gap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::num::NonZeroU32;

/// Draws one in N of many alike events, each of which then counts as N. For events too many to measure each, and where
/// [`Histogram::start_sampled`](crate::Histogram::start_sampled) does not do: the event begins on one thread and ends on
/// another, or what is drawn is recorded in several metrics.
///
/// Gaps are drawn at random, uniform from 1 to 2N − 1, the first one as if many events had gone before, so that a workload
/// with a period of its own is not sampled in step with it: counts and sums of what is drawn, with its weight, are
/// unbiased estimates of all. Whoever draws keeps the sampler: a task, a connection, a thread. One is 16 bytes, without
/// lock or allocation; an event that is not drawn costs about a nanosecond.
///
/// ```
/// use std::num::NonZeroU32;
/// use tachometer::{Registry, Sampler};
/// let sizes = Registry::new().histogram("request_size", "Size of requests.")?;
/// let mut sampler = Sampler::one_in(NonZeroU32::new(8).expect("not zero"));
/// for size in 0..1_000 {
///     if let Some(weight) = sampler.draw() {
///         sizes.record_n(size, weight.get().into());
///     }
/// }
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Events until the next that is drawn, itself included.
    left: u32,
    one_in: NonZeroU32,
    /// Not zero.
    random: u64,
}

impl Sampler {
    /// One in `n` is drawn; every event, if `n` is one. More than [`MAX_SAMPLE_EVERY`](crate::limits::MAX_SAMPLE_EVERY) is
    /// taken as that.
    pub fn one_in(n: NonZeroU32) -> Self {
        let most = const { NonZeroU32::new(crate::limits::MAX_SAMPLE_EVERY).unwrap() };
        let mut sampler = Sampler {
            left: 0,
            one_in: n.min(most),
            random: RandomState::new().build_hasher().finish() | 1,
        };
        let n = u64::from(sampler.one_in.get());
        // At most 2N − 1, which fits.
        sampler.left = first_gap(sampler.next_random(), n) as u32;
        sampler
    }

    /// How many events this one stands for, if it is drawn.
    #[inline]
    pub fn draw(&mut self) -> Option<NonZeroU32> {
        self.left -= 1;
        if self.left == 0 { Some(self.next_gap()) } else { None }
    }

    #[cold]
    fn next_gap(&mut self) -> NonZeroU32 {
        self.left = 1 + (self.next_random() >> 32) as u32 % (2 * self.one_in.get() - 1);
        self.one_in
    }

    /// xorshift64 (Marsaglia 2003).
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(n: u32) -> Sampler {
        Sampler::one_in(NonZeroU32::new(n).unwrap())
    }

    #[test]
    fn one_in_n_is_drawn_with_weight_n() {
        const EVENTS: usize = 1 << 20;
        let mut eighth = sampler(8);
        let drawn = (0..EVENTS).filter_map(|_| eighth.draw()).inspect(|w| assert_eq!(w.get(), 8));
        // Gaps are 8 ± 4.3 on average, so the count is 131,072 within about 200.
        let drawn = drawn.count();
        assert!(drawn.abs_diff(EVENTS / 8) < 2_000, "{drawn}");
        let mut every = sampler(1);
        assert!((0..100).all(|_| every.draw().is_some()));
        let most = crate::limits::MAX_SAMPLE_EVERY;
        assert_eq!(sampler(u32::MAX).one_in.get(), most);
    }

    #[test]
    fn a_short_life_is_sampled_as_a_long_one() {
        // Three events each: of 60,000 samplers' 180,000 events an eighth is 22,500, within about 150.
        let drawn: usize = (0..60_000)
            .map(|_| {
                let mut sampler = sampler(8);
                (0..3).filter(|_| sampler.draw().is_some()).count()
            })
            .sum();
        assert!(drawn.abs_diff(22_500) < 1_500, "{drawn}");
    }
}
