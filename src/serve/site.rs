//! Request in, response out: what is answered, without a word about sockets.

#[cfg(feature = "promql")]
use super::api::Api;
#[cfg(all(feature = "history", feature = "rules"))]
use super::events::EventStream;
use super::json::Json;
use super::own::{Code, OwnMetrics, Path};
use super::page::{Key, Page};
use super::request::{Asks, GET_OR_POST, Probe, Request, Rules};
use super::stats;
use crate::Snapshot;
use crate::aggregate::engine::Core;
use crate::aggregate::pulse::Vital;
#[cfg(feature = "health")]
use crate::health::Health;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What is served, and by which rules.
#[derive(Debug)]
pub(super) struct Site {
    /// Weak: the listener must not keep an engine, or its registry, that everybody else has let go.
    core: Weak<Core>,
    pub(super) rules: Rules,
    pub(super) own: OwnMetrics,
    #[cfg(feature = "promql")]
    pub(super) api: Option<Arc<Api>>,
    #[cfg(feature = "health")]
    pub(super) health: Option<Health>,
    /// What the listener's limits are, for `/stats`.
    pub(super) limits: Vec<(&'static str, Json)>,
}

/// An answer: status, headers, and a text or a page.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: Code,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Text(String),
    Page(Page),
    /// Bytes that all who get them share.
    #[cfg(feature = "page")]
    File(Arc<Vec<u8>>),
}

impl Body {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Text(text) => text.as_bytes(),
            Body::Page(page) => &page.bytes,
            #[cfg(feature = "page")]
            Body::File(bytes) => bytes,
        }
    }
}

impl Reply {
    /// An error, with a line that says why.
    pub(super) fn error(code: Code, why: &str) -> Reply {
        Reply::text(code, "text/plain; charset=utf-8", format!("{}: {why}\n", code.phrase()))
    }

    pub(super) fn text(code: Code, content_type: &str, text: String) -> Reply {
        let headers = vec![
            ("Content-Type", content_type.to_owned()),
            // What is true now need not be so in a moment.
            ("Cache-Control", "no-store".to_owned()),
        ];
        Reply { code, headers, body: Body::Text(text) }
    }

    fn json(code: Code, json: &Json) -> Reply {
        Reply::text(code, "application/json", json.line())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    fn page(page: Page, now: Instant) -> Reply {
        let age = now.saturating_duration_since(page.cut_at).as_secs_f64();
        let mut headers = vec![
            ("Content-Type", page.content_type.to_string()),
            ("Cache-Control", "no-store".to_owned()),
            ("Vary", "Accept, Accept-Encoding".to_owned()),
            ("X-Tachometer-Generation", page.generation.to_string()),
            ("X-Tachometer-Age-Seconds", format!("{age:.6}")),
            ("X-Tachometer-Complete", page.complete.to_string()),
        ];
        if let Some(coding) = page.coding.name() {
            headers.push(("Content-Encoding", coding.to_owned()));
        }
        Reply { code: Code::Ok, headers, body: Body::Page(page) }
    }
}

impl Site {
    pub(super) fn new(core: Weak<Core>, rules: Rules, own: OwnMetrics) -> Site {
        Site {
            core,
            rules,
            own,
            #[cfg(feature = "promql")]
            api: None,
            #[cfg(feature = "health")]
            health: None,
            limits: Vec::new(),
        }
    }

    /// The snapshot for pages, and when its cut was made; `None` once the engine has ended. A fresh one has every record
    /// that happened-before this call.
    pub(super) fn snapshot(&self, latest_will_do: bool) -> Option<(Arc<Snapshot>, Instant)> {
        let core = self.core.upgrade()?;
        let snapshot = latest_will_do.then(|| latest(&core)).flatten();
        let snapshot = match snapshot {
            Some(snapshot) => snapshot,
            None => fresh(&core)?,
        };
        let now = Instant::now();
        let cut_at = now.checked_sub(core.age(&snapshot)).unwrap_or(now);
        Some((snapshot, cut_at))
    }

    /// Answers, and counts that. `page` is what [`Asks::Page`] asks for; there is none once the engine has ended.
    pub(super) fn reply(&self, request: &Request, page: Option<Page>, now: Instant) -> Reply {
        let reply = match &request.asks {
            Asks::Index => self.index(),
            #[cfg(feature = "page")]
            Asks::Asset(wanted) => super::assets::reply(wanted),
            Asks::Page(_) => match page {
                Some(page) => Reply::page(page, now),
                None => {
                    let why = "the metrics engine of this process was stopped";
                    Reply::error(Code::Unavailable, why)
                }
            },
            Asks::Health(probe) => self.health(*probe),
            Asks::Stats => Reply::json(Code::Ok, &stats::of(self, self.core.upgrade().as_deref())),
            // Whoever serves many clients on one thread has it answered elsewhere.
            #[cfg(feature = "promql")]
            Asks::Api(call) => match &self.api {
                Some(api) => api.answer_here(call),
                None => {
                    Reply::error(Code::NotFound, "nothing is kept here that could be asked for")
                }
            },
            // Whoever can keep a connection open has streams of his own.
            #[cfg(all(feature = "history", feature = "rules"))]
            Asks::Events(_) if request.bare => open_events(),
            #[cfg(all(feature = "history", feature = "rules"))]
            Asks::Events(_) => {
                let why = "events come as a stream, which only a listener or a router has";
                Reply::error(Code::NotImplemented, why)
            }
            Asks::Refused(code, why) => self.refusal(*code, why),
        };
        self.own.answered(request.path, reply.code);
        if matches!(reply.body, Body::Page(_)) {
            self.own.tally.pages.fetch_add(1, Ordering::Relaxed);
        }
        reply
    }

    /// The engine's latest generation, while there is an engine.
    #[cfg(feature = "page")]
    pub(super) fn generation(&self) -> Option<u64> {
        self.core.upgrade().map(|core| core.latest().generation())
    }

    /// How often the live page has ticks.
    #[cfg(feature = "page")]
    pub(super) fn pace(&self) -> super::live::Pace {
        let interval = self.core.upgrade().map(|core| core.interval());
        let api = self.api.as_deref();
        let is_woken = api.is_some_and(|api| api.rules.is_some());
        super::live::Pace::of(interval, is_woken, api.is_some_and(Api::is_elsewhere))
    }

    /// Has the listener's thread woken by evaluations, where there are some.
    #[cfg(feature = "page")]
    pub(super) fn watch(&self) -> Option<super::events::Watch> {
        let rules = self.api.as_ref()?.rules.as_ref()?;
        Some(rules.events.watch())
    }

    /// A stream of events, and the head that goes before it; counted. Otherwise the answer.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(super) fn events(&self, last: Option<&str>) -> Result<(EventStream, Reply), Reply> {
        let rules = self.api.as_ref().and_then(|api| api.rules.as_ref());
        let stream = rules.and_then(|rules| rules.events.stream(last));
        let reply = match stream {
            Some(_) => open_events(),
            None => {
                let why = "as many streams of events are open as are served at once";
                Reply::error(Code::Unavailable, why).with("Retry-After", "1")
            }
        };
        self.own.answered(Path::Events, reply.code);
        match stream {
            Some(stream) => Ok((stream, reply)),
            None => Err(reply),
        }
    }

    fn refusal(&self, code: Code, why: &str) -> Reply {
        let reply = Reply::error(code, why);
        match code {
            Code::MethodNotAllowed if why == GET_OR_POST => reply.with("Allow", "GET, HEAD, POST"),
            Code::MethodNotAllowed => reply.with("Allow", "GET, HEAD"),
            Code::Unauthorized => {
                let challenges = self.rules.auth.challenges();
                challenges.fold(reply, |reply, one| reply.with("WWW-Authenticate", one))
            }
            Code::NotAcceptable => reply.with("Vary", "Accept, Accept-Encoding"),
            _ => reply,
        }
    }

    /// A page for people.
    fn index(&self) -> Reply {
        let at = &self.rules.prefix;
        let mut page = format!(
            "<!DOCTYPE html>\n<title>tachometer</title>\n<h1>tachometer {}</h1>\n<ul>\n",
            env!("CARGO_PKG_VERSION")
        );
        let rows = [
            ("/metrics", "the metrics of this process"),
            ("/metrics?refresh=0", "the same, as of the latest interval"),
            ("/health", "whether the engine is well"),
            ("/stats", "what the engine costs and holds"),
        ];
        // Writing to a string does not fail.
        for (path, what) in rows {
            let _ = writeln!(page, "<li><a href=\"{at}{path}\">{at}{path}</a>: {what}");
        }
        let _ = writeln!(page, "</ul>\n<p>Formats, by <code>Accept</code>:\n<ul>");
        for name in self.rules.formats.names() {
            let _ = writeln!(page, "<li><code>{}</code>", escaped(name));
        }
        page.push_str("</ul>\n");
        Reply::text(Code::Ok, "text/html", page)
    }

    fn health(&self, probe: Probe) -> Reply {
        #[cfg(feature = "health")]
        if let Some(health) = self.health.as_ref().filter(|_| probe != Probe::Live) {
            let (report, json) = health.answer(probe == Probe::Report);
            let well = if probe == Probe::Ready { report.ready } else { report.ok };
            let code = if well { Code::Ok } else { Code::Unavailable };
            return Reply::text(code, "application/json", json + "\n");
        }
        let core = self.core.upgrade();
        let vital = core.as_deref().map_or(Vital::Stopped, Core::vital);
        let latest = core.as_deref().map(Core::latest);
        let none_yet = latest.as_ref().is_none_or(|snapshot| snapshot.generation() == 0);
        let interval = core.as_deref().map(Core::interval);
        let why = vital.why(interval.unwrap_or_default());
        // Who stopped the engine on purpose has no ill process, only nothing to show any more.
        let (well, state, why) = match vital {
            Vital::Running if none_yet => {
                let why = "the first interval is not over yet".to_owned();
                (probe == Probe::Live, "starting", Some(why))
            }
            Vital::Running | Vital::ByHand => (true, vital.state(), None),
            Vital::Late(_) | Vital::Died => (false, vital.state(), why),
            Vital::Stopped => (probe == Probe::Live, vital.state(), why),
        };
        let code = if well { Code::Ok } else { Code::Unavailable };
        let shown = latest.as_ref().filter(|_| !none_yet);
        let age = shown.zip(core.as_deref()).map(|(snapshot, core)| core.age(snapshot));
        let status = if well { "ok" } else { "failing" };
        let why = why.as_deref();
        Reply::json(
            code,
            &Json::Object(vec![
                ("status", status.into()),
                ("state", state.into()),
                ("why", why.into()),
                ("generation", shown.map(|snapshot| snapshot.generation()).into()),
                ("age_seconds", age.into()),
                ("interval_seconds", interval.into()),
            ]),
        )
    }

    /// The key of the page that a request asks for.
    pub(super) fn wants(request: &Request) -> Option<&Key> {
        match &request.asks {
            Asks::Page(key) => Some(key),
            _ => None,
        }
    }

    /// Counts what could not be read as a request.
    pub(super) fn refuse(&self, code: Code, why: &str) -> Reply {
        self.own.answered(Path::Other, code);
        Reply::error(code, why)
    }
}

/// What goes before events.
#[cfg(all(feature = "history", feature = "rules"))]
pub(super) fn open_events() -> Reply {
    let reply = Reply::text(Code::Ok, "text/event-stream", String::new());
    // Or a proxy may gather them up.
    reply.with("X-Accel-Buffering", "no")
}

/// The latest snapshot of an engine that still makes some, if it has made one.
fn latest(core: &Core) -> Option<Arc<Snapshot>> {
    let latest = core.latest();
    (core.vital() != Vital::Stopped && latest.generation() > 0).then_some(latest)
}

/// A snapshot whose cut began after this call; `None` if the engine makes no more.
fn fresh(core: &Core) -> Option<Arc<Snapshot>> {
    // Any generation that `refresh` made or waited for began after the question, so it is later than the one that was
    // published before. Only an engine that was stopped gives an old one again.
    let before = core.latest().generation();
    let snapshot = core.refresh();
    (snapshot.generation() > before).then_some(snapshot)
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
