//! Expressions under another prefix: every name of the bundle's own series, and nothing else, is renamed.

/// What pages add to a histogram's name.
const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

#[derive(Debug)]
pub(super) struct Rename<'a> {
    from: &'a str,
    to: &'a str,
    names: &'a [&'a str],
}

impl<'a> Rename<'a> {
    pub(super) fn new(from: &'a str, to: &'a str, names: &'a [&'a str]) -> Self {
        Rename { from, to, names }
    }

    /// `expression` with the names of the bundle's series under the new prefix. Texts in quotes stay as they are.
    pub(super) fn of(&self, expression: &str) -> String {
        if self.from == self.to {
            return expression.to_owned();
        }
        let mut out = String::with_capacity(expression.len());
        let mut rest = expression;
        while let Some(first) = rest.chars().next() {
            let end = match first {
                '"' | '\'' | '`' => quoted(rest),
                c if is_of_name(c) => rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            let (token, after) = rest.split_at(end);
            match is_of_name(first).then(|| self.name(token)).flatten() {
                Some(name) => out += &name,
                None => out += token,
            }
            rest = after;
        }
        out
    }

    fn name(&self, token: &str) -> Option<String> {
        let own = |name: &str| self.names.contains(&name);
        if let Some(name) = token.strip_prefix(self.from) {
            let stems = SUFFIXES.iter().filter_map(|suffix| name.strip_suffix(suffix));
            return stems.chain([name]).any(own).then(|| format!("{}{name}", self.to));
        }
        // A recorded series by level: `raft:commit_latency_seconds:p99`.
        let (level, operation) = token.split_once(':')?;
        let is_own = level == self.from.trim_end_matches('_') && own(token);
        is_own.then(|| format!("{}:{operation}", self.to.trim_end_matches('_')))
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// How long the text in quotes is that `rest` begins with.
fn quoted(rest: &str) -> usize {
    let mut letters = rest.char_indices();
    let Some((_, quote)) = letters.next() else { return 0 };
    let mut escaped = false;
    for (at, letter) in letters {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            letter if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
