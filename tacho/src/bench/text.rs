//! The Prometheus page, against the least that writing its numbers costs: copies of text rendered before, and `itoa`.

use std::time::Duration;

use tachometer::{Buckets, Engine, Error, ManualClock, Registry, Snapshot, TextEncoder, Unit};

use super::measure::{Pair, Row};
use super::paths::latencies;

/// Sixteen bounds, as the figures of other libraries have them: from 1 µs, doubling.
const BOUNDS: &[f64] = &[
    1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6, 128e-6, 256e-6, 512e-6, 1024e-6, 2048e-6, 4096e-6,
    8192e-6, 16384e-6, 32768e-6,
];

/// Runs the benches whose names are wanted.
pub fn run(rounds: u32, wanted: &impl Fn(&str) -> bool, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let baseline = "text rendered before, and itoa";
    if wanted("text_10000_counters") {
        let registry = Registry::new();
        fill_counters(&registry)?;
        let path = "text_10000_counters";
        rows.push(page(rounds, &registry, Pair { path, baseline, limit: 2.0, calls: 20 })?);
    }
    if wanted("text_1000_histograms") {
        let registry = Registry::new();
        fill_histograms(&registry)?;
        let path = "text_1000_histograms";
        rows.push(page(rounds, &registry, Pair { path, baseline, limit: 2.3, calls: 20 })?);
    }
    Ok(())
}

/// A hundred counters with a hundred label values each.
fn fill_counters(registry: &Registry) -> Result<(), Error> {
    for name in 0..100 {
        let name = format!("text_{name}_total");
        for instance in 0..100 {
            let metric =
                registry.metric(&name, "A counter.").label("instance", instance.to_string());
            metric.counter()?.add(1_234_567 + instance);
        }
    }
    Ok(())
}

/// Ten histograms with a hundred label values each.
fn fill_histograms(registry: &Registry) -> Result<(), Error> {
    let latencies = latencies();
    for name in 0..10 {
        let name = format!("text_{name}_seconds");
        for instance in 0..100 {
            let metric = registry
                .metric(&name, "A histogram.")
                .unit(Unit::Nanoseconds)
                .buckets(Buckets::Fixed(BOUNDS))
                .label("instance", instance.to_string());
            let histogram = metric.histogram()?;
            latencies.iter().skip(instance * 100).take(1_000).for_each(|&ns| histogram.record(ns));
        }
    }
    Ok(())
}

fn page(rounds: u32, registry: &Registry, pair: Pair) -> Result<Row, Error> {
    let clock = ManualClock::at(Duration::from_secs(1));
    let engine = Engine::builder().registry(registry).manual(&clock).start()?;
    let snapshot = engine.refresh();
    let (mut encoder, mut page, mut copy) = (TextEncoder::new(), Vec::new(), Vec::new());
    let mut encode = |snapshot: &Snapshot| {
        page.clear();
        encoder.encode(snapshot, &mut page);
        std::hint::black_box(&page);
    };
    encode(&snapshot);
    let mut rendered = Vec::new();
    TextEncoder::new().encode(&snapshot, &mut rendered);
    let parts = Parts::of(&rendered);
    let copied = |_| {
        copy.clear();
        parts.write(&mut copy);
        std::hint::black_box(&copy);
    };
    let row = pair.time(rounds, |_| encode(&snapshot), copied);
    assert_eq!(copy.len(), rendered.len(), "the baseline writes a page of the same length");
    Ok(row)
}

/// A page taken apart: the text before each number, and the number.
struct Parts {
    text: Vec<u8>,
    /// Where the text before a number ends, the number, and how many digits of a fraction follow it as text.
    numbers: Vec<(usize, u64)>,
}

impl Parts {
    fn of(page: &[u8]) -> Parts {
        let (mut text, mut numbers) = (Vec::new(), Vec::new());
        for line in page.split_inclusive(|&byte| byte == b'\n') {
            let at = line.iter().rposition(|&byte| byte == b' ').map_or(0, |at| at + 1);
            let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number =
                std::str::from_utf8(&line[at..at + digits]).ok().and_then(|n| n.parse().ok());
            match number {
                Some(number) if line[0] != b'#' => {
                    text.extend_from_slice(&line[..at]);
                    numbers.push((text.len(), number));
                    text.extend_from_slice(&line[at + digits..]);
                }
                _ => text.extend_from_slice(line),
            }
        }
        Parts { text, numbers }
    }

    fn write(&self, page: &mut Vec<u8>) {
        let mut from = 0;
        for &(end, number) in &self.numbers {
            page.extend_from_slice(&self.text[from..end]);
            page.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            from = end;
        }
        page.extend_from_slice(&self.text[from..]);
    }
}
