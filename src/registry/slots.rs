//! Who has which slot: allotting, taking back, and what a slot must go through before it is given out again.
//!
//! A slot stands at the same offset in every shard, so slots are a resource of the process. One that its series gave up
//! still holds counts, in both banks of every shard; the cutter zeroes a bank when it stands still, so it takes two
//! complete cuts until the slot can serve another series ([`Slots::recycle`]).

use crate::error::Error;
use crate::limits::{MAX_HISTOGRAMS, MAX_SCALARS};
use crate::shard::DOMAIN;
use crate::shard::layout::{BLOCKS, Class, Range, Shape, head, scalar};
use std::collections::BTreeMap;

/// Precisions that a histogram can have; each has a sink.
const FIGURES: [u8; 3] = [1, 2, 3];

/// Where a `static` handle records for which there is no slot left: a slot of its class that is never given out.
pub(crate) fn sink(class: Class) -> usize {
    match class {
        Class::Scalar => scalar(0),
        Class::Head(shape) => {
            let at = FIGURES.iter().position(|&figures| Shape::new(figures) == shape);
            head(at.unwrap_or_default())
        }
    }
}

const SCALAR_SINK: usize = scalar(0);
const HEAD_SINKS: (usize, usize) = (head(0), head(FIGURES.len()));

/// Whether `slot` is a sink.
#[inline(always)]
pub(crate) const fn is_sink(slot: usize) -> bool {
    slot == SCALAR_SINK || (slot >= HEAD_SINKS.0 && slot < HEAD_SINKS.1)
}

/// The process's slots.
#[derive(Debug)]
pub(crate) struct Slots {
    scalars: usize,
    shapes: Vec<Shape>,
    free: BTreeMap<(u32, usize), Vec<usize>>,
    promised: usize,
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Slots { scalars: 1, shapes: Vec::new(), free: BTreeMap::new(), promised: 0 }
    }

    /// Scalars ever allotted: cells beyond are zero.
    pub(crate) fn scalars(&self) -> usize {
        self.scalars
    }

    /// The shape of every histogram ever allotted, by index.
    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Allots `len` neighbouring slots, zero in every shard.
    ///
    /// `shared_bytes` is the length of the shared arena: it must have room for every octave of every histogram, so that
    /// a record that overflows its shard always finds a place there.
    pub(crate) fn allot(
        &mut self,
        class: Class,
        len: usize,
        shared_bytes: usize,
    ) -> Result<Range, Error> {
        if let Some(slot) = self.free.get_mut(&free_key(class, len)).and_then(Vec::pop) {
            return Ok(Range { class, slot, len });
        }
        if self.shapes.is_empty() {
            FIGURES.into_iter().for_each(|figures| self.push(Shape::new(figures)));
        }
        let slot = match class {
            Class::Scalar => {
                if len > MAX_SCALARS - self.scalars {
                    return Err(too_many("counters and gauges in the process", MAX_SCALARS));
                }
                self.scalars += len;
                scalar(self.scalars - len)
            }
            Class::Head(shape) => {
                let promised = self.promised + len * shape.worst_bytes();
                if len > MAX_HISTOGRAMS - self.shapes.len() || promised > shared_bytes - BLOCKS {
                    return Err(too_many("histograms in the process", self.shapes.len()));
                }
                (0..len).for_each(|_| self.push(shape));
                head(self.shapes.len() - len)
            }
        };
        Ok(Range { class, slot, len })
    }

    /// Adds a histogram, with a region of the shared arena.
    fn push(&mut self, shape: Shape) {
        DOMAIN.regions.set(self.shapes.len(), BLOCKS + self.promised);
        self.promised += shape.worst_bytes();
        self.shapes.push(shape);
    }

    /// Takes a range back that the cutter has zeroed in both banks.
    pub(crate) fn recycle(&mut self, range: Range) {
        self.free.entry(free_key(range.class, range.len)).or_default().push(range.slot);
    }
}

fn free_key(class: Class, len: usize) -> (u32, usize) {
    let kind = match class {
        Class::Scalar => 0,
        Class::Head(shape) => shape.half_bits(),
    };
    (kind, len)
}

fn too_many(what: &str, limit: usize) -> Error {
    let advice = "drop registries and families that are no longer used, bound their labels, or let idle series expire";
    Error::TooMany { what: what.to_owned(), limit, advice }
}
