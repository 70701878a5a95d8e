//! One line with a sample: `name{label="value",…} value [time] [# exemplar]`.

use std::borrow::Cow;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: Cow<'a, str>,
    /// In the order of their names; those without a value are as good as absent.
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
    pub(super) time_ms: Option<i64>,
}

/// The rest of a line.
struct Cursor<'a> {
    rest: &'a str,
}

/// Reads a line that is neither empty nor a comment.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(line: &str, open_metrics: bool) -> Result<Line<'_>, String> {
    let mut cursor = Cursor { rest: line };
    let mut name = cursor.name(|byte| byte == b':').map(Cow::Borrowed);
    let mut labels = Vec::new();
    cursor.space();
    if cursor.take('{') {
        cursor.labels(&mut name, &mut labels)?;
        cursor.space();
    }
    let name = name.ok_or_else(|| format!("expected a metric's name, found {}", cursor.found()))?;
    let value = number(cursor.word()?)?;
    cursor.space();
    let mut time_ms = None;
    if !cursor.rest.is_empty() && !cursor.rest.starts_with('#') {
        time_ms = Some(time(cursor.word()?, open_metrics)?);
        cursor.space();
    }
    if open_metrics && cursor.take('#') {
        exemplar(&mut cursor)?;
    }
    match cursor.rest.is_empty() {
        true => Ok(Line { name, labels, value, time_ms }),
        false => Err(format!("expected the end of the line, found {}", cursor.found())),
    }
}

impl<'a> Cursor<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What there is, for a message.
    fn found(&self) -> String {
        match self.rest.chars().next() {
            None => "the end of the line".to_owned(),
            Some(_) => {
                let shown: String = self.rest.chars().take(20).collect();
                format!("{shown:?}")
            }
        }
    }

    /// A name without quotes.
    fn name(&mut self, also: impl Fn(u8) -> bool) -> Option<&'a str> {
        let fits = |(at, byte): (usize, u8)| {
            byte == b'_'
                || byte.is_ascii_alphabetic()
                || also(byte)
                || (at > 0 && byte.is_ascii_digit())
        };
        let end = self.rest.bytes().enumerate().position(|found| !fits(found));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    /// What stands up to the next space.
    fn word(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "" => Err("expected a value, found the end of the line".to_owned()),
            word => Ok(word),
        }
    }

    /// A text in quotes, the first of which was taken.
    fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let mut text = String::new();
        loop {
            let Some(at) = self.rest.find(['"', '\\']) else {
                return Err("a text in quotes does not end on its line".to_owned());
            };
            let (before, rest) = self.rest.split_at(at);
            if let Some(behind) = rest.strip_prefix('"') {
                self.rest = behind;
                if text.is_empty() {
                    return Ok(Cow::Borrowed(before));
                }
                text.push_str(before);
                return Ok(Cow::Owned(text));
            }
            text.push_str(before);
            let mut after = rest[1..].chars();
            match after.next() {
                Some('n') => text.push('\n'),
                Some(same @ ('"' | '\\')) => text.push(same),
                // Prometheus leaves what it does not know as it stands.
                Some(other) => text.extend(['\\', other]),
                None => return Err("a text in quotes does not end on its line".to_owned()),
            }
            self.rest = after.as_str();
        }
    }

    /// Labels up to `}`, and the name, which may stand among them, in quotes.
    fn labels(
        &mut self,
        name: &mut Option<Cow<'a, str>>,
        labels: &mut Vec<(String, String)>,
    ) -> Result<(), String> {
        loop {
            self.space();
            if self.take('}') {
                break;
            }
            let quoted = self.take('"');
            let label = match quoted {
                true => self.quoted()?,
                false => match self.name(|_| false) {
                    Some(label) => Cow::Borrowed(label),
                    None => {
                        return Err(format!("expected a label or '}}', found {}", self.found()));
                    }
                },
            };
            self.space();
            if self.take('=') {
                self.space();
                if !self.take('"') {
                    let found = self.found();
                    return Err(format!("expected '\"' behind {label}=, found {found}"));
                }
                let value = self.quoted()?;
                if label.is_empty() {
                    return Err("a label's name is not empty".to_owned());
                }
                labels.push((label.into_owned(), value.into_owned()));
            } else if quoted && name.is_none() && !label.is_empty() {
                *name = Some(label);
            } else {
                return Err(format!("expected '=' behind label {label:?}, found {}", self.found()));
            }
            self.space();
            if !self.take(',') && !self.rest.starts_with('}') {
                return Err(format!("expected ',' or '}}', found {}", self.found()));
            }
        }
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("label {:?} is there twice", pair[0].0));
        }
        labels.retain(|(_, value)| !value.is_empty());
        Ok(())
    }
}

/// Checks what follows `#`; nobody keeps it.
fn exemplar(cursor: &mut Cursor<'_>) -> Result<(), String> {
    cursor.space();
    if !cursor.take('{') {
        return Err(format!("expected '{{' of an exemplar behind '#', found {}", cursor.found()));
    }
    // A name in quotes has no place in an exemplar.
    cursor.labels(&mut Some(Cow::Borrowed("")), &mut Vec::new())?;
    cursor.space();
    number(cursor.word()?)?;
    cursor.space();
    if !cursor.rest.is_empty() {
        time(cursor.word()?, true)?;
        cursor.space();
    }
    Ok(())
}

/// A number as Prometheus writes and reads it.
pub(super) fn number(word: &str) -> Result<f64, String> {
    // What Rust's own parser takes beyond that are words.
    let sane = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let value = word.parse().ok().filter(|_| sane);
    value.ok_or_else(|| {
        let shown: String = word.chars().take(40).collect();
        format!("expected a number, found {shown:?}")
    })
}

/// A time: milliseconds, in OpenMetrics seconds.
fn time(word: &str, open_metrics: bool) -> Result<i64, String> {
    let wrong = || {
        let shown: String = word.chars().take(40).collect();
        format!("expected a time, found {shown:?}")
    };
    if !open_metrics {
        return word.parse().map_err(|_| wrong());
    }
    let seconds = number(word).map_err(|_| wrong())?;
    let ms = (seconds * 1e3).round();
    // Far beyond any time, and well within what the type holds.
    if ms.abs() < 1e18 { Ok(ms as i64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        parse(text, true).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn lines_that_prometheus_takes() {
        for (text, name, labels, value) in [
            ("up 1", "up", &[][..], 1.0),
            ("a:b{} -2.5e3", "a:b", &[], -2500.0),
            ("up{b=\"2\",a=\"1\",} +Inf", "up", &[("a", "1"), ("b", "2")], f64::INFINITY),
            ("up\t{ a = \"x\\\"\\\\\\ny\" } 3 ", "up", &[("a", "x\"\\\ny")], 3.0),
            ("up {a=\"\"} 0", "up", &[], 0.0),
            ("up{a=\"{,}# 7\"} 0x", "", &[], 0.0),
            ("{\"http.requests\",\"a b\"=\"ü\"} 4", "http.requests", &[("a b", "ü")], 4.0),
            ("up{a=\"\\x\"} 1 # {trace_id=\"a\"} 0.5 12.5", "up", &[("a", "\\x")], 1.0),
        ] {
            if name.is_empty() {
                assert!(parse(text, true).is_err(), "{text}");
                continue;
            }
            let read = line(text);
            let found: Vec<_> = read.labels.iter().map(|(k, v)| (&**k, &**v)).collect();
            assert_eq!((&*read.name, &found[..], read.value), (name, labels, value), "{text}");
        }
        assert!(line("up NaN").value.is_nan());
        assert_eq!(line("up 1 1700000000.5").time_ms, Some(1_700_000_000_500));
        assert_eq!(parse("up 1 1700000000500", false).unwrap().time_ms, Some(1_700_000_000_500));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("{} 1", "a metric's name"),
            ("1up 1", "a metric's name"),
            ("up", "the end of the line"),
            ("up one", "\"one\""),
            ("up 1 2x", "a time"),
            ("up 1 2 3", "the end of the line, found \"3\""),
            ("up{a=\"b} 1", "does not end"),
            ("up{a=b} 1", "'\"' behind a="),
            ("up{a} 1", "'=' behind label"),
            ("up{a=\"1\" b=\"2\"} 1", "',' or '}'"),
            ("up{a=\"1\",a=\"2\"} 1", "twice"),
            ("up{=\"1\"} 1", "a label or '}'"),
            ("up{\"x\",a=\"1\"} 1", "'=' behind label"),
            ("up 1 # x", "exemplar"),
            ("up 1 # {a=\"b\"}", "expected a value"),
            ("up 1e", "a number"),
            ("up in_f", "a number"),
        ] {
            let error = parse(text, true).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
