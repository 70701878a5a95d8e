//! Rows of numbers that came, and that wait to be given to their series' columns.
//!
//! To give a number to its series means to look at three places in memory that nobody has looked at since the row before:
//! for 10,000 series that takes longer than everything else. A row of numbers side by side is one copy. So rows wait here,
//! [`HISTORY_STAGED_ROWS`] at most, while a part of the columns at a time is given all that waits for it.
//!
//! Only rows in which each series goes on from the row before are put here: in all others something begins anew, and
//! each series is looked at anyway. What waits here belongs to a column as much as what it already has: whoever reads the one
//! reads the other.

use super::column::ALLOCATION;
use crate::limits::HISTORY_STAGED_ROWS;
use std::collections::VecDeque;

/// Where a row stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// How many rows of its tier came before it.
    pub(super) number: u64,
    pub(super) block: u32,
    /// Its index in the block.
    pub(super) index: u16,
}

#[derive(Debug)]
struct Row {
    place: Place,
    /// By column: the place among the generation's numbers.
    values: Box<[u64]>,
    /// When so many columns were passed, all have it.
    due: u64,
}

/// The rows of one tier that wait.
#[derive(Debug, Default)]
pub(super) struct Staged {
    rows: VecDeque<Row>,
    /// The memory of a row that waits no more.
    spare: Option<Box<[u64]>>,
    /// How many columns were passed.
    passed: u64,
}

impl Staged {
    /// Adds a row. All rows have as many columns.
    pub(super) fn push(&mut self, place: Place, values: &[u64]) {
        let due = self.passed + values.len() as u64;
        let values = match self.spare.take().filter(|spare| spare.len() == values.len()) {
            Some(mut spare) => {
                spare.copy_from_slice(values);
                spare
            }
            None => values.into(),
        };
        if self.rows.capacity() == 0 {
            self.rows.reserve_exact(HISTORY_STAGED_ROWS);
        }
        self.rows.push_back(Row { place, values, due });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What waits for a column whose series has so many rows already.
    pub(super) fn of(&self, column: usize, rows: u64) -> impl Iterator<Item = (Place, u64)> {
        let waits = self.rows.iter().filter(move |row| row.place.number >= rows);
        waits.filter_map(move |row| Some((row.place, *row.values.get(column)?)))
    }

    /// How many columns are to be passed so that there is room for another row.
    pub(super) fn excess(&self) -> usize {
        let oldest = self.rows.front().filter(|_| self.rows.len() >= HISTORY_STAGED_ROWS);
        oldest.map_or(0, |row| (row.due - self.passed) as usize)
    }

    /// The next columns whose turn it is, at most `most`.
    pub(super) fn turns(&self, most: usize) -> impl Iterator<Item = usize> + use<> {
        let columns = self.rows.front().map_or(0, |row| row.values.len());
        let first = self.passed;
        (0..most.min(columns) as u64).map(move |at| ((first + at) % columns as u64) as usize)
    }

    /// The columns of so many turns have been given what waited for them.
    pub(super) fn pass(&mut self, turns: usize) {
        self.passed += turns as u64;
        while let Some(row) = self.rows.pop_front_if(|row| row.due <= self.passed) {
            self.spare = Some(row.values);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Staged::default();
    }

    pub(super) fn heap(&self) -> usize {
        let values = self.rows.iter().map(|row| &row.values).chain(&self.spare);
        let values: usize = values.map(|values| size_of_val(&**values) + ALLOCATION).sum();
        values + self.rows.capacity() * size_of::<Row>()
    }
}
