//! Reading a page.

use crate::drive::Key;
use std::collections::BTreeMap;

/// The labels of a sample's line.
pub fn labels(line: &str) -> BTreeMap<String, String> {
    let Some((_, rest)) = line.split_once('{') else { return BTreeMap::new() };
    let (inner, _) = rest.rsplit_once('}').unwrap();
    let pairs =
        inner.split("\",").map(|pair| pair.trim_end_matches('"').split_once("=\"").unwrap());
    pairs.map(|(label, value)| (label.to_owned(), value.to_owned())).collect()
}

/// All samples of a page.
pub fn samples(page: &str) -> BTreeMap<Key, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let read = lines.map(|line| {
        let name = line.split(['{', ' ']).next().unwrap().to_owned();
        let value = line.rsplit(' ').next().unwrap().parse().unwrap();
        ((name, labels(line)), value)
    });
    read.collect()
}
