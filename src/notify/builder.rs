//! Settings of a notifier, and its start.

use super::alertmanager::{self, Alertmanager};
use super::callback::Callback;
use super::log::Log;
use super::own::OwnMetrics;
use super::pace::Pace;
use super::queue::Queue;
use super::tracker::{Tracker, Wants, millis};
use super::webhook::{self, Webhook};
use super::worker::{self, Deliver};
use super::{Notifier, Route, Way};
use crate::limits::{DEFAULT_NOTIFY_FLUSH_LIMIT, MAX_NOTIFY_ENDPOINTS};
use crate::shard::fork;
use crate::{Engine, Error, Registry};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Who is told of alerts: an [`Alertmanager`], a [`Webhook`], a [`Log`], a [`Callback`].
#[derive(Debug)]
pub struct Handler(Kind);

#[derive(Debug)]
enum Kind {
    Alertmanager(Alertmanager),
    Webhook(Webhook),
    Log(Log),
    Callback(Callback),
}

macro_rules! kinds {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Handler {
            fn from(handler: $kind) -> Handler {
                Handler(Kind::$kind(handler))
            }
        }
    )*};
}

kinds!(Alertmanager, Webhook, Log, Callback);

#[cfg(feature = "config")]
impl Handler {
    /// Whether its settings make sense, without a look at any file.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.0 {
            Kind::Alertmanager(handler) => {
                handler.check_urls()?;
                handler.resend()?;
                handler.pace.check()
            }
            Kind::Webhook(handler) => handler.check_url().and_then(|()| handler.pace.check()),
            Kind::Log(handler) => handler.pace.check(),
            Kind::Callback(handler) => handler.pace.check(),
        }
    }
}

/// Settings of a [`Notifier`].
#[must_use = "nobody is told until `start`"]
pub struct NotifierBuilder {
    registry: Registry,
    handlers: Vec<(String, Handler)>,
    flush_limit: Duration,
}

impl fmt::Debug for NotifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifierBuilder").field("handlers", &self.handlers).finish_non_exhaustive()
    }
}

/// An endpoint before its thread runs.
struct Endpoint {
    queue: Arc<Queue>,
    deliver: Box<dyn Deliver>,
    pace: Pace,
}

impl NotifierBuilder {
    pub(super) fn new(engine: &Engine) -> NotifierBuilder {
        NotifierBuilder {
            registry: engine.registry().clone(),
            handlers: Vec::new(),
            flush_limit: DEFAULT_NOTIFY_FLUSH_LIMIT,
        }
    }

    /// Adds a handler. Its name is a label's value on the notifier's own metrics, in every message about it, and a
    /// webhook's `receiver`.
    pub fn handler(mut self, name: impl Into<String>, handler: impl Into<Handler>) -> Self {
        self.handlers.push((name.into(), handler.into()));
        self
    }

    /// How long the last flush may take when the notifier is dropped; 5 s unless it is called.
    pub fn flush_within(mut self, limit: Duration) -> Self {
        self.flush_limit = limit;
        self
    }

    /// Starts the handlers' threads: one for each, and of an [`Alertmanager`] for each URL.
    ///
    /// # Errors
    /// There is no handler, or more than [`MAX_NOTIFY_ENDPOINTS`], or two of one name; a handler's setting is wrong, or
    /// a file cannot be read; the system gives no thread; a name of the notifier's own metrics is registered with
    /// another definition.
    pub fn start(self) -> Result<Notifier, Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        if self.handlers.is_empty() {
            return invalid("handlers", "there is none; add one with `handler`".to_owned());
        }
        for (at, (name, _)) in self.handlers.iter().enumerate() {
            if name.is_empty() || self.handlers[..at].iter().any(|(other, _)| other == name) {
                let reason = format!("{name:?} is empty or given twice; give each its own");
                return invalid("handler's name", reason);
            }
        }
        let (mut routes, mut endpoints, mut wants) = (Vec::new(), Vec::new(), Wants::default());
        for (name, Handler(kind)) in self.handlers {
            let (way, added) = plan(&self.registry, &name, kind, &mut wants)
                .map_err(|error| of_handler(error, &name))?;
            let queues = added.iter().map(|endpoint| endpoint.queue.clone()).collect();
            routes.push(Route { way, queues });
            endpoints.extend(added);
        }
        if endpoints.len() > MAX_NOTIFY_ENDPOINTS {
            return Err(Error::TooMany {
                what: "endpoints of one notifier".to_owned(),
                limit: MAX_NOTIFY_ENDPOINTS,
                advice: "let Alertmanager tell the others",
            });
        }
        let mut notifier = Notifier {
            tracker: Mutex::new(Tracker::new(wants)),
            routes,
            threads: Vec::new(),
            flush_limit: self.flush_limit,
            born: fork::generation(),
        };
        for Endpoint { queue, deliver, pace } in endpoints {
            let thread = std::thread::Builder::new().name("tachometer-notify".to_owned());
            let own = queue.clone();
            match thread.spawn(move || worker::run(&queue, deliver, &pace)) {
                Ok(thread) => notifier.threads.push((own, thread.thread().id())),
                Err(error) => {
                    // Those that run end with the value.
                    return Err(Error::Io {
                        attempt: "start a thread for notifications".to_owned(),
                        kind: error.kind(),
                        reason: format!("{error}; raise the limit of processes (ulimit -u)"),
                    });
                }
            }
        }
        Ok(notifier)
    }
}

/// What a handler is told, and its endpoints.
fn plan(
    registry: &Registry,
    name: &str,
    kind: Kind,
    wants: &mut Wants,
) -> Result<(Way, Vec<Endpoint>), Error> {
    let endpoint = |at: &str, pace: &Pace, deliver: Box<dyn Deliver>| {
        pace.check()?;
        let own = OwnMetrics::register(registry, name, at)?;
        let queue = Arc::new(Queue::new(name, at, pace.queue, own));
        Ok::<_, Error>(Endpoint { queue, deliver, pace: pace.clone() })
    };
    match kind {
        Kind::Alertmanager(handler) => {
            let mut endpoints: Vec<Endpoint> = Vec::new();
            let mut origins = Vec::new();
            for client in handler.clients()? {
                let origin = client.origin().to_owned();
                if origins.contains(&origin) {
                    let reason = format!("{origin} is there twice; give each a handler of its own");
                    return Err(Error::InvalidSetting { setting: "urls", reason });
                }
                let deliver = Box::new(alertmanager::Sender(client));
                endpoints.push(endpoint(&origin, &handler.pace, deliver)?);
                origins.push(origin);
            }
            wants.resends_ms.push(millis(handler.resend()?));
            Ok((Way::Alerts(wants.resends_ms.len() - 1), endpoints))
        }
        Kind::Webhook(handler) => {
            wants.groups = true;
            let client = handler.client()?;
            let origin = client.origin().to_owned();
            let deliver = Box::new(webhook::Sender { client, receiver: name.to_owned() });
            Ok((Way::Groups, vec![endpoint(&origin, &handler.pace, deliver)?]))
        }
        Kind::Log(handler) => {
            wants.pending |= handler.wants_pending;
            let (way, pace) = (Way::Notices(handler.wants_pending), handler.pace.clone());
            Ok((way, vec![endpoint("log", &pace, Box::new(handler.sender()))?]))
        }
        Kind::Callback(handler) => {
            wants.pending |= handler.wants_pending;
            let (way, pace) = (Way::Notices(handler.wants_pending), handler.pace.clone());
            Ok((way, vec![endpoint("callback", &pace, Box::new(handler.sender()))?]))
        }
    }
}

/// Says which handler an error is about.
fn of_handler(mut error: Error, name: &str) -> Error {
    if let Error::InvalidSetting { reason: text, .. } | Error::Io { attempt: text, .. } = &mut error
    {
        *text = format!("handler {name:?}: {text}");
    }
    error
}
