//! One registry, by the model: which series it has, and whether a snapshot shows them.

use super::family::{FamilyModel, Joined};
use super::metrics::{
    COUNTERS, FAMILIES, GAUGES, HISTOGRAMS, OUTCOMES, PEERS, STAGES, UPDOWNS, pick, single, word,
};
use super::plan::Metric;
use super::value::Value;
use super::world::NODE;
use crate::landmarks::{Event, History};
use std::collections::BTreeMap;
use std::time::Duration;
use tachometer::{LabelEnum, Snapshot};

/// A series: name and labels, as a snapshot has them.
pub type Key = (String, Vec<(String, String)>);

/// A change of one series.
#[derive(Clone, Debug)]
pub struct Change {
    pub incarnation: u64,
    pub key: Key,
    pub delta: Value,
}

#[derive(Debug)]
pub struct Tenant {
    pub index: usize,
    /// Which registry this is, of all that the tenant has had.
    pub incarnation: u64,
    pub elapsed: Duration,
    pub generation: u64,
    pub series: BTreeMap<Key, Value>,
    pub families: [FamilyModel; FAMILIES.len()],
    /// What happened to each series, those that are gone included.
    histories: BTreeMap<Key, History>,
    /// Whether `generation_extremes` of the next snapshot are those of all records since the last.
    pub fresh_is_known: bool,
}

impl Tenant {
    pub fn new(index: usize, incarnation: u64) -> Self {
        Tenant {
            index,
            incarnation,
            elapsed: Duration::ZERO,
            generation: 0,
            series: BTreeMap::new(),
            families: std::array::from_fn(|at| FamilyModel::new(&FAMILIES[at])),
            histories: BTreeMap::new(),
            fresh_is_known: false,
        }
    }

    fn key(&self, name: &str, labels: &[(&str, &str)]) -> Key {
        let constant = (self.index == 1).then_some(&NODE);
        let own = labels.iter().chain(constant);
        let mut labels: Vec<_> = own.map(|(k, v)| (k.to_string(), v.to_string())).collect();
        labels.sort();
        (name.to_owned(), labels)
    }

    fn show(&mut self, name: &str, labels: &[(&str, &str)], zero: Value) {
        self.series.entry(self.key(name, labels)).or_insert(zero);
    }

    /// Makes the series that exist as soon as the metric is registered.
    pub fn register(&mut self, metric: Metric) {
        match metric {
            Metric::Counter(i) => self.show(word(&COUNTERS, i), &[], Value::Counter(0)),
            Metric::UpDown(i) => self.show(word(&UPDOWNS, i), &[], Value::UpDown(0)),
            Metric::Gauge(i) => self.show(word(&GAUGES, i), &[], Value::Gauge(0.0)),
            Metric::Histogram(i) => {
                let figures = i % HISTOGRAMS.len() as u8 + 1;
                self.show(word(&HISTOGRAMS, i), &[], Value::histogram(figures));
            }
            Metric::EnumCounter(..) => {
                for (a, b) in OUTCOMES.iter().flat_map(|a| STAGES.iter().map(move |b| (a, b))) {
                    let labels = [("outcome", value_of(*a)), ("stage", value_of(*b))];
                    self.show("ec_total", &labels, Value::Counter(0));
                }
            }
            Metric::EnumUpDown(_) => {
                for stage in STAGES {
                    self.show("eu", &[("stage", value_of(stage))], Value::UpDown(0));
                }
            }
            Metric::EnumGauge(_) => {
                for stage in STAGES {
                    self.show("eg", &[("stage", value_of(stage))], Value::Gauge(0.0));
                }
            }
            Metric::EnumHistogram(_) => {
                for outcome in OUTCOMES {
                    self.show("eh", &[("outcome", value_of(outcome))], Value::histogram(1));
                }
            }
            Metric::Family(..) => {}
            Metric::Single(i, a, b) => {
                let (family, values) = single(i, a, b);
                let rule = &FAMILIES[family];
                let pairs: Vec<_> = rule.keys.iter().copied().zip(values.clone()).collect();
                self.show(rule.name, &pairs, Value::of_family(family));
                self.families[family].register(values);
            }
        }
    }

    /// The series of `metric`, and the member that it is of a family. It joins now if there is room.
    pub fn place(&mut self, metric: Metric) -> (Key, Option<(usize, Vec<&'static str>)>) {
        let key = match metric {
            Metric::Counter(i) => self.key(word(&COUNTERS, i), &[]),
            Metric::UpDown(i) => self.key(word(&UPDOWNS, i), &[]),
            Metric::Gauge(i) => self.key(word(&GAUGES, i), &[]),
            Metric::Histogram(i) => self.key(word(&HISTOGRAMS, i), &[]),
            Metric::EnumCounter(a, b) => {
                let labels = [
                    ("outcome", value_of(*pick(&OUTCOMES, a))),
                    ("stage", value_of(*pick(&STAGES, b))),
                ];
                self.key("ec_total", &labels)
            }
            Metric::EnumUpDown(a) => self.key("eu", &[("stage", value_of(*pick(&STAGES, a)))]),
            Metric::EnumGauge(a) => self.key("eg", &[("stage", value_of(*pick(&STAGES, a)))]),
            Metric::EnumHistogram(a) => {
                self.key("eh", &[("outcome", value_of(*pick(&OUTCOMES, a)))])
            }
            Metric::Family(i, a, b) => return self.member(usize::from(i) % FAMILIES.len(), a, b),
            Metric::Single(i, a, b) => {
                let (family, values) = single(i, a, b);
                let pairs: Vec<_> = FAMILIES[family].keys.iter().copied().zip(values).collect();
                self.key(FAMILIES[family].name, &pairs)
            }
        };
        (key, None)
    }

    fn member(&mut self, family: usize, a: u8, b: u8) -> (Key, Option<(usize, Vec<&'static str>)>) {
        let rule = &FAMILIES[family];
        let all = [word(&PEERS, a), word(&PEERS, b)];
        let values = all[..rule.keys.len()].to_vec();
        let zero = Value::of_family(family);
        match self.families[family].ask(&values) {
            Joined::Member => {
                let pairs: Vec<_> = rule.keys.iter().copied().zip(values.clone()).collect();
                self.show(rule.name, &pairs, zero);
                (self.key(rule.name, &pairs), Some((family, values)))
            }
            Joined::Overflow => {
                self.show(rule.name, &[("overflow", "true")], zero);
                (self.key(rule.name, &[("overflow", "true")]), None)
            }
        }
    }

    /// Notes what happened to a series, for the fuzzer.
    pub fn note(&mut self, key: &Key, event: Event) {
        // By the first letters of the name: the type, and the family's number.
        let class = key.0.bytes().take(2).fold(0, |class, byte| class * 31 + usize::from(byte));
        self.histories.entry(key.clone()).or_default().add(class, event);
    }

    /// Notes what happened to all series.
    pub fn note_all(&mut self, event: Event) {
        let keys: Vec<_> = self.histories.keys().cloned().collect();
        keys.iter().for_each(|key| self.note(key, event));
    }

    /// Compares; `unsure` is what an incomplete snapshot may have or not.
    pub fn check(&mut self, snapshot: &Snapshot, unsure: Option<&[Change]>) {
        self.generation += 1;
        assert_eq!(snapshot.generation(), self.generation, "generation");
        assert_eq!(snapshot.elapsed(), self.elapsed, "elapsed");
        assert_eq!(snapshot.len(), self.series.len(), "number of series");
        for ((key, expected), seen) in self.series.iter_mut().zip(snapshot.series()) {
            assert_eq!((&*seen.definition.name, seen.labels), (&*key.0, &*key.1), "series");
            match unsure {
                None => expected.check(key, seen.value),
                Some(changes) => {
                    let of_key = |c: &&Change| c.incarnation == self.incarnation && c.key == *key;
                    let changes = changes.iter().filter(of_key).map(|change| &change.delta);
                    expected.check_between(changes, key, seen.value);
                }
            }
            if self.fresh_is_known && unsure.is_none() {
                assert_eq!(seen.generation_extremes(), expected.fresh(), "{key:?}: fresh extremes");
            }
            expected.end_generation();
        }
    }

    /// Lets idle members of families go, by what the snapshot shows of them.
    pub fn expire(&mut self, snapshot: &Snapshot, complete: bool) {
        let constant = (self.index == 1).then_some(NODE);
        let mut left = Vec::new();
        for (family, rule) in self.families.iter_mut().zip(&FAMILIES) {
            let gone = family.expire(self.elapsed, complete, |values| {
                let pairs: Vec<_> = rule.keys.iter().copied().zip(values.iter().copied()).collect();
                let mut found = snapshot.select(rule.name, &pairs);
                Value::activity(found.next().expect("compared before").value)
            });
            for values in gone {
                let own = rule.keys.iter().copied().zip(values).chain(constant);
                let mut labels: Vec<_> = own.map(|(k, v)| (k.to_string(), v.to_string())).collect();
                labels.sort();
                left.push((rule.name.to_owned(), labels));
            }
        }
        for key in left {
            self.series.remove(&key).expect("a member has a series");
            self.note(&key, Event::Gone);
        }
    }
}

fn value_of<L: LabelEnum>(label: L) -> &'static str {
    L::VALUES[label.index()]
}
