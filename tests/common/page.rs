//! A strict reader of the Prometheus text format: what a scraper would accept, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

/// Name and labels of a line, and its value as it is written.
pub type Samples = BTreeMap<(String, Vec<(String, String)>), String>;

/// The samples of a page.
///
/// # Panics
/// The page breaks the format: a line that cannot be read, a sample before its `TYPE`, a family in two places, the same
/// series twice, a histogram whose buckets fall or whose last bucket is not its count.
pub fn parse(page: &str) -> Samples {
    assert!(page.is_empty() || page.ends_with('\n'), "the last line is not ended");
    let (mut samples, mut closed) = (Samples::new(), BTreeSet::new());
    let mut family: Option<(String, String)> = None;
    let mut helped: Option<String> = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            check_escapes(text, "\\n");
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(helped.take().as_deref(), Some(name), "HELP stands before TYPE");
            assert!(closed.insert(name.to_owned()), "{name} has two headers");
            family = Some((name.to_owned(), kind.to_owned()));
        } else {
            let (name, labels, value) = sample(line);
            let (owner, kind) = family.as_ref().expect("a header before the first sample");
            let suffix = name.strip_prefix(owner.as_str()).unwrap_or_else(|| panic!("{line}"));
            match kind.as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                _ => assert_eq!(suffix, "", "{line}"),
            }
            let again = samples.insert((name, labels), value);
            assert!(again.is_none(), "twice on the page: {line}");
        }
    }
    check_histograms(&samples);
    samples
}

/// Whether the page has a sample of `name` with all of `labels`; its value.
pub fn value<'a>(samples: &'a Samples, name: &str, labels: &[(&str, &str)]) -> Option<&'a str> {
    let has = |all: &[(String, String)]| {
        labels.iter().all(|(k, v)| all.iter().any(|(key, value)| key == k && value == v))
    };
    samples.iter().find(|((n, all), _)| n == name && has(all)).map(|(_, value)| value.as_str())
}

fn check_escapes(text: &str, allowed: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let escaped = rest[at + 1..].chars().next().expect("a character behind the backslash");
        assert!(allowed.contains(escaped), "\\{escaped} in {text:?}");
        rest = &rest[at + 1 + escaped.len_utf8()..];
    }
}

fn sample(line: &str) -> (String, Vec<(String, String)>, String) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line:?}"));
    let (name, mut rest) = line.split_at(end);
    check_name(name, true);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (key, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
            check_name(key, false);
            let (value, behind) = quoted(behind, line);
            assert!(labels.iter().all(|(other, _)| other != key), "label twice: {line:?}");
            labels.push((key.to_owned(), value));
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => break rest = behind.strip_prefix('}').expect("the end of the labels"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line:?}"));
    let number = matches!(value, "NaN" | "+Inf" | "-Inf") || value.parse::<f64>().is_ok();
    assert!(number && !value.contains(['e', 'E']) && !value.contains("inf"), "value: {line:?}");
    (name.to_owned(), labels, value.to_owned())
}

/// The value of a label, up to its closing quote, and what stands behind that.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('\\' | '"'))) => c,
                other => panic!("escape {other:?}: {line:?}"),
            }),
            c => value.push(c),
        }
    }
    panic!("a label's value does not end: {line:?}")
}

fn check_name(name: &str, colons: bool) {
    let fits = |(i, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (colons && c == ':') || i > 0 && c.is_ascii_digit()
    };
    assert!(!name.is_empty() && name.char_indices().all(fits), "name {name:?}");
}

fn check_histograms(samples: &Samples) {
    let mut buckets: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for ((name, labels), value) in samples {
        let Some(stem) = name.strip_suffix("_bucket") else { continue };
        let Some((_, le)) = labels.iter().find(|(key, _)| key == "le") else { continue };
        let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound") };
        let others: Vec<_> = labels.iter().filter(|(key, _)| key != "le").cloned().collect();
        let count = value.parse().expect("a count");
        buckets.entry((stem.to_owned(), others)).or_default().push((bound, count));
    }
    for ((stem, labels), mut bounds) in buckets {
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(bounds.windows(2).all(|w| w[0].1 <= w[1].1), "{stem}{labels:?}: {bounds:?}");
        let (last, count) = bounds.last().expect("at least one");
        assert_eq!(*last, f64::INFINITY, "{stem}{labels:?}");
        let stands = &samples[&(format!("{stem}_count"), labels.clone())];
        assert_eq!(stands.parse::<f64>().expect("a count"), *count, "{stem}{labels:?}");
        assert!(samples.contains_key(&(format!("{stem}_sum"), labels)), "{stem}");
    }
}
