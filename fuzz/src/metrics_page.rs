//! A strict reader of OpenMetrics 1.0 text, written from its specification
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>) and sharing nothing with the writer.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;
type Result<T> = std::result::Result<T, String>;

#[derive(Debug, Default)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub unit: Option<String>,
    pub help: Option<String>,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
    pub exemplar: Option<Exemplar>,
}

#[derive(Clone, Debug)]
pub struct Exemplar {
    pub labels: Labels,
    pub value: f64,
    pub time: f64,
}

/// Reads a page.
pub fn read(page: &[u8]) -> Result<Vec<Family>> {
    let page = std::str::from_utf8(page).map_err(|error| error.to_string())?;
    let lines = page.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
    let mut families: Vec<Family> = Vec::new();
    for line in lines.split_inclusive('\n') {
        let line = line.strip_suffix('\n').ok_or("the last line does not end")?;
        read_line(line, &mut families).map_err(|error| format!("{error}, in {line:?}"))?;
    }
    let mut taken = BTreeSet::new();
    for family in &families {
        check(family, &mut taken).map_err(|error| format!("{error}, in {}", family.name))?;
    }
    Ok(families)
}

fn read_line(line: &str, families: &mut Vec<Family>) -> Result<()> {
    let Some(metadata) = line.strip_prefix("# ") else {
        let family = families.last_mut().ok_or("a sample before the first family")?;
        family.samples.push(sample(line)?);
        return Ok(());
    };
    let (keyword, rest) = metadata.split_once(' ').ok_or("no keyword")?;
    let (name, text) = rest.split_once(' ').ok_or("nothing behind the name")?;
    if families.last().is_none_or(|family| family.name != name) {
        check_name(name, ":")?;
        families.push(Family { name: name.to_owned(), ..Family::default() });
    }
    let family = families.last_mut().ok_or("pushed above")?;
    if !family.samples.is_empty() {
        return Err("metadata behind samples".to_owned());
    }
    let again = match keyword {
        "TYPE" => !std::mem::replace(&mut family.kind, text.to_owned()).is_empty(),
        "UNIT" => family.unit.replace(text.to_owned()).is_some(),
        "HELP" => family.help.replace(unescape(text, None)?.0).is_some(),
        _ => return Err("an unknown keyword".to_owned()),
    };
    if again { Err(format!("a second {keyword}")) } else { Ok(()) }
}

fn check_name(name: &str, also: &str) -> Result<()> {
    let fits = |(i, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || also.contains(c) || i > 0 && c.is_ascii_digit()
    };
    match !name.is_empty() && name.char_indices().all(fits) {
        true => Ok(()),
        false => Err(format!("name {name:?}")),
    }
}

/// The text up to an unescaped `end` (or all of it), and what stands behind.
fn unescape(text: &str, end: Option<char>) -> Result<(String, &str)> {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            c if end == Some(c) => return Ok((out, chars.as_str())),
            '"' => return Err("a quote that is not escaped".to_owned()),
            '\\' => out.push(match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                other => return Err(format!("{other:?} behind a backslash")),
            }),
            c => out.push(c),
        }
    }
    if end.is_none() { Ok((out, "")) } else { Err("a text does not end".to_owned()) }
}

/// Labels from behind `{` on, and what stands behind `}`.
fn labels(mut rest: &str) -> Result<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or("no label")?;
        check_name(name, "")?;
        let (value, behind) = unescape(behind, Some('"'))?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("label {name} twice"));
        }
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok((labels, behind.strip_prefix('}').ok_or("no end of labels")?)),
        }
    }
}

fn number(text: &str) -> Result<f64> {
    match text {
        "NaN" => Ok(f64::NAN),
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) => {
            text.parse().map_err(|error| format!("{text:?}: {error}"))
        }
        _ => Err(format!("{text:?} is no number")),
    }
}

fn sample(line: &str) -> Result<Sample> {
    let (name, rest) = line.split_at(line.find(['{', ' ']).ok_or("no value")?);
    check_name(name, ":")?;
    let (own, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let rest = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let (value, exemplar) = match rest.split_once(" # {") {
        Some((value, rest)) => (value, Some(read_exemplar(rest)?)),
        None => (rest, None),
    };
    Ok(Sample { name: name.to_owned(), labels: own, value: number(value)?, exemplar })
}

fn read_exemplar(rest: &str) -> Result<Exemplar> {
    let (labels, rest) = labels(rest)?;
    let (value, time) = rest
        .strip_prefix(' ')
        .and_then(|rest| rest.split_once(' '))
        .ok_or("an exemplar without value or time")?;
    let length: usize = labels.iter().map(|(k, v)| k.chars().count() + v.chars().count()).sum();
    match length <= 128 {
        true => Ok(Exemplar { labels, value: number(value)?, time: number(time)? }),
        false => Err(format!("an exemplar's labels of {length} characters")),
    }
}

fn check(family: &Family, taken: &mut BTreeSet<String>) -> Result<()> {
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total", "_created"],
        "histogram" => &["_bucket", "_count", "_sum", "_created"],
        "info" => &["_info"],
        "gauge" | "stateset" | "unknown" => &[""],
        other => return Err(format!("type {other:?}")),
    };
    for suffix in suffixes.iter().chain([&""]).collect::<BTreeSet<_>>() {
        if !taken.insert(format!("{}{suffix}", family.name)) {
            return Err(format!("the name with {suffix:?} belongs to another family too"));
        }
    }
    if let Some(unit) = &family.unit
        && !family.name.ends_with(&format!("_{unit}"))
    {
        return Err(format!("the name does not end in the unit {unit}"));
    }
    let (mut seen, mut groups, mut group) = (BTreeSet::new(), BTreeSet::new(), None);
    for sample in &family.samples {
        let suffix = sample.name.strip_prefix(&family.name).filter(|end| suffixes.contains(end));
        let suffix = suffix.ok_or_else(|| format!("a sample {} in it", sample.name))?;
        if !seen.insert((&sample.name, &sample.labels)) {
            return Err(format!("{}{:?} twice", sample.name, sample.labels));
        }
        check_value(family, suffix, sample)?;
        let mut own = sample.labels.clone();
        match family.kind.as_str() {
            "stateset" => drop(own.remove(&family.name).ok_or("a state without its label")?),
            "histogram" if suffix == "_bucket" => drop(own.remove("le").ok_or("no le")?),
            _ => {}
        }
        if group.as_ref() != Some(&own) && !groups.insert(own.clone()) {
            return Err(format!("the lines of {own:?} do not stand together"));
        }
        group = Some(own);
    }
    if family.kind == "histogram" { check_histograms(family) } else { Ok(()) }
}

fn check_value(family: &Family, suffix: &str, sample: &Sample) -> Result<()> {
    let value = sample.value;
    let fits = match (family.kind.as_str(), suffix) {
        ("info", _) => value == 1.0,
        ("stateset", _) => value == 0.0 || value == 1.0,
        ("histogram", "_bucket" | "_count") => value >= 0.0 && value.fract() == 0.0,
        ("counter" | "histogram", _) => value >= 0.0,
        _ => true,
    };
    let may_have_exemplar = ["_bucket", "_total"].contains(&suffix);
    match fits && (may_have_exemplar || sample.exemplar.is_none()) {
        true => Ok(()),
        false => Err(format!("{sample:?}")),
    }
}

fn check_histograms(family: &Family) -> Result<()> {
    let (mut bound, mut below) = (None, 0.0);
    for sample in &family.samples {
        match &sample.name[family.name.len()..] {
            "_bucket" => {
                let le = number(&sample.labels["le"])?;
                let is_canonical = sample.labels["le"].contains(['.', 'e', 'I']);
                let from = bound.unwrap_or(f64::NEG_INFINITY);
                if !is_canonical || le <= from || sample.value < below {
                    return Err(format!("bucket {:?} of {} values", sample.labels, sample.value));
                }
                // Both are rounded to floats on the way here.
                let near = |bound: f64| bound.abs() * 1e-9;
                if let Some(exemplar) = &sample.exemplar
                    && (exemplar.value > le + near(le) || exemplar.value < from - near(from))
                {
                    return Err(format!("{exemplar:?} is not between {from} and {le}"));
                }
                (bound, below) = (Some(le), sample.value);
            }
            "_count" => {
                if bound != Some(f64::INFINITY) || below != sample.value {
                    return Err("the last bucket does not have all".to_owned());
                }
                (bound, below) = (None, 0.0);
            }
            _ => {}
        }
    }
    Ok(())
}
