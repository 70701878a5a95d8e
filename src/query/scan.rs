//! A first look at a query's text, before the parser's: how much of everything is in it. The parser takes any amount of
//! nesting, and its results are dropped and walked recursively; it also makes durations of numbers that are too large for them.

use super::error::QueryError;
use crate::limits::{MAX_QUERY_BYTES, MAX_QUERY_OPERATIONS};

/// Seconds of the longest duration: a thousand years, so that sums of some of them are times.
const MAX_DURATION_SECONDS: f64 = 32e9;

/// Refuses a text that is too long, has too many operations, or durations out of range.
pub(crate) fn check(text: &str) -> Result<(), QueryError> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(QueryError::TooMany {
            what: "bytes in a query",
            limit: MAX_QUERY_BYTES as u64,
            advice: "split it into several queries",
        });
    }
    let mut operations = 0;
    let mut brackets = 0usize;
    // What follows is a duration: `offset` was the last word.
    let mut after_offset = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => quoted(rest, first),
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
                    _ => {}
                }
                if !c.is_whitespace() && !matches!(c, '+' | '-') {
                    after_offset = false;
                }
                operations += usize::from("+-*/%^=<>!([@,".contains(c));
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
    Ok(())
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
        assert_eq!(check("sum by (a) (rate(x{b=\"[1e99]\"}[5m:30s] offset -1h)) # [1e99]"), Ok(()));
        for bad in
            ["x[1e99]", "x[NaN]", "x offset inf", "x[5m:1e300]", "x offset -1e300", "x[1e+30]"]
        {
            assert!(matches!(check(bad), Err(QueryError::Invalid { .. })), "{bad}");
        }
        let chain = "1+".repeat(MAX_QUERY_OPERATIONS + 1);
        assert!(matches!(check(&chain), Err(QueryError::TooMany { .. })));
        let long = " ".repeat(MAX_QUERY_BYTES + 1);
        assert!(matches!(check(&long), Err(QueryError::TooMany { .. })));
    }
}
