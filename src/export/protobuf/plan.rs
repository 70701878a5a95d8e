//! What is the same from one page to the next: everything but the numbers.

use crate::export::wire::Wire;
use crate::registry::layout::{FamilyLayout, Layout};
use crate::registry::{Definition, Kind, Unit};
use std::time::Duration;

/// A page without its numbers.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// All fixed bytes, in page order.
    fixed: Vec<u8>,
    steps: Vec<Step>,
}

/// What to do with the stretch of fixed bytes that ends at `end`, and what follows it.
#[derive(Clone, Copy, Debug)]
struct Step {
    end: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The bytes end where the eight bytes of scalar `.0` belong.
    Scalar(usize, Kind, Unit),
    /// The bytes head the family of histograms `.0`: two steps for each of its series follow.
    Histograms(usize),
    /// The bytes are the labels of a histogram.
    Labels,
    /// The bytes are when a histogram began, as a field of it.
    Created,
}

/// `MetricFamily`
pub(super) mod family {
    pub(in super::super) const NAME: u32 = 1;
    pub(in super::super) const HELP: u32 = 2;
    pub(in super::super) const TYPE: u32 = 3;
    pub(in super::super) const METRIC: u32 = 4;
    pub(in super::super) const UNIT: u32 = 5;
}

/// `Metric`
pub(super) mod metric {
    pub(in super::super) const LABEL: u32 = 1;
    pub(in super::super) const GAUGE: u32 = 2;
    pub(in super::super) const COUNTER: u32 = 3;
    pub(in super::super) const HISTOGRAM: u32 = 7;
}

/// `Histogram`, without what makes it native.
pub(super) mod histogram {
    pub(in super::super) const COUNT: u32 = 1;
    pub(in super::super) const SUM: u32 = 2;
    pub(in super::super) const BUCKET: u32 = 3;
    pub(in super::super) const CREATED: u32 = 15;
    pub(in super::super) const EXEMPLARS: u32 = 16;
}

const COUNTER_CREATED: u32 = 3;

impl Plan {
    pub(super) fn of(layout: &Layout) -> Plan {
        let mut plan = Plan::default();
        for (at, family) in layout.families.iter().enumerate() {
            match family.definition.kind {
                Kind::Histogram => plan.histograms(at, family),
                _ => plan.scalars(family),
            }
        }
        plan
    }

    /// The stretches of fixed bytes, each with what to do about it.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (&[u8], What)> {
        let mut from = 0;
        self.steps.iter().map(move |step| {
            let fixed = &self.fixed[from..step.end];
            from = step.end;
            (fixed, step.what)
        })
    }

    fn step(&mut self, what: What) {
        self.steps.push(Step { end: self.fixed.len(), what });
    }

    fn scalars(&mut self, family: &FamilyLayout) {
        let Definition { kind, unit, .. } = *family.definition;
        let mut whole = head(&family.definition);
        let mut ends = Vec::with_capacity(family.series.len());
        for series in &family.series {
            let labels = series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            scalar(&mut whole, labels, kind, series.created, 0.0);
            ends.push(whole.len());
        }
        self.fixed.varint(whole.len() as u64);
        let mut from = 0;
        for (series, end) in family.series.iter().zip(ends) {
            // Without the value, which comes last.
            self.fixed.extend_from_slice(&whole[from..end - size_of::<f64>()]);
            self.step(What::Scalar(series.value, kind, unit));
            from = end;
        }
    }

    fn histograms(&mut self, at: usize, family: &FamilyLayout) {
        self.fixed.extend_from_slice(&head(&family.definition));
        self.step(What::Histograms(at));
        for series in &family.series {
            for (key, value) in series.labels.iter() {
                label(&mut self.fixed, key, value);
            }
            self.step(What::Labels);
            self.fixed.message(histogram::CREATED, |out| timestamp(out, series.created));
            self.step(What::Created);
        }
    }
}

/// A family's fields but its series.
fn head(definition: &Definition) -> Vec<u8> {
    let kind = match definition.kind {
        Kind::Counter => 0,
        Kind::UpDownCounter | Kind::Gauge | Kind::Info | Kind::StateSet => 1,
        Kind::Histogram => 4,
    };
    let mut out = Vec::new();
    out.bytes(family::NAME, definition.name.as_bytes());
    out.bytes(family::HELP, definition.help.as_bytes());
    out.uint_always(family::TYPE, kind);
    out.bytes(family::UNIT, definition.unit.suffix().unwrap_or_default().as_bytes());
    out
}

fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.message(metric::LABEL, |out| {
        out.bytes(1, name.as_bytes());
        out.bytes(2, value.as_bytes());
    });
}

/// A `Metric` with a scalar. Its last eight bytes are the value.
pub(super) fn scalar<'a>(
    out: &mut Vec<u8>,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    kind: Kind,
    created: Duration,
    value: f64,
) {
    out.message(family::METRIC, |out| {
        for (key, value) in labels {
            label(out, key, value);
        }
        match kind {
            Kind::Counter => out.message(metric::COUNTER, |out| {
                out.message(COUNTER_CREATED, |out| timestamp(out, created));
                out.double(1, value);
            }),
            _ => out.message(metric::GAUGE, |out| out.double(1, value)),
        }
    });
}

/// `google.protobuf.Timestamp`
pub(super) fn timestamp(out: &mut Vec<u8>, time: Duration) {
    out.uint(1, time.as_secs());
    out.uint(2, time.subsec_nanos().into());
}
