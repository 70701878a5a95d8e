//! The value of one series, by the model; and the change that a record makes.

use super::plan::Amount;
use super::tenant::Key;
use crate::naive::Spread;

#[derive(Clone, Debug)]
pub enum Value {
    Counter(u64),
    UpDown(i64),
    Gauge(f64),
    /// A gauge that was set.
    Set(f64),
    /// What was added to a gauge.
    Raise(f64),
    Histogram(Box<Spread>),
}

impl Value {
    pub fn histogram(figures: u8) -> Value {
        Value::Histogram(Box::new(Spread::new(figures)))
    }

    /// The empty value of the members of a family.
    pub fn of_family(index: usize) -> Value {
        match index {
            2 => Value::UpDown(0),
            3 => Value::Gauge(0.0),
            4 => Value::histogram(1),
            _ => Value::Counter(0),
        }
    }

    /// The same type of series, with nothing in it.
    pub fn zero(&self) -> Value {
        match self {
            Value::Counter(_) => Value::Counter(0),
            Value::UpDown(_) => Value::UpDown(0),
            Value::Gauge(_) | Value::Set(_) | Value::Raise(_) => Value::Gauge(0.0),
            Value::Histogram(spread) => Value::Histogram(Box::new(spread.emptied())),
        }
    }

    /// Turns an empty value into the change that `amount` is to it. A histogram takes single values from a group.
    pub fn record(&mut self, amount: Amount, in_group: bool) {
        match self {
            Value::Counter(count) => *count = amount.count(),
            Value::UpDown(count) => *count = amount.signed(),
            Value::Histogram(spread) => {
                let times = if in_group { amount.times % 4 } else { amount.times };
                spread.record(amount.value, times.into());
            }
            Value::Gauge(_) | Value::Set(_) | Value::Raise(_) => {
                *self = match amount.level() {
                    (true, value) => Value::Set(value),
                    (false, value) => Value::Raise(value),
                }
            }
        }
    }

    pub fn add(&mut self, change: &Value) {
        match (self, change) {
            (Value::Counter(count), Value::Counter(more)) => *count = count.wrapping_add(*more),
            (Value::UpDown(count), Value::UpDown(more)) => *count = count.wrapping_add(*more),
            (Value::Gauge(value), Value::Set(new)) => *value = *new,
            (Value::Gauge(value), Value::Raise(by)) => *value += by,
            (Value::Histogram(spread), Value::Histogram(more)) => spread.add(more),
            (value, change) => panic!("{change:?} is no change to {value:?}"),
        }
    }

    /// Panics unless `seen` is this.
    pub fn check(&self, key: &Key, seen: tachometer::Value<'_>) {
        match (self, seen) {
            (Value::Counter(mine), tachometer::Value::Counter(seen)) => {
                assert_eq!(seen, *mine, "{key:?}");
            }
            (Value::UpDown(mine), tachometer::Value::UpDownCounter(seen)) => {
                assert_eq!(seen, *mine, "{key:?}");
            }
            (Value::Gauge(mine), tachometer::Value::Gauge(seen)) => {
                let same = seen.to_bits() == mine.to_bits() || (seen.is_nan() && mine.is_nan());
                assert!(same, "{key:?} is {seen}, not {mine}");
            }
            (Value::Histogram(mine), tachometer::Value::Histogram(seen)) => mine.check(seen),
            (mine, seen) => panic!("{key:?} is {seen:?}, not {mine:?}"),
        }
    }

    /// Panics unless `seen` is this with some of `changes`.
    pub fn check_between<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a Value>,
        key: &Key,
        seen: tachometer::Value<'_>,
    ) {
        match (self, seen) {
            (Value::Counter(least), tachometer::Value::Counter(seen)) => {
                let most = changes.into_iter().try_fold(*least, |sum, change| match change {
                    Value::Counter(more) => sum.checked_add(*more),
                    _ => Some(sum),
                });
                // One that may have wrapped can be anything.
                assert!(most.is_none_or(|most| (*least..=most).contains(&seen)), "{key:?}: {seen}");
            }
            (Value::UpDown(sure), tachometer::Value::UpDownCounter(seen)) => {
                let (mut least, mut most) = (*sure, *sure);
                for change in changes {
                    let Value::UpDown(by) = change else { continue };
                    least += (*by).min(0);
                    most += (*by).max(0);
                }
                assert!((least..=most).contains(&seen), "{key:?} is {seen}");
            }
            (Value::Histogram(sure), tachometer::Value::Histogram(seen)) => {
                let mut all = sure.clone();
                for change in changes {
                    if let Value::Histogram(more) = change {
                        all.add(more);
                    }
                }
                sure.check_between(&all, seen);
            }
            (mine, seen) => mine.check(key, seen),
        }
    }

    /// What a generation that saw `value` can tell of its series' being in use; nothing of a gauge's.
    pub fn activity(value: tachometer::Value<'_>) -> Option<u64> {
        match value {
            tachometer::Value::Counter(count) => Some(count),
            tachometer::Value::UpDownCounter(count) => Some(count as u64),
            tachometer::Value::Histogram(histogram) => Some(histogram.count()),
            _ => None,
        }
    }

    /// The extremes since the last generation.
    pub fn fresh(&self) -> Option<(u64, u64)> {
        match self {
            Value::Histogram(spread) => spread.fresh(),
            _ => None,
        }
    }

    pub fn end_generation(&mut self) {
        if let Value::Histogram(spread) = self {
            spread.end_generation();
        }
    }
}
