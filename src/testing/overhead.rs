//! What measuring costs: the same work with and without it, in turn.

use std::fmt;
use std::time::{Duration, Instant};

/// Runs `with` and `without` `pairs` times each (at least once) and takes the time of each.
///
/// Which one is first changes from pair to pair, so that what makes the machine slower for a while, or faster, hits both
/// alike; and the median of the pairs' ratios does not mind a pair in which somebody else wanted the processor. Both are run once
/// before, untimed. Each should take at least some milliseconds.
///
/// A timing belongs into a benchmark, not into an assertion of a test that runs on a machine with others.
///
/// ```
/// use tachometer::{Registry, testing::overhead};
/// let requests = Registry::new().counter("requests_total", "Requests.")?;
/// let work = |from: u64| (from..from + 100_000).fold(0, |sum: u64, n| sum.wrapping_mul(31) ^ n);
/// let cost = overhead(5, || { requests.inc(); std::hint::black_box(work(1)); }, || { std::hint::black_box(work(1)); });
/// println!("{cost}"); // the median of the pairs, the least and the greatest
/// # Ok::<(), tachometer::Error>(())
/// ```
pub fn overhead(pairs: u32, mut with: impl FnMut(), mut without: impl FnMut()) -> Overhead {
    let mut run = |is_with: bool| {
        let began = Instant::now();
        if is_with {
            with()
        } else {
            without()
        }
        began.elapsed()
    };
    run(true);
    run(false);
    Overhead::measure(pairs, run)
}

/// The times of pairs of runs, with and without what is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overhead {
    /// With, and without. At least one.
    pairs: Vec<(Duration, Duration)>,
}

impl Overhead {
    /// As [`overhead`], with the time of a run (`true`: with what is measured) from `time`: processor time, or a count of
    /// instructions.
    pub fn measure(pairs: u32, mut time: impl FnMut(bool) -> Duration) -> Overhead {
        let pair = |number: u32| match number % 2 {
            0 => {
                let with = time(true);
                (with, time(false))
            }
            _ => {
                let without = time(false);
                (time(true), without)
            }
        };
        Overhead { pairs: (0..pairs.max(1)).map(pair).collect() }
    }

    /// The times of each pair: with, and without.
    pub fn pairs(&self) -> &[(Duration, Duration)] {
        &self.pairs
    }

    /// The time with as a part of the time without, by pair, ascending.
    pub fn ratios(&self) -> Vec<f64> {
        let ratio = |(with, without): &(Duration, Duration)| {
            with.as_nanos() as f64 / without.as_nanos().max(1) as f64
        };
        let mut ratios: Vec<f64> = self.pairs.iter().map(ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios
    }

    /// The median of [`Overhead::ratios`]: 1.01 is one percent.
    pub fn median_ratio(&self) -> f64 {
        let ratios = self.ratios();
        f64::midpoint(ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2])
    }
}

impl fmt::Display for Overhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios = self.ratios();
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        let (median, pairs) = (self.median_ratio(), ratios.len());
        write!(
            f,
            "time with ÷ without: median {median:.4} of {pairs} pairs, from {least:.4} to {most:.4}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_alternate_and_their_median_does_not_mind_one_that_was_disturbed() {
        let mut order = Vec::new();
        let mut times = [110, 100, 100, 105, 900, 100].into_iter();
        let overhead = Overhead::measure(3, |is_with| {
            order.push(is_with);
            Duration::from_millis(times.next().unwrap())
        });
        assert_eq!(order, [true, false, false, true, true, false]);
        assert_eq!(overhead.ratios(), [1.05, 1.1, 9.0]);
        assert_eq!(overhead.median_ratio(), 1.1);
        let expected = "time with ÷ without: median 1.1000 of 3 pairs, from 1.0500 to 9.0000";
        assert_eq!(overhead.to_string(), expected);
        assert_eq!(Overhead::measure(0, |_| Duration::ZERO).pairs().len(), 1, "at least one");
        let (mut with, mut without) = (0, 0);
        assert_eq!(super::overhead(4, || with += 1, || without += 1).pairs().len(), 4);
        assert_eq!((with, without), (5, 5), "each once before, untimed");
    }
}
