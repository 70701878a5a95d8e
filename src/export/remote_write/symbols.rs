//! The texts that a request of 2.0 uses, numbered as they come: those of the plan, and the ids of exemplars.

use super::plan::Plan;
use crate::Exemplar;
use crate::export::exemplars::hex;
use crate::export::wire::Wire;
use std::collections::HashMap;

/// `Request.symbols`
pub(super) const SYMBOLS: u32 = 4;

/// See the module. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    /// For each symbol of the plan its number in the request; zero for none.
    numbers: Vec<u32>,
    ids: HashMap<Id, u32>,
    used: Vec<Used>,
    bytes: usize,
}

/// How far a request was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    used: usize,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Used {
    Plan(u32),
    Id(Id),
}

/// A number that is written as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Id {
    Trace([u8; 16]),
    Span([u8; 8]),
}

impl Id {
    fn with_text<T>(self, read: impl FnOnce(&[u8]) -> T) -> T {
        let mut text = [0; 32];
        match self {
            Id::Trace(bytes) => {
                hex(&mut text, &bytes);
                read(&text)
            }
            Id::Span(bytes) => {
                hex(&mut text[..16], &bytes);
                read(&text[..16])
            }
        }
    }
}

impl Symbols {
    /// Bytes of all that are used.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(super) fn number(&mut self, plan: &Plan, symbol: u32) -> u64 {
        // The empty text comes first in both.
        if symbol == 0 {
            return 0;
        }
        let number = &mut self.numbers[symbol as usize];
        if *number == 0 {
            self.used.push(Used::Plan(symbol));
            *number = self.used.len() as u32;
            self.bytes += plan.symbols.field(symbol).len();
        }
        u64::from(*number)
    }

    /// The labels of an exemplar, by name.
    pub(super) fn exemplar(&mut self, plan: &Plan, exemplar: &Exemplar) -> [u64; 4] {
        let [trace_id, span_id] = plan.ids.map(|name| self.number(plan, name));
        let trace = self.id(plan, Id::Trace(exemplar.trace_id));
        let span = self.id(plan, Id::Span(exemplar.span_id));
        [span_id, span, trace_id, trace]
    }

    fn id(&mut self, plan: &Plan, id: Id) -> u64 {
        if let Some(symbol) = id.with_text(|text| plan.hexadecimal(text)) {
            return self.number(plan, symbol);
        }
        let Symbols { ids, used, bytes, .. } = self;
        let number = ids.entry(id).or_insert_with(|| {
            used.push(Used::Id(id));
            // Tag and length have a byte each.
            *bytes += 2 + id.with_text(<[u8]>::len);
            used.len() as u32
        });
        u64::from(*number)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { used: self.used.len(), bytes: self.bytes }
    }

    /// Forgets all since `mark`.
    pub(super) fn undo(&mut self, mark: Mark) {
        let Symbols { numbers, ids, used, .. } = self;
        used.drain(mark.used..).for_each(|used| match used {
            Used::Plan(symbol) => numbers[symbol as usize] = 0,
            Used::Id(id) => drop(ids.remove(&id)),
        });
        self.bytes = mark.bytes;
    }

    pub(super) fn clear(&mut self, plan: &Plan) {
        // The empty text is always there.
        let bytes = if plan.symbols.len() > 0 { plan.symbols.field(0).len() } else { 0 };
        self.undo(Mark { used: 0, bytes });
        self.numbers.resize(plan.symbols.len(), 0);
    }

    /// Writes them, as fields of a request.
    pub(super) fn write(&self, plan: &Plan, out: &mut Vec<u8>) {
        out.extend_from_slice(plan.symbols.field(0));
        for used in &self.used {
            match *used {
                Used::Plan(symbol) => out.extend_from_slice(plan.symbols.field(symbol)),
                Used::Id(id) => id.with_text(|text| out.bytes(SYMBOLS, text)),
            }
        }
    }
}
