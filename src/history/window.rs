//! Windows: what series did within a span of time.

use super::column::Origin;
use super::reading::{Reading, Rows};
use crate::registry::Kind;
use crate::{Definition, Error, HistogramSnapshot};
use std::time::Duration;

/// What the series of one metric did within a span of time.
///
/// It holds what it reads; history goes on meanwhile. Its bounds are generations: what was recorded in it is all that
/// was recorded after the last generation at or before its beginning, up to the last generation at or before its end.
/// Where only a coarser tier reaches that far, read "step" for "generation". [`Window::bounds`] tells them.
#[derive(Clone, Debug)]
pub struct Window {
    pub(super) name: String,
    pub(super) rows: Rows,
    pub(super) series: Vec<Reading>,
}

/// One series of a [`Window`].
#[derive(Clone, Copy, Debug)]
pub struct WindowSeries<'a>(&'a Reading);

impl Window {
    /// From the generation that all of it comes after, to its last one; times since 1970-01-01 UTC. Where history does
    /// not reach back to the beginning of the window, from the first that there is.
    pub fn bounds(&self) -> (Duration, Duration) {
        let times = || self.rows.parts.iter().flat_map(|part| &part.times[part.lo..part.hi]);
        let millis =
            |time: Option<&i64>| Duration::from_millis(time.map_or(0, |&time| time.max(0) as u64));
        (millis(times().next()), millis(times().last()))
    }

    /// The time between its bounds.
    pub fn span(&self) -> Duration {
        let (from, to) = self.bounds();
        to.saturating_sub(from)
    }

    /// The longest time between two generations (or steps) in it: a process that was stopped for a minute has a gap of
    /// a minute.
    pub fn longest_gap(&self) -> Duration {
        let times =
            self.rows.parts.iter().flat_map(|part| part.times[part.lo..part.hi].iter().copied());
        let (mut last, mut longest) = (None, 0);
        for time in times {
            longest = longest.max(last.map_or(0, |last| time - last));
            last = Some(time);
        }
        Duration::from_millis(longest as u64)
    }

    /// Its series, in no order.
    pub fn series(&self) -> impl ExactSizeIterator<Item = WindowSeries<'_>> {
        self.series.iter().map(WindowSeries)
    }

    /// What the histograms recorded in it, merged over its series: exact counts and an exact sum, and quantiles within
    /// the precision. Minimum and maximum are those of the buckets.
    ///
    /// # Errors
    /// The metric is no histogram.
    pub fn histogram(&self) -> Result<HistogramSnapshot, Error> {
        let (first, rest) = self.series.split_first().ok_or_else(|| self.wrong("histogram"))?;
        let mut all = WindowSeries(first).histogram()?;
        for series in rest {
            all.merge(&WindowSeries(series).histogram()?)?;
        }
        Ok(all)
    }

    /// How many values histograms recorded in it.
    ///
    /// # Errors
    /// The metric is no histogram.
    pub fn count(&self) -> Result<u64, Error> {
        Ok(self.histogram()?.count())
    }

    /// The exact sum of the values that histograms recorded in it, in the recorded unit.
    ///
    /// # Errors
    /// The metric is no histogram.
    pub fn sum(&self) -> Result<u128, Error> {
        Ok(self.histogram()?.sum())
    }

    /// The value below or at which the fraction `q` (0 to 1) of all values recorded in it lies; `None` without values.
    ///
    /// # Errors
    /// The metric is no histogram.
    pub fn quantile(&self, q: f64) -> Result<Option<u64>, Error> {
        Ok(self.histogram()?.quantile(q))
    }

    /// How much counters rose in it, summed over its series. One that began anew counts from zero.
    ///
    /// # Errors
    /// The metric is no counter.
    pub fn increase(&self) -> Result<u64, Error> {
        self.series().try_fold(0u64, |sum, series| Ok(sum.wrapping_add(series.increase()?)))
    }

    /// How much counters rose a second, over [`Window::span`]; 0 over no time. As with [`Window::increase`], and unlike
    /// PromQL's `rate`, nothing is extrapolated.
    ///
    /// # Errors
    /// The metric is no counter.
    pub fn rate(&self) -> Result<f64, Error> {
        let (rose, seconds) = (self.increase()? as f64, self.span().as_secs_f64());
        Ok(if seconds > 0.0 { rose / seconds } else { 0.0 })
    }

    /// By how much gauges and up-down counters differ between the window's bounds, summed over its series. One that is
    /// there for a part of the window counts from its first value to its last.
    ///
    /// # Errors
    /// The metric is neither.
    pub fn delta(&self) -> Result<f64, Error> {
        self.series().try_fold(0.0, |sum, series| Ok(sum + series.delta()?))
    }

    fn wrong(&self, wanted: &str) -> Error {
        wrong(&self.name, "no series", wanted)
    }
}

fn wrong(name: &str, is: &str, wanted: &str) -> Error {
    Error::NoSuchSeries {
        asked: format!("{name} of type {wanted}"),
        advice: format!("{name} is a {is}"),
    }
}

impl<'a> WindowSeries<'a> {
    /// Name, help, type and unit.
    pub fn definition(&self) -> &'a Definition {
        &self.0.key.definition
    }

    /// Labels, in the order of their names.
    pub fn labels(&self) -> &'a [(String, String)] {
        &self.0.key.labels
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.0.key.label(name)
    }

    fn check(&self, wanted: &str, is: impl Fn(Kind) -> bool) -> Result<(), Error> {
        let definition = self.definition();
        if is(definition.kind) {
            Ok(())
        } else {
            Err(wrong(&definition.name, definition.kind.name(), wanted))
        }
    }

    /// See [`Window::histogram`].
    ///
    /// # Errors
    /// The metric is no histogram.
    pub fn histogram(&self) -> Result<HistogramSnapshot, Error> {
        self.check("histogram", |kind| kind == Kind::Histogram)?;
        let definition = self.definition();
        Ok(self
            .0
            .gained(self.0.rows.after, i64::MAX)
            .histogram(definition.precision, definition.unit))
    }

    /// See [`Window::increase`].
    ///
    /// # Errors
    /// The metric is no counter.
    pub fn increase(&self) -> Result<u64, Error> {
        self.check("counter", |kind| kind == Kind::Counter)?;
        let (mut last, mut rose) = (None, 0u64);
        self.0.scalars(|time, value| {
            let Some((value, origin)) = value else { return };
            if time > self.0.rows.after {
                rose = rose.wrapping_add(match (origin, last) {
                    (Origin::Continues, Some(last)) => value.wrapping_sub(last),
                    (Origin::New, _) => value,
                    _ => 0,
                });
            }
            last = Some(value);
        });
        Ok(rose)
    }

    /// See [`Window::delta`].
    ///
    /// # Errors
    /// The metric is a counter or a histogram.
    pub fn delta(&self) -> Result<f64, Error> {
        self.check("gauge or up-down counter", |kind| {
            !matches!(kind, Kind::Counter | Kind::Histogram)
        })?;
        let (mut first, mut last) = (None, None);
        self.0.scalars(|time, value| {
            let value = value.map(|(value, _)| self.0.number(value));
            if time <= self.0.rows.after {
                first = value;
            } else if value.is_some() {
                first = first.or(value);
                last = value;
            }
        });
        Ok(first.zip(last).map_or(0.0, |(first, last)| last - first))
    }

    /// All values in the window by time (since 1970-01-01 UTC), in the recorded unit. `None` says that the series was
    /// not there any more: it comes once, at the first generation without it. Empty for a histogram.
    pub fn points(&self) -> Vec<(Duration, Option<f64>)> {
        let mut points = Vec::new();
        if self.definition().kind == Kind::Histogram {
            return points;
        }
        let mut there = false;
        self.0.scalars(|time, value| {
            if time > self.0.rows.after && (value.is_some() || there) {
                let time = Duration::from_millis(time.max(0) as u64);
                points.push((time, value.map(|(value, _)| self.0.number(value))));
            }
            there = value.is_some();
        });
        points
    }
}

impl Reading {
    /// What the bits of a scalar say, in the recorded unit.
    pub(super) fn number(&self, bits: u64) -> f64 {
        match self.key.definition.kind {
            Kind::Counter => bits as f64,
            Kind::UpDownCounter => bits as i64 as f64,
            _ => f64::from_bits(bits),
        }
    }
}
