//! The numbers of one series in a block that is open, or not yet packed: the first ones packed in pieces, the last ones as
//! they came.
//!
//! A piece takes little time to pack and somewhat more bytes than its part of a whole block that is packed: both because
//! pieces are packed again when the block has closed.

use super::column::ALLOCATION;
use super::scalars;
use crate::limits::HISTORY_PIECE_ROWS;

/// How many numbers a piece has, and how many bytes.
const HEAD: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// Pieces, one after the other.
    packed: Vec<u8>,
    /// Numbers in the pieces.
    count: u16,
    /// Numbers behind them.
    tail: Vec<u64>,
}

impl Pieces {
    /// `value` so many times. Columns of one row grow at different rows, as `stagger` says.
    pub(super) fn repeated(value: u64, times: usize, floats: bool, stagger: usize) -> Self {
        let mut pieces = Pieces::default();
        (0..times).for_each(|_| pieces.push(value, floats, stagger));
        pieces
    }

    pub(super) fn push(&mut self, value: u64, floats: bool, stagger: usize) {
        // The first piece is the shorter one, so that not all columns pack theirs at the same row.
        let most = match self.count {
            0 => HISTORY_PIECE_ROWS - stagger % (HISTORY_PIECE_ROWS * 3 / 4),
            _ => HISTORY_PIECE_ROWS,
        };
        if self.tail.len() >= most {
            self.pack(floats);
        }
        if self.tail.len() == self.tail.capacity() {
            let more = (self.tail.len() / 2).max(8) + stagger % 8;
            self.tail.reserve_exact(more.min(HISTORY_PIECE_ROWS - self.tail.len()).max(1));
        }
        self.tail.push(value);
    }

    fn pack(&mut self, floats: bool) {
        let bytes = scalars::pack_quickly(&self.tail, floats);
        self.packed.reserve_exact(HEAD + bytes.len());
        self.packed.extend_from_slice(&(self.tail.len() as u16).to_le_bytes());
        self.packed.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        self.packed.extend_from_slice(&bytes);
        self.count += self.tail.len() as u16;
        self.tail.clear();
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.count) + self.tail.len()
    }

    /// All numbers.
    pub(super) fn values(&self) -> Vec<u64> {
        let (mut values, mut rest) = (Vec::with_capacity(self.len()), &*self.packed);
        while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
            let [count, length] = [[head[0], head[1]], [head[2], head[3]]]
                .map(|bytes| usize::from(u16::from_le_bytes(bytes)));
            let (piece, after) = after.split_at(length.min(after.len()));
            values.extend(scalars::unpack(piece, count));
            rest = after;
        }
        values.extend_from_slice(&self.tail);
        values
    }

    pub(super) fn heap(&self) -> usize {
        let allocation = |bytes: usize| if bytes > 0 { bytes + ALLOCATION } else { 0 };
        allocation(self.packed.capacity()) + allocation(8 * self.tail.capacity())
    }
}

/// A piece of numbers of which nothing can be said takes eight bytes each, and less than that for its head.
const _: () = assert!(16 * HISTORY_PIECE_ROWS < u16::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HISTORY_BLOCK_ROWS;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_pushed_is_read(
            values in proptest::collection::vec((any::<u64>(), 0u32..64), 0..HISTORY_BLOCK_ROWS),
            (same, times) in (any::<u64>(), 0usize..HISTORY_BLOCK_ROWS),
            floats in any::<bool>(),
            stagger in any::<usize>(),
        ) {
            let mut pieces = Pieces::repeated(same, times, floats, stagger);
            let mut expected = vec![same; times];
            for value in values.into_iter().map(|(value, shift)| value >> shift) {
                pieces.push(value, floats, stagger);
                expected.push(value);
                prop_assert_eq!(pieces.len(), expected.len());
            }
            prop_assert_eq!(pieces.values(), expected);
        }
    }

    #[test]
    fn a_noisy_column_takes_half_of_its_numbers_at_most() {
        for (floats, stagger) in [(true, 0), (true, 44), (false, 17)] {
            let mut pieces = Pieces::default();
            for at in 0..HISTORY_BLOCK_ROWS as u64 {
                let noise = at * at * 2_654_435_761 % 2_003;
                let value =
                    if floats { (noise as f64 / 100.0).to_bits() } else { at * 15_000 + noise };
                pieces.push(value, floats, stagger);
                assert!(pieces.heap() <= 8 * HISTORY_PIECE_ROWS + 2 * pieces.len() + 64);
            }
            assert!(pieces.heap() <= 4 * HISTORY_BLOCK_ROWS, "{} bytes", pieces.heap());
        }
    }
}
