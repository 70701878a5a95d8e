//! What `loom-tests` sees: one process, its threads and its cutter, each a thin name for the code that runs in production.
//!
//! Exists under the cfg `tachometer_loom` alone, where `sync` takes its atomics from loom. Nothing here decides anything:
//! an order of steps that the models rely on is the order in the function that is called.

use crate::aggregate::cutter::{Cutter, SlotView};
use crate::aggregate::exemplars::Exemplar;
use crate::aggregate::publish;
use crate::aggregate::sums::octaves;
use crate::limits::MAX_SCALARS;
use crate::shard::entry::{self, Bank};
use crate::shard::exemplar::{self, Traced};
use crate::shard::layout::{
    BLOCKS, Class, EXEMPLAR_BYTES, EXEMPLAR_OCTAVES, Range, Shape, head, scalar,
};
use crate::shard::list::Node;
use crate::shard::write::Record;
use crate::shard::{Domain, domain, modelled, tenancy};
use std::sync::Arc;
use std::time::Duration;

pub use crate::sync::weaken::{Site, set as weaken};

/// The slot of a scalar.
pub const A: usize = scalar(0);
/// The slot of another scalar.
pub const B: usize = scalar(1);

const SHAPE: Shape = Shape::new(2);
const HEAD: usize = head(0);

/// Bytes of the blocks that `octaves` need in one bank.
pub fn room(octaves: &[usize]) -> usize {
    octaves.iter().map(|&octave| SHAPE.block_bytes(octave)).sum()
}

/// Bytes of the block that exemplars need in one bank.
pub const EXEMPLAR_ROOM: usize = EXEMPLAR_BYTES * EXEMPLAR_OCTAVES;

/// One process, in one execution of a model.
#[derive(Clone, Debug)]
pub struct Process {
    domain: Arc<Domain>,
    histograms: usize,
}

impl Process {
    /// A process in which at most `shards` threads have a shard, each with `room` bytes of blocks. Without room there is
    /// no histogram.
    pub fn new(shards: usize, room: usize) -> Self {
        modelled::begin();
        domain::configure(BLOCKS + room, shards);
        let domain = Arc::new(Domain::new());
        domain.regions.set(0, BLOCKS);
        Process { domain, histograms: usize::from(room > 0) }
    }

    /// As a registration does.
    pub fn open_shared(self) -> Self {
        self.domain.open_shared();
        self
    }

    /// A thread at its first record: takes a shard, or becomes a guest if there is none.
    pub fn thread(&self) -> Thread {
        Thread { domain: self.domain.clone(), shard: self.domain.take_shard() }
    }

    /// A thread that will never have a shard: its thread-local is gone.
    pub fn guest(&self) -> Thread {
        Thread { domain: self.domain.clone(), shard: None }
    }

    /// The process's cutter.
    pub fn aggregator(&self) -> Aggregator {
        let shapes = vec![SHAPE; self.histograms];
        Aggregator { domain: self.domain.clone(), cutter: Cutter::new(), shapes }
    }

    /// Shards that were ever made.
    pub fn shards(&self) -> usize {
        self.domain.shards.len()
    }
}

/// A recording thread.
#[derive(Debug)]
pub struct Thread {
    domain: Arc<Domain>,
    shard: Option<&'static Node>,
}

impl Thread {
    /// Enters, as a record or a group does.
    pub fn enter(&self) -> Entry<'_> {
        let bank = match self.shard {
            Some(node) => entry::enter(node.cells(), &self.domain.epoch),
            None => self.domain.guests.enter(&self.domain.epoch),
        };
        Entry { thread: self, bank }
    }

    /// One record of a counter.
    pub fn add(&self, slot: usize, n: u64) {
        let entry = self.enter();
        entry.add(slot, n);
        entry.leave();
    }

    /// One record of the histogram.
    pub fn record(&self, value: u64) {
        let entry = self.enter();
        entry.record(value);
        entry.leave();
    }

    /// One record of the histogram, with an exemplar whose trace and span are `value` too.
    pub fn record_traced(&self, value: u64) {
        let entry = self.enter();
        entry.record_traced(value);
        entry.leave();
    }

    /// Whether the thread has a shard.
    pub fn has_shard(&self) -> bool {
        self.shard.is_some()
    }

    /// The thread ends.
    pub fn exit(self) {
        self.shard.into_iter().for_each(Node::release);
    }
}

/// An entry: what is recorded before [`Entry::leave`] is one group.
#[derive(Debug)]
pub struct Entry<'a> {
    thread: &'a Thread,
    bank: Bank,
}

impl Entry<'_> {
    fn write(&self, record: Record) {
        record.write(&self.thread.domain, self.thread.shard.map(Node::cells), self.bank);
    }

    /// Adds to a counter.
    pub fn add(&self, slot: usize, n: u64) {
        self.write(Record::Add { slot, n });
    }

    /// Records in the histogram.
    pub fn record(&self, value: u64) {
        self.write(Record::Histogram { slot: HEAD, shape: SHAPE, value, n: 1 });
    }

    /// Records in the histogram, with an exemplar whose trace and span are `value` too.
    pub fn record_traced(&self, value: u64) {
        self.record(value);
        let own = self.thread.shard.map(Node::cells);
        let traced = Traced { value, trace: [value; 2], span: value };
        exemplar::keep(&self.thread.domain, own, HEAD + self.bank, traced);
    }

    /// Ends the entry.
    pub fn leave(self) {
        match self.thread.shard {
            Some(node) => entry::leave(node.cells(), self.bank),
            None => self.thread.domain.guests.leave(self.bank),
        }
    }
}

/// The version of a family's slots.
#[derive(Debug)]
pub struct Tenancy(tenancy::Tenancy);

impl Tenancy {
    /// The first version.
    #[expect(clippy::new_without_default, reason = "as the real one")]
    pub fn new() -> Self {
        Tenancy(tenancy::Tenancy::new())
    }

    /// The version now, to be asked under the registry's lock.
    pub fn version(&self) -> u64 {
        self.0.version()
    }

    /// Whether slots learnt under `version` are valid in `entry`.
    pub fn valid(&self, version: u64, _entry: &Entry<'_>) -> bool {
        self.0.valid(version)
    }

    /// Ends the validity of all slots.
    pub fn revoke(&self) {
        self.0.revoke();
    }
}

/// A slot that can be taken back from a handle that is kept.
#[derive(Debug)]
pub struct Lease(tenancy::Lease);

impl Lease {
    /// A lease of `slot`.
    pub fn new(slot: usize) -> Self {
        Lease(tenancy::Lease::new(slot))
    }

    /// Adds to the slot inside `entry`; `false` if it was taken back, and nothing was added.
    pub fn add(&self, entry: &Entry<'_>, n: u64) -> bool {
        let slot = self.0.slot();
        if slot != 0 {
            entry.add(slot, n);
        }
        slot != 0
    }

    /// Takes the slot back.
    pub fn revoke(&self) {
        self.0.revoke();
    }

    /// Gives a slot.
    pub fn renew(&self, slot: usize) {
        self.0.renew(slot);
    }
}

/// The process's cutter.
#[derive(Debug)]
pub struct Aggregator {
    domain: Arc<Domain>,
    cutter: Cutter,
    shapes: Vec<Shape>,
}

/// What a cut found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Whether it claims to be a causal cut.
    pub complete: bool,
    /// Shards whose cells were read.
    pub read: usize,
    /// The total of [`A`].
    pub a: u64,
    /// The total of [`B`].
    pub b: u64,
    /// Values in the histogram's buckets.
    pub count: u64,
    /// The sums of its octaves.
    pub sum: u64,
    /// The smallest and the largest value since the last cut.
    pub extremes: Option<(u64, u64)>,
    /// The words of the latest exemplar that is known: value, trace, span. Zeros for none.
    pub exemplar: [u64; 4],
}

impl Aggregator {
    /// A cut that waits for as long as it takes.
    pub fn cut(&mut self) -> Generation {
        self.cut_within(Duration::MAX)
    }

    /// A cut that looks once and waits for nobody.
    pub fn hasty_cut(&mut self) -> Generation {
        self.cut_within(Duration::ZERO)
    }

    fn cut_within(&mut self, limit: Duration) -> Generation {
        let view = || SlotView { scalars: MAX_SCALARS, shapes: &self.shapes };
        let cut = self.cutter.cut(&self.domain, limit, |fit| fit(view()));
        let (count, sum) = self.cutter.head(HEAD).map_or((0, 0), |(shape, banks)| {
            let blocks = banks.iter().flat_map(|bank| {
                octaves(bank.mask).filter_map(move |octave| bank.block(shape, octave))
            });
            blocks
                .filter_map(|block| block.split_last())
                .fold((0, 0), |(count, sum), (more, of)| {
                    (of.iter().sum::<u64>() + count, more + sum)
                })
        });
        let seen = self.cutter.take_extremes(HEAD);
        let exemplars = self.cutter.exemplars(HEAD, Duration::ZERO);
        Generation {
            exemplar: exemplars.map_or([0; 4], |known| words(&known[0])),
            complete: cut.is_complete(),
            read: cut.read,
            a: self.cutter.scalar(A),
            b: self.cutter.scalar(B),
            count,
            sum,
            extremes: (!seen.is_empty()).then_some((!seen.not_min, seen.max)),
        }
    }

    /// Gives a scalar's slot up.
    pub fn retire(&mut self, slot: usize) {
        self.cutter.retire([Range { class: Class::Scalar, slot, len: 1 }]);
    }

    /// Gives the histogram's slot up.
    pub fn retire_histogram(&mut self) {
        self.cutter.retire([Range { class: Class::Head(SHAPE), slot: HEAD, len: 1 }]);
    }

    /// How many slots may be given out again now, and were not at the last call.
    pub fn take_zeroed(&mut self) -> usize {
        self.cutter.take_zeroed().len()
    }
}

fn words(exemplar: &Exemplar) -> [u64; 4] {
    let trace = u128::from_be_bytes(exemplar.trace_id);
    let span = u64::from_be_bytes(exemplar.span_id);
    [exemplar.value, (trace >> 64) as u64, trace as u64, span]
}

/// Where the latest of something is published.
#[derive(Debug)]
pub struct Publisher<T>(publish::Publisher<T>);

impl<T> Publisher<T> {
    /// Publishes the first.
    pub fn new(first: T) -> Self {
        Publisher(publish::Publisher::new(Arc::new(first)))
    }

    /// The latest.
    pub fn latest(&self) -> Arc<T> {
        self.0.latest()
    }

    /// Publishes.
    pub fn publish(&self, next: T) {
        self.0.publish(Arc::new(next));
    }

    /// Waits, for as long as it takes, for one that meets `condition`.
    pub fn wait(&self, condition: impl FnMut(&T) -> bool) -> Arc<T> {
        self.0.wait(Duration::MAX, condition).expect("a model's clock stands still")
    }
}
