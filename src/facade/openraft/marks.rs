//! Marks along the log: when which entries were appended, and what they weigh.
//!
//! Openraft says how many entries a follower lacks; how old they are, how heavy the log is, and when an entry that has just
//! been committed was appended, the marks say. A mark stands for all entries that were appended within a grain of time; at
//! [`MAX_OPENRAFT_MARKS`](crate::limits::MAX_OPENRAFT_MARKS) the grain becomes twice as long, and neighbours are joined.

use crate::Stamp;
use crate::limits::MAX_OPENRAFT_MARKS;
use std::collections::VecDeque;

/// The grain of a log that is young.
const FIRST_GRAIN_NS: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Marks {
    list: VecDeque<Mark>,
    grain_ns: u64,
    /// The entry up to which commits were told of, and how many since the last one that was timed.
    told: u64,
    untimed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    first: u64,
    entries: u64,
    bytes: u64,
    appended_at: Stamp,
}

impl Mark {
    fn end(&self) -> u64 {
        self.first + self.entries
    }

    /// Bytes of the first `entries` of its entries, if they weigh the same.
    fn share(&self, entries: u64) -> u64 {
        (u128::from(self.bytes) * u128::from(entries) / u128::from(self.entries.max(1))) as u64
    }
}

impl Default for Marks {
    fn default() -> Self {
        Self { list: VecDeque::new(), grain_ns: FIRST_GRAIN_NS, told: 0, untimed: 0 }
    }
}

impl Marks {
    /// `entries` from index `first` on, of `bytes` together, were appended at `now`.
    pub fn append(&mut self, first: u64, entries: u64, bytes: u64, now: Stamp) {
        match self.list.back_mut() {
            Some(last) if last.end() == first && now.ns_since(last.appended_at) < self.grain_ns => {
                last.entries += entries;
                last.bytes += bytes;
            }
            _ => self.list.push_back(Mark { first, entries, bytes, appended_at: now }),
        }
        if self.list.len() == MAX_OPENRAFT_MARKS {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        while self.list.len() >= MAX_OPENRAFT_MARKS / 2 && self.grain_ns < u64::MAX / 2 {
            self.grain_ns *= 2;
            let mut joined: VecDeque<Mark> = VecDeque::with_capacity(MAX_OPENRAFT_MARKS / 2);
            for mark in self.list.drain(..) {
                match joined.back_mut() {
                    Some(last)
                        if last.end() == mark.first
                            && mark.appended_at.ns_since(last.appended_at) < self.grain_ns =>
                    {
                        last.entries += mark.entries;
                        last.bytes += mark.bytes;
                    }
                    _ => joined.push_back(mark),
                }
            }
            self.list = joined;
        }
    }

    /// Entries from index `from` on are gone.
    pub fn truncate(&mut self, from: u64) {
        while let Some(last) = self.list.back_mut() {
            if last.end() <= from {
                break;
            }
            if last.first < from {
                let kept = from - last.first;
                (last.bytes, last.entries) = (last.share(kept), kept);
                break;
            }
            self.list.pop_back();
        }
        self.told = self.told.min(from.saturating_sub(1));
    }

    /// Entries up to and including index `upto` are gone.
    pub fn purge(&mut self, upto: u64) {
        while let Some(first) = self.list.front_mut() {
            if first.first > upto {
                break;
            }
            if first.end() > upto + 1 {
                let gone = upto + 1 - first.first;
                let bytes = first.bytes - first.share(gone);
                *first = Mark { first: upto + 1, entries: first.entries - gone, bytes, ..*first };
                break;
            }
            self.list.pop_front();
        }
        if self.list.len() < MAX_OPENRAFT_MARKS / 8 {
            self.grain_ns = (self.grain_ns / 2).max(FIRST_GRAIN_NS);
        }
    }

    /// Entries in the log and their bytes.
    pub fn weight(&self) -> (u64, u64) {
        let sum = |of: fn(&Mark) -> u64| self.list.iter().map(of).sum();
        (sum(|mark| mark.entries), sum(|mark| mark.bytes))
    }

    /// The age of the entry at `index`, or of the oldest after it; `None` if there is none.
    pub fn age_ns(&self, index: u64) -> Option<u64> {
        let at = self.list.partition_point(|mark| mark.end() <= index);
        Some(self.list.get(at)?.appended_at.elapsed_ns())
    }

    /// Entries up to and including `upto` were found committed at `now`: tells the time since their append, and how many
    /// entries this one stands for.
    pub fn committed(&mut self, upto: u64, now: Stamp, mut tell: impl FnMut(u64, u64)) {
        let from = self.told + 1;
        if upto < from {
            return;
        }
        self.untimed += upto - self.told;
        self.told = upto;
        let first = self.list.partition_point(|mark| mark.first < from);
        let reached = self.list.range(first..).take_while(|mark| mark.first <= upto);
        let mut left = reached.clone().count() as u64;
        for mark in reached {
            let weight = self.untimed / left;
            self.untimed -= weight;
            left -= 1;
            if weight > 0 {
                tell(now.ns_since(mark.appended_at), weight);
            }
        }
    }

    /// The same without telling: somebody else leads.
    pub fn skip(&mut self, upto: u64) {
        (self.told, self.untimed) = (upto, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log whose entries of 10 bytes were appended one by one, a grain apart.
    fn filled(entries: u64) -> Marks {
        let mut marks = Marks::default();
        for index in 1..=entries {
            marks.append(index, 1, 10, at(index * FIRST_GRAIN_NS));
        }
        marks
    }

    /// Stamps count ticks, which are nanoseconds or shorter.
    fn at(ns: u64) -> Stamp {
        Stamp::from_bits(ns * 8)
    }

    #[test]
    fn the_weight_follows_appends_truncation_and_purges() {
        let mut marks = filled(10);
        marks.append(11, 4, 100, at(11 * FIRST_GRAIN_NS));
        assert_eq!(marks.weight(), (14, 200));
        marks.truncate(13);
        assert_eq!(marks.weight(), (12, 150));
        marks.purge(11);
        assert_eq!(marks.weight(), (1, 25));
        marks.purge(20);
        assert_eq!(marks.weight(), (0, 0));
        assert_eq!(marks.age_ns(1), None);
    }

    #[test]
    fn however_many_appends_there_are_the_marks_are_few_and_nothing_is_lost() {
        let entries = 20 * MAX_OPENRAFT_MARKS as u64;
        let mut marks = filled(entries);
        assert!(marks.list.capacity() <= MAX_OPENRAFT_MARKS, "{}", marks.list.capacity());
        assert_eq!(marks.weight(), (entries, 10 * entries));
        marks.purge(entries / 2);
        assert_eq!(marks.weight(), (entries / 2, 5 * entries));
    }

    #[test]
    fn the_timed_entries_stand_for_all_that_were_committed() {
        let mut marks = Marks::default();
        let (mut count, mut timed) = (0, 0);
        for batch in 0..100 {
            marks.append(1 + batch * 7, 7, 70, at(batch * FIRST_GRAIN_NS / 100));
            marks.committed(5 + batch * 7, at((batch + 1) * FIRST_GRAIN_NS / 100), |_, weight| {
                count += weight;
                timed += 1;
            });
        }
        assert!(timed < 100, "{timed}");
        assert_eq!(count + marks.untimed, 5 + 99 * 7);
        // Where another leads nothing is told, and nothing is carried over.
        marks.skip(700);
        marks.committed(700, at(1), |_, _| panic!("it was told of"));
        assert_eq!(marks.untimed, 0);
    }

    #[test]
    fn an_entry_is_as_old_as_its_append() {
        let mut marks = Marks::default();
        marks.append(5, 2, 0, Stamp::now());
        let young = marks.age_ns(6).expect("it is there");
        assert_eq!(marks.age_ns(7), None);
        // A follower that lacks what is no longer in the log lacks at least the oldest that is.
        assert!(marks.age_ns(1).expect("it is there") >= young);
    }
}
