//! Rule files as Prometheus's YAML: what [`RuleFile::parse`] and `promtool check rules` read back.
//!
//! Texts are written plain where every reader of YAML takes them for texts, else in single quotes, and in double quotes
//! where they have what must be escaped. So nothing that stands in an expression or a template can be read as YAML.

use super::file::{Group, Rule, RuleFile};
use crate::query::duration;
use std::fmt::Write as _;
use std::time::Duration;

/// How long a key may be, in bytes, before YAML wants a mark before it; somewhat less than the standard's 1024.
const LONGEST_SIMPLE_KEY: usize = 1_000;

impl RuleFile {
    /// The file as Prometheus's YAML: reading it gives the same groups and rules again.
    ///
    /// ```
    /// use tachometer::rules::RuleFile;
    /// let text = "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 90s, labels: {severity: critical}}]}]";
    /// let yaml = RuleFile::parse("down.yml", text)?.to_yaml();
    /// assert!(yaml.contains("    expr: 'up == 0'\n    for: 1m30s\n"), "{yaml}");
    /// assert_eq!(RuleFile::parse("down.yml", &yaml)?.to_yaml(), yaml);
    /// # Ok::<(), tachometer::rules::RuleErrors>(())
    /// ```
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        if self.groups.is_empty() {
            out += "groups: []\n";
            return out;
        }
        out += "groups:\n";
        for group in &self.groups {
            write_group(&mut out, group);
        }
        out
    }
}

fn write_group(out: &mut String, group: &Group) {
    line(out, "- ", "name", &scalar(&group.name));
    if let Some(interval) = group.interval {
        line(out, "  ", "interval", &span(interval));
    }
    if group.limit > 0 {
        line(out, "  ", "limit", &group.limit.to_string());
    }
    if group.rules.is_empty() {
        line(out, "  ", "rules", "[]");
        return;
    }
    *out += "  rules:\n";
    for rule in &group.rules {
        write_rule(out, rule);
    }
}

fn write_rule(out: &mut String, rule: &Rule) {
    line(out, "  - ", if rule.is_alert() { "alert" } else { "record" }, &scalar(&rule.name));
    line(out, "    ", "expr", &scalar(rule.query.text()));
    if !rule.hold().is_zero() {
        line(out, "    ", "for", &span(rule.hold()));
    }
    if !rule.keep_firing().is_zero() {
        line(out, "    ", "keep_firing_for", &span(rule.keep_firing()));
    }
    write_texts(out, "labels", rule.labels());
    write_texts(out, "annotations", rule.annotations());
}

fn write_texts<'a>(out: &mut String, key: &str, texts: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut texts = texts.peekable();
    if texts.peek().is_some() {
        let _ = writeln!(out, "    {key}:");
    }
    for (name, text) in texts {
        // A longer one is only taken for a key if it says so.
        let mark = if name.len() > LONGEST_SIMPLE_KEY { "? " } else { "" };
        let end = if mark.is_empty() { "" } else { "\n      " };
        line(out, &format!("      {mark}"), &format!("{}{end}", scalar(name)), &scalar(text));
    }
}

fn line(out: &mut String, indent: &str, key: &str, value: &str) {
    let _ = writeln!(out, "{indent}{key}: {value}");
}

/// What was read from a file or went through [`duration::format`] before can be written.
fn span(duration: Duration) -> String {
    duration::format(duration).unwrap_or_default()
}

/// A text as a scalar of one line.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if !text.chars().any(must_be_escaped) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            c if must_be_escaped(c) => {
                let code = u32::from(c);
                // Both have as many digits as they say, in every version of YAML.
                let _ = match code {
                    0..=0xFFFF => write!(out, "\\u{code:04X}"),
                    _ => write!(out, "\\U{code:08X}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Names, which no reader takes for a number, a truth value or nothing.
fn is_plain(text: &str) -> bool {
    const TAKEN_OTHERWISE: [&str; 9] =
        ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'))
        && !text.ends_with(':')
        && !TAKEN_OTHERWISE.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// What ends a line in any version of YAML, is no printable character there, or is taken for something at a text's edge.
fn must_be_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
        || matches!(c, '\u{10FFFE}' | '\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_back() {
        let texts = [
            "plain",
            "two words",
            "true",
            "No",
            "~",
            "-",
            "- x",
            "a: b",
            "it's",
            "#no comment",
            "{{ $labels.a }}",
            " spaces at both ends ",
            "line\nbreak",
            "\n",
            "tab\tand\rreturn",
            "quote \" and \\ backslash\n",
            "\u{0}\u{7}\u{85}\u{2028}\u{FEFF}\u{FFFF}",
            "é 漢 🦀",
            "1.5",
            "0x10",
            ".inf",
            "*alias",
            "&anchor",
            "!tag",
            "%x",
            "@x",
            "`x`",
            "---",
            "...",
            "<<",
            "=",
            "? x",
            "| x",
            "> x",
        ];
        for text in texts {
            let rule = format!(
                "{{alert: A, expr: up, annotations: {{a: {}, b: {}}}}}",
                scalar(text),
                scalar(&format!("{text}\n"))
            );
            let file = format!("groups: [{{name: g, rules: [{rule}]}}]");
            let read = super::super::RuleFile::parse("f", &file)
                .unwrap_or_else(|errors| panic!("{text:?}: {errors}"));
            let found: Vec<_> = read.groups()[0].rules()[0].annotations().collect();
            assert_eq!(found, [("a", text), ("b", &format!("{text}\n"))]);
            // And as this writes them.
            let again = super::super::RuleFile::parse("f", &read.to_yaml())
                .unwrap_or_else(|errors| panic!("{text:?}: {errors}"));
            let again: Vec<_> = again.groups()[0].rules()[0].annotations().collect();
            assert_eq!(again, found);
        }
    }

    #[test]
    fn a_key_of_any_length_is_read_back() {
        let name = "a".repeat(2_000);
        let text = format!(
            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels:\n      ? {name}\n      : x\n"
        );
        let file = RuleFile::parse("f", &text).unwrap();
        let again = RuleFile::parse("f", &file.to_yaml()).unwrap();
        assert_eq!(again.groups()[0].rules()[0].labels().collect::<Vec<_>>(), [(&*name, "x")]);
    }

    #[test]
    fn everything_of_a_file_is_written() {
        let text = "groups:
- name: 'a group'
  interval: 15s
  limit: 7
  rules:
  - record: job:up:sum
    expr: 'sum by (job) (up)'
    labels:
      env: prod
  - alert: Down
    expr: 'job:up:sum < 1'
    for: 1m30s
    keep_firing_for: 5m
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.job }} isn''t up'
- name: empty
  rules: []
";
        let file = RuleFile::parse("f", text).unwrap();
        assert_eq!(file.to_yaml(), text);
        assert_eq!(RuleFile::parse("f", "").unwrap().to_yaml(), "groups: []\n");
    }
}
