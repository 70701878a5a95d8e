//! What is the same from one request to the next: the series, their labels, and what is to be said about their families.

use super::RemoteWriteVersion;
use super::symbols::SYMBOLS;
use crate::export::exemplars::{SPAN_ID, TRACE_ID};
use crate::export::wire::Wire as _;
use crate::registry::layout::{FamilyLayout, Identity, Layout, SeriesLayout};
use crate::registry::{Kind, Unit};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// What is sent for one layout.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The layout; kept, since identities are good for as long as it is.
    layout: Arc<Layout>,
    /// What else it depends on.
    form: Option<Form>,
    /// Every text that is sent, once. The first is empty.
    pub(super) symbols: Texts,
    pub(super) families: Vec<Family>,
    pub(super) items: Vec<Item>,
    /// Where in `items` the ends of gone series begin: they are the last.
    live: usize,
    series: Vec<Series>,
    /// Name and value of each label, as indexes of symbols.
    refs: Vec<u32>,
    /// Each label as a message of 1.0, which is also what tells series apart.
    rendered: Vec<u8>,
    /// The names of an exemplar's labels.
    pub(super) ids: [u32; 2],
    /// Texts that a value of these labels could be too, so that none is in a request twice.
    hexadecimal: HashMap<String, u32>,
}

/// Texts as fields of a request of 2.0, one after the other.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// For each text where its field begins, and where in it the text begins.
    at: Vec<(usize, usize)>,
    fields: Vec<u8>,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    fn push(&mut self, text: &str) {
        let begin = self.fields.len();
        self.fields.message(SYMBOLS, |out| out.extend_from_slice(text.as_bytes()));
        self.at.push((begin, self.fields.len() - text.len()));
    }

    fn end(&self, symbol: u32) -> usize {
        self.at.get(symbol as usize + 1).map_or(self.fields.len(), |next| next.0)
    }

    /// A text, behind its tag and its length.
    pub(super) fn field(&self, symbol: u32) -> &[u8] {
        &self.fields[self.at[symbol as usize].0..self.end(symbol)]
    }

    pub(super) fn text(&self, symbol: u32) -> &str {
        let text = &self.fields[self.at[symbol as usize].1..self.end(symbol)];
        std::str::from_utf8(text).expect("pushed as a text")
    }
}

/// How series are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) version: RemoteWriteVersion,
    /// Histograms as series of their `le` buckets, count and sum.
    pub(super) classic: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: u32,
    pub(super) help: u32,
    pub(super) unit: u32,
    pub(super) kind: u64,
}

/// One series of a snapshot, or one that is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Index of its first series.
    pub(super) series: usize,
    pub(super) what: What,
    /// Its place among the snapshot's values.
    pub(super) at: usize,
    /// Index of its family. Gone series have none.
    pub(super) family: Option<usize>,
    /// When it began, in ms since 1970; zero for what has no beginning.
    pub(super) created: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Scalar(Kind, Unit),
    /// `reset` if another one with the same labels was there before.
    Native {
        reset: bool,
    },
    /// A series for each of so many bounds, one for +Inf, one for the sum, one for the count.
    Classic {
        bounds: usize,
    },
    /// The end of a series of samples, or of native histograms.
    Gone {
        native: bool,
    },
}

/// The end of a series, by its labels: for whoever has to say it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(super) labels: Vec<(String, String)>,
    pub(super) native: bool,
}

/// Where a series' labels end, in `refs` and in `rendered`.
#[derive(Clone, Copy, Debug)]
struct Series {
    refs: usize,
    rendered: usize,
    native: bool,
    identity: Option<Identity>,
}

impl Item {
    /// How many series it is.
    pub(super) fn len(&self) -> usize {
        match self.what {
            What::Classic { bounds } => bounds + 3,
            _ => 1,
        }
    }
}

impl Plan {
    /// Whether it is for `layout` and `form`.
    pub(super) fn fits(&self, layout: &Layout, form: Form) -> bool {
        self.layout.id == layout.id && self.form == Some(form)
    }

    /// The plan for `layout`. What `last` had and this has not is gone: its end is to be sent.
    pub(super) fn of(layout: &Arc<Layout>, form: Form, last: &Plan) -> Plan {
        let plan = Plan { layout: layout.clone(), form: Some(form), ..Plan::default() };
        let mut building = Building::new(plan, last);
        layout.families.iter().for_each(|family| building.family(family, form));
        building.plan.live = building.plan.items.len();
        // What is left, in the order that it was sent in.
        let left = std::mem::take(&mut building.before);
        let mut gone: Vec<usize> = left.into_iter().flat_map(HashMap::into_values).collect();
        gone.sort_unstable();
        gone.into_iter().for_each(|at| building.gone(at));
        building.plan
    }

    /// Whether its families are those of `layout`, by name.
    pub(super) fn has_families_of(&self, layout: &Layout) -> bool {
        let mine = self.families.iter().map(|family| self.symbols.text(family.name));
        mine.eq(layout.families.iter().map(|family| family.definition.name.as_str()))
    }

    /// Forgets what was to be said once: another snapshot follows.
    pub(super) fn proceed(&mut self) {
        self.items.truncate(self.live);
        let first_gone = self.items.last().map_or(0, |item| item.series + item.len());
        self.series.truncate(first_gone);
        let (refs, rendered) = self.series.last().map_or((0, 0), |last| (last.refs, last.rendered));
        self.refs.truncate(refs);
        self.rendered.truncate(rendered);
        for item in &mut self.items {
            if let What::Native { reset } = &mut item.what {
                *reset = false;
            }
        }
    }

    /// The series whose ends it says.
    #[cfg(feature = "push")]
    pub(super) fn ended(&self) -> Vec<Ended> {
        let gone = self.items[self.live..].iter();
        gone.map(|item| Ended {
            labels: self.labels(item.series).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            native: self.series[item.series].native,
        })
        .collect()
    }

    /// Takes series for some that were there last, so that the next plan says their ends, but for those that are there.
    pub(super) fn owe(&mut self, owed: Vec<Ended>) {
        if owed.is_empty() {
            return;
        }
        let key = |plan: &Plan, at: usize| (plan.series[at].native, plan.rendered(at).to_vec());
        let mut there: HashSet<_> = (0..self.series.len()).map(|at| key(self, at)).collect();
        for Ended { labels, native } in owed {
            let (refs, rendered) = (self.refs.len(), self.rendered.len());
            for (name, value) in &labels {
                for text in [name, value] {
                    self.refs.push(self.symbols.len() as u32);
                    self.symbols.push(text);
                }
                self.rendered.message(1, |out| {
                    out.bytes(1, name.as_bytes());
                    out.bytes(2, value.as_bytes());
                });
            }
            let ends = (self.refs.len(), self.rendered.len());
            self.series.push(Series { refs: ends.0, rendered: ends.1, native, identity: None });
            if there.insert(key(self, self.series.len() - 1)) {
                // No plan any more, but what the next one is made from.
                self.form = None;
            } else {
                self.series.pop();
                self.refs.truncate(refs);
                self.rendered.truncate(rendered);
            }
        }
    }

    /// Name and value of each label of a series.
    fn labels(&self, series: usize) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.refs(series).chunks_exact(2);
        pairs.map(|pair| (self.symbols.text(pair[0]), self.symbols.text(pair[1])))
    }

    /// The text of so many hexadecimal digits, if it is one of those that are sent anyway.
    pub(super) fn hexadecimal(&self, text: &[u8]) -> Option<u32> {
        if self.hexadecimal.is_empty() {
            return None;
        }
        self.hexadecimal.get(std::str::from_utf8(text).ok()?).copied()
    }

    fn ranges(&self, series: usize) -> (Range<usize>, Range<usize>) {
        let from = series.checked_sub(1).map(|last| self.series[last]);
        let (refs, rendered) = from.map_or((0, 0), |from| (from.refs, from.rendered));
        (refs..self.series[series].refs, rendered..self.series[series].rendered)
    }

    /// The labels of a series, as 1.0 has them.
    pub(super) fn rendered(&self, series: usize) -> &[u8] {
        &self.rendered[self.ranges(series).1]
    }

    /// The labels of a series, as indexes of symbols.
    pub(super) fn refs(&self, series: usize) -> &[u32] {
        &self.refs[self.ranges(series).0]
    }
}

struct Building<'a> {
    plan: Plan,
    symbols: HashMap<String, u32>,
    /// The labels of the series that are there.
    taken: HashSet<Vec<u8>>,
    last: &'a Plan,
    /// What `last` had, by labels: series of samples, and those of native histograms. One that changes between them ends.
    before: [HashMap<&'a [u8], usize>; 2],
}

impl<'a> Building<'a> {
    fn new(plan: Plan, last: &'a Plan) -> Self {
        let mut before = [HashMap::new(), HashMap::new()];
        for (at, series) in last.series.iter().enumerate() {
            before[usize::from(series.native)].insert(last.rendered(at), at);
        }
        let (symbols, taken) = (HashMap::new(), HashSet::new());
        let mut building = Building { plan, symbols, taken, last, before };
        building.symbol("");
        building.plan.ids = [TRACE_ID, SPAN_ID].map(|name| building.symbol(name));
        building
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(&at) = self.symbols.get(text) {
            return at;
        }
        let at = self.plan.symbols.len() as u32;
        self.plan.symbols.push(text);
        self.symbols.insert(text.to_owned(), at);
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if [16, 32].contains(&text.len()) && text.bytes().all(is_digit) {
            self.plan.hexadecimal.insert(text.to_owned(), at);
        }
        at
    }

    fn family(&mut self, family: &FamilyLayout, form: Form) {
        let definition = &family.definition;
        let bounds = definition.buckets.bounds(definition.unit);
        // As both versions number the types.
        let (kind, begins) = match definition.kind {
            Kind::Counter => (1, true),
            Kind::UpDownCounter | Kind::Gauge => (2, false),
            Kind::Histogram => (3, true),
            Kind::Info => (6, false),
            Kind::StateSet => (7, false),
        };
        let index = self.plan.families.len();
        let name = self.symbol(&definition.name);
        let help = self.symbol(&definition.help);
        let unit = self.symbol(definition.unit.suffix().unwrap_or_default());
        self.plan.families.push(Family { name, help, unit, kind });
        for series in &family.series {
            let first = self.plan.series.len();
            let mut what = match definition.kind {
                Kind::Histogram if form.classic => What::Classic { bounds: bounds.len() },
                Kind::Histogram => What::Native { reset: false },
                kind => What::Scalar(kind, definition.unit),
            };
            if let What::Classic { .. } = what {
                let les = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
                les.for_each(|le| self.series(&definition.name, "_bucket", series, Some(&le)));
                self.series(&definition.name, "_sum", series, None);
                self.series(&definition.name, "_count", series, None);
            } else {
                self.series(&definition.name, "", series, None);
                self.plan.series[first].native = matches!(what, What::Native { .. });
            }
            // Without labels that are empty, two series may be one to the receiver: the first stays.
            if !self.taken.insert(self.plan.rendered(first).to_vec()) {
                self.forget_from(first);
                continue;
            }
            for at in first..self.plan.series.len() {
                let native = self.plan.series[at].native;
                let known = self.before[usize::from(native)].remove(self.plan.rendered(at));
                if let (What::Native { reset }, Some(known)) = (&mut what, known) {
                    *reset = self.last.series[known].identity != Some(series.identity());
                }
            }
            let created = if begins { series.created.as_millis() as u64 } else { 0 };
            let item = Item { series: first, what, at: series.value, family: Some(index), created };
            self.plan.items.push(item);
        }
    }

    /// Adds a series. Labels are in the order of their names, and a label without a value is none.
    fn series(&mut self, name: &str, suffix: &str, series: &SeriesLayout, le: Option<&str>) {
        let name = [name, suffix].concat();
        let own = series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let mut labels: Vec<_> = own.filter(|label| !label.1.is_empty()).collect();
        labels.push(("__name__", &name));
        labels.extend(le.map(|le| ("le", le)));
        labels.sort_unstable();
        self.labels(labels.into_iter());
        self.push_series(false, Some(series.identity()));
    }

    fn labels<'b>(&mut self, labels: impl Iterator<Item = (&'b str, &'b str)>) {
        for (key, value) in labels {
            let refs = [self.symbol(key), self.symbol(value)];
            self.plan.refs.extend(refs);
            self.plan.rendered.message(1, |out| {
                out.bytes(1, key.as_bytes());
                out.bytes(2, value.as_bytes());
            });
        }
    }

    fn push_series(&mut self, native: bool, identity: Option<Identity>) {
        let (refs, rendered) = (self.plan.refs.len(), self.plan.rendered.len());
        self.plan.series.push(Series { refs, rendered, native, identity });
    }

    fn forget_from(&mut self, series: usize) {
        let (refs, rendered) = self.plan.ranges(series);
        self.plan.refs.truncate(refs.start);
        self.plan.rendered.truncate(rendered.start);
        self.plan.series.truncate(series);
    }

    /// Adds the end of a series that `last` had.
    fn gone(&mut self, series: usize) {
        let last = self.last;
        let native = last.series[series].native;
        let item = Item {
            series: self.plan.series.len(),
            what: What::Gone { native },
            at: 0,
            family: None,
            created: 0,
        };
        self.labels(last.labels(series));
        self.push_series(native, None);
        self.plan.items.push(item);
    }
}
