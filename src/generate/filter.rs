//! Further matchers for every selector of an expression, so that a dashboard's variables choose what its panels show.
//!
//! The expression may hold Grafana's variables (`[$__rate_interval]`), so it cannot be parsed as PromQL: this tells what is
//! the name of a metric by what may stand around one.

/// Behind these stand names of labels in parentheses.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 10] =
    ["and", "or", "unless", "bool", "offset", "atan2", "nan", "inf", "start", "end"];

/// `expression` with `matchers` (`a="b",c="d"`) in each of its selectors.
pub(super) fn filtered(expression: &str, matchers: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 64);
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' | '`' => quoted(rest),
            '[' => rest.find(']').map_or(rest.len(), |at| at + 1),
            '{' => braces(rest),
            c if is_letter(c) => rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()),
            // A number, a duration, a variable: what follows is no name.
            c if c.is_ascii_digit() || c == '$' => {
                rest[1..].find(|c| !is_of_name(c) && c != '.').map_or(rest.len(), |at| at + 1)
            }
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        rest = after;
        match first {
            '{' => out += &with(token, matchers),
            c if is_letter(c) => rest = word(&mut out, token, rest, matchers),
            _ => out += token,
        }
    }
    out
}

/// Writes a word, and what belongs to it of what follows; returns the rest.
fn word<'a>(out: &mut String, token: &str, rest: &'a str, matchers: &str) -> &'a str {
    *out += token;
    let lower = token.to_ascii_lowercase();
    let next = rest.trim_start();
    if LISTS.contains(&lower.as_str()) {
        let end = match next.starts_with('(') {
            true => rest.find(')').map_or(rest.len(), |at| at + 1),
            false => 0,
        };
        *out += &rest[..end];
        return &rest[end..];
    }
    let next_word = next.split(|c| !is_of_name(c)).next().unwrap_or_default();
    let is_aggregator = ["by", "without"].contains(&next_word);
    if WORDS.contains(&lower.as_str()) || next.starts_with('(') || is_aggregator {
        return rest;
    }
    match next.starts_with('{') {
        true => {
            let end = braces(next);
            *out += &with(&next[..end], matchers);
            &next[end..]
        }
        false => {
            *out += &format!("{{{matchers}}}");
            rest
        }
    }
}

/// The matchers in braces with further ones before them.
fn with(braces: &str, matchers: &str) -> String {
    let own = braces[1..].trim_end_matches('}').trim();
    match own {
        "" => format!("{{{matchers}}}"),
        own => format!("{{{matchers},{own}}}"),
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// How long the braces are that `rest` begins with, texts in them included.
fn braces(rest: &str) -> usize {
    let mut at = 1;
    while let Some(c) = rest[at..].chars().next() {
        at += match c {
            '}' => return at + 1,
            '"' | '\'' | '`' => quoted(&rest[at..]),
            c => c.len_utf8(),
        };
    }
    rest.len()
}

/// How long the text in quotes is that `rest` begins with.
fn quoted(rest: &str) -> usize {
    let mut letters = rest.char_indices();
    let Some((_, quote)) = letters.next() else { return 0 };
    let mut escaped = false;
    for (at, letter) in letters {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            letter if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;

    #[test]
    fn every_selector_and_nothing_else_is_filtered() {
        for (plain, wanted) in [
            ("up", "up{i=\"1\"}"),
            ("up {a=\"}\"}", "up{i=\"1\",a=\"}\"}"),
            ("{__name__=~'x.*'}", "{i=\"1\",__name__=~'x.*'}"),
            ("up{}", "up{i=\"1\"}"),
            (
                "rate(a_total[$__rate_interval]) / 1e3",
                "rate(a_total{i=\"1\"}[$__rate_interval]) / 1e3",
            ),
            (
                "sum by (le, x) (rate(b[5m] offset 1m))",
                "sum by (le, x) (rate(b{i=\"1\"}[5m] offset 1m))",
            ),
            ("SUM(a) BY (x) > bool 3", "SUM(a{i=\"1\"}) BY (x) > bool 3"),
            (
                "a and on (x) group_left (y) b unless ignoring(z) c{x=\"and b\"}",
                "a{i=\"1\"} and on (x) group_left (y) b{i=\"1\"} unless ignoring(z) c{i=\"1\",x=\"and b\"}",
            ),
            ("time() - a:b:c @ end()", "time() - a:b:c{i=\"1\"} @ end()"),
            (
                "label_replace(a, \"x\", \"$1\", \"b\", \"(.*)\") + Inf",
                "label_replace(a{i=\"1\"}, \"x\", \"$1\", \"b\", \"(.*)\") + Inf",
            ),
        ] {
            assert_eq!(filtered(plain, "i=\"1\""), wanted);
        }
    }

    #[test]
    fn what_all_bundles_plot_can_still_be_read() {
        for bundle in crate::catalogue::declarations() {
            for series in bundle.series() {
                for target in series.panel().targets {
                    let text =
                        filtered(&target.expression("1m"), "instance=~\"a.*\",group=~\".*\"");
                    let query =
                        Query::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert!(query.is_vector(), "{text}");
                    // As many as there are names of series in it.
                    let names =
                        text.matches(&bundle.prefix().trim_end_matches('_').to_owned()).count();
                    assert!(text.matches("instance=~").count() >= names.min(1), "{text}");
                }
            }
        }
    }
}
