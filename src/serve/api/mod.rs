//! Prometheus's HTTP API over a [`Source`], so that Grafana, `promtool query` and scripts take this process as their data
//! source. Features `http` and `promql`.
//!
//! | path | parameters | answer |
//! |---|---|---|
//! | `/api/v1/query` | `query`, `time`, `timeout`, `lookback_delta` | the query at one moment |
//! | `/api/v1/query_range` | `query`, `start`, `end`, `step`, `timeout`, `lookback_delta` | the query at steps |
//! | `/api/v1/series` | `match[]` (at least one), `start`, `end`, `limit` | the series that a selector takes |
//! | `/api/v1/labels` | `match[]`, `start`, `end`, `limit` | names of labels |
//! | `/api/v1/label/<name>/values` | `match[]`, `start`, `end`, `limit` | values of a label |
//! | `/api/v1/metadata` | `metric`, `limit` | type, help and unit of metrics |
//! | `/api/v1/rules` | `type`, `rule_name[]`, `rule_group[]`, `file[]` | groups, their rules and alerts, as of the last evaluation; with `ListenerBuilder::rules` |
//! | `/api/v1/alerts` | | the alerts that are pending or fire; likewise |
//! | `/api/v1/status/buildinfo` | | [`PROMETHEUS_VERSION`], by which clients know what they can ask |
//! | `/api/v1/bundles` | | what the bundles in use declare: see [`bundles`]; feature `page`, as the following |
//! | `/api/v1/heatmap` | `query`, `start`, `end`, `step`, `quantile` (repeated), `timeout`, `lookback_delta` | a histogram over time: see [`heatmap`] |
//! | `/api/v1/live` | `query`, `heatmap`, `quantile`, each repeated | a stream of the newest values: see [`live`] |
//! | `/metrics/aggregated` | `window`, `by`, `time` | statistics of each series over a window, as Prometheus text: see [`aggregated`] |
//!
//! All take `GET`; those with parameters but the last two `POST` as well, with a form as its body. Times are seconds or RFC
//! 3339, durations seconds or units. Answers and errors are Prometheus 2.42's, as `tests/http_api` compares with a real one;
//! what differs:
//!
//! - `limit` of series and labels is that of Prometheus 3: what was left out is told in `warnings`.
//! - `lookback_delta` is that of later versions as well.
//! - A form that cannot be decoded, a time that is not finite or further than 285,000 years away, and a step below a millisecond
//!   are `bad_data`; `stats` is not known.
//! - A range has at most 11,000 points, as the documentation says; theirs takes 11,001.
//! - The names of rules, groups and files are parameters of Prometheus 3.
//! - No `Access-Control-Allow-Origin` is sent: pages of other origins cannot read here.
//!
//! Queries run on [`HTTP_QUERY_THREADS`](crate::limits::HTTP_QUERY_THREADS) threads of their own (`pool`), never on the one that
//! serves: scrapes and probes are answered meanwhile. The way of a call: `form` and `times` read it, `mod` asks the source,
//! `write` makes the JSON. With feature `backend` a server elsewhere can be asked instead (`forward`), on
//! [`HTTP_BACKEND_THREADS`](crate::limits::HTTP_BACKEND_THREADS) threads; `/metrics/aggregated` is computed here all the same.

pub(super) mod aggregated;
#[cfg(feature = "page")]
mod bundles;
pub(super) mod form;
#[cfg(feature = "backend")]
mod forward;
#[cfg(feature = "page")]
mod heatmap;
#[cfg(feature = "page")]
pub(super) mod live;
pub(super) mod pool;
#[cfg(all(feature = "history", feature = "rules"))]
pub(super) mod rules;
mod times;
mod write;

use super::endpoint::Endpoints;
use super::json::quote;
use super::own::Code;
use super::query::shown;
use super::site::Reply;
use crate::limits::{HTTP_QUERY_THREADS, MAX_HTTP_QUERIES, MAX_QUERY_STEPS};
use crate::query::{Matcher, Query, QueryError, Series, Settings, Source};
use crate::{Clock, Moment};
#[cfg(feature = "backend")]
use crate::{Error, Registry, backend::Backend};
use form::Form;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use write::Text;

/// Of which Prometheus this is the API.
pub(super) const PROMETHEUS_VERSION: &str = "2.42.0";

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Query,
    QueryRange,
    Series,
    Labels,
    LabelValues(String),
    Metadata,
    BuildInfo,
    Aggregated,
    /// What the host answers itself, by its path.
    Host(String),
    #[cfg(all(feature = "history", feature = "rules"))]
    Rules,
    #[cfg(all(feature = "history", feature = "rules"))]
    Alerts,
    #[cfg(feature = "page")]
    Bundles,
    #[cfg(feature = "page")]
    Heatmap,
    #[cfg(feature = "page")]
    Live,
}

impl Endpoint {
    /// The endpoint of a path.
    pub(super) fn of(path: &str) -> Option<Endpoint> {
        if path == "/metrics/aggregated" {
            return Some(Endpoint::Aggregated);
        }
        Some(match path.strip_prefix("/api/v1/")? {
            "query" => Endpoint::Query,
            "query_range" => Endpoint::QueryRange,
            "series" => Endpoint::Series,
            "labels" => Endpoint::Labels,
            "metadata" => Endpoint::Metadata,
            "status/buildinfo" => Endpoint::BuildInfo,
            #[cfg(all(feature = "history", feature = "rules"))]
            "rules" => Endpoint::Rules,
            #[cfg(all(feature = "history", feature = "rules"))]
            "alerts" => Endpoint::Alerts,
            #[cfg(feature = "page")]
            "bundles" => Endpoint::Bundles,
            #[cfg(feature = "page")]
            "heatmap" => Endpoint::Heatmap,
            #[cfg(feature = "page")]
            "live" => Endpoint::Live,
            rest => {
                let name = rest.strip_prefix("label/")?.strip_suffix("/values")?;
                Endpoint::LabelValues(name.to_owned())
            }
        })
    }

    /// Whether it shows rules, and not what a source has.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(super) fn is_of_rules(&self) -> bool {
        matches!(self, Endpoint::Rules | Endpoint::Alerts)
    }

    /// Whether it is there for the live page.
    #[cfg(feature = "page")]
    pub(super) fn is_of_page(&self) -> bool {
        matches!(self, Endpoint::Bundles | Endpoint::Heatmap | Endpoint::Live)
    }

    /// Whether it can be called with `POST`.
    pub(super) fn takes_forms(&self) -> bool {
        #[cfg(feature = "page")]
        if matches!(self, Endpoint::Heatmap | Endpoint::Live) {
            return true;
        }
        use Endpoint::{Labels, Query, QueryRange, Series};
        matches!(self, Query | QueryRange | Series | Labels)
    }
}

/// A call, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    /// What stands behind the `?`.
    pub(super) query: String,
    /// Whether the body is a form; another one's content is left aside.
    pub(super) has_form: bool,
    pub(super) body: Vec<u8>,
}

impl Call {
    /// Whether it is made again, for a stream.
    pub(super) fn is_repeated(&self) -> bool {
        #[cfg(feature = "page")]
        return self.endpoint == Endpoint::Live;
        #[cfg(not(feature = "page"))]
        false
    }
}

/// Why there is no answer, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: &'static str,
    pub(super) why: String,
}

impl Failure {
    fn bad_data(why: impl Into<String>) -> Failure {
        Failure { kind: "bad_data", why: why.into() }
    }

    fn parameter(name: &str, why: impl fmt::Display) -> Failure {
        Failure::bad_data(format!("invalid parameter \"{name}\": {why}"))
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Failure {
        Failure { kind: error.kind(), why: error.to_string() }
    }
}

/// The `data` of an answer, as JSON, and whether a limit cut it short.
type Data = Result<(String, bool), Failure>;

/// What answers calls. Copies count callers together.
#[derive(Clone)]
pub(super) struct Api {
    source: Arc<dyn Source>,
    settings: Settings,
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(super) rules: Option<Arc<rules::RulesApi>>,
    /// What the live page shows.
    #[cfg(feature = "page")]
    shown: Option<Arc<live::Shown>>,
    /// What is asked instead of the source.
    #[cfg(feature = "backend")]
    backend: Option<Backend>,
    /// What the host answers itself.
    hosts: Endpoints,
    /// Calls that are being answered on callers' threads.
    direct: Arc<AtomicUsize>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Api {
    pub(super) fn new(source: Arc<dyn Source>, settings: Settings) -> Api {
        Api {
            source,
            settings,
            #[cfg(all(feature = "history", feature = "rules"))]
            rules: None,
            #[cfg(feature = "page")]
            shown: None,
            #[cfg(feature = "backend")]
            backend: None,
            hosts: Endpoints::default(),
            direct: Arc::default(),
        }
    }

    /// What answers nothing but endpoints of the host's own.
    pub(super) fn of_host() -> Api {
        Api::new(Arc::new(Nothing), Settings::default())
    }

    /// As `before`, answering endpoints of the host's own, too.
    pub(super) fn with_hosts(before: Option<Arc<Api>>, hosts: &Endpoints) -> Option<Arc<Api>> {
        if hosts.is_empty() {
            return before;
        }
        let api = before.map_or_else(Api::of_host, |before| Api::clone(&before));
        Some(Arc::new(Api { hosts: hosts.clone(), ..api }))
    }

    /// What hands calls on to a backend.
    #[cfg(feature = "backend")]
    pub(super) fn of_backend(backend: Backend) -> Api {
        let settings = Settings { time_limit: backend.time_limit(), ..Settings::default() };
        Api { backend: Some(backend.clone()), ..Api::new(Arc::new(backend), settings) }
    }

    /// As this one, with the rules of the one before.
    #[cfg_attr(
        not(all(feature = "history", feature = "rules")),
        allow(unused_mut, unused_variables, reason = "there are no rules")
    )]
    pub(super) fn keeping_rules_of(mut self, before: Option<&Api>) -> Api {
        #[cfg(all(feature = "history", feature = "rules"))]
        {
            self.rules = before.and_then(|before| before.rules.clone());
        }
        self
    }

    /// As this one, for a live page that shows this.
    #[cfg(feature = "page")]
    pub(super) fn showing(&self, shown: live::Shown) -> Arc<Api> {
        Arc::new(Api { shown: Some(Arc::new(shown)), ..self.clone() })
    }

    /// Whether queries go to a server elsewhere.
    #[cfg(feature = "page")]
    pub(super) fn is_elsewhere(&self) -> bool {
        #[cfg(feature = "backend")]
        return self.backend.is_some();
        #[cfg(not(feature = "backend"))]
        false
    }

    /// As this one, counting calls to a backend beside an engine's own metrics.
    #[cfg(feature = "backend")]
    pub(super) fn counted_by(self: Arc<Self>, registry: &Registry) -> Result<Arc<Api>, Error> {
        let Some(backend) = &self.backend else { return Ok(self) };
        let counted = Api::of_backend(backend.counted_by(registry)?);
        Ok(Arc::new(counted.keeping_rules_of(Some(&self))))
    }

    /// How many calls are answered at once.
    pub(super) fn threads(&self) -> usize {
        #[cfg(feature = "backend")]
        if self.backend.is_some() {
            return crate::limits::HTTP_BACKEND_THREADS;
        }
        HTTP_QUERY_THREADS
    }

    /// How long an evaluation may take.
    pub(super) fn time_limit(&self) -> Duration {
        self.settings.time_limit
    }

    /// Answers on the caller's own thread, unless too many others do.
    pub(super) fn answer_here(&self, call: &Call) -> Reply {
        // Relaxed: a count of callers, which publishes nothing.
        let others = self.direct.fetch_add(1, Ordering::Relaxed);
        let reply =
            if others < MAX_HTTP_QUERIES { self.answer(call, &Arc::default()) } else { too_many() };
        self.direct.fetch_sub(1, Ordering::Relaxed);
        reply
    }

    /// Answers; soon with an error once `stop` is set.
    pub(super) fn answer(&self, call: &Call, stop: &Arc<AtomicBool>) -> Reply {
        let body = if call.has_form { &call.body[..] } else { &[] };
        let form = Form::read(body, &call.query);
        let form =
            form.map_err(|why| Failure::bad_data(format!("error parsing form values: {why}")));
        if let Endpoint::Host(path) = &call.endpoint {
            let answer = form.and_then(|form| self.hosts.answer(path, &form));
            return answer.unwrap_or_else(|failure| failed(&failure));
        }
        let clock = AskedClock {
            clock: self.settings.clock.clone(),
            stop: stop.clone(),
            asked: AtomicBool::new(false),
        };
        let settings = Settings { clock: Arc::new(clock), ..self.settings.clone() };
        if call.endpoint == Endpoint::Aggregated {
            let page =
                form.and_then(|form| aggregated::page(&*self.source, settings, self.now(), &form));
            return match page {
                Ok(page) => Reply::text(Code::Ok, crate::TextEncoder::CONTENT_TYPE, page),
                Err(failure) => failed(&failure),
            };
        }
        #[cfg(feature = "backend")]
        if let (Some(backend), Ok(form)) = (&self.backend, &form)
            && let Some(answer) = forward::answer(backend, call, settings.clone(), form)
        {
            return answer.unwrap_or_else(|failure| failed(&failure));
        }
        let data = form.and_then(|form| match &call.endpoint {
            Endpoint::Query => self.instant(settings, &form),
            Endpoint::QueryRange => self.range(settings, &form),
            Endpoint::Series => self.series(&form),
            Endpoint::Labels => self.labels(None, &form),
            Endpoint::LabelValues(name) => self.labels(Some(name), &form),
            Endpoint::Metadata => self.metadata(&form),
            #[cfg(all(feature = "history", feature = "rules"))]
            Endpoint::Rules => self.shown_rules().and_then(|rules| rules.rules(&form)),
            #[cfg(all(feature = "history", feature = "rules"))]
            Endpoint::Alerts => self.shown_rules().and_then(|rules| rules.alerts()),
            #[cfg(feature = "page")]
            Endpoint::Bundles => {
                bundles::data(&self.shown.as_ref().map(|shown| shown.bundles()).unwrap_or_default())
            }
            #[cfg(feature = "page")]
            Endpoint::Heatmap => self.heatmap(settings, &form),
            #[cfg(feature = "page")]
            Endpoint::Live => self.tick(&settings, &form),
            Endpoint::BuildInfo | Endpoint::Aggregated | Endpoint::Host(_) => {
                Ok((build_info(), false))
            }
        });
        match data {
            Ok((mut data, cut)) => {
                data.insert_str(0, "{\"status\":\"success\",\"data\":");
                if cut {
                    data.push_str(",\"warnings\":[\"results truncated due to limit\"]");
                }
                data.push('}');
                Reply::text(Code::Ok, "application/json", data)
            }
            Err(failure) => failed(&failure),
        }
    }

    #[cfg(all(feature = "history", feature = "rules"))]
    fn shown_rules(&self) -> Result<&rules::RulesApi, Failure> {
        // There are such calls only where there are rules.
        self.rules.as_deref().ok_or_else(|| Failure::bad_data("there are no rules here"))
    }

    fn now(&self) -> i64 {
        i64::try_from(self.settings.clock.now().unix.as_millis()).unwrap_or(times::LATEST_MS)
    }

    fn instant(&self, mut settings: Settings, form: &Form) -> Data {
        let time = time(form, "time")?.unwrap_or_else(|| self.now());
        bounds(&mut settings, form)?;
        let query = query(form)?;
        let answer = query.instant(&*self.source, time, &settings)?;
        Ok((write::answer(&answer)?, false))
    }

    fn range(&self, mut settings: Settings, form: &Form) -> Data {
        let ((start, end), step_ms) = range_of(form)?;
        bounds(&mut settings, form)?;
        let query = query(form)?;
        let answer = query.range(&*self.source, (start, end), step_ms, &settings)?;
        Ok((write::answer(&answer)?, false))
    }

    fn series(&self, form: &Form) -> Data {
        let (matchers, between) = selection(form)?;
        if matchers.is_empty() {
            return Err(Failure::bad_data("no match[] parameter provided"));
        }
        let limit = limit(form)?;
        let mut all: Vec<Arc<dyn Series>> = Vec::new();
        for matchers in &matchers {
            all.extend(self.source.select(matchers, between.0, between.1)?);
        }
        all.sort_by(|a, b| a.labels().cmp(b.labels()));
        all.dedup_by(|a, b| a.labels() == b.labels());
        let mut out = Text(String::new());
        out.list(all.iter().take(limit), |out, series| {
            write::labels(&mut out.0, series.labels());
            Ok(())
        })?;
        Ok((out.0, all.len() > limit))
    }

    /// Names of labels, or values of one.
    fn labels(&self, of: Option<&str>, form: &Form) -> Data {
        if let Some(name) = of.filter(|name| !is_label_name(name)) {
            return Err(Failure::bad_data(format!("invalid label name: {}", shown(name))));
        }
        let (mut matchers, (from, to)) = selection(form)?;
        let limit = limit(form)?;
        if matchers.is_empty() {
            matchers.push(Vec::new());
        }
        let mut all = BTreeSet::new();
        for matchers in &matchers {
            all.extend(match of {
                None => self.source.label_names(matchers, from, to)?,
                Some(name) => self.source.label_values(name, matchers, from, to)?,
            });
        }
        let mut out = Text(String::new());
        out.list(all.iter().take(limit), |out, name| {
            quote(name, &mut out.0);
            Ok(())
        })?;
        Ok((out.0, all.len() > limit))
    }

    fn metadata(&self, form: &Form) -> Data {
        let limit = metadata_limit(form)?;
        let mut all = self.source.metadata(form.first("metric"));
        all.sort();
        let mut metrics = all.chunk_by(|a, b| a.metric == b.metric);
        let shown: usize = metrics.by_ref().take(limit).map(<[_]>::len).sum();
        Ok((write::metadata(&all[..shown])?, false))
    }
}

/// What all clients are told once more of them ask than are served.
pub(super) fn too_many() -> Reply {
    let why = format!(
        "{MAX_HTTP_QUERIES} calls wait, are evaluated or are being sent already; try again later"
    );
    failed(&Failure { kind: "unavailable", why }).with("Retry-After", "1")
}

/// What a viewer of the live page is told once there are as many as can be.
#[cfg(feature = "page")]
pub(super) fn too_many_viewers() -> Reply {
    let most = crate::limits::MAX_HTTP_LIVE_STREAMS;
    let why = format!("{most} viewers have the live page open already; close one of them");
    failed(&Failure { kind: "unavailable", why }).with("Retry-After", "5")
}

/// What a client is told whose query does not end.
pub(super) fn too_late() -> Reply {
    let why =
        "the series were not read in time; ask for fewer of them or a shorter time".to_owned();
    failed(&Failure { kind: "timeout", why })
}

/// What a client is told whose query found a bug.
fn panicked() -> Reply {
    let why = "the evaluation panicked; the panic is in the process's error output".to_owned();
    failed(&Failure { kind: "internal", why })
}

fn failed(failure: &Failure) -> Reply {
    let code = match failure.kind {
        "bad_data" => Code::BadRequest,
        "not_found" => Code::NotFound,
        "execution" => Code::Unprocessable,
        "internal" => Code::Internal,
        _ => Code::Unavailable,
    };
    let mut out = "{\"status\":\"error\",\"errorType\":".to_owned();
    quote(failure.kind, &mut out);
    out.push_str(",\"error\":");
    quote(&failure.why, &mut out);
    out.push('}');
    Reply::text(code, "application/json", out)
}

/// Has no series.
struct Nothing;

impl Source for Nothing {
    fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        Ok(Vec::new())
    }
}

fn build_info() -> String {
    format!(
        "{{\"version\":\"{PROMETHEUS_VERSION}\",\"revision\":\"tachometer {}\",\"branch\":\"\",\"buildUser\":\"\",\
         \"buildDate\":\"\",\"goVersion\":\"\"}}",
        env!("CARGO_PKG_VERSION")
    )
}

fn time(form: &Form, name: &str) -> Result<Option<i64>, Failure> {
    let time = form.first(name).map(times::time).transpose();
    time.map_err(|why| Failure::parameter(name, why))
}

fn query(form: &Form) -> Result<Query, Failure> {
    let text = form.first("query").unwrap_or_default();
    // Whatever is wrong with the text itself is the client's to mend.
    Query::parse(text).map_err(|error| Failure::parameter("query", error))
}

/// Beginning, end and step of a range, in milliseconds.
fn range_of(form: &Form) -> Result<((i64, i64), i64), Failure> {
    let wanted =
        |name| time(form, name)?.ok_or_else(|| Failure::parameter(name, "it is not given"));
    let (start, end) = (wanted("start")?, wanted("end")?);
    if end < start {
        return Err(Failure::parameter("end", "end timestamp must not be before start time"));
    }
    let step = form.first("step").unwrap_or_default();
    let step = times::duration(step).map_err(|why| Failure::parameter("step", why))?;
    let step_ms = step / 1_000_000;
    if step_ms <= 0 {
        let why = "zero or negative query resolution step widths are not accepted, nor those below a millisecond. \
                   Try a positive integer";
        return Err(Failure::parameter("step", why));
    }
    if (end - start) / step_ms >= MAX_QUERY_STEPS as i64 {
        return Err(Failure::bad_data(format!(
            "exceeded maximum resolution of {MAX_QUERY_STEPS} points per timeseries. Try decreasing the query \
             resolution (?step=XX)"
        )));
    }
    Ok(((start, end), step_ms))
}

/// What the client says about the evaluation itself: it can ask for less time, not for more.
fn bounds(settings: &mut Settings, form: &Form) -> Result<(), Failure> {
    if let Some(text) = form.first("timeout") {
        let ns = times::duration(text).map_err(|why| Failure::parameter("timeout", why))?;
        let limit = Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
        if limit.is_zero() {
            return Err(QueryError::TimedOut { limit_ms: 0 }.into());
        }
        settings.time_limit = settings.time_limit.min(limit);
    }
    if let Some(text) = form.first("lookback_delta") {
        let ns = times::duration(text);
        let ns = ns.map_err(|why| {
            Failure::bad_data(format!("error parsing lookback delta duration: {why}"))
        })?;
        if ns > 0 {
            settings.lookback = Duration::from_nanos(ns.unsigned_abs());
        }
    }
    Ok(())
}

/// The selectors of a call, and the time for which it asks.
type Selection = (Vec<Vec<Matcher>>, (i64, i64));

fn selection(form: &Form) -> Result<Selection, Failure> {
    let start = time(form, "start")?.unwrap_or(times::EARLIEST_MS);
    let end = time(form, "end")?.unwrap_or(times::LATEST_MS);
    let matchers = form.all("match[]").map(|text| {
        let refused = |why: String| Failure::parameter("match[]", why);
        let query = Query::parse(text).map_err(|error| refused(error.to_string()))?;
        let parentheses = text.trim_start().starts_with('(');
        let matchers = query.matchers().filter(|_| !parentheses);
        let matchers =
            matchers.ok_or_else(|| refused(format!("{} is no selector", shown(text))))?;
        if matchers.iter().all(|matcher| matcher.matches_value("")) {
            return Err(refused("match[] must contain at least one non-empty matcher".to_owned()));
        }
        Ok(matchers.to_vec())
    });
    Ok((matchers.collect::<Result<_, _>>()?, (start, end)))
}

/// How many results are wanted at most.
fn limit(form: &Form) -> Result<usize, Failure> {
    match form.first("limit").map(str::parse::<usize>) {
        None | Some(Ok(0)) => Ok(usize::MAX),
        Some(Ok(limit)) => Ok(limit),
        Some(Err(_)) => {
            Err(Failure::parameter("limit", "limit must be a number that is not negative"))
        }
    }
}

/// How many metrics are wanted at most.
fn metadata_limit(form: &Form) -> Result<usize, Failure> {
    let limit = form.first("limit").map(str::parse::<i64>).transpose();
    let limit = limit.map_err(|_| Failure::bad_data("limit must be a number"))?;
    Ok(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
}

fn is_label_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A clock by which an evaluation's time is up as soon as it is to stop.
#[derive(Debug)]
struct AskedClock {
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    /// Whether the evaluation has begun: its first look says when.
    asked: AtomicBool,
}

impl Clock for AskedClock {
    fn now(&self) -> Moment {
        let now = self.clock.now();
        // Relaxed: only one thread evaluates, and the flag to stop publishes nothing else.
        let begun = self.asked.swap(true, Ordering::Relaxed);
        let stopped = begun && self.stop.load(Ordering::Relaxed);
        Moment { elapsed: if stopped { Duration::MAX } else { now.elapsed }, ..now }
    }
}
