//! Reproducible random numbers (xorshift64*, Vigna 2016).

/// A generator. The same seed gives the same numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From zero to `below`, which is left out.
    pub fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(below)) >> 64) as u64
    }

    /// A value of up to `bits` bits, every number of bits as likely as any other.
    pub fn magnitude(&mut self, bits: u32) -> u64 {
        let shown = self.below(u64::from(bits) + 1) as u32;
        self.next() & ((1 << shown) - 1)
    }
}
