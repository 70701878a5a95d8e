//! A strict reader of the Prometheus text format 0.0.4, written from its description
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details>) and sharing nothing with the
//! writer. What the description leaves undefined is an error here.

use std::collections::HashSet;

/// One metric: its lines stand together.
#[derive(Debug, Default, PartialEq)]
pub struct Family {
    pub name: String,
    pub help: Option<String>,
    pub kind: Option<String>,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    /// As it stands on the page.
    pub value: String,
}

type Result<T> = std::result::Result<T, String>;

/// What is left of a line.
struct Line<'a>(&'a str);

/// Reads a page.
pub fn read(page: &[u8]) -> Result<Vec<Family>> {
    let page = std::str::from_utf8(page).map_err(|error| error.to_string())?;
    let mut families: Vec<Family> = Vec::new();
    if page.is_empty() {
        return Ok(families);
    }
    let lines = page.strip_suffix('\n').ok_or("the last line does not end with a line feed")?;
    for text in lines.split('\n') {
        read_line(text, &mut families).map_err(|error| format!("{error}, in {text:?}"))?;
    }
    check_unique(&families)?;
    families.iter().filter(|f| f.kind.as_deref() == Some("histogram")).try_for_each(|family| {
        check_histogram(family).map_err(|error| format!("{error}, in {}", family.name))
    })?;
    Ok(families)
}

fn read_line(text: &str, families: &mut Vec<Family>) -> Result<()> {
    let mut line = Line(text);
    line.skip_blanks();
    if line.0.is_empty() {
        return Ok(());
    }
    if line.take('#') {
        return read_comment(line, families);
    }
    let sample = read_sample(line)?;
    let current = families.last_mut().filter(|family| family.owns(&sample.name));
    match current {
        Some(family) => family.samples.push(sample),
        None => {
            let name = sample.name.clone();
            families.push(Family { name, samples: vec![sample], ..Family::default() });
        }
    }
    Ok(())
}

fn read_comment(mut line: Line<'_>, families: &mut Vec<Family>) -> Result<()> {
    line.skip_blanks();
    let keyword = line.token();
    if !["HELP", "TYPE"].contains(&keyword) {
        return Ok(());
    }
    line.skip_blanks();
    let name = line.name(':')?;
    if families.last().is_none_or(|family| family.name != name) {
        families.push(Family { name: name.clone(), ..Family::default() });
    }
    let family = families.last_mut().expect("pushed above");
    if !family.samples.is_empty() {
        return Err(format!("a {keyword} line after the first sample"));
    }
    line.blanks()?;
    let (place, text) = match keyword {
        "HELP" => (&mut family.help, line.unescape(None)?),
        _ => (&mut family.kind, line.kind()?),
    };
    match place.replace(text) {
        Some(_) => Err(format!("a second {keyword} line")),
        None => Ok(()),
    }
}

fn read_sample(mut line: Line<'_>) -> Result<Sample> {
    let name = line.name(':')?;
    line.skip_blanks();
    let mut labels = Vec::new();
    if line.take('{') {
        line.labels(&mut labels)?;
        line.skip_blanks();
    }
    let value = line.token().to_owned();
    check_number(&value)?;
    line.skip_blanks();
    if !line.0.is_empty() {
        line.token().parse::<i64>().map_err(|error| format!("the time stamp: {error}"))?;
        line.skip_blanks();
    }
    if !line.0.is_empty() {
        return Err(format!("{:?} behind the sample", line.0));
    }
    Ok(Sample { name, labels, value })
}

/// A number as Go's `ParseFloat` takes it, in the spellings of the format's description.
fn check_number(text: &str) -> Result<()> {
    let digits = text.trim_start_matches(['+', '-']);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
        && text.parse::<f64>().is_ok();
    if plain || ["NaN", "+Inf", "-Inf"].contains(&text) {
        return Ok(());
    }
    Err(format!("{text:?} is no number"))
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

impl<'a> Line<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches(is_blank);
    }

    /// At least one blank.
    fn blanks(&mut self) -> Result<()> {
        if !self.0.starts_with(is_blank) {
            return Err(format!("no blank before {:?}", self.0));
        }
        self.skip_blanks();
        Ok(())
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn token(&mut self) -> &'a str {
        let (token, rest) = self.0.split_at(self.0.find(is_blank).unwrap_or(self.0.len()));
        self.0 = rest;
        token
    }

    /// A metric's name (`also` is a colon), or a label's.
    fn name(&mut self, also: char) -> Result<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == also;
        let (name, rest) = self.0.split_at(self.0.find(|c| !fits(c)).unwrap_or(self.0.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("no name at {:?}", self.0));
        }
        self.0 = rest;
        Ok(name.to_owned())
    }

    fn kind(&mut self) -> Result<String> {
        let kind = self.token();
        self.skip_blanks();
        let known = ["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind);
        match known && self.0.is_empty() {
            true => Ok(kind.to_owned()),
            false => Err("no type".to_owned()),
        }
    }

    /// The text up to `end`, or all of it.
    fn unescape(&mut self, end: Option<char>) -> Result<String> {
        let mut text = String::new();
        let mut chars = self.0.chars();
        while let Some(c) = chars.next() {
            match (c, end) {
                (c, Some(end)) if c == end => {
                    self.0 = chars.as_str();
                    return Ok(text);
                }
                ('\\', _) => text.push(match chars.next() {
                    Some('\\') => '\\',
                    Some('n') => '\n',
                    Some('"') if end.is_some() => '"',
                    other => return Err(format!("{other:?} behind a backslash")),
                }),
                (c, _) => text.push(c),
            }
        }
        self.0 = chars.as_str();
        match end {
            None => Ok(text),
            Some(end) => Err(format!("no {end}")),
        }
    }

    fn labels(&mut self, labels: &mut Vec<(String, String)>) -> Result<()> {
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Ok(());
            }
            let name = self.name('_')?;
            self.skip_blanks();
            if !self.take('=') {
                return Err("no = behind a label's name".to_owned());
            }
            self.skip_blanks();
            if !self.take('"') {
                return Err("no \" before a label's value".to_owned());
            }
            let value = self.unescape(Some('"'))?;
            if labels.iter().any(|label| label.0 == name) {
                return Err(format!("label {name} twice"));
            }
            labels.push((name, value));
            self.skip_blanks();
            if !self.take(',') && !self.0.starts_with('}') {
                return Err("no comma between labels".to_owned());
            }
        }
    }
}

impl Family {
    /// Whether a sample of this name is one of the family's.
    fn owns(&self, sample: &str) -> bool {
        let suffixes: &[&str] = match self.kind.as_deref() {
            Some("histogram") => &["_bucket", "_sum", "_count"],
            Some("summary") => &["", "_sum", "_count"],
            _ => &[""],
        };
        sample.strip_prefix(&self.name).is_some_and(|suffix| suffixes.contains(&suffix))
    }
}

/// A metric's lines are one group, and no two samples have the same name and labels.
fn check_unique(families: &[Family]) -> Result<()> {
    let mut names = HashSet::new();
    let mut series = HashSet::new();
    for family in families {
        if !names.insert(&family.name) {
            return Err(format!("the lines of {} do not stand together", family.name));
        }
        for Sample { name, labels, .. } in &family.samples {
            let mut labels = labels.clone();
            labels.sort();
            if !series.insert((name, labels.clone())) {
                return Err(format!("{name}{labels:?} twice"));
            }
        }
    }
    Ok(())
}

/// One histogram: what is on the page of one set of labels.
#[derive(Debug, Default)]
pub struct Histogram {
    pub labels: Vec<(String, String)>,
    /// Upper bounds, and how many values are at or below each.
    pub buckets: Vec<(f64, u64)>,
    pub sum: String,
    pub count: u64,
}

fn check_histogram(family: &Family) -> Result<()> {
    for histogram in histograms(family)? {
        let (bounds, counts): (Vec<f64>, Vec<u64>) = histogram.buckets.iter().copied().unzip();
        if !bounds.is_sorted_by(|a, b| a < b) {
            return Err(format!("bounds do not ascend: {bounds:?}"));
        }
        if !counts.is_sorted() {
            return Err(format!("counts fall: {counts:?}"));
        }
        if histogram.buckets.last() != Some(&(f64::INFINITY, histogram.count)) {
            return Err("the bucket +Inf does not have all".to_owned());
        }
    }
    Ok(())
}

/// The histograms of a family, in page order: each is its buckets, its sum and its count.
pub fn histograms(family: &Family) -> Result<Vec<Histogram>> {
    let whole = |value: &str| value.parse::<u64>().map_err(|error| format!("{value}: {error}"));
    let mut all: Vec<Histogram> = Vec::new();
    let (mut has_sum, mut has_count) = (HashSet::new(), HashSet::new());
    for Sample { name, labels, value } in &family.samples {
        let (le, own): (Vec<_>, Vec<_>) = labels.iter().cloned().partition(|label| label.0 == "le");
        let at = all.iter().position(|histogram| histogram.labels == own).unwrap_or_else(|| {
            all.push(Histogram { labels: own, ..Histogram::default() });
            all.len() - 1
        });
        if at + 1 != all.len() {
            return Err("the lines of a histogram do not stand together".to_owned());
        }
        match (&name[family.name.len()..], &le[..]) {
            ("_bucket", [(_, bound)]) => {
                check_number(bound)?;
                let bound = bound.parse().map_err(|error| format!("{bound}: {error}"))?;
                all[at].buckets.push((bound, whole(value)?));
            }
            ("_sum", []) if has_sum.insert(at) => all[at].sum.clone_from(value),
            ("_count", []) if has_count.insert(at) => all[at].count = whole(value)?,
            _ => return Err(format!("{name}{labels:?} is no line of a histogram")),
        }
    }
    match has_sum.len() == all.len() && has_count.len() == all.len() {
        true => Ok(all),
        false => Err("a histogram lacks its sum or its count".to_owned()),
    }
}

/// A decimal number times `unit` (a power of ten), which must be an integer.
pub fn in_units(text: &str, unit: u64) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let places = unit.ilog10() as usize;
    let fits = part.len() <= places && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let padded = format!("{whole}{part:0<places$}");
    fits.then(|| padded.parse::<i128>().ok()).flatten().map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_description_is_read() {
        let page = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="1"} 133988
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
"#;
        let families = read(page.as_bytes()).unwrap();
        let names: Vec<_> = families.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names[0], "http_requests_total");
        assert_eq!(families[0].samples[1].value, "3");
        assert_eq!(families[1].samples[0].labels[0].1, "C:\\DIR\\FILE.TXT");
        assert_eq!(families[1].samples[0].labels[1].1, "Cannot find file:\n\"FILE.TXT\"");
        assert_eq!(histograms(&families[4]).unwrap()[0].buckets[1], (1.0, 133988));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for page in [
            "a 1",
            "a{b=\"\\x\"} 1\n",
            "a{b=\"1\",b=\"2\"} 1\n",
            "a{b=\"1\"c=\"2\"} 1\n",
            "a 1\na 2\n",
            "a 1\nb 1\na{x=\"\"} 1\n",
            "a x\n",
            "a inf\n",
            "1a 1\n",
            "a 1 2 3\n",
            "# TYPE a counter\n# TYPE a counter\n",
            "# TYPE a number\n",
            "a 1\n# TYPE a counter\n",
            "# HELP a \\\"\n",
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
            "# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
            "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n",
        ] {
            assert!(read(page.as_bytes()).is_err(), "{page}");
        }
    }

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        assert_eq!(in_units("1.5", 1_000_000_000), Some(1_500_000_000));
        assert_eq!(in_units("-0.000000001", 1_000_000_000), Some(-1));
        assert_eq!(in_units("7", 1), Some(7));
        assert_eq!(in_units("7.5", 1), None);
        assert_eq!(in_units("1e5", 1), None);
    }
}
