//! Text pages: Prometheus's 0.0.4 and OpenMetrics 1.0.

use super::super::{SampleKind, Samples, SourceError};
use super::families::Families;
use super::line;

/// Reads a page. In OpenMetrics it has to end with `# EOF`: one that was cut off does not.
pub(super) fn parse(page: &[u8], open_metrics: bool) -> Result<Samples, SourceError> {
    let malformed =
        |line: usize, reason: String| Err(SourceError::Malformed { line: Some(line), reason });
    let text = match std::str::from_utf8(page) {
        Ok(text) => text,
        Err(error) => {
            let before = &page[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            return malformed(line, "it is not UTF-8".to_owned());
        }
    };
    let mut families = Families::new(open_metrics);
    let mut ended = false;
    let mut lines = 0;
    for (at, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() {
            continue;
        }
        lines = at + 1;
        if ended {
            return malformed(lines, "there is something behind # EOF".to_owned());
        }
        let read = match line.strip_prefix('#') {
            Some(comment) if open_metrics && comment.trim_end() == " EOF" => {
                ended = true;
                Ok(())
            }
            Some(comment) => about(&mut families, comment, open_metrics),
            None => line::parse(line, open_metrics).and_then(|line| families.sample(line)),
        };
        if let Err(reason) = read {
            return malformed(lines, reason);
        }
    }
    if open_metrics && !ended {
        return malformed(lines.max(1), "it does not end with # EOF: it was cut off".to_owned());
    }
    Ok(families.finish())
}

/// Reads what stands behind `#`.
fn about(families: &mut Families, comment: &str, open_metrics: bool) -> Result<(), String> {
    let blank = [' ', '\t'];
    let comment = comment.trim_start_matches(blank);
    let Some((what, rest)) = comment.split_once(blank) else { return Ok(()) };
    if !matches!(what, "HELP" | "TYPE" | "UNIT") {
        return Ok(());
    }
    let rest = rest.trim_start_matches(blank);
    let (name, said) = rest.split_once(blank).unwrap_or((rest, ""));
    // What is in quotes are names of other characters.
    let name = name.trim_matches('"');
    if name.is_empty() {
        return Err(format!("expected a metric's name behind {what}"));
    }
    match what {
        "HELP" => families.help(name, unescaped(said.trim_start_matches(blank), open_metrics)),
        "UNIT" if open_metrics => families.unit(name, said.trim_matches(blank)),
        "TYPE" => {
            let kind = match said.trim_matches(blank).to_ascii_lowercase().as_str() {
                "counter" => SampleKind::Counter,
                "gauge" => SampleKind::Gauge,
                "histogram" => SampleKind::Histogram,
                "gaugehistogram" => SampleKind::GaugeHistogram,
                "summary" => SampleKind::Summary,
                "info" => SampleKind::Info,
                "stateset" => SampleKind::StateSet,
                "untyped" | "unknown" => SampleKind::Unknown,
                other => {
                    let shown: String = other.chars().take(40).collect();
                    return Err(format!("{shown:?} is no type of a metric"));
                }
            };
            families.kind(name, kind)?;
        }
        _ => {}
    }
    Ok(())
}

/// A help text: a backslash and `n` is the end of a line; in OpenMetrics quotes are escaped, too.
fn unescaped(text: &str, open_metrics: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            out.push(next);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('\\') => out.push('\\'),
            Some('"') if open_metrics => out.push('"'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}
