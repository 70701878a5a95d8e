//! Expands templates.

use super::parse::{Arg, ArgKind, Command, Item, Pipe};
use super::value::Value;
use super::{Data, Template, functions};
use crate::limits::{MAX_TEMPLATE_BYTES, MAX_TEMPLATE_STEPS};

/// What Prometheus puts before each template, in characters: errors count from there.
const PREFIX: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Why the items of a loop end.
enum Flow {
    On,
    Break,
    Continue,
}

/// An error with its place.
pub(crate) struct Failure {
    place: usize,
    at: usize,
    end: usize,
    reason: String,
}

struct Run<'a> {
    data: &'a Data<'a>,
    variables: Vec<(String, Value)>,
    out: String,
    steps: usize,
}

/// Expands a template; an error is worded as Prometheus words it.
pub(crate) fn run(template: &Template, data: &Data<'_>) -> Result<String, String> {
    let variables = [
        ("", Value::Root),
        ("labels", Value::Map(data.labels.clone())),
        ("externalLabels", Value::Map(data.external_labels.clone())),
        ("externalURL", Value::Text(data.external_url.to_owned())),
        ("value", Value::Float(data.value)),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let mut run = Run { data, variables, out: String::new(), steps: 0 };
    match run.items(&template.items, &Value::Root) {
        Ok(_) => Ok(run.out),
        Err(Failure { place, at, end, reason }) => {
            let before = template.text.get(..place).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = match before.rfind('\n') {
                Some(newline) => place - newline - 1,
                None => place + PREFIX.len(),
            };
            let (name, node) = (data.name, template.text.get(at..end).unwrap_or_default());
            Err(format!(
                "error executing template {name}: template: {name}:{line}:{column}: executing {name:?} at <{node}>: {reason}"
            ))
        }
    }
}

impl Run<'_> {
    fn step(&mut self, at: usize, end: usize) -> Result<(), Failure> {
        self.steps += 1;
        if self.steps > MAX_TEMPLATE_STEPS {
            let reason = format!("the template takes more than {MAX_TEMPLATE_STEPS} steps");
            return Err(Failure { place: at, at, end, reason });
        }
        Ok(())
    }

    fn print(&mut self, text: &str, at: usize) -> Result<(), Failure> {
        if self.out.len() + text.len() > MAX_TEMPLATE_BYTES {
            let reason = format!("the text is longer than {MAX_TEMPLATE_BYTES} bytes");
            return Err(Failure { place: at, at, end: at, reason });
        }
        self.out.push_str(text);
        Ok(())
    }

    fn items(&mut self, items: &[Item], dot: &Value) -> Result<Flow, Failure> {
        for item in items {
            let flow = self.item(item, dot)?;
            if !matches!(flow, Flow::On) {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn item(&mut self, item: &Item, dot: &Value) -> Result<Flow, Failure> {
        match item {
            Item::Text(text) => self.print(text, 0)?,
            Item::Print(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.print(&value.print(), pipe.at)?;
                }
            }
            Item::If(pipe, then, otherwise) | Item::With(pipe, then, otherwise) => {
                let depth = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                let inner = if matches!(item, Item::With(..)) { &value } else { dot };
                let flow = match value.is_true() {
                    true => self.items(then, inner),
                    false => self.items(otherwise, dot),
                };
                self.variables.truncate(depth);
                return flow;
            }
            Item::Range(pipe, body, otherwise) => {
                let depth = self.variables.len();
                let flow = self.range(pipe, body, otherwise, dot);
                self.variables.truncate(depth);
                return flow;
            }
            Item::Break => return Ok(Flow::Break),
            Item::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        pipe: &Pipe,
        body: &[Item],
        otherwise: &[Item],
        dot: &Value,
    ) -> Result<Flow, Failure> {
        let value = self.commands(pipe, dot)?;
        let pairs: Vec<(Value, Value)> = match value {
            Value::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(i, item)| (Value::Int(i as i64), item))
                .collect(),
            Value::Map(labels) => {
                let pair = |(name, value): (&str, &str)| {
                    (Value::Text(name.to_owned()), Value::Text(value.to_owned()))
                };
                labels.iter().map(pair).collect()
            }
            Value::Nil => Vec::new(),
            other => {
                let reason = format!("range can't iterate over {}", other.plain());
                let end = pipe.commands.last().map_or(pipe.at, |command| command.end);
                return Err(Failure { place: pipe.at, at: pipe.at, end, reason });
            }
        };
        if pairs.is_empty() {
            return self.items(otherwise, dot);
        }
        let depth = self.variables.len();
        for (key, item) in pairs {
            self.step(pipe.at, pipe.at)?;
            match pipe.variables.as_slice() {
                [one] => self.set(one, item.clone(), pipe.declares),
                [first, second] => {
                    self.set(first, key, pipe.declares);
                    self.set(second, item.clone(), pipe.declares);
                }
                _ => {}
            }
            let flow = self.items(body, &item)?;
            self.variables.truncate(depth);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, name: &str, value: Value, declares: bool) {
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, known)) if !declares => *known = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Failure> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.declares);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Failure> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &Command,
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Failure> {
        self.step(command.at, command.end)?;
        let Some((first, rest)) = command.args.split_first() else { return Ok(Value::Nil) };
        let at_first =
            |reason: String| Failure { place: first.place, at: first.at, end: first.end, reason };
        let ArgKind::Function(function) = &first.kind else {
            if !rest.is_empty() || last.is_some() {
                return Err(at_first("can't give argument to non-function".to_owned()));
            }
            if matches!(first.kind, ArgKind::Nil) {
                return Err(at_first("nil is not a command".to_owned()));
            }
            return self.arg(first, dot);
        };
        // These look at no more arguments than they must.
        if let "and" | "or" = function.name {
            let mut value = None;
            for arg in rest {
                let next = self.arg(arg, dot)?;
                let done = next.is_true() != (function.name == "and");
                value = Some(next);
                if done {
                    break;
                }
            }
            return match (value, last) {
                (Some(value), None) => Ok(value),
                (Some(value), Some(_)) if value.is_true() != (function.name == "and") => Ok(value),
                (_, Some(last)) => Ok(last),
                (None, None) => {
                    let reason = format!(
                        "wrong number of args for {}: want at least 1 got 0",
                        function.name
                    );
                    Err(at_first(reason))
                }
            };
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for arg in rest {
            args.push(self.arg(arg, dot)?);
        }
        args.extend(last);
        let (least, most) = function.args;
        if args.len() < least || args.len() > most {
            let want = if least == most { least.to_string() } else { format!("at least {least}") };
            let reason = format!(
                "wrong number of args for {}: want {want} got {}",
                function.name,
                args.len()
            );
            return Err(at_first(reason));
        }
        let value = functions::call(function.name, &args, self.data);
        let value = value.and_then(|value| self.fields(value, &first.fields));
        value.map_err(|reason| Failure {
            place: command.at,
            at: command.at,
            end: command.end,
            reason,
        })
    }

    fn arg(&mut self, arg: &Arg, dot: &Value) -> Result<Value, Failure> {
        self.step(arg.at, arg.end)?;
        let value = match &arg.kind {
            ArgKind::Dot => dot.clone(),
            ArgKind::Nil => Value::Nil,
            ArgKind::Bool(value) => Value::Bool(*value),
            ArgKind::Int(value) => Value::Int(*value),
            ArgKind::Float(value) => Value::Float(*value),
            ArgKind::Text(text) => Value::Text(text.clone()),
            ArgKind::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found.map_or(Value::Nil, |(_, value)| value.clone())
            }
            ArgKind::Function(_) => {
                let args = vec![Arg { fields: Vec::new(), ..arg.clone() }];
                self.command(&Command { args, at: arg.at, end: arg.end }, None, dot)?
            }
            ArgKind::Pipe(pipe) => {
                let depth = self.variables.len();
                let value = self.pipe(pipe, dot);
                self.variables.truncate(depth);
                value?
            }
        };
        let value = self.fields(value, &arg.fields);
        value.map_err(|reason| Failure { place: arg.place, at: arg.at, end: arg.end, reason })
    }

    fn fields(&self, mut value: Value, fields: &[String]) -> Result<Value, String> {
        for field in fields {
            value = self.field(&value, field)?;
        }
        Ok(value)
    }

    fn field(&self, value: &Value, name: &str) -> Result<Value, String> {
        let data = self.data;
        Ok(match (value, name) {
            (Value::Root, "Labels") => Value::Map(data.labels.clone()),
            (Value::Root, "ExternalLabels") => Value::Map(data.external_labels.clone()),
            (Value::Root, "ExternalURL") => Value::Text(data.external_url.to_owned()),
            (Value::Root, "Value") => Value::Float(data.value),
            (Value::Sample(labels, _), "Labels") => Value::Map(labels.clone()),
            (Value::Sample(_, value), "Value") => Value::Float(*value),
            (Value::Map(labels), name) => {
                Value::Text(labels.get(name).unwrap_or_default().to_owned())
            }
            (Value::Nil, name) => return Err(format!("nil data; no entry for key \"{name}\"")),
            (Value::Root, name) => {
                return Err(format!(
                    "can't evaluate field {name} in type struct {{ Labels map[string]string; \
                     ExternalLabels map[string]string; ExternalURL string; Value float64 }}"
                ));
            }
            (other, name) => {
                return Err(format!("can't evaluate field {name} in type {}", other.type_name()));
            }
        })
    }
}
