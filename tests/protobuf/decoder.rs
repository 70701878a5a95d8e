//! A strict reader of the messages that the encoders write, made from the published definitions alone: no field that they
//! do not have, none of another type, none twice that is there once. Shared with the fuzz targets.
#![allow(dead_code, reason = "each user needs some of it")]

pub type Result<T> = std::result::Result<T, String>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message that nobody has taken yet.
#[derive(Debug)]
struct Message<'a> {
    name: &'static str,
    fields: Vec<(u64, Value<'a>)>,
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in 0..10 {
        let (&byte, rest) = bytes.split_first().ok_or("it ends within a number")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << (7 * shift);
        if byte < 0x80 {
            return match byte == 0 && shift > 0 {
                true => Err("a number with needless bytes".to_owned()),
                false => Ok(value),
            };
        }
    }
    Err("a number of more than ten bytes".to_owned())
}

fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8]> {
    let len = usize::try_from(len).map_err(|error| error.to_string())?;
    let (taken, rest) = bytes.split_at_checked(len).ok_or("it ends within a field")?;
    *bytes = rest;
    Ok(taken)
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl<'a> Message<'a> {
    fn read(name: &'static str, mut bytes: &'a [u8]) -> Result<Message<'a>> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let value = match key & 7 {
                0 => Value::Varint(varint(&mut bytes)?),
                1 => Value::Fixed(u64::from_le_bytes(
                    take(&mut bytes, 8)?.try_into().map_err(|_| "eight bytes")?,
                )),
                2 => {
                    let len = varint(&mut bytes)?;
                    Value::Bytes(take(&mut bytes, len)?)
                }
                other => return Err(format!("{name} has a field of wire type {other}")),
            };
            fields.push((key >> 3, value));
        }
        Ok(Message { name, fields })
    }

    fn all(&mut self, number: u64) -> Vec<Value<'a>> {
        let of_number = |field: &mut (u64, Value<'a>)| field.0 == number;
        self.fields.extract_if(.., of_number).map(|field| field.1).collect()
    }

    fn one(&mut self, number: u64) -> Result<Option<Value<'a>>> {
        match self.all(number)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(format!("{} has field {number} twice", self.name)),
        }
    }

    fn wrong<T>(&self, number: u64, value: Value<'_>) -> Result<T> {
        Err(format!("field {number} of {} is {value:?}", self.name))
    }

    fn uint(&mut self, number: u64) -> Result<Option<u64>> {
        match self.one(number)? {
            None => Ok(None),
            Some(Value::Varint(value)) => Ok(Some(value)),
            Some(other) => self.wrong(number, other),
        }
    }

    fn sint(&mut self, number: u64) -> Result<i64> {
        Ok(self.uint(number)?.map_or(0, zigzag))
    }

    fn double(&mut self, number: u64) -> Result<Option<f64>> {
        match self.one(number)? {
            None => Ok(None),
            Some(Value::Fixed(bits)) => Ok(Some(f64::from_bits(bits))),
            Some(other) => self.wrong(number, other),
        }
    }

    fn bytes(&mut self, number: u64) -> Result<Vec<&'a [u8]>> {
        let values = self.all(number).into_iter();
        values
            .map(|value| match value {
                Value::Bytes(bytes) => Ok(bytes),
                other => self.wrong(number, other),
            })
            .collect()
    }

    fn texts(&mut self, number: u64) -> Result<Vec<String>> {
        let texts = self.bytes(number)?.into_iter();
        texts.map(|b| String::from_utf8(b.to_vec()).map_err(|error| error.to_string())).collect()
    }

    fn text(&mut self, number: u64) -> Result<String> {
        let mut texts = self.texts(number)?;
        match texts.len() {
            0 | 1 => Ok(texts.pop().unwrap_or_default()),
            _ => Err(format!("{} has field {number} twice", self.name)),
        }
    }

    fn messages(&mut self, number: u64, name: &'static str) -> Result<Vec<Message<'a>>> {
        self.bytes(number)?.into_iter().map(|bytes| Message::read(name, bytes)).collect()
    }

    fn message(&mut self, number: u64, name: &'static str) -> Result<Option<Message<'a>>> {
        let mut messages = self.messages(number, name)?;
        match messages.len() {
            0 | 1 => Ok(messages.pop()),
            _ => Err(format!("{} has field {number} twice", self.name)),
        }
    }

    /// Packed integers.
    fn packed(&mut self, number: u64) -> Result<Vec<u64>> {
        let mut values = Vec::new();
        for mut bytes in self.bytes(number)? {
            while !bytes.is_empty() {
                values.push(varint(&mut bytes)?);
            }
        }
        Ok(values)
    }

    fn end(self) -> Result<()> {
        match self.fields.first() {
            None => Ok(()),
            Some((number, value)) => self.wrong(*number, *value),
        }
    }
}

pub type Labels = Vec<(String, String)>;

/// An exemplar, with its labels as they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplar {
    pub labels: Labels,
    pub value: f64,
    /// In nanoseconds on a page, in milliseconds in a request.
    pub time: u64,
}

/// A histogram: what is in it of either kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    pub count: u64,
    pub sum: f64,
    /// Bound and cumulative count; +Inf, which need not be there, left out.
    pub classic: Vec<(f64, u64)>,
    /// Bound and exemplar of the buckets that have one.
    pub classic_exemplars: Vec<(f64, Exemplar)>,
    pub exemplars: Vec<Exemplar>,
    pub schema: i64,
    pub zero_threshold: f64,
    pub zero_count: u64,
    /// Index and count of each native bucket, those without a count left out.
    pub native: Vec<(i64, u64)>,
    pub reset: u64,
    pub time: u64,
    pub created: u64,
}

/// One metric of a family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric {
    pub labels: Labels,
    pub counter: Option<f64>,
    pub gauge: Option<f64>,
    pub histogram: Option<Histogram>,
    /// In nanoseconds since 1970.
    pub created: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    pub name: String,
    pub help: String,
    pub kind: u64,
    pub unit: String,
    pub metrics: Vec<Metric>,
}

/// Reads `io.prometheus.client.MetricFamily` messages, each behind its length.
pub fn families(mut page: &[u8]) -> Result<Vec<Family>> {
    let mut families = Vec::new();
    while !page.is_empty() {
        let len = varint(&mut page)?;
        families.push(family(take(&mut page, len)?)?);
    }
    Ok(families)
}

fn family(bytes: &[u8]) -> Result<Family> {
    let mut message = Message::read("MetricFamily", bytes)?;
    let family = Family {
        name: message.text(1)?,
        help: message.text(2)?,
        kind: message.uint(3)?.ok_or("a family without a type")?,
        unit: message.text(5)?,
        metrics: message.messages(4, "Metric")?.into_iter().map(metric).collect::<Result<_>>()?,
    };
    message.end()?;
    Ok(family)
}

fn labels(pairs: Vec<Message<'_>>) -> Result<Labels> {
    let pair = |mut pair: Message<'_>| {
        let label = (pair.text(1)?, pair.text(2)?);
        pair.end()?;
        Ok(label)
    };
    pairs.into_iter().map(pair).collect()
}

fn metric(mut message: Message<'_>) -> Result<Metric> {
    let mut metric =
        Metric { labels: labels(message.messages(1, "LabelPair")?)?, ..Metric::default() };
    if let Some(mut gauge) = message.message(2, "Gauge")? {
        metric.gauge = gauge.double(1)?;
        gauge.end()?;
    }
    if let Some(mut counter) = message.message(3, "Counter")? {
        metric.counter = counter.double(1)?;
        metric.created = counter.message(3, "Timestamp")?.map(timestamp).transpose()?;
        counter.end()?;
    }
    if let Some(mut message) = message.message(7, "Histogram")? {
        metric.created = message.message(15, "Timestamp")?.map(timestamp).transpose()?;
        let mut histogram = Histogram {
            count: message.uint(1)?.unwrap_or_default(),
            sum: message.double(2)?.unwrap_or_default(),
            ..Histogram::default()
        };
        for mut bucket in message.messages(3, "Bucket")? {
            let bound = bucket.double(2)?.ok_or("a bucket without a bound")?;
            let count = bucket.uint(1)?.ok_or("a bucket without a count")?;
            if let Some(of) = bucket.message(3, "Exemplar")? {
                histogram.classic_exemplars.push((bound, page_exemplar(of)?));
            }
            match bound.is_finite() {
                true => histogram.classic.push((bound, count)),
                false if count == histogram.count => {}
                false => return Err(format!("{count} of {} up to +Inf", histogram.count)),
            }
            bucket.end()?;
        }
        for of in message.messages(16, "Exemplar")? {
            histogram.exemplars.push(page_exemplar(of)?);
        }
        native(&mut message, [5, 6, 7, 12, 13], &mut histogram)?;
        message.end()?;
        metric.histogram = Some(histogram);
    }
    message.end()?;
    Ok(metric)
}

/// One of `io.prometheus.client`.
fn page_exemplar(mut message: Message<'_>) -> Result<Exemplar> {
    let exemplar = Exemplar {
        labels: labels(message.messages(1, "LabelPair")?)?,
        value: message.double(2)?.unwrap_or_default(),
        time: timestamp(message.message(3, "Timestamp")?.ok_or("an exemplar without a time")?)?,
    };
    message.end()?;
    Ok(exemplar)
}

/// Value and time of an exemplar of a request.
fn request_exemplar(mut message: Message<'_>, labels: Labels) -> Result<Exemplar> {
    let value = message.double(2)?.unwrap_or_default();
    let time = message.uint(3)?.unwrap_or_default();
    message.end()?;
    Ok(Exemplar { labels, value, time })
}

fn timestamp(mut message: Message<'_>) -> Result<u64> {
    let (seconds, nanos) = (message.uint(1)?.unwrap_or(0), message.uint(2)?.unwrap_or(0));
    message.end()?;
    if nanos >= 1_000_000_000 {
        return Err(format!("{nanos} nanoseconds"));
    }
    Ok(seconds * 1_000_000_000 + nanos)
}

/// Schema, zero threshold, zero count, spans and deltas.
fn native(message: &mut Message<'_>, numbers: [u64; 5], histogram: &mut Histogram) -> Result<()> {
    histogram.schema = message.sint(numbers[0])?;
    histogram.zero_threshold = message.double(numbers[1])?.unwrap_or_default();
    histogram.zero_count = message.uint(numbers[2])?.unwrap_or_default();
    let spans = message.messages(numbers[3], "BucketSpan")?;
    let mut deltas = message.packed(numbers[4])?.into_iter().map(zigzag);
    let (mut index, mut count) = (0i64, 0i64);
    for (at, mut span) in spans.into_iter().enumerate() {
        let (offset, len) = (span.sint(1)?, span.uint(2)?.unwrap_or_default());
        span.end()?;
        if at > 0 && offset <= 0 || len == 0 {
            return Err(format!("a span of {len} buckets, {offset} behind the last"));
        }
        index += offset;
        for _ in 0..len {
            count = count.wrapping_add(deltas.next().ok_or("fewer deltas than buckets")?);
            if count != 0 {
                histogram.native.push((index, count as u64));
            }
            index += 1;
        }
    }
    match deltas.next() {
        Some(_) => Err("more deltas than buckets".to_owned()),
        None => Ok(()),
    }
}

/// One series of a remote write request, of either version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// Value, time, and with 2.0 when it began.
    pub samples: Vec<(f64, u64, u64)>,
    pub histograms: Vec<Histogram>,
    pub exemplars: Vec<Exemplar>,
    /// With 2.0: type, help, unit.
    pub metadata: Option<(u64, String, String)>,
    pub created: u64,
}

impl Series {
    pub fn name(&self) -> &str {
        self.label("__name__").expect("checked while reading")
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.0 == name).map(|label| label.1.as_str())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub series: Vec<Series>,
    /// With 1.0: name, type, help, unit.
    pub metadata: Vec<(String, u64, String, String)>,
}

/// Reads a `prometheus.WriteRequest`.
pub fn request_v1(bytes: &[u8]) -> Result<Request> {
    let mut message = Message::read("WriteRequest", bytes)?;
    let mut request = Request::default();
    for mut message in message.messages(1, "TimeSeries")? {
        let labels = labels(message.messages(1, "Label")?)?;
        let mut series = series(&mut message, labels, 4)?;
        for mut of in message.messages(3, "Exemplar")? {
            let labels = self::labels(of.messages(1, "Label")?)?;
            series.exemplars.push(request_exemplar(of, labels)?);
        }
        message.end()?;
        // Those of a native histogram come behind it, as a series of their own.
        let is_more = series.samples.is_empty() && series.histograms.is_empty();
        match request.series.last_mut() {
            Some(last) if is_more && last.labels == series.labels && last.exemplars.is_empty() => {
                last.exemplars = series.exemplars;
            }
            _ if is_more => return Err(format!("nothing but exemplars: {series:?}")),
            _ => request.series.push(series),
        }
    }
    for mut of in message.messages(3, "MetricMetadata")? {
        let kind = of.uint(1)?.unwrap_or_default();
        request.metadata.push((of.text(2)?, kind, of.text(4)?, of.text(5)?));
        of.end()?;
    }
    message.end()?;
    Ok(request)
}

/// Reads an `io.prometheus.write.v2.Request`.
pub fn request_v2(bytes: &[u8]) -> Result<Request> {
    let mut message = Message::read("Request", bytes)?;
    let symbols = message.texts(4)?;
    if symbols.first().is_none_or(|first| !first.is_empty()) {
        return Err("the first symbol is not empty".to_owned());
    }
    let mut sorted = symbols.clone();
    sorted.sort();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a symbol is there twice".to_owned());
    }
    let symbol = |at: u64| {
        let found = usize::try_from(at).ok().and_then(|at| symbols.get(at));
        found.cloned().ok_or(format!("no symbol {at}"))
    };
    let mut request = Request::default();
    for mut message in message.messages(5, "TimeSeries")? {
        let by_symbols = |refs: Vec<u64>| {
            if !refs.len().is_multiple_of(2) {
                return Err("a label without a value".to_owned());
            }
            let pairs = refs.chunks_exact(2).map(|pair| Ok((symbol(pair[0])?, symbol(pair[1])?)));
            pairs.collect::<Result<Labels>>()
        };
        let labels = by_symbols(message.packed(1)?)?;
        let mut series = series(&mut message, labels, 3)?;
        for mut of in message.messages(4, "Exemplar")? {
            let labels = by_symbols(of.packed(1)?)?;
            series.exemplars.push(request_exemplar(of, labels)?);
        }
        if let Some(mut of) = message.message(5, "Metadata")? {
            let kind = of.uint(1)?.unwrap_or_default();
            let (help, unit) = (of.uint(3)?.unwrap_or(0), of.uint(4)?.unwrap_or(0));
            series.metadata = Some((kind, symbol(help)?, symbol(unit)?));
            of.end()?;
        }
        series.created = message.uint(6)?.unwrap_or_default();
        request.series.push(series);
        message.end()?;
    }
    message.end()?;
    Ok(request)
}

fn series(message: &mut Message<'_>, labels: Labels, histograms: u64) -> Result<Series> {
    if !labels.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(format!("labels are not sorted, or one is there twice: {labels:?}"));
    }
    if labels.iter().any(|label| label.0.is_empty() || label.1.is_empty()) {
        return Err(format!("an empty label: {labels:?}"));
    }
    if labels.iter().all(|label| label.0 != "__name__") {
        return Err(format!("no name: {labels:?}"));
    }
    let mut series = Series { labels, ..Series::default() };
    for mut sample in message.messages(2, "Sample")? {
        let value = sample.double(1)?.unwrap_or_default();
        let (time, start) = (sample.uint(2)?.unwrap_or(0), sample.uint(3)?.unwrap_or(0));
        series.samples.push((value, time, start));
        sample.end()?;
    }
    for mut message in message.messages(histograms, "Histogram")? {
        let mut histogram = Histogram {
            count: message.uint(1)?.ok_or("a histogram without a count")?,
            sum: message.double(3)?.unwrap_or_default(),
            reset: message.uint(14)?.unwrap_or_default(),
            time: message.uint(15)?.unwrap_or_default(),
            created: message.uint(17)?.unwrap_or_default(),
            ..Histogram::default()
        };
        native(&mut message, [4, 5, 6, 11, 12], &mut histogram)?;
        message.end()?;
        series.histograms.push(histogram);
    }
    Ok(series)
}
