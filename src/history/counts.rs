//! Counts of which it is known about how large they are: a number of values that a bucket gets, given how many it is
//! expected to get.
//!
//! Small ones are decided one by one, with the chances of Poisson's distribution to begin with; of large ones it is told
//! how far they lie from what was expected. Both learn.

use super::bits::{unzigzag, zigzag};
use super::range::{Chance, Coder, Numbers, length, mantissa};

/// The least expectation that is told from less: 2⁻¹⁰.
const LEAST: u32 = 6;
/// Classes of small expectations: four to each power of two, up to six.
const SMALL: usize = 50;
/// Classes of large ones, up to 2¹².
const LARGE: usize = 36;
/// Counts that are decided one by one.
const DECIDED: usize = 14;

/// The class of an expectation in 2⁻¹⁶.
pub(super) const fn class(expected: u64) -> usize {
    let expected = if expected >> LEAST == 0 { 1 << LEAST } else { expected };
    let octave = 63 - expected.leading_zeros();
    4 * (octave - LEAST) as usize + (expected >> (octave - 2) & 3) as usize
}

/// The middle of a class.
const fn middle(class: usize) -> f64 {
    let mut middle = (4.5 + (class % 4) as f64) / 4.0 / 1024.0;
    let mut octave = 0;
    while octave < class / 4 {
        middle *= 2.0;
        octave += 1;
    }
    middle
}

/// e to the power of -`x`. The compiler works it out, the same for every machine.
const fn fall(x: f64) -> f64 {
    let (mut sum, mut term, mut at) = (1.0, 1.0, 1);
    while at < 60 {
        term = term * x / at as f64;
        sum += term;
        at += 1;
    }
    1.0 / sum
}

const fn chance(of: f64, learned: u32) -> Chance {
    Chance::of((of * 65_536.0) as u32, learned)
}

/// Of each class, the chances that a count that is at least so much is more.
const POISSON: [[Chance; DECIDED]; SMALL] = {
    let mut all = [[Chance::EVEN; DECIDED]; SMALL];
    let mut class = 0;
    while class < SMALL {
        let expected = middle(class);
        let (mut at, mut each, mut rest) = (0, fall(expected), 1.0);
        while at < DECIDED {
            let more = 1.0 - each / rest;
            all[class][at] = chance(if more > 0.0 { more } else { 0.0 }, 12);
            rest = if rest - each > 1e-9 { rest - each } else { 1e-9 };
            at += 1;
            each = each * expected / at as f64;
        }
        class += 1;
    }
    all
};

/// Of each class, the chance that a stretch has any value.
pub(super) const ANY: [Chance; class(2 << 16) + 1] = {
    let mut all = [Chance::EVEN; class(2 << 16) + 1];
    let mut class = 0;
    while class < all.len() {
        all[class] = chance(1.0 - fall(middle(class)), 12);
        class += 1;
    }
    all
};

/// The chance that a bucket is the first of its stretch with values, by how many classes it lies below what is left of
/// the stretch.
pub(super) const FIRSTS: [[Chance; 40]; 4] = {
    let mut all = [[Chance::EVEN; 40]; 4];
    let mut at = 0;
    while at < 160 {
        let ratio = middle(0) / middle(at % 40);
        all[at / 40][at % 40] = chance(if ratio < 0.98 { ratio } else { 0.98 }, 4);
        at += 1;
    }
    all
};

/// What was learned of counts.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    small: [[Chance; DECIDED]; SMALL],
    /// The first chances, of buckets that never had a value.
    never: [Chance; SMALL],
    escaped: Numbers,
    large: [[Chance; 24]; LARGE],
    heads: [[Chance; 3]; 65],
}

impl Counts {
    pub(super) fn new() -> Counts {
        let mut never = [Chance::EVEN; SMALL];
        never.iter_mut().zip(&POISSON).for_each(|(never, chances)| *never = chances[0]);
        Counts {
            small: POISSON,
            never,
            escaped: Numbers::NEW,
            large: [[Chance::EVEN; 24]; LARGE],
            heads: [[Chance::EVEN; 3]; 65],
        }
    }

    /// A count of which about `expected` (in 2⁻¹⁶) is expected; `never` if there was none yet.
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        expected: u64,
        never: bool,
        count: u64,
    ) -> u64 {
        let class = class(expected);
        if class < SMALL {
            let chances = &mut self.small[class];
            let chance = if never { &mut self.never[class] } else { &mut chances[0] };
            return if coder.bit(chance, count > 0) {
                self.more(coder, expected, 1, count)
            } else {
                0
            };
        }
        let about = (expected >> 16) as i64;
        let off = zigzag((count as i64).wrapping_sub(about));
        let length = length(coder, &mut self.large[(class - SMALL).min(LARGE - 1)], off);
        let off = mantissa(coder, &mut self.heads[length as usize], length, off);
        about.wrapping_add(unzigzag(off)).max(0) as u64
    }

    /// As [`Counts::code`], of one that is at least `known`.
    pub(super) fn more(
        &mut self,
        coder: &mut impl Coder,
        expected: u64,
        known: usize,
        count: u64,
    ) -> u64 {
        let chances = &mut self.small[class(expected).min(SMALL - 1)];
        for (at, chance) in chances.iter_mut().enumerate().skip(known) {
            if !coder.bit(chance, count > at as u64) {
                return at as u64;
            }
        }
        (DECIDED as u64)
            .saturating_add(self.escaped.code(coder, count.wrapping_sub(DECIDED as u64)))
    }
}
