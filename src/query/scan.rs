//! A first look at a query's text, before the parser's: how much of everything is in it. The parser takes any amount of
//! nesting, and its results are dropped and walked recursively; it also makes durations of numbers that are too large for them.

use super::error::QueryError;
use super::matcher::anchored;
use crate::limits::{MAX_QUERY_BYTES, MAX_QUERY_OPERATIONS, MAX_QUERY_REGEXES};
use promql_parser::util::unquote_string;
use std::borrow::Cow;

/// Seconds of the longest duration: a thousand years, so that sums of some of them are times.
pub(crate) const MAX_DURATION_SECONDS: f64 = 32e9;

/// Refuses a text that is too long, has too many operations, or durations out of range. Gives it back with texts in backticks
/// written in quotes: the parser takes no backslash in them, though that is what they are for.
pub(crate) fn prepare(text: &str) -> Result<Cow<'_, str>, QueryError> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(QueryError::TooMany {
            what: "bytes in a query",
            limit: MAX_QUERY_BYTES as u64,
            advice: "split it into several queries",
        });
    }
    let (mut operations, mut regexes, mut in_braces) = (0, 0, false);
    // What was last, other than spaces: `=~` or `!~` before a regular expression.
    let mut last = ' ';
    let mut brackets = 0usize;
    // What follows is a duration: `offset` was the last word.
    let mut after_offset = false;
    let mut rest = text;
    let mut out = Cow::Borrowed(text);
    while let Some(first) = rest.chars().next() {
        if matches!(first, '"' | '\'' | '`') && last == '~' {
            regexes += 1;
            check_regex(&rest[..quoted(rest, first)], regexes)?;
        }
        if !first.is_whitespace() {
            last = first;
        }
        let length = match first {
            '`' => {
                let length = quoted(rest, first);
                if rest[..length].contains('\\') {
                    let at = out.len() - rest.len();
                    out.to_mut().replace_range(at..at + length, &in_quotes(&rest[..length]));
                }
                length
            }
            '"' | '\'' => quoted(rest, first),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let word = &rest[..length];
                if brackets > 0 || after_offset {
                    check_duration(word)?;
                }
                after_offset = word.eq_ignore_ascii_case("offset");
                if ["and", "or", "unless", "atan2", "offset"]
                    .iter()
                    .any(|op| word.eq_ignore_ascii_case(op))
                {
                    operations += 1;
                }
                length
            }
            c => {
                match c {
                    '[' => brackets += 1,
                    ']' => brackets = brackets.saturating_sub(1),
                    '{' | '}' => in_braces = c == '{',
                    _ => {}
                }
                if !c.is_whitespace() && !matches!(c, '+' | '-') {
                    after_offset = false;
                }
                operations += usize::from(!in_braces && "+-*/%^=<>!([@".contains(c));
                c.len_utf8()
            }
        };
        rest = &rest[length..];
        if operations > MAX_QUERY_OPERATIONS {
            return Err(QueryError::TooMany {
                what: "operators, calls and parentheses in a query",
                limit: MAX_QUERY_OPERATIONS as u64,
                advice: "split it into several queries, or use regular expressions instead of chains of `or`",
            });
        }
    }
    Ok(out)
}

/// Refuses a regular expression that is large when compiled: the parser would compile it, with a limit of its own.
fn check_regex(quoted: &str, count: usize) -> Result<(), QueryError> {
    if count > MAX_QUERY_REGEXES {
        return Err(QueryError::TooMany {
            what: "regular expressions in a query",
            limit: MAX_QUERY_REGEXES as u64,
            advice: "split it into several queries",
        });
    }
    // Of an escape that there is not, the parser's lexer says so; reading it here would panic.
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next().is_some_and(|escaped| !escaped.is_ascii()) {
            return Ok(());
        }
    }
    match unquote_string(quoted).map(|pattern| anchored(&pattern)) {
        Ok(Err(error @ QueryError::TooMany { .. })) => Err(error),
        // What else is wrong with it, the parser says.
        _ => Ok(()),
    }
}

/// A text in backticks, in quotes.
fn in_quotes(raw: &str) -> String {
    let Some(inner) = raw.strip_prefix('`').and_then(|raw| raw.strip_suffix('`')) else {
        return raw.to_owned();
    };
    let inner = inner.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", inner.replace('\n', "\\n"))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ':')
}

/// The length of a quoted text, quotes included; of all that is left, if it does not end.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Words in the place of a duration: `5m`, `300`, and `5m:1m` of a subquery.
fn check_duration(word: &str) -> Result<(), QueryError> {
    for part in word.split(':') {
        let number = part.to_ascii_lowercase();
        let value = match number.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
            None => number.parse::<f64>().ok(),
        };
        // With an exponent's sign, the word ends at the sign: `1e` of `1e-3`.
        let is_cut = value.is_none()
            && number.strip_suffix('e').is_some_and(|digits| digits.parse::<f64>().is_ok());
        if is_cut || value.is_some_and(|value| !(0.0..=MAX_DURATION_SECONDS).contains(&value)) {
            return Err(QueryError::invalid(format!(
                "{word:?} is no duration: write one like 5m or 1h30m, of at most 1,000 years"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded() {
        let fine = "sum by (a) (rate(x{b=\"[1e99]\"}[5m:30s] offset -1h)) # [1e99]";
        assert_eq!(prepare(fine), Ok(fine.into()));
        for bad in
            ["x[1e99]", "x[NaN]", "x offset inf", "x[5m:1e300]", "x offset -1e300", "x[1e+30]"]
        {
            assert!(matches!(prepare(bad), Err(QueryError::Invalid { .. })), "{bad}");
        }
        let chain = "1+".repeat(MAX_QUERY_OPERATIONS + 1);
        assert!(matches!(prepare(&chain), Err(QueryError::TooMany { .. })));
        let long = " ".repeat(MAX_QUERY_BYTES + 1);
        assert!(matches!(prepare(&long), Err(QueryError::TooMany { .. })));
    }

    #[test]
    fn raw_texts_keep_their_backslashes() {
        let prepared = prepare("a{b=~`\\d\"\n`, c=`x`} + b{d=`\\\\`}").unwrap();
        assert_eq!(prepared, "a{b=~\"\\\\d\\\"\\n\", c=`x`} + b{d=\"\\\\\\\\\"}");
        assert_eq!(prepare("`\\").unwrap(), "`\\");
    }
}
