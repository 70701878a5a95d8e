//! Functions that change labels, or say that series are missing.

use super::super::error::QueryError;
use super::super::eval::Evaluation;
use super::super::labels::{Labels, METRIC_NAME};
use super::super::matcher::{MatchOp, anchored};
use super::super::plan::Node;
use super::super::value::{Line, Point, Steps, assemble};
use super::number::is_label_name;
use crate::limits::MAX_LABEL_VALUE_BYTES;
use std::cmp::Ordering;

fn text(node: &Node) -> &str {
    match node {
        Node::Text(text) => text,
        _ => "",
    }
}

fn with(labels: &Labels, name: &str, value: &str) -> Result<Labels, QueryError> {
    if value.len() > MAX_LABEL_VALUE_BYTES {
        return Err(QueryError::TooMany {
            what: "bytes in a label's value",
            limit: MAX_LABEL_VALUE_BYTES as u64,
            advice: "put less of other labels into it",
        });
    }
    Ok(labels.with(name, value))
}

/// `label_replace`
pub(crate) fn replace(
    evaluation: &mut Evaluation<'_>,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let mut lines = evaluation.vector(&args[0], steps)?;
    let [to, replacement, from, pattern] = [1, 2, 3, 4].map(|index| text(&args[index]));
    let regex = anchored(pattern)?;
    if !is_label_name(to) {
        return Err(QueryError::execution(format!(
            "invalid destination label name in label_replace(): {to}"
        )));
    }
    for line in &mut lines {
        evaluation.worked(1)?;
        if let Some(captures) = regex.captures(line.labels.get(from).unwrap_or_default()) {
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            line.labels = with(&line.labels, to, &value)?;
        }
    }
    assemble(lines)
}

/// `label_join`
pub(crate) fn join(
    evaluation: &mut Evaluation<'_>,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let mut lines = evaluation.vector(&args[0], steps)?;
    let (to, separator) = (text(&args[1]), text(&args[2]));
    let names: Vec<_> = args[3..].iter().map(text).collect();
    if let Some(name) = names.iter().find(|name| !is_label_name(name)) {
        return Err(QueryError::execution(format!(
            "invalid source label name in label_join(): {name}"
        )));
    }
    if !is_label_name(to) {
        return Err(QueryError::execution(format!(
            "invalid destination label name in label_join(): {to}"
        )));
    }
    for line in &mut lines {
        evaluation.worked(1)?;
        let values = names.iter().map(|name| line.labels.get(name).unwrap_or_default());
        let value = values.collect::<Vec<_>>().join(separator);
        line.labels = with(&line.labels, to, &value)?;
    }
    assemble(lines)
}

/// `sort_by_label` and `sort_by_label_desc`, in an instant query; a range query has no use for them.
pub(crate) fn sorted(
    evaluation: &mut Evaluation<'_>,
    args: &[Node],
    steps: &Steps,
    descending: bool,
) -> Result<Vec<Line>, QueryError> {
    let mut lines = evaluation.vector(&args[0], steps)?;
    let names: Vec<_> = args[1..].iter().map(text).collect();
    let ascending = |a: &Line, b: &Line| {
        let by_label = names.iter().map(|name| {
            let [a, b] = [a, b].map(|line| line.labels.get(name).unwrap_or_default());
            natural(a, b)
        });
        by_label.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels))
    };
    if steps.count == 1 {
        evaluation.worked(lines.len())?;
        lines.sort_by(|a, b| if descending { ascending(b, a) } else { ascending(a, b) });
    }
    Ok(lines)
}

/// Compares texts piece by piece, digits as the numbers that they are: `n2` before `n10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (mine, theirs);
        (mine, a) = piece(a);
        (theirs, b) = piece(b);
        let digits = |piece: &str| piece.starts_with(|first: char| first.is_ascii_digit());
        let order = if digits(mine) && digits(theirs) {
            let [mine, theirs] = [mine, theirs].map(|piece| piece.trim_start_matches('0'));
            mine.len().cmp(&theirs.len()).then_with(|| mine.cmp(theirs))
        } else {
            mine.cmp(theirs)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// The longest beginning that is all digits, or has none; and the rest.
fn piece(text: &str) -> (&str, &str) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let first = text.as_bytes().first().is_some_and(digit);
    let end = text.bytes().position(|byte| byte.is_ascii_digit() != first);
    text.split_at(end.unwrap_or(text.len()))
}

/// The series that says that `node` has none, at the steps where that is so.
pub(crate) fn missing(node: &Node, present: &[bool]) -> Vec<Line> {
    let steps = present.iter().enumerate().filter(|(_, present)| !**present);
    let points: Vec<_> = steps.map(|(step, _)| Point::float(step, 1.0)).collect();
    if points.is_empty() {
        return Vec::new();
    }
    vec![Line { labels: missing_labels(node), points }]
}

/// The labels that a selector asks for by `=`, once each: these the missing series would have.
fn missing_labels(node: &Node) -> Labels {
    let (Node::Selector(selector) | Node::Matrix(selector, _)) = node else {
        return Labels::empty();
    };
    let mut labels: Vec<(&str, &str)> = Vec::new();
    let mut had: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && !had.contains(&matcher.name()) {
            labels.push((matcher.name(), matcher.value()));
            had.push(matcher.name());
        } else {
            labels.retain(|(name, _)| *name != matcher.name());
        }
    }
    Labels::new(labels)
}
