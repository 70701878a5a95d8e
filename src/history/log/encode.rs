//! Rows of one tier as they go into its log. Runs on the aggregator's thread.
//!
//! A row tells what changed since the row before in the same segment: series that are not there any more, series that
//! came or began anew (all that they have, and in a segment's first row who they are), and of the others those that
//! changed. A segment's first row has all series, so each segment can be read by itself.
//!
//! | of a row | |
//! |---|---|
//! | time | since the row before, in milliseconds; since 1970 in the first |
//! | gone | how many, and the number of each |
//! | came | how many; of each: flags, its definition and labels or its number, when it began, all that it has |
//! | changed | how many; of each: its number, and what it has more, or a float's other bits |
//!
//! Numbers of series are told as differences from the one before.

use super::codec::{put, put_float, put_gain, put_signed, put_text};
use crate::Definition;
use crate::history::column::Origin;
use crate::history::series::{Current, Key};
use crate::history::sparse::Gain;
use crate::registry::{Kind, Unit};
use std::collections::HashMap;
use std::sync::Arc;

/// What the flags of a series that came say.
pub(super) mod flags {
    /// It is told who it is.
    pub(crate) const NAMED: u8 = 1;
    /// What came before this row: nothing.
    pub(crate) const NEW: u8 = 2;
    /// What came before this row is not known.
    pub(crate) const UNKNOWN: u8 = 4;
    /// What came before it began is not known.
    pub(crate) const BEGAN_UNKNOWN: u8 = 8;
    pub(crate) const ALL: u8 = 15;
}

const KINDS: [Kind; 6] =
    [Kind::Counter, Kind::UpDownCounter, Kind::Gauge, Kind::Histogram, Kind::Info, Kind::StateSet];
const UNITS: [Unit; 5] = [Unit::None, Unit::Nanoseconds, Unit::Seconds, Unit::Bytes, Unit::Ratio];

fn code<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).unwrap_or(all.len()) as u8
}

pub(super) fn kind_of(code: u8) -> Option<Kind> {
    KINDS.get(usize::from(code)).copied()
}

pub(super) fn unit_of(code: u8) -> Option<Unit> {
    UNITS.get(usize::from(code)).copied()
}

/// A series in the log of a tier.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The segment in which it has a number, and that.
    segment: u32,
    number: u32,
    /// The row that had it last.
    row: u64,
    /// The number that it showed there.
    last: u64,
    /// The row in which it began, and whether it is known that it began from zero.
    began: i64,
    unknown: bool,
}

impl Place {
    const NONE: Place =
        Place { segment: 0, number: 0, row: 0, last: 0, began: i64::MIN, unknown: true };
}

/// Lines of a list of series, with the number of the last one.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
    number: i64,
}

impl Lines {
    fn clear(&mut self) {
        self.bytes.clear();
        (self.count, self.number) = (0, -1);
    }

    fn number(&mut self, number: u32) {
        put_signed(&mut self.bytes, i64::from(number) - self.number - 1);
        self.number = i64::from(number);
    }
}

/// The log of one tier, as it is written.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// By the store's numbers of the series.
    places: Vec<Place>,
    /// Definitions of the segment by their address, which is theirs for as long as they are held.
    definitions: HashMap<usize, (u32, Arc<Definition>), foldhash::fast::RandomState>,
    /// How many segments and rows were begun.
    segment: u32,
    row: u64,
    /// How many series have numbers in this segment.
    numbers: u32,
    first_time: i64,
    last_time: i64,
    time: i64,
    /// Bytes of the segment, and of its first row alone.
    bytes: usize,
    key_bytes: usize,
    /// Whether a segment is open, and the row is to be written.
    open: bool,
    recording: bool,
    /// Series of the row before, and of this one: the store's numbers, and the segment's.
    before: Vec<(u32, u32)>,
    now: Vec<(u32, u32)>,
    /// Series of this row that the row before did not have.
    added: usize,
    came: Lines,
    changed: Lines,
}

impl Encoder {
    /// Whether the segment is to end before a row at `time`.
    pub(super) fn is_over(&self, time: i64, longest: i64, largest: usize) -> bool {
        let full = self.bytes >= largest.max(4 * self.key_bytes);
        !self.open || full || time.saturating_sub(self.first_time) >= longest
    }

    /// Begins a row, in a new segment if `anew`.
    pub(super) fn begin(&mut self, time: i64, anew: bool) {
        if anew {
            self.segment += 1;
            (self.numbers, self.bytes, self.key_bytes) = (0, 0, 0);
            (self.first_time, self.last_time) = (time, 0);
            self.definitions.clear();
            self.before.clear();
        }
        (self.time, self.open, self.recording, self.added) = (time, true, true, 0);
        self.row += 1;
        self.came.clear();
        self.changed.clear();
        self.now.clear();
    }

    /// Begins a row that is not written down. The next one that is begins a segment.
    pub(super) fn leave_out(&mut self, time: i64) {
        (self.time, self.open, self.recording) = (time, false, false);
    }

    /// Adds a series to the row: what it has more than before, or all that it has if the store does not know what came
    /// before. `key` is asked for if it is to be told who the series is.
    pub(super) fn show<'k>(
        &mut self,
        id: u32,
        key: impl FnOnce() -> Option<&'k Key>,
        (shown, float): (&Current, bool),
        before: Option<Origin>,
        gain: &Gain,
    ) {
        let origin = before.unwrap_or(Origin::Continues);
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, Place::NONE);
        }
        let place = &mut self.places[id as usize];
        if origin != Origin::Continues {
            (place.began, place.unknown) = (self.time, origin == Origin::Unknown);
        }
        if !self.recording {
            return;
        }
        let known = place.segment == self.segment;
        let key = if known { None } else { key() };
        if !known && key.is_none() {
            return;
        }
        let there = known && place.row + 1 == self.row;
        self.added += usize::from(!there);
        place.row = self.row;
        if there && before == Some(Origin::Continues) {
            match shown {
                Current::Scalar(value) if *value == place.last => {}
                Current::Histogram(_) if gain.is_empty() => {}
                current => {
                    self.changed.count += 1;
                    self.changed.number(place.number);
                    let out = &mut self.changed.bytes;
                    match current {
                        Current::Histogram(_) => put_gain(out, &gain.buckets, gain.sum),
                        Current::Scalar(value) if float => {
                            put_float(out, *value, place.last);
                        }
                        Current::Scalar(value) => {
                            put_signed(out, value.wrapping_sub(place.last) as i64);
                        }
                    }
                }
            }
        } else {
            let mut says = match origin {
                Origin::Continues => 0,
                Origin::New => flags::NEW,
                Origin::Unknown => flags::UNKNOWN,
            };
            says |= if place.unknown { flags::BEGAN_UNKNOWN } else { 0 };
            says |= if known { 0 } else { flags::NAMED };
            self.came.count += 1;
            self.came.bytes.push(says);
            if let Some(key) = key {
                (place.segment, place.number) = (self.segment, self.numbers);
                self.numbers += 1;
                name(&mut self.came.bytes, &mut self.definitions, key);
            } else {
                self.came.number(place.number);
            }
            // Before any time there is: a series whose beginning no log has.
            put(&mut self.came.bytes, self.time.saturating_sub(place.began) as u64);
            match shown {
                Current::Scalar(value) => {
                    self.came.bytes.extend_from_slice(&value.to_le_bytes());
                }
                Current::Histogram(now) => {
                    let all = Gain::whole(now);
                    put_gain(&mut self.came.bytes, &all.buckets, all.sum);
                }
            }
        }
        if let Current::Scalar(value) = *shown {
            place.last = value;
        }
        self.now.push((id, place.number));
    }

    /// Whether the row is to be written down.
    pub(super) fn is_recording(&self) -> bool {
        self.recording
    }

    /// Ends the row, and adds it to `out`; whether it begins a segment.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> bool {
        let from = out.len();
        put_signed(out, self.time.wrapping_sub(self.last_time));
        let gone = self.before.len() + self.added - self.now.len();
        put(out, gone as u64);
        if gone > 0 {
            let mut last = -1;
            for &(id, number) in &self.before {
                let place = self.places[id as usize];
                // The store may have given its number to another series since.
                if (place.row, place.number) != (self.row, number) {
                    put_signed(out, i64::from(number) - last - 1);
                    last = i64::from(number);
                }
            }
        }
        for lines in [&self.came, &self.changed] {
            put(out, lines.count);
            out.extend_from_slice(&lines.bytes);
        }
        self.last_time = self.time;
        self.bytes += out.len() - from;
        let begins = self.key_bytes == 0;
        if begins {
            self.key_bytes = self.bytes;
        }
        std::mem::swap(&mut self.before, &mut self.now);
        begins
    }

    /// The series of a number is no more; the number may be another's.
    pub(super) fn forget(&mut self, id: u32) {
        if let Some(place) = self.places.get_mut(id as usize) {
            *place = Place::NONE;
        }
    }

    /// When a series began, of which a log that was read tells.
    pub(super) fn remember(&mut self, id: u32, began: i64, unknown: bool) {
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, Place::NONE);
        }
        self.places[id as usize] = Place { began, unknown, ..Place::NONE };
    }

    /// Bytes of memory.
    pub(super) fn heap(&self) -> usize {
        let lists = 8 * (self.before.capacity() + self.now.capacity());
        let lines = self.came.bytes.capacity() + self.changed.bytes.capacity();
        self.places.capacity() * size_of::<Place>()
            + lists
            + lines
            + self.definitions.capacity() * 32
    }
}

/// Tells who a series is.
fn name(
    out: &mut Vec<u8>,
    definitions: &mut HashMap<usize, (u32, Arc<Definition>), foldhash::fast::RandomState>,
    key: &Key,
) {
    let next = definitions.len() as u32;
    let address = Arc::as_ptr(&key.definition).addr();
    let (number, definition) =
        &*definitions.entry(address).or_insert_with(|| (next, key.definition.clone()));
    put(out, u64::from(*number));
    if *number == next {
        put_text(out, &definition.name);
        put_text(out, &definition.help);
        out.push(code(&KINDS, &definition.kind));
        out.push(code(&UNITS, &definition.unit));
        out.push(definition.precision.figures());
    }
    put(out, key.labels.len() as u64);
    for (label, value) in &*key.labels {
        put_text(out, label);
        put_text(out, value);
    }
}
