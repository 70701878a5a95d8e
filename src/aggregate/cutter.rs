//! The cut itself: flip, wait, read. One at a time in a process, for all of its registries.
//!
//! Kept between cuts: the sums of each bank as it last stood still ([`Cutter::still`]), and, since most shards of a
//! program are idle most of the time, the sums over the shards that have been idle for some generations, so that they
//! need not be read again ([`Idle`]). A total is the sum of both banks' `still`.
//!
//! Of the histograms, only those are read again that somebody recorded in: a record always leaves a largest and a smallest
//! value in its bank, and a complete cut that reads a bank takes them away. Where it finds none in any shard, the bank is as
//! it was when a complete cut last read it ([`Cutter::trusted`]). A [version](Cutter::version) tells the engines the same.
//!
//! A total is thus no better than the worse of the last two reads. When a cut had to give up waiting, what it read of its
//! bank may lack half a group, or a record whose consequences the next cut has; and the next cut reads the other bank. So
//! a cut after an incomplete one turns twice: away from the bank that is written now, and, if that went well, away from
//! the one that was read while it moved. Guests are waited for by bank, so this is also what makes sure that a complete
//! cut has waited for every guest that came before it.

use super::exemplars::{Exemplar, Exemplars};
use super::sums::{Extremes, Sums, extremes, reset_extremes};
use crate::limits::{IDLE_CUTS, TRUSTED_CUTS};
use crate::shard::Domain;
use crate::shard::arena::Cells;
use crate::shard::entry::{Bank, Seen, observe};
use crate::shard::exemplar::forget;
use crate::shard::layout::{
    BANK, Class, DIRECTORY, MASK, Range, SKIP, Shape, head, head_index, scalar_index,
};
use crate::shard::list::Node;
use crate::sync::weaken::{Site, is_weak};
use crate::sync::{Ordering, relax};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(crate) struct Cutter {
    /// Cuts made in this process.
    cuts: u64,
    /// The fork generation that all of this belongs to.
    born: u64,
    /// The last cut was not complete: the bank that is not being written was read while it moved.
    torn: bool,
    still: [Sums; 2],
    idle: [Idle; 2],
    notes: Vec<Note>,
    /// What histograms saw since their registry last asked.
    extremes: Vec<Extremes>,
    /// What they saw since their series began: an engine that takes a registry over must not begin anew.
    all_extremes: Vec<Extremes>,
    exemplars: Vec<Exemplars>,
    shapes: Vec<Shape>,
    zeroing: Vec<Zeroing>,
    /// By bank: it was read by a complete cut last, and how many more such cuts may go by what they left there.
    trusted: [u32; 2],
    /// By histogram: whether it is read in this turn.
    changed: Vec<bool>,
    /// By histogram: the turn that read it last.
    versions: Vec<u64>,
    /// Turns of this process and of those that it was forked from: no version is ever two histograms' states.
    turns: u64,
}

/// The sums of one bank over the shards that have been idle for some time.
#[derive(Debug)]
struct Idle {
    sums: Sums,
    /// Whether `sums` are those of the shards noted as folded now.
    valid: bool,
}

/// What the cutter remembers of a shard.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// Complete cuts in a row that found it idle.
    idle: u32,
    /// Its cells are in the [`Idle`] sums.
    folded: bool,
}

/// Slots on their way from one series to the next.
#[derive(Debug)]
struct Zeroing {
    range: Range,
    /// By bank: zeroed.
    done: [bool; 2],
}

/// How a cut went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Its number in this process.
    pub(crate) number: u64,
    /// Shards read while a thread was inside a record; the guests' shared cells count as one.
    pub(crate) moving: usize,
    /// Whether the barrier held.
    pub(crate) fenced: bool,
    pub(crate) shards: usize,
    /// Shards whose cells were read; the others were known to be idle.
    pub(crate) read: usize,
    /// From the first flip until all shards had been seen outside.
    pub(crate) waited: Duration,
}

impl Cut {
    /// Whether the snapshot is a causal cut: every shard stood still when it was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.fenced && self.moving == 0
    }
}

/// What the cutter must know of the slots.
#[derive(Debug)]
pub(crate) struct SlotView<'a> {
    pub(crate) scalars: usize,
    pub(crate) shapes: &'a [Shape],
}

/// What takes a view of the slots, for as long as they are locked.
pub(crate) type Fit<'a> = &'a mut dyn FnMut(SlotView<'_>);

/// A shard during a cut.
struct Look {
    node: &'static Node,
    seen: Seen,
}

impl Cutter {
    pub(crate) const fn new() -> Self {
        const IDLE: Idle = Idle { sums: Sums::new(), valid: false };
        Cutter {
            cuts: 0,
            born: 0,
            torn: false,
            still: [Sums::new(), Sums::new()],
            idle: [IDLE, IDLE],
            notes: Vec::new(),
            extremes: Vec::new(),
            all_extremes: Vec::new(),
            exemplars: Vec::new(),
            shapes: Vec::new(),
            zeroing: Vec::new(),
            trusted: [0; 2],
            changed: Vec::new(),
            versions: Vec::new(),
            turns: 0,
        }
    }

    /// Forgets everything if the process has forked since: the child's cells are zero.
    pub(crate) fn survive_fork(&mut self, generation: u64) {
        if self.born != generation {
            let zeroing = std::mem::take(&mut self.zeroing);
            let turns = self.turns;
            *self = Cutter { born: generation, zeroing, turns, ..Cutter::new() };
        }
    }

    /// Cuts: afterwards [`Cutter::scalar`] and [`Cutter::head`] have every record up to the flip, and none after.
    ///
    /// Waits for threads inside a record, but no longer than `limit`. `slots` is called whenever a wait is over, and tells
    /// at least the slots that were allotted before the flip.
    pub(crate) fn cut(
        &mut self,
        domain: &Domain,
        limit: Duration,
        mut slots: impl FnMut(&mut dyn FnMut(SlotView<'_>)),
    ) -> Cut {
        let began = Instant::now();
        self.cuts += 1;
        let mut cut = self.turn(domain, began, limit, &mut slots);
        if self.torn && cut.is_complete() && !is_weak(Site::SecondTurn) {
            cut = self.turn(domain, began, limit, &mut slots);
        }
        self.torn = !cut.is_complete();
        cut
    }

    /// Flips once, and reads the bank that was left.
    fn turn(
        &mut self,
        domain: &Domain,
        began: Instant,
        limit: Duration,
        slots: &mut dyn FnMut(Fit<'_>),
    ) -> Cut {
        let (old, fenced) = domain.flip();
        let mut looks: Vec<Look> =
            domain.shards.iter().map(|node| Look { node, seen: Seen::Inside }).collect();
        let moving = wait(domain, &mut looks, old, began, limit);
        let waited = began.elapsed();
        slots(&mut |view| self.fit(&view));
        let complete = fenced && moving == 0;
        let read = self.read(domain, &looks, old, complete);
        let (number, shards) = (self.cuts, looks.len());
        Cut { number, moving, fenced, shards, read, waited }
    }

    fn fit(&mut self, slots: &SlotView<'_>) {
        self.shapes.clear();
        self.shapes.extend_from_slice(slots.shapes);
        for sums in self.still.iter_mut().chain(self.idle.iter_mut().map(|idle| &mut idle.sums)) {
            sums.fit(slots.scalars, slots.shapes.len());
        }
        self.extremes.resize(slots.shapes.len(), Extremes::default());
        self.all_extremes.resize(slots.shapes.len(), Extremes::default());
        self.versions.resize(slots.shapes.len(), self.turns);
        self.exemplars.resize_with(slots.shapes.len(), Exemplars::default);
    }

    /// Reads bank `old` of every shard that is not known to be idle; returns how many that were.
    ///
    /// In an incomplete cut nothing is taken to be still or unchanged, and nothing is written: any entry may write the
    /// shared cells, and a barrier that failed says nothing about any shard.
    fn read(&mut self, domain: &Domain, looks: &[Look], old: Bank, complete: bool) -> usize {
        self.fold(looks, complete);
        let bank = index(old);
        let any_folded = self.notes.iter().any(|note| note.folded);
        if any_folded {
            refresh_idle(&mut self.idle[bank], &self.notes, &self.shapes, looks, old);
        }
        let unfolded = looks.iter().filter(|look| !self.notes[look.node.id].folded);
        let mut shards: Vec<Cells> = unfolded.map(|look| look.node.cells()).collect();
        let read = shards.len();
        shards.extend(domain.shared().map(|shared| shared.cells));
        let all = !complete || self.trusted[bank] == 0;
        self.changed.clear();
        self.changed.resize(self.shapes.len(), all);
        if !all {
            // The extremes first: they tell what else there is to read.
            shards.iter().for_each(|&cells| self.read_extremes(cells, old, complete));
        }
        let idle = any_folded.then_some(&self.idle[bank].sums);
        let (still, changed) = (&mut self.still[bank], &self.changed);
        still.begin_from(idle, changed);
        for &cells in &shards {
            still.add_shard(cells, old, &self.shapes, |at| changed[at], complete);
        }
        if all {
            // The extremes last: of cells that move, they must be at least those of the values that were read.
            shards.iter().for_each(|&cells| self.read_extremes(cells, old, complete));
        }
        self.trusted[bank] = match complete {
            true if all => TRUSTED_CUTS,
            true => self.trusted[bank] - 1,
            false => 0,
        };
        self.turns += 1;
        let versions = self.versions.iter_mut().zip(&self.changed);
        versions.filter(|(_, changed)| **changed).for_each(|(version, _)| *version = self.turns);
        if complete {
            self.zero_retired(domain, old);
        }
        read
    }

    /// Takes in what one shard's histograms saw in bank `old`, and resets it for the generation that is recorded there next.
    fn read_extremes(&mut self, cells: Cells, old: Bank, complete: bool) {
        let both = self.extremes.iter_mut().zip(&mut self.all_extremes);
        let marks = self.changed.iter_mut().zip(&mut self.exemplars);
        for (at, ((fresh, all), (changed, exemplars))) in both.zip(marks).enumerate() {
            let at = head(at) + old;
            let seen = extremes(cells, at);
            if !seen.is_empty() {
                *changed = true;
                fresh.widen(seen);
                all.widen(seen);
                if complete {
                    exemplars.take(cells, at);
                    reset_extremes(cells, at);
                }
            }
        }
    }

    /// Decides which shards are idle enough to be left unread.
    fn fold(&mut self, looks: &[Look], complete: bool) {
        let shards = looks.iter().map(|look| look.node.id + 1).max().unwrap_or(0);
        self.notes.resize(shards.max(self.notes.len()), Note::default());
        let mut changed = false;
        for look in looks {
            let note = &mut self.notes[look.node.id];
            let idle = complete && look.seen == Seen::Idle;
            note.idle = if idle { note.idle.saturating_add(1) } else { 0 };
            let folded = note.idle >= IDLE_CUTS;
            changed |= folded != note.folded;
            note.folded = folded;
        }
        if changed {
            self.idle.iter_mut().for_each(|idle| idle.valid = false);
        }
    }

    /// Queues slots that nobody records in any more for zeroing. Called before a cut.
    pub(crate) fn retire(&mut self, ranges: impl IntoIterator<Item = Range>) {
        let done = [false, is_weak(Site::ZeroBothBanks)];
        self.zeroing.extend(ranges.into_iter().map(|range| Zeroing { range, done }));
    }

    /// Whether slots are on their way.
    pub(crate) fn is_zeroing(&self) -> bool {
        !self.zeroing.is_empty()
    }

    /// The ranges that are zero in both banks of every shard now.
    pub(crate) fn take_zeroed(&mut self) -> Vec<Range> {
        let (done, rest) = std::mem::take(&mut self.zeroing)
            .into_iter()
            .partition::<Vec<_>, _>(|zeroing| zeroing.done == [true; 2]);
        self.zeroing = rest;
        done.into_iter().map(|zeroing| zeroing.range).collect()
    }

    /// Zeroes retired slots in the bank that stands still, in every shard and in the sums.
    fn zero_retired(&mut self, domain: &Domain, old: Bank) {
        let bank = index(old);
        let arenas: Vec<Cells> = match self.zeroing.iter().any(|z| !z.done[bank]) {
            true => domain
                .shards
                .iter()
                .map(|node| node.cells())
                .chain(domain.shared().map(|shared| shared.cells))
                .collect(),
            false => return,
        };
        for at in 0..self.zeroing.len() {
            let Zeroing { range, done } = &mut self.zeroing[at];
            if std::mem::replace(&mut done[bank], true) {
                continue;
            }
            let range = *range;
            for offset in (0..range.len).map(|i| range.slot + i * range.class.stride()) {
                arenas.iter().for_each(|&cells| zero_slot(cells, range.class, offset, old));
                let (still, idle) = (&mut self.still[bank], &mut self.idle[bank].sums);
                match range.class {
                    Class::Scalar => {
                        still.clear_scalar(scalar_index(offset));
                        idle.clear_scalar(scalar_index(offset));
                    }
                    Class::Head(_) => {
                        still.clear_head(head_index(offset));
                        idle.clear_head(head_index(offset));
                        self.versions[head_index(offset)] = self.turns;
                        self.extremes[head_index(offset)] = Extremes::default();
                        self.all_extremes[head_index(offset)] = Extremes::default();
                        self.exemplars[head_index(offset)] = Exemplars::default();
                    }
                }
            }
        }
    }

    /// The total of a sharded scalar.
    pub(crate) fn scalar(&self, slot: usize) -> u64 {
        let at = scalar_index(slot);
        let of = |sums: &Sums| sums.scalars.get(at).copied().unwrap_or(0);
        of(&self.still[0]).wrapping_add(of(&self.still[1]))
    }

    /// A histogram's shape and its cells in both banks.
    pub(crate) fn head(&self, slot: usize) -> Option<(Shape, [&super::sums::HeadSums; 2])> {
        let at = head_index(slot);
        let shape = *self.shapes.get(at)?;
        Some((shape, [self.still[0].heads.get(at)?, self.still[1].heads.get(at)?]))
    }

    /// A number that changes whenever [`Cutter::head`] may: equal ones mean equal counts.
    pub(crate) fn version(&self, slot: usize) -> u64 {
        self.versions.get(head_index(slot)).copied().unwrap_or(self.turns)
    }

    /// The extremes of a histogram since the last call.
    pub(crate) fn take_extremes(&mut self, slot: usize) -> Extremes {
        self.extremes.get_mut(head_index(slot)).map(std::mem::take).unwrap_or_default()
    }

    /// The extremes of a histogram since its series began.
    pub(crate) fn all_extremes(&self, slot: usize) -> Extremes {
        self.all_extremes.get(head_index(slot)).copied().unwrap_or_default()
    }

    /// The latest exemplars of a histogram; those found since the last call are stamped `now`.
    pub(crate) fn exemplars(&mut self, slot: usize, now: Duration) -> Option<Arc<[Exemplar]>> {
        self.exemplars.get_mut(head_index(slot))?.latest(now)
    }
}

/// Reads the idle shards once more, if they are not the same as last time. Their bank `old` stands still.
fn refresh_idle(idle: &mut Idle, notes: &[Note], shapes: &[Shape], looks: &[Look], old: Bank) {
    if idle.valid {
        return;
    }
    idle.valid = true;
    idle.sums.zero();
    for look in looks.iter().filter(|look| notes[look.node.id].folded) {
        idle.sums.add_shard(look.node.cells(), old, shapes, |_| true, true);
    }
}

/// `0` or `1` for a bank's offset.
fn index(bank: Bank) -> usize {
    bank / BANK
}

/// Looks at every shard until it was seen outside a record once, and at the guests; returns how many never were.
fn wait(domain: &Domain, looks: &mut [Look], old: Bank, began: Instant, limit: Duration) -> usize {
    let mut turn = 0;
    loop {
        let mut inside = 0;
        for look in looks.iter_mut().filter(|look| look.seen == Seen::Inside) {
            look.seen = observe(look.node.cells(), old);
            inside += usize::from(look.seen == Seen::Inside);
        }
        inside += usize::from(domain.guests.inside(old));
        if inside == 0 || gave_up(&mut turn, began, limit) {
            return inside;
        }
    }
}

/// Spins, then yields, then sleeps; `true` once the limit is over.
fn gave_up(turn: &mut u32, began: Instant, limit: Duration) -> bool {
    const SPINS: u32 = 64;
    const YIELDS: u32 = 64;
    if cfg!(tachometer_loom) && limit.is_zero() {
        // A model's clock stands still: it waits for ever, or not at all.
        return true;
    }
    *turn += 1;
    if *turn <= SPINS || cfg!(tachometer_loom) {
        relax();
        return false;
    }
    if began.elapsed() >= limit {
        return true;
    }
    match *turn <= SPINS + YIELDS {
        true => std::thread::yield_now(),
        false => std::thread::sleep(Duration::from_micros(50)),
    }
    false
}

/// Zeroes one slot in one bank of one arena. A histogram keeps its blocks for the next series of its shape, that of its
/// exemplars too.
fn zero_slot(cells: Cells, class: Class, slot: usize, bank: Bank) {
    // Relaxed, all: the bank stands still; released to the writers by the next flip (`Domain::flip`).
    let zero = |at: usize| cells.cell(at).store(0, Ordering::Relaxed);
    let at = slot + bank;
    match class {
        Class::Scalar => zero(at),
        Class::Head(shape) => {
            reset_extremes(cells, at);
            forget(cells, at);
            zero(at + SKIP);
            for octave in super::sums::octaves(cells.cell(at + MASK).load(Ordering::Relaxed)) {
                let entry = cells.entry(at + DIRECTORY + 4 * octave).load(Ordering::Relaxed);
                let block = entry as usize + shape.bias(octave);
                (0..shape.cells(octave)).for_each(|cell| zero(block + 8 * cell));
            }
        }
    }
}
