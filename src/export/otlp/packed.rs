//! Variable-length integers, many at once, and how long they are.

use crate::export::wire::Wire;

/// The bytes of a variable-length integer.
#[inline]
pub(super) fn varint_len(value: u64) -> usize {
    ((63 - (value | 1).leading_zeros()) as usize * 9 + 73) / 64
}

/// The bytes of a field below 16 that is left out if it is zero.
pub(super) fn uint_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_len(value) }
}

/// Appends variable-length integers. Most are one byte or two, which nobody can foretell: no branch hangs on it.
pub(super) fn pack(out: &mut Vec<u8>, counts: &[u64]) {
    const BLOCK: usize = 128;
    let mut block = [0u8; 2 * BLOCK + 1];
    for counts in counts.chunks(BLOCK) {
        if counts.iter().fold(0, |all, count| all | count) >= 1 << 14 {
            counts.iter().for_each(|&count| out.varint(count));
            continue;
        }
        let mut len = 0;
        for &count in counts {
            let long = count >= 0x80;
            // Never more than two bytes each: the mask spares a question about the block's end.
            let at = len & (2 * BLOCK - 1);
            block[at] = count as u8 | u8::from(long) << 7;
            block[at + 1] = (count >> 7) as u8;
            len += 1 + usize::from(long);
        }
        out.extend_from_slice(&block[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_integers() {
        for bits in 0..64 {
            for value in [1 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                out.varint(value);
                assert_eq!(varint_len(value), out.len(), "{value}");
            }
        }
    }

    #[test]
    fn counts_are_packed_as_one_by_one() {
        let small = (0..1_000).map(|count| count * 16);
        let large = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, u64::MAX >> bit]);
        let full = std::iter::repeat_n((1 << 14) - 1, 256);
        for counts in [small.collect::<Vec<u64>>(), large.collect(), full.collect(), vec![]] {
            let (mut single, mut packed) = (vec![7], vec![7]);
            counts.iter().for_each(|&count| single.varint(count));
            pack(&mut packed, &counts);
            assert_eq!(single, packed);
        }
    }
}
