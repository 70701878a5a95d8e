//! What the five systems measure, line by line: `inventory.txt`.

use std::collections::BTreeMap;
use tachometer::Kind;

pub struct Line {
    /// The line itself, for messages.
    pub text: &'static str,
    pub kind: &'static str,
    pub name: &'static str,
    /// By label: its values, if they are a closed set.
    pub labels: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Line {
    /// Whether a series of this type is what the line asks for.
    pub fn is_of(&self, kind: Kind) -> bool {
        match self.kind {
            "C" => kind == Kind::Counter,
            "G" => matches!(kind, Kind::Gauge | Kind::UpDownCounter),
            "H" => kind == Kind::Histogram,
            other => panic!("{}: what is {other}?", self.text),
        }
    }
}

pub fn lines() -> Vec<Line> {
    let lines = include_str!("inventory.txt").lines().filter(|line| !line.starts_with('#'));
    let read = lines.map(|text| {
        let mut parts = text.split(' ').skip(2);
        let (kind, name) = (parts.next().unwrap(), parts.next().unwrap());
        let label = |part: &'static str| match part.split_once('=') {
            Some((label, values)) => (label, values.split('|').collect()),
            None => (part, Vec::new()),
        };
        Line { text, kind, name, labels: parts.map(label).collect() }
    });
    read.collect()
}

/// The closed set that the catalogue has for a label of a series.
pub fn closed_values(name: &str, label: &str) -> Vec<String> {
    let lines = lines();
    let line = lines.iter().find(|line| line.name == name);
    let values = line.and_then(|line| line.labels.get(label));
    values.into_iter().flatten().map(|value| (*value).to_owned()).collect()
}
