//! Reads templates: text with actions in double braces.

use super::functions::{self, Function};
use crate::limits::MAX_TEMPLATE_DEPTH;

/// A part of a template.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Text(String),
    /// A pipeline's value, printed unless it is assigned.
    Print(Pipe),
    If(Pipe, Vec<Item>, Vec<Item>),
    With(Pipe, Vec<Item>, Vec<Item>),
    Range(Pipe, Vec<Item>, Vec<Item>),
    Break,
    Continue,
}

/// Commands, each given the one before's result; then variables that get it.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    /// Names without `$`.
    pub(crate) variables: Vec<String>,
    /// Whether they are new, and not only assigned.
    pub(crate) declares: bool,
    pub(crate) commands: Vec<Command>,
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) args: Vec<Arg>,
    /// Where it is in the template, for errors.
    pub(crate) at: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) kind: ArgKind,
    /// Fields of it: `.x.y`
    pub(crate) fields: Vec<String>,
    pub(crate) at: usize,
    pub(crate) end: usize,
    /// Where Go's errors say that it is: at the field that follows the first word.
    pub(crate) place: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum ArgKind {
    /// `.`, or fields of it.
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Variable(String),
    Function(Function),
    Pipe(Box<Pipe>),
}

/// A control word that is open.
enum Open {
    If(Pipe),
    With(Pipe),
    Range(Pipe),
}

struct Frame {
    open: Open,
    /// What stands before the control word.
    before: Vec<Item>,
    /// What stands between it and `else`, once that came.
    then: Option<Vec<Item>>,
    /// How many variables there were before it, and how many there are before its body.
    variables: (usize, usize),
    /// It came with `else`, and ends with what it belongs to.
    chained: bool,
}

pub(crate) fn parse(text: &str) -> Result<Vec<Item>, String> {
    Parser { text, at: 0, variables: Vec::new(), frames: Vec::new(), items: Vec::new() }.run()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    variables: Vec<String>,
    frames: Vec<Frame>,
    items: Vec<Item>,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, String> {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Err(format!("template, line {line}: {}", reason.into()))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(mut self) -> Result<Vec<Item>, String> {
        self.variables =
            ["", "labels", "externalLabels", "externalURL", "value"].map(str::to_owned).to_vec();
        let mut trim = false;
        loop {
            let rest = self.rest();
            let Some(open) = rest.find("{{") else {
                self.text_item(rest, trim, false);
                break;
            };
            let after = &rest[open + 2..];
            let trims = after.starts_with('-') && after[1..].starts_with([' ', '\t', '\r', '\n']);
            self.text_item(&rest[..open], trim, trims);
            self.at += open + 2 + usize::from(trims);
            self.spaces();
            if self.rest().starts_with("/*") {
                let Some(end) = self.rest().find("*/") else {
                    return self.fail("a comment without its end");
                };
                self.at += end + 2;
            } else {
                self.action()?;
            }
            trim = self.close()?;
        }
        match self.frames.is_empty() {
            true => Ok(self.items),
            false => self.fail("unexpected end: `{{end}}` is missing"),
        }
    }

    fn text_item(&mut self, text: &str, trim_start: bool, trim_end: bool) {
        let space = [' ', '\t', '\r', '\n'];
        let text = if trim_start { text.trim_start_matches(space) } else { text };
        let text = if trim_end { text.trim_end_matches(space) } else { text };
        if !text.is_empty() {
            self.items.push(Item::Text(text.to_owned()));
        }
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// The end of an action; whether it trims what follows.
    fn close(&mut self) -> Result<bool, String> {
        let spaced = self.text[..self.at].ends_with([' ', '\t', '\r', '\n']);
        let before = self.at;
        self.spaces();
        let spaced = spaced || self.at > before;
        if spaced && self.rest().starts_with("-}}") {
            self.at += 3;
            return Ok(true);
        }
        if self.rest().starts_with("}}") {
            self.at += 2;
            return Ok(false);
        }
        match self.rest().chars().next() {
            None => self.fail("unclosed action: `}}` is missing"),
            Some(c) => self.fail(format!("unexpected {c:?} in an action: `}}}}` was expected")),
        }
    }

    fn at_close(&self) -> bool {
        let rest = self.rest();
        rest.starts_with("}}") || rest.starts_with("-}}") || rest.is_empty()
    }

    /// The word at this place, not consumed.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
    }

    fn action(&mut self) -> Result<(), String> {
        let word = self.word();
        match word {
            "if" | "with" | "range" => {
                self.at += word.len();
                self.begin(word, false)?;
            }
            "else" => {
                self.at += word.len();
                self.otherwise()?;
            }
            "end" => {
                self.at += word.len();
                self.end()?;
            }
            "break" | "continue" => {
                self.at += word.len();
                if !self.frames.iter().any(|frame| matches!(frame.open, Open::Range(_))) {
                    return self.fail(format!("{word} outside of a range"));
                }
                self.items.push(if word == "break" { Item::Break } else { Item::Continue });
            }
            "define" | "template" | "block" => {
                return self.fail(format!("{word:?} is not supported here"));
            }
            _ => {
                let pipe = self.pipe(0)?;
                self.items.push(Item::Print(pipe));
            }
        }
        Ok(())
    }

    fn begin(&mut self, word: &str, chained: bool) -> Result<(), String> {
        if self.frames.len() >= MAX_TEMPLATE_DEPTH {
            return self.fail(format!("actions nest deeper than {MAX_TEMPLATE_DEPTH} levels"));
        }
        let before = self.variables.len();
        self.spaces();
        if self.at_close() {
            return self.fail(format!("missing value for {word}"));
        }
        let pipe = self.pipe(0)?;
        if pipe.variables.len() > 1 && word != "range" {
            return self.fail(format!("too many declarations in {word}"));
        }
        let open = match word {
            "if" => Open::If(pipe),
            "with" => Open::With(pipe),
            _ => Open::Range(pipe),
        };
        let variables = (before, self.variables.len());
        let before = std::mem::take(&mut self.items);
        self.frames.push(Frame { open, before, then: None, variables, chained });
        Ok(())
    }

    fn otherwise(&mut self) -> Result<(), String> {
        let items = std::mem::take(&mut self.items);
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.then.is_none()) else {
            return self.fail("unexpected {{else}}");
        };
        frame.then = Some(items);
        let kept = frame.variables.1;
        let is_if = matches!(frame.open, Open::If(_));
        self.variables.truncate(kept);
        self.spaces();
        match self.word() {
            "if" if is_if => {
                self.at += 2;
                self.begin("if", true)
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        loop {
            let Some(frame) = self.frames.pop() else { return self.fail("unexpected {{end}}") };
            let items = std::mem::replace(&mut self.items, frame.before);
            let (then, otherwise) = match frame.then {
                Some(then) => (then, items),
                None => (items, Vec::new()),
            };
            self.items.push(match frame.open {
                Open::If(pipe) => Item::If(pipe, then, otherwise),
                Open::With(pipe) => Item::With(pipe, then, otherwise),
                Open::Range(pipe) => Item::Range(pipe, then, otherwise),
            });
            self.variables.truncate(frame.variables.0);
            if !frame.chained {
                return Ok(());
            }
        }
    }

    fn pipe(&mut self, depth: usize) -> Result<Pipe, String> {
        self.spaces();
        let at = self.at;
        let (variables, declares) = self.declarations()?;
        let mut commands = Vec::new();
        loop {
            self.spaces();
            let command = self.command(depth)?;
            if !commands.is_empty()
                && command.args.first().is_some_and(|arg| {
                    matches!(
                        arg.kind,
                        ArgKind::Bool(_)
                            | ArgKind::Int(_)
                            | ArgKind::Float(_)
                            | ArgKind::Text(_)
                            | ArgKind::Nil
                    )
                })
            {
                return self.fail("a constant cannot take what the pipeline gives it");
            }
            commands.push(command);
            self.spaces();
            match self.rest().strip_prefix('|') {
                Some(_) => self.at += 1,
                None => break,
            }
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe { variables, declares, commands, at })
    }

    /// `$x :=`, `$i, $x :=`, `$x =`
    fn declarations(&mut self) -> Result<(Vec<String>, bool), String> {
        let start = self.at;
        let mut names = Vec::new();
        while self.rest().starts_with('$') && names.len() < 2 {
            self.at += 1;
            let name = self.word();
            self.at += name.len();
            names.push(name.to_owned());
            self.spaces();
            let rest = self.rest();
            if rest.starts_with(":=") {
                self.at += 2;
                return Ok((names, true));
            }
            if rest.starts_with('=') {
                self.at += 1;
                for name in &names {
                    self.defined(name)?;
                }
                return Ok((names, false));
            }
            match rest.starts_with(',') {
                true => self.at += 1,
                false => break,
            }
            self.spaces();
        }
        self.at = start;
        Ok((Vec::new(), false))
    }

    fn defined(&self, name: &str) -> Result<(), String> {
        match self.variables.iter().any(|known| known == name) {
            true => Ok(()),
            false => self.fail(format!("undefined variable \"${name}\"")),
        }
    }

    fn command(&mut self, depth: usize) -> Result<Command, String> {
        let (at, mut end, mut args) = (self.at, self.at, Vec::new());
        loop {
            let before = self.at;
            self.spaces();
            let rest = self.rest();
            if self.at_close() || rest.starts_with(['|', ')']) {
                break;
            }
            if !args.is_empty() && before == self.at {
                return self.fail(format!("unexpected {rest:.10?}: a space was expected"));
            }
            args.push(self.arg(depth)?);
            end = self.at;
        }
        match args.is_empty() {
            true => self.fail("a value was expected"),
            false => Ok(Command { args, at, end }),
        }
    }

    fn arg(&mut self, depth: usize) -> Result<Arg, String> {
        let at = self.at;
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or(' ');
        let kind = match first {
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                // A lone `.`, or its fields, which follow.
                if !rest[1..].starts_with(is_name_start) {
                    self.at += 1;
                    if self.rest().starts_with('.') {
                        return self.fail("unexpected \".\"");
                    }
                }
                ArgKind::Dot
            }
            '$' => {
                self.at += 1;
                let name = self.word();
                self.at += name.len();
                self.defined(name)?;
                ArgKind::Variable(name.to_owned())
            }
            '"' => ArgKind::Text(self.quoted()?),
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return self.fail("unterminated raw quoted string");
                };
                self.at += end + 2;
                ArgKind::Text(rest[1..=end].to_owned())
            }
            '(' => {
                if depth >= MAX_TEMPLATE_DEPTH {
                    return self
                        .fail(format!("parentheses nest deeper than {MAX_TEMPLATE_DEPTH} levels"));
                }
                self.at += 1;
                let variables = self.variables.len();
                let pipe = self.pipe(depth + 1)?;
                self.variables.truncate(variables);
                if !self.rest().starts_with(')') {
                    return self.fail("unclosed left parenthesis");
                }
                self.at += 1;
                ArgKind::Pipe(Box::new(pipe))
            }
            '+' | '-' | '.' | '0'..='9' => self.number()?,
            c if is_name_start(c) => {
                let word = self.word();
                self.at += word.len();
                match word {
                    "true" => ArgKind::Bool(true),
                    "false" => ArgKind::Bool(false),
                    "nil" => ArgKind::Nil,
                    word => match functions::find(word) {
                        Ok(function) => ArgKind::Function(function),
                        Err(reason) => return self.fail(reason),
                    },
                }
            }
            c => return self.fail(format!("unexpected {c:?} in an action")),
        };
        let mut fields = Vec::new();
        let mut place = at;
        while self.rest().starts_with('.') && self.rest()[1..].starts_with(is_name_start) {
            if self.at > at && place == at {
                place = self.at;
            }
            self.at += 1;
            let name = self.word();
            self.at += name.len();
            fields.push(name.to_owned());
        }
        if matches!(
            kind,
            ArgKind::Bool(_)
                | ArgKind::Int(_)
                | ArgKind::Float(_)
                | ArgKind::Text(_)
                | ArgKind::Nil
        ) && !fields.is_empty()
        {
            return self.fail("a constant has no fields");
        }
        Ok(Arg { kind, fields, at, end: self.at, place })
    }

    fn number(&mut self) -> Result<ArgKind, String> {
        let rest = self.rest();
        let mut length = usize::from(rest.starts_with(['+', '-']));
        let hex = rest[length..].starts_with("0x") || rest[length..].starts_with("0X");
        let mut last = ' ';
        for c in rest[length..].chars() {
            let sign = matches!(c, '+' | '-') && matches!(last, 'e' | 'E') && !hex;
            if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || sign) {
                break;
            }
            length += 1;
            last = c;
        }
        let text = &rest[..length];
        let bad = format!("bad number syntax: {text:?}");
        self.at += length;
        let digits = text.trim_start_matches(['+', '-']).replace('_', "");
        let negative = text.starts_with('-');
        if hex {
            let Ok(number) = i64::from_str_radix(&digits[2..], 16) else { return self.fail(bad) };
            return Ok(ArgKind::Int(if negative { -number } else { number }));
        }
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.fail(bad);
        }
        if !digits.contains(['.', 'e', 'E']) {
            let radix = if digits.len() > 1 && digits.starts_with('0') { 8 } else { 10 };
            if let Ok(number) = i64::from_str_radix(&digits, radix) {
                return Ok(ArgKind::Int(if negative { -number } else { number }));
            }
            return self.fail(bad);
        }
        match digits.parse::<f64>() {
            Ok(number) => Ok(ArgKind::Float(if negative { -number } else { number })),
            Err(_) => self.fail(bad),
        }
    }

    /// A text in quotes, with Go's escapes.
    fn quoted(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let mut out = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\n' => break,
                '\\' => {
                    let Some((_, escaped)) = chars.next() else { break };
                    out.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        '\\' => '\\',
                        '"' => '"',
                        'x' | 'u' | 'U' => {
                            let length = match escaped {
                                'x' => 2,
                                'u' => 4,
                                _ => 8,
                            };
                            let hex: String = chars.by_ref().take(length).map(|(_, c)| c).collect();
                            let code =
                                u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == length);
                            match code.and_then(char::from_u32) {
                                Some(c) => c,
                                None => {
                                    return self.fail(format!("invalid escape \\{escaped}{hex}"));
                                }
                            }
                        }
                        other => return self.fail(format!("invalid escape \\{other}")),
                    });
                }
                c => out.push(c),
            }
        }
        self.fail("unterminated quoted string")
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}
