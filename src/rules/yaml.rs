//! A YAML document as a tree in which every value knows its line: what errors in rule files need, and what readers into
//! structs do not give. The events are `saphyr-parser`'s.

use crate::limits::{MAX_RULE_FILE_BYTES, MAX_RULE_FILE_DEPTH, MAX_RULE_FILE_NODES};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// A value of the document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// How many values it has, itself included.
    size: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Its text; whether it stands without quotes, and so may be a number or nothing.
    Scalar(String, bool),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// `~`, `null` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, in YAML's words.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Scalar(..) => "a scalar",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// Where and why a text is no YAML.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// What is open while the events come in.
struct Open {
    line: usize,
    anchor: usize,
    is_map: bool,
    items: Vec<Node>,
}

/// The one document of a text; `None` if there is none.
pub(crate) fn read(text: &str) -> Result<Option<Node>, YamlError> {
    let fail = |line: usize, reason: String| Err(YamlError { line, reason });
    if text.len() > MAX_RULE_FILE_BYTES {
        return fail(1, format!("the file is larger than {MAX_RULE_FILE_BYTES} bytes"));
    }
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut root = None;
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                return fail(error.marker().line(), format!("this is no YAML: {}", error.info()));
            }
        };
        let line = span.start.line().max(1);
        let is_alias = matches!(event, Event::Alias(_));
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = Kind::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                (Node { line, kind, size: 1 }, anchor)
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => (node.clone(), 0),
                None => return fail(line, "an alias within what it stands for".to_owned()),
            },
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if open.len() >= MAX_RULE_FILE_DEPTH {
                    return fail(line, format!("nested deeper than {MAX_RULE_FILE_DEPTH} levels"));
                }
                let is_map = matches!(event, Event::MappingStart(..));
                open.push(Open { line, anchor, is_map, items: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(open) => {
                    let anchor = open.anchor;
                    (closed(open)?, anchor)
                }
                None => continue,
            },
            Event::DocumentStart(_) if root.is_some() => {
                return fail(
                    line,
                    "a second document: rule files have one, and what follows would be ignored"
                        .to_owned(),
                );
            }
            _ => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        // What is in a list or mapping was counted when it came; what an alias repeats, was not.
        nodes += if is_alias { node.size } else { 1 };
        if nodes > MAX_RULE_FILE_NODES {
            return fail(line, format!("more than {MAX_RULE_FILE_NODES} values"));
        }
        match open.last_mut() {
            Some(open) => open.items.push(node),
            None => root = Some(node),
        }
    }
    Ok(root)
}

fn closed(open: Open) -> Result<Node, YamlError> {
    let size = 1 + open.items.iter().map(|node| node.size).sum::<usize>();
    let Open { line, is_map, items, .. } = open;
    if !is_map {
        return Ok(Node { line, kind: Kind::List(items), size });
    }
    let mut pairs: Vec<(Node, Node)> = Vec::with_capacity(items.len() / 2);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let Kind::Scalar(text, _) = &key.kind else {
            let reason = format!("a key is {}, a scalar was expected", key.what());
            return Err(YamlError { line: key.line, reason });
        };
        if let Some(first) = seen.insert(text.clone(), key.line) {
            let reason = format!("the key {text:?} is already set in line {first}");
            return Err(YamlError { line: key.line, reason });
        }
        pairs.push((key, value));
    }
    Ok(Node { line, kind: Kind::Map(pairs), size })
}
