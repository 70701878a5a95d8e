//! A backend as a [`Source`]: samples are fetched with a selector over a range, and evaluated here.

use super::{Backend, client, read};
use crate::limits::MAX_BACKEND_WINDOW_MS;
use crate::query::Labels;
use crate::query::{
    Answer, Content, Distribution, MatchOp, Matcher, Metadata, QueryError, SampleRange, Series,
    Source,
};
use std::sync::Arc;

impl Source for Backend {
    /// Asks for all samples of the series in the window, [`MAX_BACKEND_WINDOW_MS`] at most before its end.
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        // Prometheus 3 and VictoriaMetrics leave the beginning of a window out.
        let window = to_ms.saturating_sub(from_ms).clamp(0, MAX_BACKEND_WINDOW_MS) + 1;
        let query = format!("{}[{window}ms]", selector(matchers)?);
        match self.instant(&query, Some(to_ms))? {
            Answer::Matrix(all) => {
                Ok(all.into_iter().map(|one| Arc::new(Fetched(one)) as Arc<dyn Series>).collect())
            }
            _ => Err(QueryError::Source {
                reason: format!("{} has no samples of a range", self.address()),
            }),
        }
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        self.names("/api/v1/labels", true, matchers, (from_ms, to_ms))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        if !is_name(name) {
            return Err(QueryError::Invalid { reason: format!("{name:?} is no label's name") });
        }
        let path = format!("/api/v1/label/{name}/values");
        self.names(&path, false, matchers, (from_ms, to_ms))
    }

    /// Nothing where the backend cannot be asked.
    fn metadata(&self, metric: Option<&str>) -> Vec<Metadata> {
        let form: Vec<_> = metric.map(|metric| ("metric", metric)).into_iter().collect();
        let answer = self.call("/api/v1/metadata", &form, false, self.time_limit(), |_| Ok(()));
        let answer = answer.ok().and_then(|body| read::metadata(&body.text).ok());
        answer.unwrap_or_default()
    }
}

impl Backend {
    fn names(
        &self,
        path: &str,
        is_post: bool,
        matchers: &[Matcher],
        (from_ms, to_ms): (i64, i64),
    ) -> Result<Vec<String>, QueryError> {
        let [start, end] = [from_ms, to_ms].map(client::seconds);
        let selector = selector(matchers)?;
        let mut form = vec![("start", &*start), ("end", &*end)];
        if !matchers.is_empty() {
            form.push(("match[]", &selector));
        }
        let asked = self.call(path, &form, is_post, self.time_limit(), |_| Ok(()));
        let body = asked.map_err(|said| said.error)?;
        Ok(self.read(read::names(&body.text))?)
    }
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Matchers as PromQL. A selector must have one that takes not everything.
fn selector(matchers: &[Matcher]) -> Result<String, QueryError> {
    let mut out = "{".to_owned();
    for matcher in matchers {
        if !is_name(matcher.name()) {
            let reason = format!("{:?} is no label's name", matcher.name());
            return Err(QueryError::Invalid { reason });
        }
        out.push_str(matcher.name());
        out.push_str(match matcher.op() {
            MatchOp::Equal => "=\"",
            MatchOp::NotEqual => "!=\"",
            MatchOp::Regex => "=~\"",
            MatchOp::NotRegex => "!~\"",
        });
        for char in matcher.value().chars() {
            match char {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                char => out.push(char),
            }
        }
        out.push_str("\",");
    }
    if matchers.iter().all(|matcher| matcher.matches_value("")) {
        out.push_str("__name__!=\"\",");
    }
    out.pop();
    out.push('}');
    Ok(out)
}

/// A series that was fetched.
struct Fetched(SampleRange);

/// Those of a window.
fn within<T>(samples: &[(i64, T)], from_ms: i64, to_ms: i64) -> &[(i64, T)] {
    let from = samples.partition_point(|(time, _)| *time < from_ms);
    let to = samples.partition_point(|(time, _)| *time <= to_ms);
    &samples[from..to.max(from)]
}

impl Series for Fetched {
    fn labels(&self) -> &Labels {
        &self.0.labels
    }

    fn content(&self) -> Content {
        match (self.0.floats.is_empty(), self.0.histograms.is_empty()) {
            (_, true) => Content::Floats,
            (true, false) => Content::Histograms,
            (false, false) => Content::Mixed,
        }
    }

    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        out.extend_from_slice(within(&self.0.floats, from_ms, to_ms));
    }

    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>) {
        out.extend_from_slice(within(&self.0.histograms, from_ms, to_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;

    #[test]
    fn selectors_are_read_again_as_they_were() {
        for value in ["a", "", "a\\b\"c\nd`e", "ünï☃", "\\d+\\.", "{x=\"y\"}"] {
            for op in [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex] {
                let Ok(matcher) = Matcher::new("label", op, value) else { continue };
                let text = selector(&[matcher]).unwrap();
                let query = Query::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                let read = &query.matchers().expect("a selector")[0];
                assert_eq!((read.name(), read.op(), read.value()), ("label", op, value), "{text}");
            }
        }
        assert_eq!(selector(&[]).unwrap(), "{__name__!=\"\"}");
        let odd = Matcher::new("a b", MatchOp::Equal, "c").unwrap();
        assert!(selector(&[odd]).is_err());
    }
}
