//! Functions of templates: Go's own, and those that Prometheus adds.

use super::Data;
use super::format::{general, printf};
use super::value::Value;
use crate::limits::MAX_TEMPLATE_BYTES;
use crate::query::duration;
use regex::RegexBuilder;
use std::cmp::Ordering;

/// A function: its name, and how many arguments it takes, at least and at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) args: (usize, usize),
}

/// Any number.
const MANY: usize = usize::MAX;

const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("and", 1, MANY),
    ("args", 0, MANY),
    ("eq", 2, MANY),
    ("externalURL", 0, 0),
    ("first", 1, 1),
    ("ge", 2, 2),
    ("graphLink", 1, 1),
    ("gt", 2, 2),
    ("html", 0, MANY),
    ("humanize", 1, 1),
    ("humanize1024", 1, 1),
    ("humanizeDuration", 1, 1),
    ("humanizePercentage", 1, 1),
    ("humanizeTimestamp", 1, 1),
    ("index", 1, MANY),
    ("label", 2, 2),
    ("le", 2, 2),
    ("len", 1, 1),
    ("lt", 2, 2),
    ("match", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("or", 1, MANY),
    ("parseDuration", 1, 1),
    ("pathPrefix", 0, 0),
    ("print", 0, MANY),
    ("printf", 1, MANY),
    ("println", 0, MANY),
    ("query", 1, 1),
    ("reReplaceAll", 3, 3),
    ("safeHtml", 1, 1),
    ("slice", 1, 4),
    ("sortByLabel", 2, 2),
    ("stripDomain", 1, 1),
    ("stripPort", 1, 1),
    ("strvalue", 1, 1),
    ("tableLink", 1, 1),
    ("title", 1, 1),
    ("toLower", 1, 1),
    ("toUpper", 1, 1),
    ("urlquery", 0, MANY),
    ("value", 1, 1),
];

/// The function of a name.
pub(crate) fn find(name: &str) -> Result<Function, String> {
    if let "call" | "js" | "tmpl" | "toTime" = name {
        return Err(format!("function {name:?} is not supported here"));
    }
    let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    let (name, least, most) = found.ok_or_else(|| format!("function {name:?} not defined"))?;
    Ok(Function { name, args: (*least, *most) })
}

/// What a function is of these arguments, as many as it takes.
pub(crate) fn call(name: &str, args: &[Value], data: &Data<'_>) -> Result<Value, String> {
    let text = |index: usize| -> Result<&str, String> {
        match &args[index] {
            Value::Text(text) => Ok(text),
            other => {
                Err(format!("wrong type for value; expected string; got {}", other.type_name()))
            }
        }
    };
    let failed = |reason: String| format!("error calling {name}: {reason}");
    let result = match name {
        "print" => Ok(Value::Text(print(args))),
        "println" => {
            let all: Vec<_> = args.iter().map(Value::plain).collect();
            Ok(Value::Text(all.join(" ") + "\n"))
        }
        "printf" => Ok(Value::Text(printf(text(0)?, &args[1..]))),
        "html" => Ok(Value::Text(html(&print(args)))),
        "urlquery" => Ok(Value::Text(url_query(&print(args)))),
        "not" => Ok(Value::Bool(!args[0].is_true())),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare(name, args).map(Value::Bool),
        "len" => match &args[0] {
            Value::Text(text) => Ok(Value::Int(text.len() as i64)),
            Value::List(items) => Ok(Value::Int(items.len() as i64)),
            Value::Map(labels) => Ok(Value::Int(labels.len() as i64)),
            other => Err(format!("len of type {}", other.type_name())),
        },
        "index" => args[1..].iter().try_fold(args[0].clone(), |value, key| index(&value, key)),
        "slice" => slice(args),
        "query" => (data.query)(text(0)?).map(|samples| {
            let sample = |sample: crate::query::InstantSample| {
                Value::Sample(sample.labels, sample.value.as_float().unwrap_or(0.0))
            };
            Value::List(samples.into_iter().map(sample).collect())
        }),
        "first" => match &args[0] {
            Value::List(items) => match items.first() {
                Some(first) => Ok(first.clone()),
                None => Err("first() called on vector with no elements".to_owned()),
            },
            other => return Err(expected("template.queryResult", other)),
        },
        "label" => match &args[1] {
            Value::Sample(labels, _) => {
                Ok(Value::Text(labels.get(text(0)?).unwrap_or_default().to_owned()))
            }
            other => return Err(expected("*template.sample", other)),
        },
        "value" => match &args[0] {
            Value::Sample(_, value) => Ok(Value::Float(*value)),
            other => return Err(expected("*template.sample", other)),
        },
        "strvalue" => match &args[0] {
            Value::Sample(labels, _) => {
                Ok(Value::Text(labels.get("__value__").unwrap_or_default().to_owned()))
            }
            other => return Err(expected("*template.sample", other)),
        },
        "sortByLabel" => match &args[1] {
            Value::List(items) => {
                let by = text(0)?;
                let mut items = items.clone();
                let key = |item: &Value| match item {
                    Value::Sample(labels, _) => labels.get(by).unwrap_or_default().to_owned(),
                    _ => String::new(),
                };
                items.sort_by_cached_key(key);
                Ok(Value::List(items))
            }
            other => return Err(expected("template.queryResult", other)),
        },
        "args" => Ok(Value::List(args.to_vec())),
        "title" => Ok(Value::Text(title(text(0)?))),
        "toUpper" => Ok(Value::Text(text(0)?.to_uppercase())),
        "toLower" => Ok(Value::Text(text(0)?.to_lowercase())),
        "safeHtml" => Ok(Value::Text(text(0)?.to_owned())),
        "match" => regex(text(0)?).and_then(|regex| Ok(Value::Bool(regex.is_match(text(1)?)))),
        "reReplaceAll" => regex(text(0)?).and_then(|regex| {
            let replaced = regex.replace_all(text(2)?, text(1)?).into_owned();
            match replaced.len() <= MAX_TEMPLATE_BYTES {
                true => Ok(Value::Text(replaced)),
                false => Err(format!("the text is longer than {MAX_TEMPLATE_BYTES} bytes")),
            }
        }),
        "stripPort" => Ok(Value::Text(host_port(text(0)?).0.to_owned())),
        "stripDomain" => Ok(Value::Text(strip_domain(text(0)?))),
        "parseDuration" => {
            duration::parse(text(0)?).map(|duration| Value::Float(duration.as_secs_f64()))
        }
        "externalURL" => Ok(Value::Text(data.external_url.to_owned())),
        "pathPrefix" => {
            let path =
                data.external_url.split_once("://").map_or(data.external_url, |(_, rest)| rest);
            Ok(Value::Text(path.find('/').map_or("", |at| &path[at..]).to_owned()))
        }
        "graphLink" | "tableLink" => {
            let tab = if name == "graphLink" { 0 } else { 1 };
            Ok(Value::Text(format!("/graph?g0.expr={}&g0.tab={tab}", url_query(text(0)?))))
        }
        _ => {
            let value = number(&args[0]).map_err(failed)?;
            Ok(Value::Text(match name {
                "humanize" => humanize(value),
                "humanize1024" => humanize_1024(value),
                "humanizeDuration" => humanize_duration(value),
                "humanizePercentage" => format!("{}%", general(value * 100.0, Some(4))),
                _ => humanize_timestamp(value).map_err(failed)?,
            }))
        }
    };
    result.map_err(failed)
}

fn expected(kind: &str, found: &Value) -> String {
    format!("wrong type for value; expected {kind}; got {}", found.type_name())
}

/// All arguments in a row, with a space between two that are no texts.
fn print(args: &[Value]) -> String {
    let mut out = String::new();
    for (index, arg) in args.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if index > 0 && !is_text(arg) && !is_text(&args[index - 1]) {
            out.push(' ');
        }
        out.push_str(&arg.plain());
    }
    out
}

fn compare(name: &str, args: &[Value]) -> Result<bool, String> {
    let equal = |a: &Value, b: &Value| match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Bool(_), Value::Bool(_))
        | (Value::Int(_), Value::Int(_))
        | (Value::Float(_), Value::Float(_))
        | (Value::Text(_), Value::Text(_)) => Ok(a == b),
        (Value::Map(_) | Value::List(_), _) | (_, Value::Map(_) | Value::List(_)) => {
            Err("non-comparable type".to_owned())
        }
        _ => Err("incompatible types for comparison".to_owned()),
    };
    let order = |a: &Value, b: &Value| match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a.partial_cmp(b)),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.partial_cmp(b)),
        (Value::Bool(_), Value::Bool(_)) => Err("invalid type for comparison".to_owned()),
        _ => Err("incompatible types for comparison".to_owned()),
    };
    let (a, b) = (&args[0], &args[1]);
    Ok(match name {
        "eq" => {
            for other in &args[1..] {
                if equal(a, other)? {
                    return Ok(true);
                }
            }
            false
        }
        "ne" => !equal(a, b)?,
        "lt" => order(a, b)? == Some(Ordering::Less),
        "le" => matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)),
        // Go has these as the opposites of `le` and `lt`: of NaN they are true.
        "gt" => !matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)),
        _ => order(a, b)? != Some(Ordering::Less),
    })
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Map(labels), Value::Text(name)) => {
            Ok(Value::Text(labels.get(name).unwrap_or_default().to_owned()))
        }
        (Value::List(items), Value::Int(at)) => {
            let item = usize::try_from(*at).ok().and_then(|at| items.get(at));
            item.cloned().ok_or_else(|| format!("index out of range: {at}"))
        }
        (Value::Text(text), Value::Int(at)) => {
            let byte = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
            byte.map(|byte| Value::Int(i64::from(*byte)))
                .ok_or_else(|| format!("index out of range: {at}"))
        }
        (Value::Map(_) | Value::List(_) | Value::Text(_), key) => {
            Err(format!("cannot index with type {}", key.type_name()))
        }
        (other, _) => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let length = match &args[0] {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let bound = |index: usize, default: usize| match args.get(index) {
        None => Ok(default),
        Some(Value::Int(at)) => {
            let fine = usize::try_from(*at).ok().filter(|at| *at <= length);
            fine.ok_or_else(|| format!("index out of range: {at}"))
        }
        Some(other) => Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    let (from, to) = (bound(1, 0)?, bound(2, length)?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match &args[0] {
        Value::Text(text) => {
            Value::Text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned())
        }
        Value::List(items) => Value::List(items[from..to].to_vec()),
        _ => Value::Nil,
    })
}

fn regex(pattern: &str) -> Result<regex::Regex, String> {
    let limit = crate::limits::MAX_QUERY_REGEX_BYTES;
    let regex = RegexBuilder::new(pattern).size_limit(limit).dfa_size_limit(limit).build();
    regex.map_err(|error| format!("regular expression {pattern:?}: {error}"))
}

/// A number, as it is or in a text.
fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Text(text) => {
            let plain = text.parse::<f64>();
            plain.map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))
        }
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// Below one: with a prefix of its own.
fn small(mut value: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    format!("{}{prefix}", general(value, Some(4)))
}

fn large(mut value: f64, base: f64, prefixes: [&str; 8]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = next;
        value /= base;
    }
    format!("{}{prefix}", general(value, Some(4)))
}

fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        general(value, Some(4))
    } else if value.abs() >= 1.0 {
        large(value, 1000.0, ["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        small(value)
    }
}

fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return general(value, Some(4));
    }
    large(value, 1024.0, ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return general(value, Some(4));
    }
    if value == 0.0 {
        return format!("{}s", general(value, Some(4)));
    }
    if value.abs() < 1.0 {
        return small(value) + "s";
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs() as i64;
    let (seconds, minutes, hours, days) =
        (whole % 60, whole / 60 % 60, whole / 3_600 % 24, whole / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", general(value.abs(), Some(4))),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// A time as Go prints it: `2023-11-14 22:13:20 +0000 UTC`.
fn humanize_timestamp(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Ok(general(value, Some(4)));
    }
    let nanos = value * 1e9;
    if nanos.abs() >= i64::MAX as f64 {
        return Err(format!("{} cannot be represented as a time", general(value, None)));
    }
    Ok(time_text((nanos as i64).div_euclid(1_000_000)))
}

/// A time in milliseconds since 1970 as Go prints it.
fn time_text(millis: i64) -> String {
    let (date, time) = date_and_time(millis);
    format!("{date} {time} +0000 UTC")
}

/// A time in milliseconds since 1970 by RFC 3339, with as many digits as it has.
#[cfg(all(feature = "history", feature = "http"))]
pub(crate) fn rfc3339(millis: i64) -> String {
    let (date, time) = date_and_time(millis);
    format!("{date}T{time}Z")
}

fn date_and_time(millis: i64) -> (String, String) {
    let (seconds, fraction) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let fraction = match fraction {
        0 => String::new(),
        fraction => format!(".{}", format!("{fraction:03}").trim_end_matches('0')),
    };
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let date = format!("{year:04}-{month:02}-{day:02}");
    (date, format!("{hour:02}:{minute:02}:{second:02}{fraction}"))
}

/// The date of a day since 1970, by eras of 400 years that begin in March.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The first letter of each word large.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = ' ';
    for c in text.chars() {
        let in_word = last.is_alphanumeric() || last == '_' || last == '\'';
        match in_word {
            true => out.push(c),
            false => out.extend(c.to_uppercase()),
        }
        last = c;
    }
    out
}

/// A host, and its port with the colon.
fn host_port(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((host, _)) if host.starts_with('[') && host.ends_with(']') => {
            (&host[1..host.len() - 1], &text[host.len()..])
        }
        // More than one colon is an address of IPv6 without a port.
        Some((host, _)) if !host.contains([':', '[', ']']) => (host, &text[host.len()..]),
        _ => (text, ""),
    }
}

fn strip_domain(text: &str) -> String {
    let (host, port) = host_port(text);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return text.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    format!("{name}{port}")
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char)
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
