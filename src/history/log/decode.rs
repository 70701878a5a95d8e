//! Rows of one segment, read back. A row is read as a whole before any of it counts.

use super::codec::{Broken, Input};
use super::encode::{flags, kind_of, unit_of};
use crate::history::column::Origin;
use crate::history::series::Key;
use crate::history::sparse::Gain;
use crate::limits::{MAX_HELP_BYTES, MAX_LABELS, MAX_NAME_BYTES};
use crate::registry::Precision;
use crate::registry::definition::check_metric_name;
use crate::{Buckets, Definition, HistogramSnapshot};
use std::sync::Arc;

/// A series of a segment.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) key: Key,
    /// Whether the last row had it.
    pub(super) there: bool,
    /// The number that it showed last.
    bits: u64,
}

/// What a series has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Scalar(u64),
    /// All that a histogram has, where it came; what it has more, where it changed.
    Histogram(Gain),
}

/// A series that came or began anew.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) number: usize,
    pub(super) origin: Origin,
    /// When it began, and whether it is known that it began from zero.
    pub(super) began: i64,
    pub(super) unknown: bool,
    pub(super) content: Content,
}

/// A row.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) time: i64,
    pub(super) gone: Vec<usize>,
    pub(super) came: Vec<Came>,
    pub(super) changed: Vec<(usize, Content)>,
}

/// What the rows of a segment build on.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    definitions: Vec<Arc<Definition>>,
    pub(super) series: Vec<Named>,
    time: i64,
}

impl Decoder {
    /// Reads a row. After an error nothing more can be read.
    pub(super) fn read(&mut self, payload: &[u8], row: &mut Row) -> Result<(), Broken> {
        let input = &mut Input(payload);
        self.time = self.time.checked_add(input.signed()?).ok_or(Broken("a time is too large"))?;
        row.time = self.time;
        (row.gone, row.came, row.changed) = Default::default();
        let mut last = -1;
        for _ in 0..input.count()? {
            let number = self.number(input, &mut last)?;
            let series = &mut self.series[number];
            if !std::mem::take(&mut series.there) {
                return Err(Broken("a series goes that was not there"));
            }
            row.gone.push(number);
        }
        let mut last = -1;
        for _ in 0..input.count()? {
            let came = self.came(input, &mut last)?;
            row.came.push(came);
        }
        let mut last = -1;
        for _ in 0..input.count()? {
            let number = self.number(input, &mut last)?;
            let series = &mut self.series[number];
            if !series.there {
                return Err(Broken("a series changes that is not there"));
            }
            let content = if series.key.is_histogram() {
                let most = HistogramSnapshot::most_ordinals(series.key.definition.precision);
                Content::Histogram(input.gain(most)?)
            } else {
                series.bits = if series.key.is_float() {
                    input.float(series.bits)?
                } else {
                    series.bits.wrapping_add(input.signed()? as u64)
                };
                Content::Scalar(series.bits)
            };
            row.changed.push((number, content));
        }
        if !input.0.is_empty() {
            return Err(Broken("there is something behind a row"));
        }
        Ok(())
    }

    fn number(&self, input: &mut Input<'_>, last: &mut i64) -> Result<usize, Broken> {
        let number = input.signed()?.checked_add(*last + 1);
        let number = number.filter(|number| (0..self.series.len() as i64).contains(number));
        *last = number.ok_or(Broken("a series has no name"))?;
        Ok(*last as usize)
    }

    fn came(&mut self, input: &mut Input<'_>, last: &mut i64) -> Result<Came, Broken> {
        let says = input.byte()?;
        let origin = match says & (flags::NEW | flags::UNKNOWN) {
            0 => Origin::Continues,
            flags::NEW => Origin::New,
            flags::UNKNOWN => Origin::Unknown,
            _ => return Err(Broken("a series began in two ways")),
        };
        if says & !flags::ALL != 0 {
            return Err(Broken("a flag is not known"));
        }
        let number = if says & flags::NAMED != 0 {
            let key = self.key(input)?;
            self.series.push(Named { key, there: false, bits: 0 });
            self.series.len() - 1
        } else {
            self.number(input, last)?
        };
        let age = i64::try_from(input.number()?).map_err(|_| Broken("a time is too large"))?;
        let series = &mut self.series[number];
        series.there = true;
        let content = if series.key.is_histogram() {
            let most = HistogramSnapshot::most_ordinals(series.key.definition.precision);
            Content::Histogram(input.gain(most)?)
        } else {
            let bits = input.take(8)?.first_chunk().ok_or(Broken("it ends within a number"))?;
            series.bits = u64::from_le_bytes(*bits);
            Content::Scalar(series.bits)
        };
        let unknown = says & flags::BEGAN_UNKNOWN != 0;
        Ok(Came { number, origin, began: self.time.saturating_sub(age), unknown, content })
    }

    fn key(&mut self, input: &mut Input<'_>) -> Result<Key, Broken> {
        let number = input.number()?;
        if number == self.definitions.len() as u64 {
            let definition = definition(input)?;
            self.definitions.push(Arc::new(definition));
        }
        let definition = usize::try_from(number).ok().and_then(|at| self.definitions.get(at));
        let definition = definition.ok_or(Broken("a definition is missing"))?.clone();
        let count = input.count()?;
        let mut labels: Vec<(String, String)> = Vec::with_capacity(count.min(MAX_LABELS));
        for _ in 0..count {
            let name = input.text(MAX_NAME_BYTES)?;
            if labels.last().is_some_and(|last| last.0.as_str() >= name) {
                return Err(Broken("labels are not in order"));
            }
            labels.push((name.to_owned(), input.text(usize::MAX)?.to_owned()));
        }
        Ok(Key { definition, labels: labels.into() })
    }
}

fn definition(input: &mut Input<'_>) -> Result<Definition, Broken> {
    let name = input.text(MAX_NAME_BYTES)?.to_owned();
    check_metric_name(&name).map_err(|_| Broken("a metric's name cannot be"))?;
    let help = input.text(MAX_HELP_BYTES)?.to_owned();
    let kind = kind_of(input.byte()?).ok_or(Broken("a type is not known"))?;
    let unit = unit_of(input.byte()?).ok_or(Broken("a unit is not known"))?;
    let precision = match input.byte()? {
        figures @ 1..=3 => Precision::of(figures),
        _ => return Err(Broken("a precision is not known")),
    };
    // The bounds that are exported are the program's, and it says them anew when it registers the metric.
    Ok(Definition { name, help, kind, unit, precision, buckets: Buckets::Auto })
}
