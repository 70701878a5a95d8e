//! The reader of what [`JsonEncoder`](super::JsonEncoder) writes. What it is given may be anything: it never panics, reads no
//! more than [`MAX_JSON_BYTES`](crate::limits::MAX_JSON_BYTES), and says where it stopped.

use super::node::{self, Node};
use crate::Error;
use crate::export::hdr_v2;
use crate::registry::{Kind, Unit};
use crate::snapshot::HistogramSnapshot;
use crate::snapshot::histogram::parts::{Parts, Sums};
use std::time::Duration;

/// A snapshot that was read from JSON. See [`JsonEncoder`](super::JsonEncoder) for an example.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSnapshot {
    /// The number of the generation in its process.
    pub generation: u64,
    /// When the cut was made, since 1970-01-01 UTC.
    pub unix_time: Duration,
    /// Whether it was a causal cut.
    pub complete: bool,
    /// Shards that were read while a thread was inside a record.
    pub moving_shards: u64,
    /// All metrics, in the order of the page.
    pub families: Vec<JsonFamily>,
    /// Names of refused `static` handles, and what they recorded.
    pub rejected: Vec<(String, u64)>,
}

/// A metric of a [`JsonSnapshot`].
#[derive(Clone, Debug, PartialEq)]
pub struct JsonFamily {
    /// The full name.
    pub name: String,
    /// The type.
    pub kind: Kind,
    /// The unit of all values.
    pub unit: Unit,
    /// One sentence for whoever reads it.
    pub help: String,
    /// Its series, in the order of the page.
    pub series: Vec<JsonSeries>,
}

/// A series of a [`JsonSnapshot`].
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSeries {
    /// Names and values, by name.
    pub labels: Vec<(String, String)>,
    /// When the series began, at the latest, since 1970-01-01 UTC.
    pub created: Duration,
    /// The value.
    pub value: JsonValue,
}

/// The value of a series of a [`JsonSnapshot`], in the recorded unit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum JsonValue {
    /// A count that only rises.
    Counter(u64),
    /// A count that rises and falls.
    UpDownCounter(i64),
    /// A value that was set.
    Gauge(f64),
    /// A distribution, equal to the one that was written: [`HistogramSnapshot::merge`] adds those of several processes.
    Histogram(HistogramSnapshot),
}

impl JsonSnapshot {
    /// Reads a page. Fields that are not known are passed over.
    ///
    /// # Errors
    /// `Unreadable`, with line and column or with the path to the value, if this is not JSON, not such a page, or of a later
    /// version; if it is longer than [`MAX_JSON_BYTES`](crate::limits::MAX_JSON_BYTES), or a histogram has more than [`MAX_JSON_COUNT`](crate::limits::MAX_JSON_COUNT) values.
    pub fn parse(page: &[u8]) -> Result<JsonSnapshot, Error> {
        let value = node::parse(page, WHAT)?;
        JsonSnapshot::of(&Node::root(&value, WHAT))
    }

    /// Reads a page that is part of another.
    pub(crate) fn of(root: &Node<'_>) -> Result<JsonSnapshot, Error> {
        if root.field("format")?.text()? != "tachometer" || root.field("version")?.unsigned()? != 1
        {
            return Err(root.error("it does not say format \"tachometer\", version 1"));
        }
        Ok(JsonSnapshot {
            generation: root.field("generation")?.unsigned()?,
            unix_time: root.field("unix_time_ns")?.time()?,
            complete: root.field("complete")?.truth()?,
            moving_shards: root.field("moving_shards")?.unsigned()?,
            families: root.field("families")?.each(|node| family(&node))?,
            rejected: root.field("rejected")?.each(|node| {
                Ok((node.field("metric")?.text()?.to_owned(), node.field("records")?.unsigned()?))
            })?,
        })
    }
}

const WHAT: &str = "JSON snapshot";

fn family(node: &Node<'_>) -> Result<JsonFamily, Error> {
    let (kind, unit) = (node.field("type")?, node.field("unit")?);
    let kind = match kind.text()? {
        "counter" => Kind::Counter,
        "up_down_counter" => Kind::UpDownCounter,
        "gauge" => Kind::Gauge,
        "info" => Kind::Info,
        "state_set" => Kind::StateSet,
        "histogram" => Kind::Histogram,
        _ => {
            return Err(kind.error(
                "counter, up_down_counter, gauge, info, state_set or histogram was expected",
            ));
        }
    };
    let unit = match unit.text()? {
        "none" => Unit::None,
        "nanoseconds" => Unit::Nanoseconds,
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        "ratio" => Unit::Ratio,
        _ => return Err(unit.error("none, nanoseconds, seconds, bytes or ratio was expected")),
    };
    Ok(JsonFamily {
        name: node.field("name")?.text()?.to_owned(),
        kind,
        unit,
        help: node.field("help")?.text()?.to_owned(),
        series: node.field("series")?.each(|node| series(&node, kind, unit))?,
    })
}

fn series(node: &Node<'_>, kind: Kind, unit: Unit) -> Result<JsonSeries, Error> {
    let value = node.field("value")?;
    let value = match kind {
        Kind::Counter => JsonValue::Counter(value.unsigned()?),
        Kind::UpDownCounter => JsonValue::UpDownCounter(value.signed()?),
        Kind::Gauge | Kind::Info | Kind::StateSet => JsonValue::Gauge(value.float()?),
        Kind::Histogram => JsonValue::Histogram(histogram(&value, unit)?),
    };
    let labels = node.field("labels")?.texts()?;
    Ok(JsonSeries { labels, created: node.field("created_ns")?.time()?, value })
}

fn histogram(node: &Node<'_>, unit: Unit) -> Result<HistogramSnapshot, Error> {
    let hdr = node.field("hdr")?;
    let bytes = hdr_v2::from_base64(hdr.text()?).map_err(|reason| hdr.error(reason))?;
    let (precision, buckets) = hdr_v2::read(&bytes).map_err(|reason| hdr.error(reason))?;
    let count = node.field("count")?;
    let counted: u64 = buckets.iter().map(|(_, count)| count).sum();
    if count.unsigned()? != counted {
        return Err(count.error(format!("the buckets in hdr have {counted} values")));
    }
    let sum = node.field("sum")?;
    let total = sum.sum()?;
    let octaves = match node.optional("octave_sums") {
        None => None,
        Some(sums) => {
            let read = sums.each(|node| node.sum())?;
            let wanted = HistogramSnapshot::octaves_of(precision, &buckets);
            if read.len() != wanted {
                return Err(sums.error(format!("the buckets in hdr lie in {wanted} octaves")));
            }
            // Each is below the limit, and there are at most 60.
            if read.iter().sum::<u128>() != total {
                return Err(sums.error(format!("they do not add up to {total}, the sum")));
            }
            Some(read)
        }
    };
    let (min, max) = (node.optional("min"), node.optional("max"));
    let extremes = match (min, max) {
        _ if counted == 0 => None,
        (Some(min), Some(max)) => {
            let (least, most) = (min.unsigned()?, max.unsigned()?);
            if least > most {
                return Err(min.error(format!("it is above the maximum, {most}")));
            }
            Some((least, most))
        }
        _ => hdr_v2::extremes(precision, &buckets),
    };
    let sums = octaves.as_deref().map_or(Sums::Total(total), Sums::Octaves);
    if counted == 0 && total != 0 {
        return Err(sum.error("nothing was recorded"));
    }
    Ok(HistogramSnapshot::from_parts(Parts { precision, unit, buckets: &buckets, sums, extremes }))
}
