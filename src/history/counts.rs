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

/// Where a bucket gets a part of what is left of it, chances are those of a binomial distribution. How large that part is
/// makes the phase; in the first one it is so small that Poisson's do.
pub(super) const PHASES: usize = 3;
/// Counts of buckets that never had a value learn by themselves, from Poisson's chances.
pub(super) const NEVER: usize = PHASES;
/// About the middle part of each phase, and the negative logarithm of what remains.
const PARTS: [(f64, f64); PHASES + 1] =
    [(0.0, 0.0), (0.2, 0.223_144), (0.5, std::f64::consts::LN_2), (0.0, 0.0)];

/// The phase where `wanted` of `rest` are taken.
pub(super) fn phase(wanted: u64, rest: u64) -> usize {
    match (8 * u128::from(wanted), u128::from(rest)) {
        (wanted, rest) if wanted < rest => 0,
        (wanted, rest) if wanted < 3 * rest => 1,
        _ => 2,
    }
}

/// Of each phase and class, the chances that a count that is at least so much is more.
const SMALL_CHANCES: [[[Chance; DECIDED]; SMALL]; PHASES + 1] = {
    let mut all = [[[Chance::EVEN; DECIDED]; SMALL]; PHASES + 1];
    let mut at = 0;
    while at < all.len() * SMALL {
        all[at / SMALL][at % SMALL] = chances_of(middle(at % SMALL), PARTS[at / SMALL]);
        at += 1;
    }
    all
};

/// The same, of one expectation.
const fn chances_of(expected: f64, (part, fallen): (f64, f64)) -> [Chance; DECIDED] {
    let mut all = [Chance::EVEN; DECIDED];
    let poisson = part == 0.0;
    let each = fall(if poisson { expected } else { expected / part * fallen });
    let (mut at, mut each, mut rest) = (0, each, 1.0);
    while at < DECIDED {
        let more = 1.0 - each / rest;
        all[at] = chance(if more > 0.0 { more } else { 0.0 }, 12);
        rest = if rest - each > 1e-9 { rest - each } else { 1e-9 };
        let last = at as f64;
        at += 1;
        each = if poisson {
            each * expected / at as f64
        } else if expected / part > last {
            each * (expected / part - last) / at as f64 * part / (1.0 - part)
        } else {
            0.0
        };
    }
    all
}

/// Expected values (in 2⁻¹⁶) from which a stretch is not asked whether it has any.
pub(super) const CROWDED: u64 = 2 << 16;
/// By how many classes buckets are told apart that may be the first of a stretch.
pub(super) const RATIOS: usize = 40;

/// Of each phase and class, the chance that a stretch has any value.
pub(super) const ANY: [[Chance; class(CROWDED) + 1]; PHASES] = {
    let mut all = [[Chance::EVEN; class(CROWDED) + 1]; PHASES];
    let mut at = 0;
    while at < PHASES * all[0].len() {
        let class = at % all[0].len();
        all[at / all[0].len()][class] = chances_of(middle(class), PARTS[at / all[0].len()])[0];
        at += 1;
    }
    all
};

/// The chance that a bucket is the first of its stretch with values, by how many classes it lies below what is left of
/// the stretch.
pub(super) const FIRSTS: [[Chance; RATIOS]; 4] = {
    let mut all = [[Chance::EVEN; RATIOS]; 4];
    let mut at = 0;
    while at < 4 * RATIOS {
        let ratio = middle(0) / middle(at % RATIOS);
        all[at / RATIOS][at % RATIOS] = chance(if ratio < 0.98 { ratio } else { 0.98 }, 4);
        at += 1;
    }
    all
};

/// What was learned of counts.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    small: [[[Chance; DECIDED]; SMALL]; PHASES + 1],
    escaped: Numbers,
    large: [[[Chance; 24]; LARGE]; PHASES + 1],
    heads: [[Chance; 3]; 65],
}

impl Counts {
    pub(super) fn new() -> Counts {
        Counts {
            small: SMALL_CHANCES,
            escaped: Numbers::NEW,
            large: [[[Chance::EVEN; 24]; LARGE]; PHASES + 1],
            heads: [[Chance::EVEN; 3]; 65],
        }
    }

    /// A count from `least` to `most`, of which about `expected` (in 2⁻¹⁶) is expected; the phase may be [`NEVER`].
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        phase: usize,
        expected: u64,
        (least, most): (u64, u64),
        count: u64,
    ) -> u64 {
        let class = class(expected);
        if class >= SMALL {
            let about = (expected >> 16) as i64;
            let off = zigzag((count as i64).wrapping_sub(about));
            let chances = &mut self.large[phase][(class - SMALL).min(LARGE - 1)];
            let length = length(coder, chances, off);
            let off = mantissa(coder, &mut self.heads[length as usize], length, off);
            let count = about.wrapping_add(unzigzag(off)).max(0) as u64;
            return count.clamp(least, most);
        }
        let decided = (DECIDED as u64).min(most);
        let chances = &mut self.small[phase][class];
        for at in least..decided {
            if !coder.bit(&mut chances[at as usize], count > at) {
                return at;
            }
        }
        let known = least.max(decided);
        if known == most {
            return most;
        }
        let more = self.escaped.code(coder, count.wrapping_sub(known));
        known.saturating_add(more).min(most)
    }
}
