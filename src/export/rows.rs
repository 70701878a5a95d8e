//! The identity of each series as a format writes it, rendered once for each [layout](crate::registry::layout).
//!
//! Formats that cannot carry every name and label value as it is may write two series alike, and what reads them would take
//! them for one. Of such series the first keeps what it has; each further one gets a label [`COLLISION`] with a hash of what
//! it is really called, which is the same in every process. A series whose labels are longer than the format's readers take
//! goes by that label alone.

use crate::registry::layout::Layout;
use crate::registry::{Definition, Kind, Unit};
use std::collections::HashSet;
use std::hash::BuildHasher as _;

/// The label that tells apart what a format would make one.
pub(super) const COLLISION: &str = "collision";

/// The rendered identities of a layout.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The layout that this is for; zero for none.
    layout: u64,
    /// All identities, one after the other.
    fixed: Vec<u8>,
    rows: Vec<Row>,
}

/// One series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// Index among the snapshot's scalars, or among its histograms.
    pub(super) at: usize,
    /// Index of the family in the layout.
    pub(super) family: usize,
    end: usize,
}

/// A series' name and labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    pub(super) name: &'a str,
    labels: &'a [(String, String)],
    collision: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn of(definition: &'a Definition, labels: &'a [(String, String)]) -> Self {
        let Definition { kind, unit, name, .. } = definition;
        Named { kind: *kind, unit: *unit, name, labels, collision: None }
    }

    /// FNV-1a of name and labels, in hexadecimal.
    fn hash(self) -> String {
        let labels = self.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let mut hash = 0xCBF2_9CE4_8422_2325u64;
        for text in std::iter::once(self.name).chain(labels) {
            for byte in text.bytes().chain([0xFF]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
            }
        }
        format!("{hash:016x}")
    }

    /// Names and values.
    pub(super) fn labels(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // A label of that name is in the hash.
        let own = own.filter(move |(name, _)| self.collision.is_none() || *name != COLLISION);
        own.chain(self.collision.map(|hash| (COLLISION, hash)))
    }

    /// As [`Named::labels`], without those whose value is empty, for formats that forbid it.
    pub(super) fn filled(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.labels().filter(|(_, value)| !value.is_empty())
    }

    /// As `name`, with as many underscores behind it as make it neither one of `reserved` nor another label's name.
    pub(super) fn free(self, name: &'a str, reserved: &[&str]) -> (&'a str, usize) {
        if !reserved.contains(&name) {
            return (name, 0);
        }
        let taken = |more: usize| {
            self.labels.iter().any(|(other, _)| {
                let rest = other.strip_prefix(name);
                rest.is_some_and(|rest| rest.len() == more && rest.bytes().all(|b| b == b'_'))
            })
        };
        (name, (1..).find(|&more| !taken(more)).expect("there are fewer labels than numbers"))
    }
}

impl Rows {
    /// Renders the identities of `layout` with `render`, each at most `longest` bytes, unless they are there. Returns
    /// whether it did.
    pub(super) fn fit(
        &mut self,
        layout: &Layout,
        longest: usize,
        render: impl Fn(&mut Vec<u8>, Named<'_>),
    ) -> bool {
        if self.layout == layout.id {
            return false;
        }
        self.fixed.clear();
        self.rows.clear();
        let hasher = foldhash::fast::FixedState::default();
        let mut taken = HashSet::with_capacity(layout.scalars + layout.histograms);
        for (index, family) in layout.families.iter().enumerate() {
            let definition = &*family.definition;
            for series in &family.series {
                let from = self.fixed.len();
                let mut named = Named::of(definition, &series.labels);
                render(&mut self.fixed, named);
                let too_long = self.fixed.len() - from > longest;
                // By their hashes: to tell two apart that differ does no harm.
                if too_long || !taken.insert(hasher.hash_one(&self.fixed[from..])) {
                    self.fixed.truncate(from);
                    let hash = named.hash();
                    named.collision = Some(&hash);
                    if too_long {
                        named.labels = &[];
                    }
                    render(&mut self.fixed, named);
                }
                let (kind, unit) = (definition.kind, definition.unit);
                self.rows.push(Row {
                    kind,
                    unit,
                    at: series.value,
                    family: index,
                    end: self.fixed.len(),
                });
            }
        }
        self.layout = layout.id;
        true
    }

    /// Each series with its identity, in the order of the layout.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Row)> {
        let mut from = 0;
        self.rows.iter().map(move |row| {
            let identity = &self.fixed[from..row.end];
            from = row.end;
            (identity, row)
        })
    }
}

/// Calls `write` with name and labels, and count, of each series of what refused `static` handles recorded.
pub(super) fn rejected(all: &[(String, u64)], mut write: impl FnMut(Named<'_>, usize, u64)) {
    for (index, (metric, count)) in all.iter().enumerate() {
        let labels = [("index", index.to_string()), ("metric", metric.clone())];
        let labels = labels.map(|(name, value)| (name.to_owned(), value));
        let (kind, unit) = (Kind::Counter, Unit::None);
        let named = Named { kind, unit, name: super::REJECTED, labels: &labels, collision: None };
        write(named, index, *count);
    }
}
