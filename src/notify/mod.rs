//! Who is told of alerts (feature `notify`): [`Alertmanager`], a [`Webhook`], a line in a [`Log`], a [`Callback`] in
//! Rust.
//!
//! A [`Notifier`] is told of each evaluation of the [rules](crate::rules), finds out what is due, and puts it into the
//! queues of its handlers, which each have a thread, retries and a bound of their own: a handler that is slow, silent
//! or mad holds up neither the rules nor the others.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use tachometer::notify::{Callback, Log, Notifier};
//! use tachometer::query::*;
//! use tachometer::rules::{RuleFile, RuleObserver, RuleSettings, Rules};
//! use tachometer::{Engine, Registry};
//! # struct History;
//! # impl Source for History {
//! #     fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
//! #         Ok(Vec::new())
//! #     }
//! # }
//! # let history = History;
//!
//! let engine = Engine::builder().registry(&Registry::new()).start()?;
//! let (said, heard) = std::sync::mpsc::channel();
//! let notifier = Notifier::builder(&engine)
//!     .handler("log", Log::new())
//!     .handler("mine", Callback::new(move |notice| said.send(notice.clone()).unwrap_or_default()))
//!     .start()?;
//!
//! let file = "groups: [{name: raft, rules: [{alert: NoLeader, expr: absent(raft_has_leader)}]}]";
//! let file = RuleFile::parse("raft.yml", file).expect("a rule file");
//! let mut rules = Rules::new([file], RuleSettings::default());
//! let now_ms = 1_700_000_000_000;
//! let evaluation = rules.evaluate(now_ms, &history);
//! notifier.evaluated(now_ms, &evaluation, &rules);
//!
//! assert!(notifier.shutdown(Duration::from_secs(60)).is_complete());
//! assert_eq!(heard.recv().map(|notice| (notice.rule, notice.time_ms)), Ok(("NoLeader".to_owned(), now_ms)));
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! # What is told when
//!
//! - Alertmanager: every alert that fires or resolved, at once and again after each resend delay, as Prometheus
//!   does it.
//! - The others: each change to firing and to resolved, once; logs and callbacks also pending ones if they want them.
//! - Nothing while a silence covers the alert. If it still fires when the silence ends, it is told then; if it resolved
//!   meanwhile, that is not told, as Alertmanager has it.
//! - When rules are loaded anew, what fires and is no longer there resolves, but for Alertmanager, where it ends by
//!   itself.
//! - After a restart of the process, what fires is told once more: nobody knows what was told before.
//!
//! One notifier is for one set of [`Rules`].
//!
//! # Delivery
//!
//! At least once and in order, within the bound of each handler's queue. After a failure (no connection, no answer in
//! time, an answer that is none, 408, 429, 5xx, a log that cannot be written) it is tried again after a pause that
//! doubles, less a random part, or as long as `Retry-After` says. Other answers of 3xx and 4xx would be the same again:
//! what they are about is given up; of several alerts in one request, each is tried by itself before. Redirects are not
//! followed.
//!
//! `https://` needs feature `tls`. Proxies of the environment are not used.
//!
//! # Limits
//!
//! See [`crate::limits`]: of endpoints, queues, batches, messages, times.

#![forbid(unsafe_code)]

mod alertmanager;
mod builder;
mod callback;
mod client;
mod http;
mod log;
mod notice;
mod own;
mod pace;
mod queue;
mod status;
mod text;
#[cfg(feature = "tls")]
mod tls;
mod tracker;
mod webhook;
mod worker;

pub use alertmanager::Alertmanager;
pub use builder::{Handler, NotifierBuilder};
pub use callback::Callback;
pub use log::Log;
pub use notice::Notice;
pub use status::{Flush, HandlerStatus};
pub use webhook::Webhook;

use crate::Engine;
use crate::rules::{AlertState, Evaluation, RuleObserver, Rules};
use crate::shard::fork;
use queue::{Entry, Queue};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use tracker::{Due, Tracker};

/// Tells handlers of alerts. See the [module](self).
///
/// It is a [`RuleObserver`]: whoever evaluates the rules tells it of each evaluation. That costs a look at each alert
/// that fires or resolved lately (and at the silences, for those that are due), and copies of what is due; nothing is
/// sent on that thread, and nothing waits there.
///
/// If the engine records its own metrics, so does the notifier, into the same registry, with the labels `handler` and
/// `endpoint`: `tachometer_notify_sent_total`, `tachometer_notify_failures_total` and `tachometer_notify_dropped_total`
/// by `reason`, `tachometer_notify_queue_length`, `tachometer_notify_last_success_timestamp_seconds`.
///
/// In the child of a fork it does nothing: its threads are the parent's.
#[derive(Debug)]
pub struct Notifier {
    tracker: Mutex<Tracker>,
    routes: Vec<Route>,
    threads: Vec<(Arc<Queue>, ThreadId)>,
    flush_limit: Duration,
    /// The fork generation that the threads belong to.
    born: u64,
}

/// What a handler is told, and where.
#[derive(Debug)]
struct Route {
    way: Way,
    queues: Vec<Arc<Queue>>,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Alerts, for the Alertmanager of this number.
    Alerts(usize),
    /// Groups in which something changed.
    Groups,
    /// Changes, and whether those of pending alerts, too.
    Notices(bool),
}

impl Notifier {
    /// Settings for a new notifier. Its own metrics go where the engine's are.
    pub fn builder(engine: &Engine) -> NotifierBuilder {
        NotifierBuilder::new(engine)
    }

    /// How each endpoint stands: of each handler in the order in which they were given, of an [`Alertmanager`] each
    /// URL.
    pub fn status(&self) -> Vec<HandlerStatus> {
        if self.born != fork::generation() {
            return Vec::new();
        }
        self.threads.iter().map(|(queue, _)| queue.status()).collect()
    }

    /// Delivers what waits, and ends the threads.
    ///
    /// Takes as long as the handlers, and no longer than `limit`: an attempt or a callback that hangs is left to
    /// itself. Pauses between attempts are cut short, but not those that a server asked for. What waits at the end is
    /// dropped, and so is what comes later. Shutting down again gives what it came to.
    pub fn shutdown(&self, limit: Duration) -> Flush {
        if self.born != fork::generation() {
            return Flush::default();
        }
        let now = Instant::now();
        // A limit beyond what the clock can say is a year.
        let end = now.checked_add(limit).unwrap_or(now + Duration::from_secs(31_536_000));
        self.threads.iter().for_each(|(queue, _)| queue.end(end));
        let own = std::thread::current().id();
        for (queue, thread) in &self.threads {
            // A callback that shuts its own notifier down cannot wait for itself.
            if *thread != own {
                queue.wait_for_end(end);
            }
        }
        self.threads.iter().for_each(|(queue, _)| queue.close());
        Flush { handlers: self.status() }
    }

    fn hand_out(&self, due: Due) {
        let Due { postings, notices, changes } = due;
        let changes: Vec<_> = changes.into_iter().map(Arc::new).collect();
        for Route { way, queues } in &self.routes {
            for queue in queues {
                match *way {
                    Way::Alerts(at) => {
                        let alerts = postings.get(at).into_iter().flatten();
                        queue.push_some(alerts.cloned().map(Entry::Alert));
                    }
                    Way::Groups => {
                        let messages = changes.iter().flat_map(|change| {
                            webhook::messages(change, queue.bound()).map(Arc::new)
                        });
                        queue.push_some(messages.map(Entry::Group));
                    }
                    Way::Notices(wants_pending) => {
                        let tells = |state| {
                            wants_pending
                                || matches!(state, AlertState::Firing | AlertState::Resolved)
                        };
                        let wanted = notices.iter().filter(|notice| tells(notice.to));
                        queue.push_some(wanted.cloned().map(Entry::Notice));
                    }
                }
            }
        }
    }
}

impl RuleObserver for Notifier {
    fn evaluated(&self, now_ms: i64, evaluation: &Evaluation, rules: &Rules) {
        if self.born != fork::generation() {
            return;
        }
        // Held while handing out: two that evaluate at once must not hand out in another order.
        let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let due = tracker.evaluated(now_ms, evaluation, rules);
        self.hand_out(due);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.shutdown(self.flush_limit);
    }
}
