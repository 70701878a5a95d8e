//! The entries of one log in memory, without a hole, and the vote that goes with them.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

use super::super::types::{Entry, LogId, Vote, payload_bytes};

/// Consecutive entries after the last purged one.
#[derive(Debug, Default)]
pub struct Entries {
    list: VecDeque<Entry>,
    bytes: u64,
    purged: Option<LogId>,
    vote: Option<Vote>,
}

impl Entries {
    /// Puts a log together again from what was found on the disk.
    pub(super) fn restored(
        list: VecDeque<Entry>,
        purged: Option<LogId>,
        vote: Option<Vote>,
    ) -> Self {
        let bytes = list.iter().map(payload_bytes).sum();
        Self { list, bytes, purged, vote }
    }

    pub fn vote(&self) -> Option<Vote> {
        self.vote
    }

    pub fn set_vote(&mut self, vote: Vote) {
        self.vote = Some(vote);
    }

    /// The last entry that was purged.
    pub fn purged(&self) -> Option<LogId> {
        self.purged
    }

    /// The last entry, or the last purged one when there is none.
    pub fn last(&self) -> Option<LogId> {
        self.list.back().map(|entry| entry.log_id).or(self.purged)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What the entries weigh, by [`payload_bytes`].
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn entry(&self, index: u64) -> Option<&Entry> {
        let first = self.list.front()?.log_id.index;
        self.list.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }

    /// The entries whose index is in `range`, as far as they exist.
    pub fn range(&self, range: impl RangeBounds<u64>) -> Vec<Entry> {
        let Some(first) = self.list.front().map(|entry| entry.log_id.index) else {
            return Vec::new();
        };
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        let position = |index: u64| (index.saturating_sub(first) as usize).min(self.list.len());
        if start >= end {
            return Vec::new();
        }
        self.list.range(position(start)..position(end)).cloned().collect()
    }

    /// Adds entries that follow the last one.
    pub fn append(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            debug_assert!(
                self.list.back().is_none_or(|last| last.log_id.index + 1 == entry.log_id.index),
                "entry {} leaves a hole",
                entry.log_id
            );
            self.bytes += payload_bytes(&entry);
            self.list.push_back(entry);
        }
    }

    /// Removes the entries from index `from` on.
    pub fn truncate(&mut self, from: u64) {
        while let Some(last) = self.list.pop_back_if(|last| last.log_id.index >= from) {
            self.bytes -= payload_bytes(&last);
        }
    }

    /// Removes the entries up to and including `upto` and returns how many there were.
    pub fn purge(&mut self, upto: LogId) -> u64 {
        let before = self.list.len();
        while let Some(first) = self.list.pop_front_if(|first| first.log_id.index <= upto.index) {
            self.bytes -= payload_bytes(&first);
        }
        self.purged = self.purged.max(Some(upto));
        (before - self.list.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{entry, log_id};
    use super::*;

    fn filled(indexes: std::ops::Range<u64>) -> Entries {
        let mut entries = Entries::default();
        entries.append(indexes.map(|index| entry(1, index, 2)));
        entries
    }

    fn indexes(list: &[Entry]) -> Vec<u64> {
        list.iter().map(|entry| entry.log_id.index).collect()
    }

    #[test]
    fn ranges_are_clipped_to_what_exists() {
        let entries = filled(5..10);
        assert_eq!(indexes(&entries.range(..)), [5, 6, 7, 8, 9]);
        assert_eq!(indexes(&entries.range(0..7)), [5, 6]);
        assert_eq!(indexes(&entries.range(8..=20)), [8, 9]);
        assert!(entries.range(0..5).is_empty());
        assert!(entries.range(10..12).is_empty());
        assert!(Entries::default().range(..).is_empty());
    }

    #[test]
    fn purge_and_truncate_keep_the_weight_and_the_ends() {
        let mut entries = filled(1..11);
        let one = entries.bytes() / 10;
        assert_eq!(entries.purge(log_id(1, 4)), 4);
        entries.truncate(9);
        assert_eq!(indexes(&entries.range(..)), [5, 6, 7, 8]);
        assert_eq!(entries.bytes(), 4 * one);
        assert_eq!(entries.last(), Some(log_id(1, 8)));
        assert_eq!(entries.entry(4), None);
        assert_eq!(entries.entry(8).map(|entry| entry.log_id.index), Some(8));
        assert_eq!(entries.purge(log_id(2, 20)), 4);
        assert_eq!((entries.len(), entries.bytes()), (0, 0));
        assert_eq!(entries.last(), Some(log_id(2, 20)));
    }
}
