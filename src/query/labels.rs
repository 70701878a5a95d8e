//! Labels of a series: sorted pairs of name and value, shared between copies.

use std::fmt;
use std::sync::Arc;

/// The label that has a metric's name.
pub const METRIC_NAME: &str = "__name__";
/// The label that has the upper bound of a classic histogram's bucket.
pub(crate) const BUCKET_BOUND: &str = "le";

/// One label.
pub type Label = (Arc<str>, Arc<str>);

/// The identity of a series: labels sorted by name, the metric's name among them as [`METRIC_NAME`]; no name twice, no value
/// empty. A copy costs a reference count.
///
/// ```
/// use tachometer::query::Labels;
/// let labels = Labels::new([("path", "/"), ("__name__", "requests_total"), ("empty", "")]);
/// assert_eq!(labels.to_string(), r#"requests_total{path="/"}"#);
/// assert_eq!(labels.get("path"), Some("/"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// Labels from pairs in any order. Of a name that comes twice the last one stays; an empty value is as no label.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter();
        Labels::from_pairs(pairs.map(|(n, v)| (n.as_ref().into(), v.as_ref().into())).collect())
    }

    /// As [`Labels::new`], of texts that are shared with the caller.
    pub fn from_pairs(mut pairs: Vec<Label>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        // The sort is stable: of equal names the last one stands last, and is the one to keep.
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        pairs.retain(|(_, value)| !value.is_empty());
        Labels(pairs.into())
    }

    /// No labels at all.
    pub fn empty() -> Self {
        Labels(Arc::new([]))
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// The metric's name, or nothing where an operation took it away.
    pub fn metric(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// All labels, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those whose names `keep` takes.
    pub(crate) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Labels(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// Without the metric's name.
    pub(crate) fn without_name(&self) -> Self {
        self.filtered(|name| name != METRIC_NAME)
    }

    /// With `name` set to `value`; without it if that is empty.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        if self.get(name).unwrap_or_default() == value {
            return self.clone();
        }
        let mut pairs: Vec<_> = self.0.iter().filter(|(n, _)| **n != *name).cloned().collect();
        pairs.push((name.into(), value.into()));
        Labels::from_pairs(pairs)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels::empty()
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric().unwrap_or_default())?;
        let mut rest = self.iter().filter(|(name, _)| *name != METRIC_NAME).peekable();
        if rest.peek().is_none() && self.metric().is_some() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, (name, value)) in rest.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_unique_and_not_empty() {
        let labels = Labels::new([("b", "1"), ("a", "x"), ("b", "2"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "x"), ("b", "2")]);
        assert_eq!(labels, Labels::new([("a", "x"), ("b", "2")]));
        assert_eq!(labels.with("a", ""), Labels::new([("b", "2")]));
        assert_eq!(labels.with("0", "z").to_string(), r#"{0="z", a="x", b="2"}"#);
        assert_eq!(Labels::empty().to_string(), "{}");
        assert_eq!(Labels::new([(METRIC_NAME, "up")]).without_name(), Labels::empty());
    }
}
