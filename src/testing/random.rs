//! Numbers that look random and are the same for a seed: on every machine, with every compiler, in every later version.
//!
//! The generator is xoshiro256++ (Blackman and Vigna, 2019), seeded through SplitMix64, as its authors say. What is drawn from it
//! needs logarithms and exponentials; those of the system's mathematical library differ in the last digit from one machine to
//! the next, so these here are made of additions, multiplications, divisions and square roots alone, which IEEE 754 fixes to
//! the last bit. See `docs/decisions/0022-soak.md`.

/// A source of numbers. The same seed gives the same numbers, everywhere and for ever.
///
/// Not for secrets. A number costs about a nanosecond.
///
/// ```
/// use tachometer::testing::Random;
/// let mut random = Random::new(42);
/// assert_eq!(random.next_u64(), 15_021_278_609_987_233_951);
/// assert_eq!(random.below(6) + 1, 2, "a die");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Random {
        let mut split = seed;
        Random { state: std::array::from_fn(|_| split_mix(&mut split)) }
    }

    /// The numbers of `seed` for one purpose, and the one with `number` of those that share it: what each client, link or
    /// thread draws does not hang on how often others draw.
    ///
    /// ```
    /// use tachometer::testing::Random;
    /// let first = Random::stream(42, "client", 0).next_u64();
    /// assert_ne!(first, Random::stream(42, "client", 1).next_u64());
    /// assert_ne!(first, Random::stream(42, "faults", 0).next_u64());
    /// ```
    pub fn stream(seed: u64, purpose: &str, number: u64) -> Random {
        // FNV-1a: simple, and fixed for ever.
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        let named = purpose.bytes().fold(0xCBF2_9CE4_8422_2325, fold);
        let mixed = [seed, named, number].into_iter().fold(0, |mut all: u64, part| {
            all ^= part;
            split_mix(&mut all)
        });
        Random::new(mixed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let (mixed_c, mixed_d) = (c ^ a, d ^ b);
        self.state = [a ^ mixed_d, b ^ mixed_c, mixed_c ^ (b << 17), mixed_d.rotate_left(45)];
        a.wrapping_add(d).rotate_left(23).wrapping_add(a)
    }

    /// An integer from 0 to `below`, which is left out; each as likely as any other. 0 below 1.
    pub fn below(&mut self, below: u64) -> u64 {
        // Lemire 2019: what would make some more likely than others is drawn again.
        let unfair = below.wrapping_neg() % below.max(1);
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(below);
            if wide as u64 >= unfair {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A number from 0 to 1, which is left out: a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `true` with this probability. Draws one number, whatever the probability is.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number of the exponential distribution with mean 1.
    pub fn exponential(&mut self) -> f64 {
        // 1 - unit is never zero.
        -ln(1.0 - self.unit())
    }

    /// A number of the normal distribution with mean 0 and deviation 1 (Marsaglia's polar method).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * ln(square) / square).sqrt();
            }
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The natural logarithm of a positive, normal number.
pub(super) fn ln(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & FRACTION | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …), with |s| below 0.172: the term after the last is below 2⁻⁶⁰.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..=12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

/// e to the power of `x`; the largest and smallest normal numbers beyond what there is.
pub(super) fn exp(x: f64) -> f64 {
    let x = x.clamp(-708.0, 709.0);
    let power = (x / std::f64::consts::LN_2).round();
    // ln 2 in two parts, so that the difference keeps its digits.
    let (high, low) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    let rest = x - power * high - power * low;
    // 1 + r (1 + r/2 (1 + r/3 …)), with |r| below 0.347: the term after the last is below 2⁻⁵⁸.
    let series = (1..=14).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_generator_that_its_authors_published() {
        let mut random = Random { state: [1, 2, 3, 4] };
        let expected = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
            14_011_001_112_246_962_877,
            12_406_186_145_184_390_807,
            15_849_039_046_786_891_736,
            10_450_023_813_501_588_000,
        ];
        assert_eq!(expected.map(|_| random.next_u64()), expected);
        // SplitMix64 from 0, as in its authors' code.
        let mut state = 0;
        let split = [(); 3].map(|()| split_mix(&mut state));
        let expected = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F];
        assert_eq!(split, expected);
    }

    #[test]
    fn logarithms_and_exponentials_are_right_to_the_fifteenth_digit() {
        let mut random = Random::new(1);
        for _ in 0..100_000 {
            let x = exp(1_400.0 * random.unit() - 700.0);
            assert!((ln(x) - x.ln()).abs() <= 4e-15 * x.ln().abs().max(0.1), "{x}");
            let y = 1_400.0 * random.unit() - 700.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 4e-15, "{y}: {} {}", exp(y), y.exp());
        }
        assert_eq!((ln(1.0), exp(0.0)), (0.0, 1.0));
        assert!(exp(1e9).is_finite() && exp(-1e9) > 0.0);
    }

    /// To the last bit: whoever changes an operation changes every run that somebody wants to repeat.
    #[test]
    fn what_is_drawn_stays_what_it_was() {
        let mut random = Random::stream(7, "pinned", 3);
        let drawn = [
            random.unit().to_bits(),
            random.exponential().to_bits(),
            random.normal().to_bits(),
            random.below(1_000),
        ];
        // As another program, in another language, has computed them.
        let expected = [0x3FE8_98A1_9702_6A56, 0x3FFA_CE3E_7564_6370, 0xBFDC_EB70_5CE6_DE35, 953];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn draws_have_the_mean_and_spread_that_they_should() {
        const DRAWS: usize = 200_000;
        let mut random = Random::new(3);
        let moments = |mut draw: Box<dyn FnMut() -> f64>| {
            let all: Vec<f64> = (0..DRAWS).map(|_| draw()).collect();
            let mean = all.iter().sum::<f64>() / DRAWS as f64;
            (mean, all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64)
        };
        // The mean is off by 1/447 of the deviation on average; five times that is allowed.
        let mut one = random.clone();
        let (mean, variance) = moments(Box::new(move || one.exponential()));
        assert!((mean - 1.0).abs() < 0.012 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
        let mut one = random.clone();
        let (mean, variance) = moments(Box::new(move || one.normal()));
        assert!(mean.abs() < 0.012 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let mut one = random.clone();
        let (mean, _) = moments(Box::new(move || one.below(11) as f64));
        assert!((mean - 5.0).abs() < 0.04, "{mean}");
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
