//! A line in a log for each change, as logfmt.

use super::notice::Notice;
use super::own::Failure;
use super::pace::{Pace, pace_settings};
use super::queue::Entry;
use super::text::rfc3339;
use super::worker::{Deliver, Outcome};
use crate::limits::MAX_NOTIFY_LINE_BYTES;
use crate::query::number_text;
use crate::rules::AlertState;
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

/// A line for each alert that fires or resolved, as logfmt, on standard error or wherever else it is to go.
///
/// ```text
/// time=2026-11-21T16:47:01.000Z alert=NoLeader state=firing from=pending group=raft since=2026-11-21T16:46:51.000Z value=0 labels.group=orders annotations.summary="orders has had no leader for 10 s"
/// ```
///
/// A line is always one line: what labels and annotations have of control characters is escaped. It is written by the
/// handler's thread: a writer that blocks holds up nobody else. One that fails is tried again, where it failed.
pub struct Log {
    writer: Box<dyn Write + Send>,
    pub(super) wants_pending: bool,
    pub(super) pace: Pace,
}

pace_settings!(Log);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("pending", &self.wants_pending).finish_non_exhaustive()
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::new()
    }
}

impl Log {
    /// Lines on standard error.
    pub fn new() -> Log {
        Log::to(io::stderr())
    }

    /// Lines to this writer, which is flushed after each.
    ///
    /// ```
    /// use std::fs::File;
    /// use tachometer::notify::Log;
    /// # let path = std::env::temp_dir().join(format!("tachometer-doc-{}.log", std::process::id()));
    /// let handler = Log::to(File::options().create(true).append(true).open(&path)?);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn to(writer: impl Write + Send + 'static) -> Log {
        Log { writer: Box::new(writer), wants_pending: false, pace: Pace::default() }
    }

    /// Whether there are lines for alerts that become pending, and that end without having fired, too; not unless it is
    /// called.
    #[must_use]
    pub fn pending(mut self, wanted: bool) -> Self {
        self.wants_pending = wanted;
        self
    }

    pub(super) fn sender(self) -> Sender {
        Sender { writer: self.writer, of: None, line: Vec::new(), written: 0 }
    }
}

pub(super) struct Sender {
    writer: Box<dyn Write + Send>,
    /// What the line is about.
    of: Option<Arc<Notice>>,
    /// The line on its way, which a failure may have cut in two.
    line: Vec<u8>,
    written: usize,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Sender {
    fn tell(&mut self, notice: &Arc<Notice>) -> io::Result<()> {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, notice)) {
            // Of one that was given up meanwhile, what was begun is ended.
            if self.written > 0 {
                self.write()?;
            }
            self.of = Some(notice.clone());
            self.line = line(notice).into_bytes();
            self.written = 0;
        }
        self.write()?;
        self.of = None;
        self.line.clear();
        self.written = 0;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(rest) = self.line.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.writer.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.writer.flush()
    }
}

impl Deliver for Sender {
    fn batch(&self) -> usize {
        1
    }

    fn deliver(&mut self, entries: &[Entry], _: Duration) -> Outcome {
        let Some(Entry::Notice(notice)) = entries.first() else { return Outcome::Arrived };
        match self.tell(notice) {
            Ok(()) => Outcome::Arrived,
            Err(error) => {
                let said = format!("the log cannot be written: {error}");
                Outcome::Failed { why: Failure::Write, said, asked: None }
            }
        }
    }
}

/// The line about a change, with its end.
fn line(notice: &Notice) -> String {
    let alert = &notice.alert;
    let since = match notice.to {
        AlertState::Pending => Some(alert.active_at_ms),
        _ => alert.fired_at_ms,
    };
    let name = alert.labels.get("alertname").unwrap_or(&notice.rule);
    let since = since.map(rfc3339);
    let (time, value) = (rfc3339(notice.time_ms), number_text(alert.value));
    let head = [
        ("time", Some(&*time)),
        ("alert", Some(name)),
        ("state", Some(notice.to.as_str())),
        ("from", Some(notice.from.as_str())),
        ("group", Some(&*notice.group)),
        ("since", since.as_deref()),
        ("value", Some(&*value)),
    ];
    let head = head.into_iter().filter_map(|(name, value)| Some(("", name, value?)));
    let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname");
    let labels = labels.map(|(name, value)| ("labels.", name, value));
    let annotations = alert.annotations.iter().map(|(name, value)| ("annotations.", name, value));
    let mut line = String::new();
    for (of, name, value) in head.chain(labels).chain(annotations) {
        let before = line.len();
        pair(&mut line, of, name, value);
        if line.len() > MAX_NOTIFY_LINE_BYTES {
            line.truncate(before);
            line.push_str(" cut=true");
            break;
        }
    }
    line.push('\n');
    line
}

fn pair(line: &mut String, of: &str, name: &str, value: &str) {
    let blank = if line.is_empty() { "" } else { " " };
    let _ = write!(line, "{blank}{of}{name}=");
    let is_plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(is_plain) {
        line.push_str(value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line.push('"');
}
