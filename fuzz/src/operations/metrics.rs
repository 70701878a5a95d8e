//! The metrics of one registry: every type, every way to record in them.

use super::plan::{Amount, Metric};
use crate::naive::precision;
use std::collections::BTreeMap;
use std::time::Duration;
use tachometer::{Counter, EnumFamily, Family, Gauge, Group, Histogram, Registry, UpDownCounter};

tachometer::labels! {
    pub enum Outcome("outcome") { Ok = "ok", Late = "late", Lost = "lost" }
}
tachometer::labels! {
    pub enum Stage("stage") { Sent = "sent", Received = "received" }
}

pub const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Late, Outcome::Lost];
pub const STAGES: [Stage; 2] = [Stage::Sent, Stage::Received];
pub const COUNTERS: [&str; 3] = ["c0_total", "c1_total", "c2_total"];
pub const UPDOWNS: [&str; 2] = ["u0", "u1"];
pub const GAUGES: [&str; 2] = ["g0", "g1"];
pub const HISTOGRAMS: [&str; 3] = ["h1", "h2", "h3"];
/// Values of dynamic labels. The first is long for a label, not too long.
pub const PEERS: [&str; 4] = ["node-a/with a \"long\" name\n", "", "a", "ab"];
/// A family with dynamic labels.
pub struct FamilyRule {
    pub name: &'static str,
    pub keys: &'static [&'static str],
    pub limit: usize,
    pub expire_after: Option<Duration>,
}

const fn rule(
    name: &'static str,
    keys: &'static [&'static str],
    limit: usize,
    expire_after: u64,
) -> FamilyRule {
    let expire_after = match expire_after {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    FamilyRule { name, keys, limit, expire_after }
}

/// Counters, counters, up-down counters, gauges, histograms, counters.
pub const FAMILIES: [FamilyRule; 6] = [
    rule("f0_total", &["peer"], 3, 0),
    rule("f1_total", &["peer"], 3, 10),
    rule("f2", &["peer", "kind"], 2, 10),
    rule("f3", &["peer"], 2, 20),
    rule("f4", &["peer"], 2, 10),
    rule("f5_total", &["peer"], 0, 10),
];

/// A handle of any type.
#[derive(Debug)]
pub enum Handle {
    Counter(Counter),
    UpDown(UpDownCounter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// A family with dynamic labels, of any type.
#[derive(Debug)]
enum Dynamic {
    Counter(Family<Counter, 1>),
    UpDown(Family<UpDownCounter, 2>),
    Gauge(Family<Gauge, 1>),
    Histogram(Family<Histogram, 1>),
}

/// The metrics of one registry; each is registered when it is first asked for.
#[derive(Debug)]
pub struct Metrics {
    pub registry: Registry,
    counters: [Option<Counter>; 3],
    updowns: [Option<UpDownCounter>; 2],
    gauges: [Option<Gauge>; 2],
    histograms: [Option<Histogram>; 3],
    enum_counter: Option<EnumFamily<Counter, (Outcome, Stage)>>,
    enum_updown: Option<EnumFamily<UpDownCounter, Stage>>,
    enum_gauge: Option<EnumFamily<Gauge, Stage>>,
    enum_histogram: Option<EnumFamily<Histogram, Outcome>>,
    families: [Option<Dynamic>; FAMILIES.len()],
    singles: BTreeMap<Single, Handle>,
}

/// A family that singles can be of, and the values of its labels.
pub type Single = (usize, Vec<&'static str>);

/// Which series [`Metric::Single`] means. Gauges have none: a family that finds one registered by itself cannot use it.
pub fn single(family: u8, a: u8, b: u8) -> Single {
    let family = *pick(&[0, 1, 2, 4], family);
    let values = [word(&PEERS, a), word(&PEERS, b)];
    (family, values[..FAMILIES[family].keys.len()].to_vec())
}

/// One of a short list, by any index.
pub fn pick<T>(list: &[T], index: u8) -> &T {
    &list[usize::from(index) % list.len()]
}

/// As [`pick`], for words.
pub fn word(list: &[&'static str], index: u8) -> &'static str {
    list[usize::from(index) % list.len()]
}

fn set(gauge: &Gauge, amount: Amount) {
    match amount.level() {
        (true, value) => gauge.set(value),
        (false, value) => gauge.add(value),
    }
}

fn record(histogram: &Histogram, amount: Amount) {
    match amount.times {
        1 => histogram.record(amount.value),
        2 => {
            let value = Duration::from_nanos(amount.value);
            histogram.record_duration(value);
            histogram.record_duration(value);
        }
        times => histogram.record_n(amount.value, times.into()),
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        match self {
            Handle::Counter(counter) => Handle::Counter(counter.clone()),
            Handle::UpDown(counter) => Handle::UpDown(counter.clone()),
            Handle::Gauge(gauge) => Handle::Gauge(gauge.clone()),
            Handle::Histogram(histogram) => Handle::Histogram(histogram.clone()),
        }
    }
}

impl Handle {
    pub fn record(&self, amount: Amount) {
        match self {
            Handle::Counter(counter) => counter.add(amount.count()),
            Handle::UpDown(counter) => counter.add(amount.signed()),
            Handle::Gauge(gauge) => set(gauge, amount),
            Handle::Histogram(histogram) => record(histogram, amount),
        }
    }

    pub fn record_in(&self, group: &Group, amount: Amount) {
        match self {
            Handle::Counter(counter) => group.add(counter, amount.count()),
            Handle::UpDown(counter) => group.add_signed(counter, amount.signed()),
            Handle::Gauge(gauge) => set(gauge, amount),
            Handle::Histogram(histogram) => {
                (0..amount.times % 4).for_each(|_| group.record(histogram, amount.value));
            }
        }
    }
}

impl Dynamic {
    fn register(registry: &Registry, index: usize) -> Dynamic {
        let FamilyRule { name, limit, expire_after, .. } = FAMILIES[index];
        let mut metric = registry.metric(name, "A family.").limit(limit);
        if let Some(idle) = expire_after {
            metric = metric.expire_after(idle);
        }
        match index {
            2 => Dynamic::UpDown(metric.family(["peer", "kind"]).expect("valid")),
            3 => Dynamic::Gauge(metric.family(["peer"]).expect("valid")),
            4 => {
                Dynamic::Histogram(metric.precision(precision(1)).family(["peer"]).expect("valid"))
            }
            _ => Dynamic::Counter(metric.family(["peer"]).expect("valid")),
        }
    }

    fn record(&self, a: &str, b: &str, amount: Amount) {
        match self {
            Dynamic::Counter(family) => family.at([a]).add(amount.count()),
            Dynamic::UpDown(family) => family.at([a, b]).add(amount.signed()),
            Dynamic::Gauge(family) => match amount.level() {
                (true, value) => family.at([a]).set(value),
                (false, value) => family.at([a]).add(value),
            },
            Dynamic::Histogram(family) => {
                family.at([a]).record_n(amount.value, amount.times.into());
            }
        }
    }

    fn handle(&self, a: &str, b: &str) -> Handle {
        match self {
            Dynamic::Counter(family) => Handle::Counter(family.handle([a])),
            Dynamic::UpDown(family) => Handle::UpDown(family.handle([a, b])),
            Dynamic::Gauge(family) => Handle::Gauge(family.handle([a])),
            Dynamic::Histogram(family) => Handle::Histogram(family.handle([a])),
        }
    }
}

impl Metrics {
    pub fn new() -> Self {
        Metrics {
            registry: Registry::new(),
            counters: Default::default(),
            updowns: Default::default(),
            gauges: Default::default(),
            histograms: Default::default(),
            enum_counter: None,
            enum_updown: None,
            enum_gauge: None,
            enum_histogram: None,
            families: Default::default(),
            singles: BTreeMap::new(),
        }
    }

    /// Registers `metric`: for the first time, or once more, which must find it.
    pub fn register(&mut self, metric: Metric) {
        let registry = &self.registry;
        match metric {
            Metric::Counter(i) => {
                let i = usize::from(i) % COUNTERS.len();
                self.counters[i] =
                    Some(registry.counter(COUNTERS[i], "A counter.").expect("valid"));
            }
            Metric::UpDown(i) => {
                let i = usize::from(i) % UPDOWNS.len();
                let counter = registry.up_down_counter(UPDOWNS[i], "An up-down counter.");
                self.updowns[i] = Some(counter.expect("valid"));
            }
            Metric::Gauge(i) => {
                let i = usize::from(i) % GAUGES.len();
                self.gauges[i] = Some(registry.gauge(GAUGES[i], "A gauge.").expect("valid"));
            }
            Metric::Histogram(i) => {
                let i = usize::from(i) % HISTOGRAMS.len();
                let metric = registry.metric(HISTOGRAMS[i], "A histogram.");
                let metric = metric.precision(precision(i as u8 + 1));
                self.histograms[i] = Some(metric.histogram().expect("valid"));
            }
            Metric::EnumCounter(..) => {
                self.enum_counter =
                    Some(registry.metric("ec_total", "By enums.").enum_family().expect("valid"));
            }
            Metric::EnumUpDown(_) => {
                self.enum_updown =
                    Some(registry.metric("eu", "By enums.").enum_family().expect("valid"));
            }
            Metric::EnumGauge(_) => {
                self.enum_gauge =
                    Some(registry.metric("eg", "By enums.").enum_family().expect("valid"));
            }
            Metric::EnumHistogram(_) => {
                let metric = registry.metric("eh", "By enums.").precision(precision(1));
                self.enum_histogram = Some(metric.enum_family().expect("valid"));
            }
            Metric::Family(i, ..) => {
                let i = usize::from(i) % FAMILIES.len();
                self.families[i] = Some(Dynamic::register(registry, i));
            }
            Metric::Single(i, a, b) => {
                let (i, values) = single(i, a, b);
                let labels = FAMILIES[i].keys.iter().zip(&values);
                let metric = labels
                    .fold(registry.metric(FAMILIES[i].name, "A family."), |m, (k, v)| {
                        m.label(*k, *v)
                    });
                let handle = match i {
                    2 => Handle::UpDown(metric.up_down_counter().expect("as the family")),
                    4 => {
                        let metric = metric.precision(precision(1));
                        Handle::Histogram(metric.histogram().expect("as the family"))
                    }
                    _ => Handle::Counter(metric.counter().expect("as the family")),
                };
                self.singles.insert((i, values), handle);
            }
        }
    }

    pub fn is_registered(&self, metric: Metric) -> bool {
        match metric {
            Metric::Counter(i) => pick(&self.counters, i).is_some(),
            Metric::UpDown(i) => pick(&self.updowns, i).is_some(),
            Metric::Gauge(i) => pick(&self.gauges, i).is_some(),
            Metric::Histogram(i) => pick(&self.histograms, i).is_some(),
            Metric::EnumCounter(..) => self.enum_counter.is_some(),
            Metric::EnumUpDown(_) => self.enum_updown.is_some(),
            Metric::EnumGauge(_) => self.enum_gauge.is_some(),
            Metric::EnumHistogram(_) => self.enum_histogram.is_some(),
            Metric::Family(i, ..) => pick(&self.families, i).is_some(),
            Metric::Single(i, a, b) => self.singles.contains_key(&single(i, a, b)),
        }
    }

    pub fn ensure(&mut self, metric: Metric) {
        if !self.is_registered(metric) {
            self.register(metric);
        }
    }

    /// Records by the way that the metric itself offers; it is registered.
    pub fn record(&self, metric: Metric, amount: Amount) {
        const THERE: &str = "registered";
        match metric {
            Metric::Counter(2) => self.counters[2].as_ref().expect(THERE).add(amount.value),
            Metric::Counter(i) => {
                pick(&self.counters, i).as_ref().expect(THERE).add(amount.count())
            }
            Metric::UpDown(i) => pick(&self.updowns, i).as_ref().expect(THERE).add(amount.signed()),
            Metric::Gauge(i) => set(pick(&self.gauges, i).as_ref().expect(THERE), amount),
            Metric::Histogram(i) => {
                record(pick(&self.histograms, i).as_ref().expect(THERE), amount);
            }
            Metric::EnumCounter(a, b) => {
                let family = self.enum_counter.as_ref().expect(THERE);
                family.at((*pick(&OUTCOMES, a), *pick(&STAGES, b))).add(amount.count());
            }
            Metric::EnumUpDown(a) => {
                let family = self.enum_updown.as_ref().expect(THERE);
                family.at(*pick(&STAGES, a)).add(amount.signed());
            }
            Metric::EnumGauge(a) => {
                let gauge = self.enum_gauge.as_ref().expect(THERE).at(*pick(&STAGES, a));
                match amount.level() {
                    (true, value) => gauge.set(value),
                    (false, value) => gauge.add(value),
                }
            }
            Metric::EnumHistogram(a) => {
                let family = self.enum_histogram.as_ref().expect(THERE);
                family.at(*pick(&OUTCOMES, a)).record_n(amount.value, amount.times.into());
            }
            Metric::Family(i, a, b) => {
                let family = pick(&self.families, i).as_ref().expect(THERE);
                family.record(word(&PEERS, a), word(&PEERS, b), amount);
            }
            Metric::Single(i, a, b) => self.singles[&single(i, a, b)].record(amount),
        }
    }

    /// Records through an open group where the metric can; plainly where it cannot.
    pub fn record_in(&self, group: &Group, metric: Metric, amount: Amount) {
        match metric {
            Metric::Gauge(_) | Metric::EnumGauge(_) | Metric::Family(..) => {
                self.record(metric, amount);
            }
            Metric::Single(i, a, b) => self.singles[&single(i, a, b)].record_in(group, amount),
            Metric::EnumCounter(a, b) => {
                let family = self.enum_counter.as_ref().expect("registered");
                let place = family.at((*pick(&OUTCOMES, a), *pick(&STAGES, b)));
                group.add(place, amount.count());
            }
            _ => self.handle(metric).record_in(group, amount),
        }
    }

    pub fn handle(&self, metric: Metric) -> Handle {
        const THERE: &str = "registered";
        match metric {
            Metric::Counter(i) => {
                Handle::Counter(pick(&self.counters, i).as_ref().expect(THERE).clone())
            }
            Metric::UpDown(i) => {
                Handle::UpDown(pick(&self.updowns, i).as_ref().expect(THERE).clone())
            }
            Metric::Gauge(i) => Handle::Gauge(pick(&self.gauges, i).as_ref().expect(THERE).clone()),
            Metric::Histogram(i) => {
                Handle::Histogram(pick(&self.histograms, i).as_ref().expect(THERE).clone())
            }
            Metric::EnumCounter(a, b) => {
                let family = self.enum_counter.as_ref().expect(THERE);
                Handle::Counter(family.handle((*pick(&OUTCOMES, a), *pick(&STAGES, b))))
            }
            Metric::EnumUpDown(a) => {
                let family = self.enum_updown.as_ref().expect(THERE);
                Handle::UpDown(family.handle(*pick(&STAGES, a)))
            }
            Metric::EnumGauge(a) => {
                Handle::Gauge(self.enum_gauge.as_ref().expect(THERE).handle(*pick(&STAGES, a)))
            }
            Metric::EnumHistogram(a) => {
                let family = self.enum_histogram.as_ref().expect(THERE);
                Handle::Histogram(family.handle(*pick(&OUTCOMES, a)))
            }
            Metric::Family(i, a, b) => {
                let family = pick(&self.families, i).as_ref().expect(THERE);
                family.handle(word(&PEERS, a), word(&PEERS, b))
            }
            Metric::Single(i, a, b) => self.singles[&single(i, a, b)].clone(),
        }
    }
}
