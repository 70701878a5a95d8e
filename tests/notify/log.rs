//! Lines in a log.

use crate::common::loopback::{PATIENCE, wait_until};
use crate::node::{listening, node_with};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tachometer::limits::MAX_NOTIFY_LINE_BYTES;
use tachometer::notify::Log;
use tachometer::rules::RuleSettings;

const RULES: &str = r#"
groups:
- name: raft
  rules:
  - alert: NoLeader
    expr: leader == 0
    annotations:
      summary: "no leader in {{ $labels.group }}"
      text: "two\nlines, a \"quote\", a \x1b[31m and a \\"
      empty: '{{ "" }}'
      equal: a=b
"#;

/// Takes `takes` bytes at a time; fails when `fails` says so.
#[derive(Clone)]
struct Paper {
    written: Arc<Mutex<Vec<u8>>>,
    takes: usize,
    fails: Arc<dyn Fn(usize) -> bool + Send + Sync>,
    calls: usize,
}

fn paper(takes: usize, fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> Paper {
    Paper { written: Arc::default(), takes, fails: Arc::new(fails), calls: 0 }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if (self.fails)(self.calls) {
            return Err(io::Error::other("no room"));
        }
        let taken = &bytes[..bytes.len().min(self.takes)];
        self.written.lock().unwrap().extend(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_change_is_a_line_whatever_it_says() {
    let mut node = node_with(RULES, RuleSettings::default());
    node.now_ms = 1_700_000_000_250;
    let paper = paper(usize::MAX, |_| false);
    let notifier = node.notifier().handler("log", Log::to(paper.clone())).start().unwrap();
    node.step(&notifier, &["a b"]);
    node.step(&notifier, &[]);
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let rest = r#"labels.group="a b" annotations.equal="a=b" annotations.summary="no leader in a b" annotations.text="two\nlines, a \"quote\", a \u001b[31m and a \\""#;
    let since = "since=2023-11-14T22:13:21.250Z value=0";
    let wanted = format!(
        "time=2023-11-14T22:13:21.250Z alert=NoLeader state=firing from=pending group=raft {since} {rest}\n\
         time=2023-11-14T22:13:22.250Z alert=NoLeader state=resolved from=firing group=raft {since} {rest}\n"
    );
    assert_eq!(paper.text(), wanted);
}

#[test]
fn a_writer_that_fails_gets_the_rest_later() {
    let mut node = node_with(RULES, RuleSettings::default());
    // Seven bytes at a time, and no room for two calls of three.
    let paper = paper(7, |call| call % 3 != 0);
    let log = Log::to(paper.clone()).retry(Duration::from_millis(10), Duration::from_millis(10));
    let notifier = node.notifier().handler("log", log).start().unwrap();
    let (callback, _) = listening();
    let whole = self::paper(usize::MAX, |_| false);
    let other = node.notifier().handler("log", Log::to(whole.clone())).handler("x", callback);
    let other = other.start().unwrap();
    node.step(&notifier, &["a"]);
    let evaluation = tachometer::rules::Evaluation::default();
    tachometer::rules::RuleObserver::evaluated(&other, node.now_ms, &evaluation, &node.rules);
    assert!(other.shutdown(PATIENCE).is_complete());
    wait_until("the whole line", || paper.text() == whole.text());
    let failed = notifier.status()[0].clone();
    assert_eq!((failed.dropped, failed.sent <= 1), (0, true));
    assert!(node.own("tachometer_notify_failures_total", "log", Some("write")) > 10.0);
}

#[test]
fn a_writer_that_blocks_holds_up_nobody() {
    let mut node = node_with(RULES, RuleSettings::default());
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let blocks = paper(usize::MAX, move |_| held.lock().unwrap().recv().is_err());
    let (callback, heard) = listening();
    let notifier = node.notifier().handler("log", Log::to(blocks.clone()));
    let notifier = notifier.handler("mine", callback).start().unwrap();
    (0..5).for_each(|_| {
        node.step(&notifier, &["a"]);
        node.step(&notifier, &[]);
    });
    wait_until("all calls", || heard.lock().unwrap().len() == 10);
    assert_eq!((blocks.text().as_str(), notifier.status()[0].waiting), ("", 10));
    (0..10).for_each(|_| release.send(()).unwrap());
    wait_until("all lines", || blocks.text().lines().count() == 10);
}

#[test]
fn a_line_has_an_end() {
    let long = "x".repeat(MAX_NOTIFY_LINE_BYTES);
    let text = RULES.replace("equal: a=b", &format!("long: {long}"));
    let mut node = node_with(&text, RuleSettings::default());
    let paper = paper(usize::MAX, |_| false);
    let notifier = node.notifier().handler("log", Log::to(paper.clone())).start().unwrap();
    node.step(&notifier, &["a"]);
    assert!(notifier.shutdown(PATIENCE).is_complete());
    assert!(paper.text().ends_with("labels.group=a cut=true\n"), "{}", paper.text());
}
