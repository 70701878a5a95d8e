//! How long to wait before the next attempt: twice as long each time, by a random part less.
//!
//! The random part keeps programs that lost the same server at the same moment from coming back to it at the same moment.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    /// Of a xorshift generator; never zero.
    random: u64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Backoff {
        // The standard library's way to something different in each process.
        let random = RandomState::new().hash_one(0) | 1;
        Backoff { first, longest, failures: 0, random }
    }

    /// An attempt failed: the pause before the next one, without a random part.
    pub(crate) fn whole_pause(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(30));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest)
    }

    /// An attempt failed: the pause before the next one, from half of what it could be to all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        let most = self.whole_pause();
        self.part_of(most)
    }

    /// A random part of a span, from half of it to all of it.
    pub(crate) fn part_of(&mut self, most: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = (self.random >> 40) as f64 / (1 << 24) as f64;
        most.mul_f64(0.5 + part / 2.0)
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_longest_and_begins_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for most in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.pause();
            let most = Duration::from_millis(most);
            assert!(most / 2 <= pause && pause <= most, "{pause:?} {most:?}");
        }
        (0..100).for_each(|_| assert!(backoff.pause() <= Duration::from_secs(1)));
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }

    #[test]
    fn two_do_not_come_back_together() {
        let mut pauses: Vec<Duration> = (0..20)
            .map(|_| Backoff::new(Duration::from_secs(1), Duration::from_secs(9)).pause())
            .collect();
        pauses.sort();
        pauses.dedup();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
