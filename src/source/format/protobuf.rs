//! Prometheus's protobuf: messages `io.prometheus.client.MetricFamily`, each after its length.

use super::super::{
    ClassicHistogram, NativeHistogram, Sample, SampleFamily, SampleKind, SampleValue, Samples,
    SourceError, SummaryValue,
};
use super::families::complete;
use super::wire::{Field, fields, take, varint, zigzag};

/// Reads a page.
pub(super) fn parse(mut page: &[u8]) -> Result<Samples, SourceError> {
    let mut samples = Samples::new();
    while !page.is_empty() {
        let number = samples.families.len() + 1;
        let read = varint(&mut page).and_then(|len| take(&mut page, len)).and_then(family);
        let family = read.map_err(|reason| {
            SourceError::malformed(format!("metric family {number}: {reason}"))
        })?;
        samples.families.push(family);
    }
    Ok(samples)
}

fn family(bytes: &[u8]) -> Result<SampleFamily, String> {
    let mut family = SampleFamily {
        name: String::new(),
        kind: SampleKind::Unknown,
        unit: String::new(),
        help: String::new(),
        series: Vec::new(),
    };
    // The enum's first value is what a missing field means.
    let (mut kind, mut metrics) = (0, Vec::new());
    fields(bytes, |number, field| {
        match number {
            1 => family.name = field.text()?,
            2 => family.help = field.text()?,
            3 => kind = field.uint()?,
            4 => metrics.push(field.bytes()?),
            5 => family.unit = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    if family.name.is_empty() {
        return Err("it has no name".to_owned());
    }
    family.kind = match kind {
        0 => SampleKind::Counter,
        1 => SampleKind::Gauge,
        2 => SampleKind::Summary,
        3 => SampleKind::Unknown,
        4 => SampleKind::Histogram,
        5 => SampleKind::GaugeHistogram,
        other => return Err(format!("{}: there is no type {other}", family.name)),
    };
    for metric in metrics {
        let read = metric_of(metric, family.kind);
        family.series.push(read.map_err(|reason| format!("{}: {reason}", family.name))?);
    }
    Ok(family)
}

fn metric_of(bytes: &[u8], kind: SampleKind) -> Result<Sample, String> {
    let mut labels = Vec::new();
    let (mut value, mut time_ms, mut created) = (None, None, None);
    fields(bytes, |number, field| {
        let wanted = match kind {
            SampleKind::Gauge => 2,
            SampleKind::Counter => 3,
            SampleKind::Summary => 4,
            SampleKind::Unknown => 5,
            _ => 7,
        };
        match number {
            1 => labels.push(label(field.bytes()?)?),
            6 => time_ms = Some(field.uint()? as i64),
            _ if number != wanted => {}
            4 => value = Some(summary(field.bytes()?, &mut created)?),
            7 => value = Some(histogram(field.bytes()?, &mut created)?),
            _ => value = Some(SampleValue::Number(scalar(field.bytes()?, &mut created)?)),
        }
        Ok(())
    })?;
    let value = value.ok_or_else(|| format!("a series is no {}", kind.name()))?;
    labels.retain(|(_, value): &(String, String)| !value.is_empty());
    let sample = Sample { time_ms, created, ..Sample::new(labels, value) };
    match sample.labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(format!("label {:?} is there twice", pair[0].0)),
        None => Ok(sample),
    }
}

fn label(bytes: &[u8]) -> Result<(String, String), String> {
    let (mut name, mut value) = (String::new(), String::new());
    fields(bytes, |number, field| {
        match number {
            1 => name = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    if name.is_empty() {
        return Err("a label's name is empty".to_owned());
    }
    Ok((name, value))
}

/// Of a counter, a gauge, or what has no type.
fn scalar(bytes: &[u8], created: &mut Option<f64>) -> Result<f64, String> {
    let mut value = 0.0;
    fields(bytes, |number, field| {
        match number {
            1 => value = field.double()?,
            3 => *created = Some(timestamp(field.bytes()?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(value)
}

fn timestamp(bytes: &[u8]) -> Result<f64, String> {
    let (mut seconds, mut nanos) = (0.0, 0.0);
    fields(bytes, |number, field| {
        match number {
            1 => seconds = field.uint()? as i64 as f64,
            2 => nanos = field.uint()? as i64 as f64,
            _ => {}
        }
        Ok(())
    })?;
    Ok(seconds + nanos / 1e9)
}

fn summary(bytes: &[u8], created: &mut Option<f64>) -> Result<SampleValue, String> {
    let mut summary = SummaryValue { count: Some(0.0), sum: Some(0.0), quantiles: Vec::new() };
    fields(bytes, |number, field| {
        match number {
            1 => summary.count = Some(field.uint()? as f64),
            2 => summary.sum = Some(field.double()?),
            3 => summary.quantiles.push(pair(field.bytes()?)?),
            4 => *created = Some(timestamp(field.bytes()?)?),
            _ => {}
        }
        Ok(())
    })?;
    summary.quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(SampleValue::Summary(summary))
}

/// Two doubles.
fn pair(bytes: &[u8]) -> Result<(f64, f64), String> {
    let mut pair = (0.0, 0.0);
    fields(bytes, |number, field| {
        match number {
            1 => pair.0 = field.double()?,
            2 => pair.1 = field.double()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(pair)
}

/// A bound and how many values are up to it.
fn bucket(bytes: &[u8]) -> Result<(f64, f64), String> {
    let (mut bound, mut count) = (0.0, 0.0);
    fields(bytes, |number, field| {
        match number {
            1 => count = field.uint()? as f64,
            2 => bound = field.double()?,
            4 => count = field.double()?,
            _ => {}
        }
        Ok(())
    })?;
    if f64::is_nan(bound) {
        return Err("a bucket's bound is NaN".to_owned());
    }
    Ok((bound, count))
}

/// Buckets as spans of neighbours, and what is in them: differences of whole numbers, or floats.
#[derive(Debug, Default)]
struct Buckets {
    spans: Vec<(i64, u64)>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

fn histogram(bytes: &[u8], created: &mut Option<f64>) -> Result<SampleValue, String> {
    let mut native = NativeHistogram::default();
    let (mut positive, mut negative) = (Buckets::default(), Buckets::default());
    let mut count = (0.0, None);
    let mut zeros = (0.0, None);
    fields(bytes, |number, field| {
        match number {
            1 => count.0 = field.uint()? as f64,
            2 => native.sum = field.double()?,
            3 => native.classic.push(bucket(field.bytes()?)?),
            4 => count.1 = Some(field.double()?),
            5 => {
                native.schema = zigzag(field.uint()?).clamp(i32::MIN.into(), i32::MAX.into()) as i32
            }
            6 => native.zero_threshold = field.double()?,
            7 => zeros.0 = field.uint()? as f64,
            8 => zeros.1 = Some(field.double()?),
            9 => negative.spans.push(span(field)?),
            10 => field.packed(&mut negative.deltas)?,
            11 => field.packed_doubles(&mut negative.counts)?,
            12 => positive.spans.push(span(field)?),
            13 => field.packed(&mut positive.deltas)?,
            14 => field.packed_doubles(&mut positive.counts)?,
            15 => *created = Some(timestamp(field.bytes()?)?),
            _ => {}
        }
        Ok(())
    })?;
    // A float histogram says so by a count that is not zero.
    native.count = count.1.filter(|float| *float > 0.0).unwrap_or(count.0);
    native.zero_count = zeros.1.filter(|float| *float > 0.0).unwrap_or(zeros.0);
    let mut classic = ClassicHistogram {
        count: native.count,
        sum: Some(native.sum),
        buckets: std::mem::take(&mut native.classic),
    };
    complete(&mut classic);
    // As Prometheus tells them apart.
    let is_native = !(positive.spans.is_empty() && negative.spans.is_empty())
        || native.zero_threshold > 0.0
        || native.zero_count > 0.0;
    if !is_native {
        if classic.buckets.is_empty() {
            // Of a histogram without bounds, the one that is always there.
            classic.buckets.push((f64::INFINITY, classic.count));
        }
        return Ok(SampleValue::Classic(classic));
    }
    if !(-4..=8).contains(&native.schema) {
        return Err(format!("a native histogram has schema {}, not -4 to 8", native.schema));
    }
    native.classic = classic.buckets;
    native.positive = positive.read()?;
    native.negative = negative.read()?;
    Ok(SampleValue::Native(native))
}

fn span(field: Field<'_>) -> Result<(i64, u64), String> {
    let mut span = (0, 0);
    fields(field.bytes()?, |number, field| {
        match number {
            1 => span.0 = zigzag(field.uint()?),
            2 => span.1 = field.uint()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(span)
}

impl Buckets {
    fn read(self) -> Result<Vec<(i32, f64)>, String> {
        let Buckets { spans, deltas, counts } = self;
        let given = deltas.len().max(counts.len());
        let mut out = Vec::with_capacity(given);
        let (mut index, mut count, mut taken) = (0i64, 0i64, 0);
        for (at, (offset, len)) in spans.into_iter().enumerate() {
            if at > 0 && offset < 0 {
                return Err("spans of buckets overlap".to_owned());
            }
            index = index.saturating_add(offset);
            for _ in 0..len {
                if taken == given {
                    return Err("there are fewer buckets than their spans say".to_owned());
                }
                let value = match deltas.get(taken) {
                    Some(delta) => {
                        count = count.saturating_add(*delta);
                        count as f64
                    }
                    None => counts[taken],
                };
                taken += 1;
                if value < 0.0 {
                    return Err(format!("bucket {index} has {value} values"));
                }
                let bucket = i32::try_from(index).map_err(|_| format!("bucket {index}"))?;
                if value != 0.0 {
                    out.push((bucket, value));
                }
                index = index.saturating_add(1);
            }
        }
        match taken == given {
            true => Ok(out),
            false => Err("there are more buckets than their spans say".to_owned()),
        }
    }
}
