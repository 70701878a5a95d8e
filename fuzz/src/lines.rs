//! Any definitions, labels and values, in the formats by line and in JSON: each page is read by a reader written here from the
//! format's documentation, no two series are alike on it, and every number is there.

use crate::naive::precision;
use crate::operations::Amount;
use crate::text::{LabelName, MetricName, Text};
use arbitrary::Arbitrary;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tachometer::{
    CsvEncoder, Encoder, Engine, Error, GraphiteEncoder, HistogramSnapshot, InfluxEncoder,
    JsonEncoder, JsonSnapshot, JsonValue, ManualClock, Registry, Snapshot, StatsdEncoder, Unit,
    Value, limits,
};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    metrics: Vec<Metric>,
    datagram: u16,
}

#[derive(Arbitrary, Debug)]
struct Metric {
    name: MetricName,
    help: Text,
    kind: u8,
    unit: u8,
    figures: u8,
    labels: Vec<(LabelName, Text)>,
    amounts: Vec<Amount>,
}

const UNITS: [Unit; 5] = [Unit::None, Unit::Nanoseconds, Unit::Seconds, Unit::Bytes, Unit::Ratio];
/// Longer inputs are cut short.
const MOST_METRICS: usize = 24;
const MOST_AMOUNTS: usize = 16;

/// Name and value of each number, ascending.
type Numbers = Vec<(String, f64)>;

impl Metric {
    /// Registers it if it is valid, and records in it. What is not is another target's matter.
    fn register(&self, registry: &Registry) -> Result<(), Error> {
        let unit = UNITS[usize::from(self.unit) % UNITS.len()];
        let metric = registry.metric(&self.name.0, &self.help.0).unit(unit);
        let metric = metric.precision(precision(self.figures % 3 + 1));
        let metric = self.labels.iter().fold(metric, |m, (k, v)| m.label(&k.0, &v.0));
        let amounts = self.amounts.iter().take(MOST_AMOUNTS);
        match self.kind % 4 {
            0 => {
                let counter = metric.counter()?;
                amounts.for_each(|amount| counter.add(amount.count()));
            }
            1 => {
                let counter = metric.up_down_counter()?;
                amounts.for_each(|amount| counter.add(amount.signed()));
            }
            2 => {
                let gauge = metric.gauge()?;
                amounts.for_each(|amount| gauge.set(amount.level().1));
            }
            _ => {
                let histogram = metric.histogram()?;
                amounts.for_each(|amount| histogram.record_n(amount.value, amount.times.into()));
            }
        }
        Ok(())
    }
}

/// Runs one input; panics if a page is not what the snapshot says.
pub fn run(plan: &Plan) {
    let registry = Registry::new();
    for metric in plan.metrics.iter().take(MOST_METRICS) {
        let _ = metric.register(&registry);
    }
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("no other");
    let snapshot = engine.refresh();
    check_influx(&snapshot);
    check_graphite(&snapshot);
    check_csv(&snapshot);
    check_json(&snapshot);
    let limit = limits::MIN_STATSD_DATAGRAM_BYTES + usize::from(plan.datagram);
    for plain in [false, true] {
        check_statsd(&snapshot, plain, limit);
    }
}

fn scalar(value: Value<'_>, unit: Unit) -> Option<f64> {
    let value = match value {
        Value::Counter(count) => count as f64,
        Value::UpDownCounter(count) => count as f64,
        Value::Gauge(value) => value,
        _ => return None,
    };
    Some(value / unit.divisor() as f64)
}

/// The numbers that a histogram becomes.
fn statistics(histogram: &HistogramSnapshot) -> Vec<(&'static str, f64)> {
    let divisor = histogram.unit().divisor() as f64;
    let mut all = vec![("count", histogram.count() as f64), ("sum", histogram.sum_exported())];
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];
    let quantiles = quantiles.map(|(name, q)| (name, histogram.quantile(q)));
    for (name, value) in
        quantiles.into_iter().chain([("min", histogram.min()), ("max", histogram.max())])
    {
        all.extend(value.map(|value| (name, value as f64 / divisor)));
    }
    all
}

/// Every number that a page must have: scalars as `name.value`, statistics as `name.count` and so on.
fn numbers(snapshot: &Snapshot, finite: bool) -> Numbers {
    let mut all = Numbers::new();
    for series in snapshot.series() {
        let name = &series.definition.name;
        match series.value {
            Value::Histogram(histogram) => {
                let all_of = statistics(histogram).into_iter();
                all.extend(all_of.map(|(statistic, value)| (format!("{name}.{statistic}"), value)));
            }
            value => {
                let value = scalar(value, series.definition.unit).expect("a scalar");
                if value.is_finite() || !finite {
                    all.push((format!("{name}.value"), value));
                }
            }
        }
    }
    all
}

fn same(mut found: Numbers, mut wanted: Numbers, page: &[u8]) {
    let sort = |all: &mut Numbers| all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    sort(&mut found);
    sort(&mut wanted);
    let near =
        |a: f64, b: f64| a == b || (a - b).abs() <= b.abs() * 1e-14 || a.is_nan() && b.is_nan();
    let equal = |(a, b): (&(String, f64), &(String, f64))| a.0 == b.0 && near(a.1, b.1);
    let all = found.len() == wanted.len() && found.iter().zip(&wanted).all(equal);
    assert!(all, "{found:?}\n{wanted:?}\n{}", String::from_utf8_lossy(page));
}

fn text(page: &[u8]) -> &str {
    let text = std::str::from_utf8(page).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is ended");
    text
}

/// Splits at `separator` where no backslash stands before it.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == separator && !escaped {
            parts.push(&text[from..at]);
            from = at + 1;
        }
        escaped = c == '\\';
    }
    parts.push(&text[from..]);
    parts
}

fn check_influx(snapshot: &Snapshot) {
    let page = InfluxEncoder::new().with_buckets(true).to_vec(snapshot);
    let (mut found, mut keys) = (Numbers::new(), BTreeSet::new());
    for line in text(&page).split_terminator('\n') {
        let parts = split(line, ' ');
        let [key, fields, time] = parts[..] else { panic!("{line:?}") };
        assert_eq!(time, "1700000000000000000");
        assert!(keys.insert(key), "{key} is there twice");
        let key = split(key, ',');
        let tags: Vec<_> = key[1..].iter().map(|tag| split(tag, '=')).collect();
        assert!(tags.iter().all(|tag| tag.len() == 2 && tag.iter().all(|part| !part.is_empty())));
        let names: BTreeSet<_> = tags.iter().map(|tag| tag[0]).collect();
        assert!(names.len() == tags.len() && !names.contains("time"), "{line:?}");
        for field in fields.split(',') {
            let (name, value) = field.split_once('=').expect("a field");
            let (digits, integer) = value.strip_suffix('i').map_or((value, false), |v| (v, true));
            assert!(!integer || digits.parse::<i64>().is_ok(), "{line:?}");
            if !name.starts_with("le_") {
                found.push((format!("{}.{name}", key[0]), digits.parse().expect("a number")));
            }
        }
    }
    same(found, numbers(snapshot, true), &page);
}

fn check_graphite(snapshot: &Snapshot) {
    let page = GraphiteEncoder::new().to_vec(snapshot);
    let (mut found, mut paths) = (Numbers::new(), BTreeSet::new());
    for line in text(&page).split_terminator('\n') {
        // As carbon splits, at any blank.
        let parts: Vec<_> = line.split_whitespace().collect();
        let [path, value, "1700000000"] = parts[..] else { panic!("{line:?}") };
        assert!(path.is_ascii() && paths.insert(path), "{path} is there twice");
        let mut parts = path.split(';');
        let name = parts.next().expect("a name");
        for (label, value) in parts.map(|part| part.split_once('=').expect("a tag")) {
            assert!(!label.is_empty() && label != "name" && !value.is_empty(), "{line:?}");
            assert!(!value.starts_with('~') && percent_is_whole(value), "{line:?}");
        }
        let name = if name.contains('.') { name.to_owned() } else { format!("{name}.value") };
        found.push((name, value.parse().expect("a number")));
    }
    same(found, numbers(snapshot, true), &page);
}

fn percent_is_whole(value: &str) -> bool {
    let hex = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    value.split('%').skip(1).all(hex)
}

/// The fields of a page, as RFC 4180 has them.
fn records(page: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut chars, mut quoted) = (page.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            c if quoted => field.push(c),
            ',' => row.push(std::mem::take(&mut field)),
            '\r' => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\n' => panic!("half a line's end"),
            c => field.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && field.is_empty());
    rows
}

fn check_csv(snapshot: &Snapshot) {
    let page = CsvEncoder::new().to_vec(snapshot);
    let (mut found, mut keys) = (Numbers::new(), BTreeSet::new());
    for row in &records(text(&page))[1..] {
        assert_eq!(row.len(), 7);
        assert!(keys.insert(&row[1..6]), "{row:?} is there twice");
        found.push((format!("{}.{}", row[1], row[5]), row[6].parse().expect("a number")));
    }
    same(found, numbers(snapshot, false), &page);
}

fn check_json(snapshot: &Snapshot) {
    let page = JsonEncoder::new().to_vec(snapshot);
    let read = JsonSnapshot::parse(&page).expect("a page of ours");
    let series = read.families.iter().flat_map(|f| f.series.iter().map(move |series| (f, series)));
    assert_eq!(series.clone().count(), snapshot.len());
    for ((family, read), series) in series.zip(snapshot.series()) {
        let definition = series.definition;
        assert_eq!((&family.name, &family.help), (&definition.name, &definition.help));
        assert_eq!((family.kind, family.unit), (definition.kind, definition.unit));
        assert_eq!((&read.labels[..], read.created), (series.labels, series.created));
        match (&read.value, series.value) {
            (JsonValue::Counter(read), Value::Counter(value)) => assert_eq!(*read, value),
            (JsonValue::UpDownCounter(read), Value::UpDownCounter(value)) => {
                assert_eq!(*read, value)
            }
            (JsonValue::Gauge(read), Value::Gauge(value)) => {
                assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan());
            }
            (JsonValue::Histogram(read), Value::Histogram(value)) => assert_eq!(read, &**value),
            other => panic!("{other:?}"),
        }
    }
}

/// Name and tags of a StatsD line, its value, type and rate.
fn statsd_line(line: &str) -> (String, f64, &str, f64) {
    let (name, rest) = line.split_once(':').expect("a value");
    let mut parts = rest.split('|');
    let value = parts.next().expect("a value").parse().expect("a number");
    let (kind, mut rate, mut tags) = (parts.next().expect("a type"), 1.0, "");
    for part in parts {
        match part.as_bytes()[0] {
            b'@' => rate = part[1..].parse().expect("a rate"),
            b'#' => tags = &part[1..],
            _ => panic!("{line:?}"),
        }
    }
    let tag = |tag: &str| tag.split_once(':').is_some_and(|(k, v)| !k.is_empty() && !v.is_empty());
    assert!(tags.is_empty() || tags.split(',').all(tag), "{line:?}");
    (format!("{name}|{tags}"), value, kind, rate)
}

fn check_statsd(snapshot: &Snapshot, plain: bool, limit: usize) {
    let encoder = if plain { StatsdEncoder::plain() } else { StatsdEncoder::new() };
    let mut encoder = encoder.datagram_bytes(limit).expect("not less than the least");
    let page = encoder.to_vec(snapshot);
    let datagrams: Vec<_> = encoder.datagrams(&page).collect();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= limit));
    let mut counters = BTreeMap::new();
    let mut gauges = BTreeMap::<_, f64>::new();
    let mut histograms = BTreeMap::<_, (u64, usize)>::new();
    for datagram in datagrams {
        for line in std::str::from_utf8(datagram).expect("UTF-8").split('\n') {
            let (key, value, kind, rate) = statsd_line(line);
            match kind {
                "c" => assert!(counters.insert(key, value).is_none(), "{line:?} is there twice"),
                "g" if plain && value < 0.0 => *gauges.get_mut(&key).expect("a zero") += value,
                "g" if plain => _ = gauges.insert(key, value),
                "g" => assert!(gauges.insert(key, value).is_none(), "{line:?} is there twice"),
                _ => {
                    let (count, lines) = histograms.entry(key).or_default();
                    *count += (1.0 / rate) as u64;
                    *lines += 1;
                }
            }
        }
    }
    let (mut wanted, mut wanted_gauges, mut wanted_counts) = (Vec::new(), Vec::new(), Vec::new());
    for series in snapshot.series() {
        let value = scalar(series.value, series.definition.unit);
        match series.value {
            Value::Counter(0) => {}
            Value::Counter(_) => wanted.extend(value),
            Value::Histogram(histogram) if histogram.is_empty() => {}
            Value::Histogram(histogram) => wanted_counts.push(histogram.count()),
            _ => wanted_gauges.extend(value.filter(|value| value.is_finite())),
        }
    }
    let unnamed =
        |values: Vec<f64>| values.into_iter().map(|value| (String::new(), value)).collect();
    same(unnamed(counters.into_values().collect()), unnamed(wanted), &page);
    same(unnamed(gauges.into_values().collect()), unnamed(wanted_gauges), &page);
    assert!(histograms.values().all(|(_, lines)| *lines <= limits::MAX_STATSD_LINES));
    let mut counts: Vec<_> = histograms.into_values().map(|(count, _)| count).collect();
    counts.sort();
    wanted_counts.sort();
    assert_eq!(counts, wanted_counts);
}
