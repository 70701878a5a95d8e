//! What a request's query asks for: a pure function over text from outside.
//!
//! | parameter | meaning |
//! |---|---|
//! | `refresh=0` | the latest snapshot instead of a fresh one; `refresh=1` is the default |
//! | `name[]=requests_total` | only metrics of this name; may be repeated, for any of several |
//! | `label[peer]=a` | only series whose label `peer` is `a`; repeated for one label, any of the values; for several labels, all of them |
//!
//! Names and values are percent-decoded, and `+` is a space. What is none of these is an error rather than a page that is
//! not what was asked for.

use crate::limits::MAX_HTTP_FILTERS;

/// What the query of a scrape says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// The latest snapshot will do.
    pub(super) latest: bool,
    pub(super) filter: Filter,
}

/// Which series are wanted. Empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    names: Vec<String>,
    /// By name; each with the values that are good.
    labels: Vec<(String, Vec<String>)>,
}

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.labels.is_empty()
    }

    /// Whether a series is wanted.
    pub(super) fn wants(&self, name: &str, labels: &[(String, String)]) -> bool {
        let has = |(wanted, values): &(String, Vec<String>)| {
            let label = labels.iter().find(|label| label.0 == *wanted);
            label.is_some_and(|label| values.contains(&label.1))
        };
        (self.names.is_empty() || self.names.iter().any(|wanted| wanted == name))
            && self.labels.iter().all(has)
    }

    /// In an order of its own, so that two questions for the same are equal.
    fn sorted(mut self) -> Filter {
        self.names.sort_unstable();
        self.names.dedup();
        self.labels.sort_unstable();
        for (_, values) in &mut self.labels {
            values.sort_unstable();
            values.dedup();
        }
        self
    }
}

/// Reads what stands behind the `?` of a target.
///
/// # Errors
/// What is wrong with it, for the client to read.
pub(super) fn parse(query: &str) -> Result<Query, String> {
    let mut read = Query::default();
    let mut filters = 0;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        let label = key.strip_prefix("label[").and_then(|rest| rest.strip_suffix(']'));
        match (&*key, label) {
            ("refresh", _) => {
                read.latest = match &*value {
                    "0" => true,
                    "1" => false,
                    _ => {
                        return Err(format!(
                            "refresh is {}; it may be 0 (the latest snapshot) or 1 (a fresh one)",
                            shown(&value)
                        ));
                    }
                };
                continue;
            }
            ("name[]", _) if value.is_empty() => {
                return Err("name[] needs the name of a metric".to_owned());
            }
            ("name[]", _) => read.filter.names.push(value),
            (_, Some("")) => return Err("label[] needs a name, as in label[peer]=a".to_owned()),
            (_, Some(name)) => match read.filter.labels.iter_mut().find(|l| l.0 == name) {
                Some((_, values)) => values.push(value),
                None => read.filter.labels.push((name.to_owned(), vec![value])),
            },
            _ => {
                return Err(format!(
                    "{} is no parameter here; there are refresh, name[] and label[NAME]",
                    shown(&key)
                ));
            }
        }
        filters += 1;
        if filters > MAX_HTTP_FILTERS {
            return Err(format!("more than {MAX_HTTP_FILTERS} of name[] and label[NAME]"));
        }
    }
    read.filter = read.filter.sorted();
    Ok(read)
}

/// A part of the query in an error: quoted, and cut short.
pub(super) fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    let start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() { format!("{start:?}…") } else { format!("{start:?}") }
}

/// Percent-decoded, with `+` for a space.
pub(super) fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(format!("{} has a % without two hexadecimal digits", shown(text)));
                };
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 once decoded", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<(String, String)> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn names_and_labels_choose_series() {
        let wants = |query: &str, name: &str, has: &str| {
            parse(query).unwrap().filter.wants(name, &labels(has))
        };
        assert!(wants("", "a", "x=1"));
        assert!(wants("name[]=a", "a", "x=1") && !wants("name[]=a", "ab", ""));
        assert!(wants("name[]=b&name[]=a", "a", "") && wants("name%5B%5D=a", "a", ""));
        assert!(wants("label[x]=1", "a", "x=1,y=2") && !wants("label[x]=1", "a", "y=1"));
        assert!(wants("label[x]=1&label[x]=2", "a", "x=2"));
        assert!(!wants("label[x]=1&label[y]=2", "a", "x=1,y=1"));
        assert!(wants("label[x]=a%26b+%C3%BC", "a", "x=a&b ü"));
        assert!(wants("label[x]=", "a", "x=") && !wants("label[x]=", "a", "y=1"));
        assert!(!wants("name[]=a&label[x]=1", "b", "x=1"));
    }

    #[test]
    fn the_same_question_is_equal_however_it_is_put() {
        let one = parse("name[]=b&label[y]=2&name[]=a&label[x]=1").unwrap();
        assert_eq!(one, parse("&label[x]=1&name[]=a&&label[y]=2&name[]=b&name[]=a").unwrap());
        assert_eq!(parse("refresh=0&refresh=1"), Ok(Query::default()));
        assert!(parse("refresh=0").unwrap().latest && parse("").unwrap().filter.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many = "name[]=a&".repeat(MAX_HTTP_FILTERS + 1);
        for (query, wanted) in [
            ("refresh=no", "refresh is \"no\""),
            ("refresh", "refresh is \"\""),
            ("name[]", "name[] needs"),
            ("label[]=a", "label[] needs"),
            ("nmae[]=a", "\"nmae[]\" is no parameter"),
            ("name=a", "\"name\" is no parameter"),
            ("name[]=%4", "\"%4\" has a %"),
            ("name[]=%zz", "has a %"),
            ("name[]=%ff", "not UTF-8"),
            (&many, "more than"),
        ] {
            let error = parse(query).unwrap_err();
            assert!(error.contains(wanted), "{query}: {error}");
        }
        assert!(parse(&format!("{}=1", "x".repeat(9_999))).unwrap_err().len() < 200);
    }
}
