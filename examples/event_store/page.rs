//! A page in Prometheus's text format, read to be compared.

use crate::client::Error;
use std::cell::Cell;

/// The samples of a page.
pub struct Page<'a> {
    samples: Vec<(&'a str, &'a str, f64)>,
    compared: Cell<usize>,
}

impl<'a> Page<'a> {
    pub fn read(text: &'a str) -> Page<'a> {
        let sample = |line: &'a str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value.parse().ok()?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Page { samples: lines.filter_map(sample).collect(), compared: Cell::new(0) }
    }

    fn of(&self, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
        self.samples
            .iter()
            .filter(move |sample| sample.0 == name)
            .map(|sample| (sample.1, sample.2))
    }

    /// The sum of all series called `name`.
    pub fn sum(&self, name: &str) -> u64 {
        self.of(name).map(|(_, value)| value).sum::<f64>() as u64
    }

    /// How many samples were compared.
    pub fn compared(&self) -> usize {
        self.compared.get()
    }

    /// The series of `name` whose labels have these values.
    pub fn equals(&self, name: &str, values: &[&str], expected: u64) -> Result<(), Error> {
        let has =
            |labels: &str| values.iter().all(|value| labels.contains(&format!("=\"{value}\"")));
        let found: Vec<f64> =
            self.of(name).filter(|(labels, _)| has(labels)).map(|(_, value)| value).collect();
        self.compare(name, values, &found, expected)
    }

    /// All series of `name` together.
    pub fn adds_up(&self, name: &str, expected: u64) -> Result<(), Error> {
        let found =
            if self.of(name).next().is_none() { vec![] } else { vec![self.sum(name) as f64] };
        self.compare(name, &[], &found, expected)
    }

    fn compare(&self, name: &str, of: &[&str], found: &[f64], expected: u64) -> Result<(), Error> {
        self.compared.set(self.compared.get() + 1);
        if found == [expected as f64] {
            return Ok(());
        }
        Err(format!("{name} {of:?}: {found:?} on the page, {expected} were done").into())
    }

    /// There are as many series of `name`.
    pub fn has_series(&self, name: &str, expected: usize) -> Result<(), Error> {
        let found = self.of(name).count();
        if found == expected {
            return Ok(());
        }
        Err(format!("{name}: {found} series, {expected} were expected").into())
    }

    /// Whether a series of `name`, or of what a histogram is written as, is not zero.
    pub fn tells(&self, name: &str) -> bool {
        let is_more = |(_, value): (&str, f64)| value != 0.0;
        self.of(name).any(is_more) || self.of(&format!("{name}_count")).any(is_more)
    }
}
