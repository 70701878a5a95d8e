//! What expressions of templates evaluate to.

use super::format::shortest;
use crate::query::Labels;

/// A value in a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing: `nil`, or an argument that is missing.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Labels by name.
    Map(Labels),
    List(Vec<Value>),
    /// A series' labels and value.
    Sample(Labels, f64),
    /// What `.` is at the beginning: `.Labels`, `.Value` and so on.
    Root,
}

impl Value {
    /// The name of its type in Go.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::Map(_) => "map[string]string",
            Value::List(_) => "template.queryResult",
            Value::Sample(..) => "*template.sample",
            Value::Root => "struct",
        }
    }

    /// Whether `if` takes it.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(value) => !value.is_empty(),
            Value::Map(labels) => !labels.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Sample(..) | Value::Root => true,
        }
    }

    /// As an action prints it.
    pub(crate) fn print(&self) -> String {
        match self {
            Value::Nil => "<no value>".to_owned(),
            other => other.plain(),
        }
    }

    /// As `%v` prints it.
    pub(crate) fn plain(&self) -> String {
        match self {
            Value::Nil => "<nil>".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => shortest(*value),
            Value::Text(value) => value.clone(),
            Value::Map(labels) => map(labels),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(Value::plain).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Sample(labels, value) => format!("&{{{} {}}}", map(labels), shortest(*value)),
            Value::Root => "{}".to_owned(),
        }
    }
}

fn map(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("map[{}]", pairs.join(" "))
}
