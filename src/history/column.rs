//! One series in one block of rows: in which rows it was there, and what it had.
//!
//! A block has a time for each of its rows, shared by all series. The open block's columns grow ([`Head`]); they are closed
//! when a row of the next block comes to them, or when they are packed. Closed ones never change ([`Chunk`]), are packed when
//! their turn comes, and are shared with whoever reads.

use super::dense::{self, Dense};
use super::pieces::Pieces;
use super::scalars;
use super::sparse::{self, Gain, Packed};
use crate::{HistogramSnapshot, Precision};
use std::ops::Range;
use std::sync::Arc;

/// What an allocation costs beside its bytes.
pub(super) const ALLOCATION: usize = 16;
/// What a reference-counted allocation costs beside its bytes.
const SHARED: usize = ALLOCATION + 16;

/// What it is to pack a histogram's column, and each byte of its rows, in bytes of numbers.
const GAINS_WORK: usize = 4_096;
const SPARSE_WORK: usize = 5;
const DENSE_WORK: usize = 20;

/// What came before a run of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The row before: the run goes on.
    Continues,
    /// Nothing: the series began after the row before, from zero.
    New,
    /// Something that history did not see.
    Unknown,
}

/// Rows, one after the other, in which a series was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u16,
    pub(super) len: u16,
    pub(super) origin: Origin,
}

impl Run {
    pub(super) fn end(self) -> usize {
        usize::from(self.start) + usize::from(self.len)
    }
}

/// The runs of one column: almost always one.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    first: Run,
    #[expect(clippy::box_collection, reason = "one word in each chunk instead of three")]
    more: Option<Box<Vec<Run>>>,
}

impl Runs {
    const NONE: Runs = Runs { first: Run { start: 0, len: 0, origin: Origin::New }, more: None };

    fn push(&mut self, row: u16, origin: Origin) {
        let last = match &mut self.more {
            Some(more) => more.last_mut().unwrap_or(&mut self.first),
            None => &mut self.first,
        };
        if last.len == 0 {
            *last = Run { start: row, len: 1, origin };
        } else if origin == Origin::Continues && last.end() == usize::from(row) {
            last.len += 1;
        } else {
            // What comes back after rows without it began anew.
            let origin = if origin == Origin::Continues { Origin::New } else { origin };
            self.more.get_or_insert_default().push(Run { start: row, len: 1, origin });
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        let first = (self.first.len > 0).then_some(self.first);
        first.into_iter().chain(self.more.iter().flat_map(|more| more.iter().copied()))
    }

    fn len(&self) -> usize {
        self.iter().map(|run| usize::from(run.len)).sum()
    }

    fn heap(&self) -> usize {
        let more = self.more.as_ref();
        more.map_or(0, |more| 24 + 2 * ALLOCATION + more.capacity() * size_of::<Run>())
    }

    /// No run is added any more.
    fn settle(&mut self) {
        if let Some(more) = &mut self.more {
            more.shrink_to_fit();
        }
    }

    /// Whether the series was there in all of so many rows, and before them.
    fn is_whole(&self, rows: usize) -> bool {
        self.more.is_none()
            && self.first == Run { start: 0, len: rows as u16, origin: Origin::Continues }
    }
}

/// What a histogram had before the first row of a block.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// It had not begun.
    None,
    /// As it was.
    Live(Arc<HistogramSnapshot>),
    /// Packed, without rows.
    Packed(Arc<[u8]>),
}

impl Base {
    fn gain(&self, precision: Precision) -> Option<Gain> {
        match self {
            Base::None => None,
            Base::Live(histogram) => Some(Gain::whole(histogram)),
            Base::Packed(bytes) => Packed::open(bytes, precision).base,
        }
    }

    fn heap(&self) -> usize {
        match self {
            Base::None => 0,
            Base::Live(histogram) => weight(histogram),
            Base::Packed(bytes) => bytes.len() + SHARED,
        }
    }
}

/// Bytes of a histogram that nobody else may hold.
pub(super) fn weight(histogram: &HistogramSnapshot) -> usize {
    let cells: usize = histogram.octaves().map(|(_, cells)| 8 * cells.len() + 64).sum();
    cells + size_of::<HistogramSnapshot>() + SHARED + 2 * ALLOCATION
}

/// What a column has.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// In all rows the same number.
    Same(u64),
    /// A number for each row, not yet packed as a whole.
    Raw(Arc<Pieces>),
    /// Numbers, packed. There are most of these, and what would count who shares them is a part of their bytes.
    Packed(Box<[u8]>),
    /// What a histogram had before, and what it gained.
    Gains(Arc<(Base, Vec<u8>)>),
    /// The same, packed.
    PackedGains(Arc<[u8]>),
    /// The same, packed to fewer bytes in more time.
    DenseGains(Arc<[u8]>),
    /// What a histogram had before, packed: it gained nothing.
    Quiet(Arc<[u8]>),
}

/// A column that grows: of the open block, or of one that has closed without the series having come to it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Which block it is of, once it has a row.
    pub(super) block: u32,
    runs: Runs,
    body: Open,
}

#[derive(Clone, Debug)]
enum Open {
    Same(u64),
    Values(Pieces),
    Gains { base: Base, rows: Vec<u8>, last: u16 },
}

impl Head {
    pub(super) const EMPTY: Head = Head { block: 0, runs: Runs::NONE, body: Open::Same(0) };

    pub(super) fn is_empty(&self) -> bool {
        self.runs.first.len == 0
    }

    /// Columns of one row grow at different rows, as `stagger` says: not all of them in one generation.
    pub(super) fn push_scalar(
        &mut self,
        (block, row): (u32, u16),
        value: u64,
        origin: Origin,
        (floats, stagger): (bool, usize),
    ) {
        match &mut self.body {
            body if self.runs.first.len == 0 => *body = Open::Same(value),
            Open::Same(same) if *same == value => {}
            Open::Same(same) => {
                let mut values = Pieces::repeated(*same, self.runs.len(), floats, stagger);
                values.push(value, floats, stagger);
                self.body = Open::Values(values);
            }
            Open::Values(values) => values.push(value, floats, stagger),
            Open::Gains { .. } => {}
        }
        self.block = block;
        self.runs.push(row, origin);
    }

    /// A row of a histogram: `gain` since the row before, or all that it has if it is new. `before` is what it had.
    pub(super) fn push_histogram(
        &mut self,
        (block, row): (u32, u16),
        (gain, stagger): (&Gain, usize),
        origin: Origin,
        before: impl FnOnce() -> Option<Arc<HistogramSnapshot>>,
    ) {
        if self.is_empty() {
            let known = if origin == Origin::New { None } else { before() };
            let base = known.map_or(Base::None, Base::Live);
            self.body = Open::Gains { base, rows: Vec::new(), last: 0 };
        }
        if let Open::Gains { rows, last, .. } = &mut self.body
            && !gain.is_empty()
        {
            // As many bytes as it may take, nearly always.
            let most = 4 * gain.buckets.len() + 24;
            let some = if gain.buckets.len() > 2 { 256 } else { 64 };
            if rows.capacity() - rows.len() < most {
                let part = rows.len() / 4 + rows.len() * (stagger % 64) / 256;
                rows.reserve_exact(most.max(part).max(some));
            }
            sparse::push(rows, u32::from(row - *last), gain);
            *last = row;
        }
        self.block = block;
        self.runs.push(row, origin);
    }

    pub(super) fn heap(&self) -> usize {
        let body = match &self.body {
            Open::Same(_) => 0,
            Open::Values(values) => values.heap(),
            Open::Gains { base, rows, .. } => {
                base.heap() + rows.capacity() + if rows.capacity() > 0 { ALLOCATION } else { 0 }
            }
        };
        body + self.runs.heap()
    }

    /// Packs what a histogram had when the block began.
    pub(super) fn settle(&mut self, precision: Precision) {
        if let Open::Gains { base: base @ Base::Live(_), .. } = &mut self.body {
            *base = packed_base(base, precision);
        }
    }

    /// As a column that does not change any more.
    pub(super) fn finish(self) -> Option<Chunk> {
        let body = match self.body {
            _ if self.runs.first.len == 0 => return None,
            Open::Same(value) => Body::Same(value),
            Open::Values(values) => Body::Raw(Arc::new(values)),
            Open::Gains { base, rows, .. } => Body::Gains(Arc::new((base, rows))),
        };
        Some(Chunk { first: self.block, last: self.block, runs: self.runs, body })
    }

    /// About how many bytes of numbers are packed in the time that packing it will take.
    pub(super) fn work(&self, dense: bool) -> usize {
        match &self.body {
            Open::Gains { rows, .. } => gains_work(rows.len(), dense),
            Open::Values(values) => 8 * values.len(),
            Open::Same(_) => 0,
        }
    }
}

/// What it is to pack so many bytes of a histogram's rows.
fn gains_work(bytes: usize, dense: bool) -> usize {
    GAINS_WORK + bytes * if dense { DENSE_WORK } else { SPARSE_WORK }
}

/// A closed column of a histogram that is being packed to the fewest bytes.
#[derive(Debug)]
pub(super) struct DensePacking {
    gains: Arc<(Base, Vec<u8>)>,
    packer: Box<dense::Packer>,
}

impl DensePacking {
    /// Does about so much of it; how much it was: nothing when all is packed.
    pub(super) fn advance(&mut self, work: usize) -> usize {
        DENSE_WORK * self.packer.advance(&self.gains.1, work.div_ceil(DENSE_WORK))
    }

    /// Bytes that it takes until it is over.
    pub(super) fn heap(&self) -> usize {
        self.packer.heap() + ALLOCATION
    }
}

fn packed_base(base: &Base, precision: Precision) -> Base {
    let gain = base.gain(precision);
    gain.map_or(Base::None, |gain| Base::Packed(sparse::pack(precision, Some(&gain), &[]).into()))
}

/// A column of a closed block; or of several, one after the other, in which nothing changed.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) first: u32,
    pub(super) last: u32,
    /// Of the first block; in the others the series was there in all rows.
    runs: Runs,
    body: Body,
}

impl Chunk {
    /// Takes in the chunk of the next block, if nothing changed in it. `rows` are those of the two blocks.
    pub(super) fn extend(&mut self, next: &Chunk, rows: [usize; 2]) -> bool {
        let quiet = match (&self.body, &next.body) {
            (Body::Same(mine), Body::Same(next)) => mine == next,
            (Body::Quiet(_), Body::Gains(gains)) => gains.1.is_empty(),
            (Body::Gains(mine), Body::Gains(gains)) => mine.1.is_empty() && gains.1.is_empty(),
            _ => false,
        };
        let reaches = self.last > self.first
            || self.runs.iter().last().is_some_and(|run| run.end() == rows[0]);
        let joins = quiet && reaches && self.last + 1 == next.first && next.runs.is_whole(rows[1]);
        self.last += u32::from(joins);
        joins
    }

    /// Leaves out the blocks before `block`.
    pub(super) fn advance(&mut self, block: u32, rows: usize) {
        if self.first < block {
            self.first = block;
            let first = Run { start: 0, len: rows as u16, origin: Origin::Continues };
            self.runs = Runs { first, more: None };
        }
    }

    /// Whether it waits to be packed.
    pub(super) fn is_loose(&self) -> bool {
        matches!(self.body, Body::Raw(_) | Body::Gains(_))
    }

    /// About how many bytes of numbers are packed in the time that packing it takes.
    pub(super) fn work(&self, dense: bool) -> usize {
        match &self.body {
            Body::Raw(values) => 8 * values.len(),
            Body::Gains(gains) => gains_work(gains.1.len(), dense),
            _ => 0,
        }
    }

    /// The packing of it to the fewest bytes, some rows at a time; `None` if it is not for that.
    pub(super) fn dense_packing(&self, precision: Precision) -> Option<DensePacking> {
        let Body::Gains(gains) = &self.body else { return None };
        let base = (!gains.1.is_empty()).then(|| gains.0.gain(precision))?;
        let packer = dense::Packer::new(precision, base.as_ref(), &gains.1)?;
        Some(DensePacking { gains: gains.clone(), packer: Box::new(packer) })
    }

    /// Whether it is the one that is packed there.
    pub(super) fn is_of(&self, packing: &DensePacking) -> bool {
        matches!(&self.body, Body::Gains(gains) if Arc::ptr_eq(gains, &packing.gains))
    }

    /// Takes over what was packed.
    pub(super) fn take_dense(&mut self, packing: DensePacking) {
        self.body = Body::DenseGains(packing.packer.finish().into());
        self.runs.settle();
    }

    /// Packs it at once.
    pub(super) fn pack(&mut self, floats: bool, precision: Precision) {
        self.body = match &self.body {
            Body::Raw(values) => Body::Packed(scalars::pack(&values.values(), floats).into()),
            Body::Gains(gains) => {
                let (base, rows) = (gains.0.gain(precision), &gains.1);
                let bytes = sparse::pack(precision, base.as_ref(), rows).into();
                if rows.is_empty() { Body::Quiet(bytes) } else { Body::PackedGains(bytes) }
            }
            _ => return,
        };
        self.runs.settle();
    }

    pub(super) fn heap(&self) -> usize {
        let body = match &self.body {
            Body::Same(_) => 0,
            Body::Raw(values) => values.heap() + size_of::<Pieces>() + SHARED,
            Body::Gains(gains) => gains.0.heap() + gains.1.capacity() + 48 + SHARED + ALLOCATION,
            Body::Packed(bytes) => bytes.len() + ALLOCATION,
            Body::PackedGains(bytes) | Body::DenseGains(bytes) | Body::Quiet(bytes) => {
                bytes.len() + SHARED
            }
        };
        body + self.runs.heap()
    }

    /// In which of the `rows` of `block` the series was there.
    pub(super) fn runs(&self, block: u32, rows: usize) -> impl Iterator<Item = Run> + '_ {
        let whole = Run { start: 0, len: rows as u16, origin: Origin::Continues };
        let own = (block == self.first).then(|| self.runs.iter());
        let later = (block != self.first).then_some(whole);
        own.into_iter().flatten().chain(later)
    }

    /// Whether the series was there before the block, and goes on in its first row.
    pub(super) fn continues(&self, block: u32) -> bool {
        let first = self.runs.first;
        block != self.first
            || (first.len > 0 && first.start == 0 && first.origin == Origin::Continues)
    }

    /// The numbers, one for each row in which the series was there.
    pub(super) fn values(&self) -> Values {
        match &self.body {
            Body::Raw(values) => Values::Each(Arc::new(values.values())),
            Body::Packed(bytes) => Values::Each(Arc::new(scalars::unpack(bytes, self.runs.len()))),
            Body::Same(value) => Values::Same(*value),
            _ => Values::Same(0),
        }
    }

    /// What a histogram had before the first row.
    pub(super) fn base(&self, precision: Precision) -> Option<Gain> {
        match &self.body {
            Body::Gains(gains) => gains.0.gain(precision),
            Body::PackedGains(bytes) | Body::Quiet(bytes) => Packed::open(bytes, precision).base,
            Body::DenseGains(bytes) => Dense::open(bytes, precision).base,
            _ => None,
        }
    }

    /// Calls `each` with the rows of `block` up to `until`, exclusive, in which a histogram gained something, and what.
    pub(super) fn gains(
        &self,
        block: u32,
        precision: Precision,
        until: usize,
        mut each: impl FnMut(usize, &Gain),
    ) {
        if block != self.first {
            return;
        }
        match &self.body {
            Body::Gains(gains) => sparse::rows(&gains.1, |row, gain| {
                if (row as usize) < until {
                    each(row as usize, gain);
                }
            }),
            Body::PackedGains(bytes) => {
                let packed = Packed::open(bytes, precision);
                packed.rows(until as u32, |row, gain| each(row as usize, gain));
            }
            Body::DenseGains(bytes) => {
                let packed = Dense::open(bytes, precision);
                packed.rows(until as u32, |row, gain| each(row as usize, gain));
            }
            _ => {}
        }
    }

    /// Calls `each` with what a histogram gained in these rows of `block`, in as few parts as are cheap to tell.
    pub(super) fn gained(
        &self,
        block: u32,
        precision: Precision,
        rows: Range<usize>,
        mut each: impl FnMut(&Gain),
    ) {
        if let Body::DenseGains(bytes) = &self.body
            && block == self.first
        {
            let rows = rows.start as u32..rows.end as u32;
            return Dense::open(bytes, precision).gained(rows, each);
        }
        self.gains(block, precision, rows.end, |row, gain| {
            if row >= rows.start {
                each(gain);
            }
        });
    }
}

/// Numbers of a column.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Same(u64),
    Each(Arc<Vec<u64>>),
}

impl Values {
    pub(super) fn at(&self, index: usize) -> u64 {
        match self {
            Values::Same(value) => *value,
            Values::Each(values) => values.get(index).copied().unwrap_or_default(),
        }
    }
}
