//! Any label values: each set of values has a series of its own, however they run together, until the family is full;
//! what finds no room is in the overflow series. No family sees another's.

use crate::operations::Amount;
use crate::text::Text;
use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tachometer::{Counter, Engine, Family, ManualClock, Registry, Value, limits};

/// An input.
#[derive(Arbitrary, Clone, Debug)]
pub struct Plan {
    limit: u8,
    records: Vec<Record>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Record {
    /// Which of three families, with one, two and three labels.
    family: u8,
    values: [Text; 3],
    /// Through a kept handle instead of a look-up.
    by_handle: bool,
    amount: Amount,
}

const KEYS: [&str; 3] = ["a", "b", "c"];
/// Longer inputs are cut short.
const MOST_RECORDS: usize = 256;
/// Inputs after which the thread is replaced, and with it the tables that it keeps of every family it recorded in.
const RENEW: usize = 512;

struct Worker {
    plans: Sender<Plan>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
    inputs: usize,
}

static WORKER: Mutex<Option<Worker>> = Mutex::new(None);

/// Runs one input; panics if a record is found where it does not belong.
pub fn run(plan: &Plan) {
    let mut worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Worker { plans, thread, .. }) = worker.take_if(|worker| worker.inputs >= RENEW) {
        drop(plans);
        thread.join().expect("the worker did not panic");
    }
    let worker = worker.get_or_insert_with(begin);
    worker.inputs += 1;
    worker.plans.send(plan.clone()).expect("the worker is there");
    worker.done.recv().expect("the worker did not panic");
}

fn begin() -> Worker {
    let (plans, inbox) = channel();
    let (outbox, done) = channel();
    let thread = std::thread::spawn(move || {
        for plan in inbox {
            check(&plan);
            if outbox.send(()).is_err() {
                return;
            }
        }
    });
    Worker { plans, done, thread, inputs: 0 }
}

/// The families, by the number of their labels.
struct Families(Family<Counter, 1>, Family<Counter, 2>, Family<Counter, 3>);

impl Families {
    fn register(registry: &Registry, limit: usize) -> Self {
        let metric = |name: &str| registry.metric(name, "A family.").limit(limit);
        Families(
            metric("f1").family(["a"]).expect("valid"),
            metric("f2").family(["a", "b"]).expect("valid"),
            metric("f3").family(["a", "b", "c"]).expect("valid"),
        )
    }

    fn record(&self, values: &[&str], by_handle: bool, n: u64) {
        match (values, by_handle) {
            (&[a], false) => self.0.at([a]).add(n),
            (&[a, b], false) => self.1.at([a, b]).add(n),
            (&[a, b, c], false) => self.2.at([a, b, c]).add(n),
            (&[a], true) => self.0.handle([a]).add(n),
            (&[a, b], true) => self.1.handle([a, b]).add(n),
            (&[a, b, c], true) => self.2.handle([a, b, c]).add(n),
            _ => unreachable!("one to three values"),
        }
    }
}

type Labels = Vec<(String, String)>;

fn check(plan: &Plan) {
    let limit = usize::from(plan.limit);
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("no other");
    let families = Families::register(&registry, limit);
    let mut model: [BTreeMap<Labels, u64>; 3] = Default::default();
    for record in plan.records.iter().take(MOST_RECORDS) {
        let labels = usize::from(record.family) % 3 + 1;
        let values: Vec<_> = record.values[..labels].iter().map(|text| text.0.as_str()).collect();
        let n = record.amount.count();
        families.record(&values, record.by_handle, n);
        // The second time by what the thread remembers.
        families.record(&values, record.by_handle, n);
        *series(&mut model[labels - 1], &values, limit) += 2 * n;
    }
    let snapshot = engine.refresh();
    let expected = model.iter().enumerate().flat_map(|(index, series)| {
        series.iter().map(move |(labels, count)| (format!("f{}", index + 1), labels, *count))
    });
    let seen = snapshot.series().map(|series| match series.value {
        Value::Counter(count) => (series.definition.name.clone(), series.labels, count),
        other => panic!("{other:?} of a counter"),
    });
    let (expected, seen): (Vec<_>, Vec<_>) = (expected.collect(), seen.collect());
    assert_eq!(expected.len(), seen.len(), "{expected:?}, not {seen:?}");
    for (expected, seen) in expected.iter().zip(&seen) {
        assert_eq!((&expected.0, &expected.1[..], expected.2), (&seen.0, seen.1, seen.2));
    }
}

/// The count of the series that `values` belong to.
fn series<'a>(model: &'a mut BTreeMap<Labels, u64>, values: &[&str], limit: usize) -> &'a mut u64 {
    let pairs = KEYS.iter().zip(values).map(|(k, v)| (k.to_string(), v.to_string()));
    let labels: Labels = pairs.collect();
    let overflow = vec![("overflow".to_owned(), "true".to_owned())];
    let members = model.len() - usize::from(model.contains_key(&overflow));
    let too_long = values.iter().any(|value| value.len() > limits::MAX_LABEL_VALUE_BYTES);
    let joins = model.contains_key(&labels) || (!too_long && members < limit);
    model.entry(if joins { labels } else { overflow }).or_default()
}
