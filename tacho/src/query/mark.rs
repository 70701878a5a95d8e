//! Where an expression cannot be read: a mark under it.
//!
//! Prometheus says where. Our own parser does not: there, the place is the end of the longest beginning that could go on to be a
//! query. Each beginning, token by token, is completed in a handful of ways, and one that parses shows that the beginning is good.

use tachometer::query::Query;

/// Expressions beyond this are not searched.
const MOST_TOKENS: usize = 200;

/// What is wrong, and the expression with a mark under the place, if that is known.
pub fn marked(expression: &str, reason: &str) -> String {
    let (at, reason) = match place(reason) {
        Some((line, column, rest)) => (Some((line, column)), rest),
        None => {
            let reason = reason.strip_prefix("invalid parameter \"query\": ").unwrap_or(reason);
            (search(expression).map(|at| line_and_column(expression, at)), reason)
        }
    };
    let Some((line, column)) = at else { return format!("{expression}\n{reason}") };
    let mut out = String::new();
    for (number, text) in expression.split('\n').enumerate() {
        out.push_str(&format!("  {text}\n"));
        if number + 1 == line {
            // A tab stays one, so that the mark stands under its character.
            let blank = |char: char| if char == '\t' { '\t' } else { ' ' };
            let before: String = text.chars().take(column - 1).map(blank).collect();
            out.push_str(&format!("  {before}^\n"));
        }
    }
    format!("the expression cannot be read here:\n{out}{reason}")
}

/// Line and column, from one, of Prometheus's `invalid parameter "query": 1:5: parse error: …`, and the rest.
fn place(reason: &str) -> Option<(usize, usize, &str)> {
    let (before, rest) = reason.split_once(": parse error: ")?;
    let before = before.rsplit(' ').next()?;
    let (line, column) = before.split_once(':')?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    (line > 0 && column > 0).then_some((line, column, rest))
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Where the token is that cannot stand there; the end of the text, if something is missing. Nothing if the expression can be
/// read here.
fn search(text: &str) -> Option<usize> {
    if Query::parse(text).is_ok() {
        return None;
    }
    let tokens = tokens(text);
    if tokens.len() > MOST_TOKENS {
        return None;
    }
    let good = |count: &usize| {
        let end = count.checked_sub(1).map_or(0, |last| tokens[last].1);
        can_go_on(&text[..end])
    };
    let good = (0..=tokens.len()).rev().find(good)?;
    Some(tokens.get(good).map_or_else(|| text.trim_end().len(), |token| token.0))
}

/// Whether some continuation of `beginning` is a query.
fn can_go_on(beginning: &str) -> bool {
    let mut closers = String::new();
    for (from, to) in tokens(beginning) {
        match &beginning[from..to] {
            "(" => closers.insert(0, ')'),
            "[" => closers.insert(0, ']'),
            "{" => closers.insert(0, '}'),
            ")" | "]" | "}" if !closers.is_empty() => drop(closers.remove(0)),
            _ => {}
        }
    }
    let rest = closers.get(1..).unwrap_or_default();
    let further = [
        closers.clone(),
        format!(" x{closers}"),
        format!(" 1{closers}"),
        format!(" x[5m]{closers}"),
        format!("[5m]{closers}"),
        format!(" 1, x{closers}"),
        format!(", x{closers}"),
        format!(", 1{closers}"),
        format!(", x[5m]{closers}"),
        format!(" \"a\"{closers}"),
        format!("=\"a\"{closers}"),
        format!(" a=\"a\"{closers}"),
        format!(" 5m{closers}"),
        format!(":1m{closers}"),
        format!(" 5m:1m{closers}"),
        // Of `by (`, `on (`, `sum by (a)` and their like.
        format!(" a) (x){rest}"),
        format!(") (x){rest}"),
        format!(" (x){closers}"),
        format!(" a) x{rest}"),
        format!(") x{rest}"),
        format!(" (a) x{closers}"),
        format!(" (a) (x){closers}"),
        format!(" \"a\", \"b\", \"c\", \"d\"{closers}"),
        format!(", \"a\", \"b\", \"c\", \"d\"{closers}"),
        format!(", \"b\", \"c\", \"d\"{closers}"),
        format!(", \"c\", \"d\"{closers}"),
        format!(", \"d\"{closers}"),
        format!(" x, \"a\", \"b\", \"c\", \"d\"{closers}"),
    ];
    further.iter().any(|end| Query::parse(&format!("{beginning}{end}")).is_ok())
}

/// Where tokens begin and end: words, numbers, texts, operators. Comments and blanks are none.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let word = |char: char| char.is_alphanumeric() || matches!(char, '_' | ':' | '.');
    let (mut at, mut out) = (0, Vec::new());
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match first {
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            char if char.is_whitespace() => {
                at += char.len_utf8();
                continue;
            }
            '"' | '\'' | '`' => quoted(rest, first),
            char if word(char) => rest.find(|char| !word(char)).unwrap_or(rest.len()),
            '=' | '!' | '<' | '>' => 1 + usize::from(rest[1..].starts_with(['=', '~'])),
            char => char.len_utf8(),
        };
        out.push((at, at + length));
        at += length;
    }
    out
}

/// The length of a text in quotes; of all the rest, if it does not end.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            char if char == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_what_cannot_stand_there() {
        for (expression, mark) in [
            ("sum(rate(x[5m])", "               ^"),
            ("sum(", "    ^"),
            ("x ++ * y", "     ^"),
            ("x + ", "   ^"),
            ("rate(x)", "      ^"),
            ("rate(x[5m]) by (a)", "            ^"),
            ("sum by (a,) (x) )", "                ^"),
            ("x{a=}", "    ^"),
            ("x{a=\"b\" c=\"d\"}", "        ^"),
            ("label_replace(x, \"a\", \"b\", \"c\")", "                              ^"),
            ("x offset y", "         ^"),
            (")", "^"),
            ("", "^"),
            ("ü ☃", "^"),
            ("x @ ☃", "    ^"),
        ] {
            let at = search(expression).unwrap_or_else(|| panic!("no mark for {expression}"));
            let (line, column) = line_and_column(expression, at);
            assert_eq!((line, column), (1, mark.len()), "{expression}");
        }
        for fine in ["x", "sum by (a) (rate(x[5m])) / on (a) group_left y", "1 + # a\n2"] {
            assert_eq!(search(fine), None, "{fine}");
        }
    }

    #[test]
    fn what_prometheus_says_is_taken() {
        let reason = "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis";
        let text = marked("sum(", reason);
        assert!(text.contains("  sum(\n      ^\nunclosed left parenthesis"), "{text}");
        let lines =
            marked("a +\n\t) b", "invalid parameter \"query\": 2:2: parse error: unexpected");
        assert!(lines.contains("  a +\n  \t) b\n  \t^\nunexpected"), "{lines}");
        // Beyond the text, and nothing that is a place.
        assert!(marked("a", "1:99: parse error: x").ends_with('x'));
        assert!(marked("a", "0:0: parse error: x").contains("0:0"));
    }
}
