//! What a client would rather have: `Accept` and `Accept-Encoding` with their quality values (RFC 9110, 12.4 and 12.5).
//! Pure functions over text from outside.
//!
//! An element that cannot be read (`q=2`, no slash in a media type) is passed over; the others still count.

use super::coding::Coding;

/// Weights in thousandths, as RFC 9110 has them.
type Weight = u16;
const FULL: Weight = 1_000;

/// A media type with the parameters that tell formats apart: what a format is, and what a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    kind: String,
    subtype: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads `type/subtype; name=value; …`; `None` if it is something else.
    pub(super) fn parse(text: &str) -> Option<MediaType> {
        let (media, _) = element(text)?;
        let whole = !media.kind.contains('*') && !media.subtype.contains('*');
        whole.then_some(media)
    }

    /// How closely `range` describes this type; `None` if it does not. A parameter that a format does not have
    /// (`charset`, `escaping`) takes no part.
    fn closeness(&self, range: &MediaType) -> Option<usize> {
        let level = match (&*range.kind, &*range.subtype) {
            ("*", "*") => 0,
            (kind, "*") if *kind == self.kind => 1,
            (kind, subtype) if *kind == self.kind && *subtype == self.subtype => 2,
            _ => return None,
        };
        let mut same = 0;
        for (name, value) in &self.parameters {
            match range.parameters.iter().find(|wanted| wanted.0 == *name) {
                Some(wanted) if !wanted.1.eq_ignore_ascii_case(value) => return None,
                Some(_) => same += 1,
                None => {}
            }
        }
        // More than a format has parameters: the level always decides first.
        Some(level * 100 + same)
    }
}

/// Which of `formats` a client with this `Accept` would rather have: an index; the first one if it accepts none, as
/// Prometheus' clients do.
///
/// For each format the closest range gives the weight. The largest weight wins; among equals the one that was named more
/// closely, then the one that was named first, then the one that stands first in `formats`.
pub(super) fn format<'a>(
    accept: &str,
    formats: impl Iterator<Item = &'a MediaType> + Clone,
) -> usize {
    let ranges: Vec<(MediaType, Weight)> = split(accept, ',').filter_map(element).collect();
    let mut best = ((0, 0, 0), 0);
    for (index, format) in formats.enumerate() {
        let described = ranges.iter().enumerate().filter_map(|(place, (range, weight))| {
            // The earlier, the larger.
            Some((format.closeness(range)?, *weight, ranges.len() - place))
        });
        // Of two ranges that are equally close, the one that weighs more.
        let Some((closeness, weight, place)) = described.max() else { continue };
        if weight > 0 && (weight, closeness, place) > best.0 {
            best = ((weight, closeness, place), index);
        }
    }
    best.1
}

/// Which coding a client with this `Accept-Encoding` would rather have; `None` if it refuses all there are, the plain
/// form among them. Among equals the smallest page wins: zstd, gzip, none.
pub(super) fn coding(accept: Option<&str>) -> Option<Coding> {
    let Some(accept) = accept else { return Some(Coding::Identity) };
    let elements: Vec<(&str, Weight)> = split(accept, ',').filter_map(weighted).collect();
    let named = |coding: Coding| {
        let mut all = elements.iter().filter(|(name, _)| coding.is_called(name));
        all.next().map(|(_, weight)| *weight)
    };
    let others = elements.iter().find(|(name, _)| *name == "*").map(|(_, weight)| *weight);
    let weight = |coding: Coding| match (named(coding).or(others), coding) {
        (Some(weight), _) => u32::from(weight) * 2,
        // Not named: acceptable, after everything that is.
        (None, Coding::Identity) => 1,
        (None, _) => 0,
    };
    let all = Coding::ALL.iter().copied().map(|coding| (weight(coding), coding));
    all.filter(|(weight, _)| *weight > 0).max_by_key(|(weight, _)| *weight).map(|(_, c)| c)
}

/// One media range and its weight.
fn element(text: &str) -> Option<(MediaType, Weight)> {
    let mut parts = split(text, ';');
    let (kind, subtype) = parts.next()?.trim().split_once('/')?;
    let token = |text: &str| {
        let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| text.to_ascii_lowercase())
    };
    let (kind, subtype) = (token(kind)?, token(subtype)?);
    if kind == "*" && subtype != "*" {
        return None;
    }
    let mut parameters = Vec::new();
    let mut weight = FULL;
    for part in parts {
        let Some((name, value)) = part.trim().split_once('=') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase() {
            name if name == "q" => weight = quality(value)?,
            name => parameters.push((name, unquoted(value))),
        }
    }
    Some((MediaType { kind, subtype, parameters }, weight))
}

/// One token and its weight.
fn weighted(text: &str) -> Option<(&str, Weight)> {
    let mut parts = split(text, ';');
    let name = parts.next()?.trim();
    let mut weight = FULL;
    for part in parts {
        match part.trim().split_once('=') {
            Some((q, value)) if q.trim().eq_ignore_ascii_case("q") => {
                weight = quality(value.trim())?;
            }
            _ => {}
        }
    }
    (!name.is_empty()).then_some((name, weight))
}

/// A quality value: `0` to `1`, with up to three digits behind the point.
fn quality(text: &str) -> Option<Weight> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let whole: Weight = match whole {
        "0" => 0,
        "1" => FULL,
        _ => return None,
    };
    if rest.len() > 3 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: Weight = if rest.is_empty() { 0 } else { rest.parse().ok()? };
    let weight = whole + digits * [FULL, 100, 10, 1][rest.len()];
    (weight <= FULL).then_some(weight)
}

/// A parameter's value without the quotes that it may stand in.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        text.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    text
}

/// Splits at `separator`, but not within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        let end = char == separator && !quoted;
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> &'static str {
        const FORMATS: [&str; 5] = [
            "text/plain; version=0.0.4",
            "application/openmetrics-text; version=1.0.0",
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            "application/json",
            "text/csv",
        ];
        let media: Vec<_> = FORMATS.iter().map(|text| MediaType::parse(text).unwrap()).collect();
        ["text", "openmetrics", "protobuf", "json", "csv"][format(accept, media.iter())]
    }

    #[test]
    fn the_format_with_the_largest_weight_is_chosen() {
        let protobuf = "application/vnd.google.protobuf;\
                        proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, wanted) in [
            ("", "text"),
            ("*/*", "text"),
            ("text/*", "text"),
            ("application/*", "openmetrics"),
            ("application/json", "json"),
            ("APPLICATION/JSON;Q=0.5", "json"),
            ("text/plain;q=0.5, text/csv", "csv"),
            ("text/plain;q=0, text/*", "csv"),
            ("*/*, text/plain;q=0", "openmetrics"),
            ("application/json;q=0.001, */*;q=0", "json"),
            ("application/json, text/csv", "json"),
            ("text/csv, application/json", "csv"),
            ("*/*, text/csv", "csv"),
            // What is closest says the weight, wherever it stands.
            ("text/*;q=0.9, text/plain;q=0.1, application/json;q=0.5", "csv"),
            ("text/plain;version=0.0.4;q=0.1, text/plain;q=0.9, application/json;q=0.5", "json"),
            // Versions and encodings that there are not.
            ("application/openmetrics-text; version=2.0.0", "text"),
            ("application/vnd.google.protobuf; encoding=text, text/csv;q=0.2", "csv"),
            // Parameters that no format has.
            ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", "openmetrics"),
            ("application/json; charset=utf-8", "json"),
            ("application/openmetrics-text; version=\"1.0.0\"", "openmetrics"),
            // What nobody can read.
            ("application/json;q=2, text/csv;q=0.1", "csv"),
            ("json, */plain, /, ;, application/json;q=, text/csv;q=0.1", "csv"),
            ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "text"),
            ("image/png", "text"),
            ("application/json; note=\"a, text/csv;q=1\"; q=0.2, text/csv;q=0.1", "json"),
            // As Prometheus asks.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                "openmetrics",
            ),
            (
                &format!(
                    "{protobuf};q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"
                ),
                "protobuf",
            ),
        ] {
            assert_eq!(chosen(accept), wanted, "{accept}");
        }
    }

    #[test]
    fn the_coding_with_the_largest_weight_is_chosen_and_plain_is_always_good_unless_refused() {
        assert_eq!(coding(None), Some(Coding::Identity));
        let best = *Coding::ALL.last().unwrap();
        for (accept, wanted) in [
            ("", Some(Coding::Identity)),
            ("gzip", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("GZIP;Q=0.2", Some(Coding::Gzip)),
            ("br, deflate", Some(Coding::Identity)),
            ("gzip, deflate, br, zstd", Some(best)),
            ("gzip;q=0.5, identity", Some(Coding::Identity)),
            ("gzip;q=0", Some(Coding::Identity)),
            ("*", Some(best)),
            ("zstd;q=0, *;q=0.5", Some(Coding::Gzip)),
            ("identity;q=0", None),
            ("identity;q=0, gzip;q=0.001", Some(Coding::Gzip)),
            ("*;q=0", None),
            ("*;q=0, gzip", Some(Coding::Gzip)),
            ("*;q=0, identity;q=0.1", Some(Coding::Identity)),
            ("gzip;q=7", Some(Coding::Identity)),
        ] {
            assert_eq!(coding(accept.into()), wanted, "{accept}");
        }
    }
}
