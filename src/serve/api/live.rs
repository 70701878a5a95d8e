//! `/api/v1/live`: all that the live page shows, once for each generation, in one answer.
//!
//! Parameters: `query`, repeated: expressions whose values at the generation's time are wanted; `heatmap`, repeated: expressions
//! of histograms, of which a column is wanted ([`heatmap`](super::heatmap)). The answer, a *tick*:
//!
//! ```json
//! {"time":1700000000.5,"generation":7,"age":0.01,"interval":1,"run":"18bcfe56800","health":{…},"alerts":[…],
//!  "values":[{"resultType":"vector","result":[…]},{"error":"…"}],"heatmaps":[{"resolution":4,"columns":[…]}]}
//! ```
//!
//! A listener makes a stream of server-sent events of it (`event: tick`), one for each generation; a [`Responder`](crate::serve::Responder)
//! gives one tick, and whoever asked asks again. Ticks of one generation share what they evaluate: two viewers of a page
//! cost one evaluation.

use super::form::Form;
use super::heatmap::{columns, quantiles, written};
use super::write::{self, seconds};
use super::{Api, Data, Failure};
use crate::aggregate::engine::Core;
use crate::aggregate::pulse::Vital;
use crate::declare::Bundle;
#[cfg(feature = "health")]
use crate::health::Health;
use crate::limits::{HTTP_LIVE_TIME_LIMIT, MAX_HTTP_LIVE_QUERIES};
use crate::query::{Query, QueryError, Settings};
use crate::serve::json::{Json, quote};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What the page shows beside what queries find.
#[derive(Debug, Default)]
pub(in crate::serve) struct Shown {
    core: Weak<Core>,
    /// Those of the host, beside those that were registered.
    bundles: Vec<Arc<Bundle>>,
    #[cfg(feature = "health")]
    health: Option<Health>,
    /// By which a client sees that this is another process than before.
    run: String,
    evaluated: Mutex<Evaluated>,
}

/// What was evaluated for one moment.
#[derive(Debug, Default)]
struct Evaluated {
    time_ms: i64,
    texts: HashMap<Key, Arc<str>>,
}

/// An expression; of a heat map, with its quantiles.
type Key = (Option<Vec<u64>>, String);

impl Shown {
    pub(in crate::serve) fn new(core: Weak<Core>, bundles: Vec<Arc<Bundle>>) -> Shown {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = format!("{:x}", now.as_nanos());
        Shown { core, bundles, run, ..Shown::default() }
    }

    #[cfg(feature = "health")]
    pub(in crate::serve) fn with_health(self, health: Option<Health>) -> Shown {
        Shown { health, ..self }
    }

    /// All bundles, those of the engine's registry first; none twice.
    pub(super) fn bundles(&self) -> Vec<Arc<Bundle>> {
        let registered =
            self.core.upgrade().map(|core| core.registry().bundles()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let all = registered.into_iter().chain(self.bundles.iter().cloned());
        all.filter(|bundle| seen.insert((bundle.name(), bundle.prefix().to_owned()))).collect()
    }

    fn health(&self, core: Option<&Core>) -> String {
        #[cfg(feature = "health")]
        if let Some(health) = &self.health {
            return health.answer(true).1;
        }
        let vital = core.map_or(Vital::Stopped, Core::vital);
        let well = matches!(vital, Vital::Running | Vital::ByHand);
        let stopped = "the metrics engine of this process was stopped".to_owned();
        let why = match core {
            Some(core) => vital.why(core.interval()),
            None => Some(stopped),
        };
        let mut json = Json::Object(vec![
            ("status", if well { "healthy" } else { "failing" }.into()),
            ("state", vital.state().into()),
            ("why", why.as_deref().into()),
        ])
        .line();
        json.pop();
        json
    }

    /// What was evaluated for this moment already.
    fn known(&self, time_ms: i64, key: &Key) -> Option<Arc<str>> {
        let evaluated = self.evaluated.lock().unwrap_or_else(PoisonError::into_inner);
        (evaluated.time_ms == time_ms).then(|| evaluated.texts.get(key).cloned())?
    }

    fn keep(&self, time_ms: i64, key: Key, text: Arc<str>) {
        let mut evaluated = self.evaluated.lock().unwrap_or_else(PoisonError::into_inner);
        if evaluated.time_ms != time_ms {
            *evaluated = Evaluated { time_ms, texts: HashMap::new() };
        }
        // As many as all streams together can have of a moment: single ticks of others must not fill the memory.
        if evaluated.texts.len() < MAX_HTTP_LIVE_QUERIES * 4 {
            evaluated.texts.insert(key, text);
        }
    }
}

impl Api {
    /// The `data` of a tick.
    pub(super) fn tick(&self, settings: &Settings, form: &Form) -> Data {
        let Some(shown) = &self.shown else {
            return Err(Failure::bad_data("there is no live page here"));
        };
        let queries: Vec<&str> = form.all("query").collect();
        let heatmaps: Vec<&str> = form.all("heatmap").collect();
        if queries.len() + heatmaps.len() > MAX_HTTP_LIVE_QUERIES {
            let why =
                format!("more than {MAX_HTTP_LIVE_QUERIES} queries and heat maps of one page");
            return Err(Failure::bad_data(why));
        }
        let quantiles = quantiles(form)?;
        let core = shown.core.upgrade();
        let latest = core.as_deref().map(Core::latest).filter(|latest| latest.generation() > 0);
        let of_generation = latest.as_ref().filter(|_| !self.is_elsewhere());
        let of_generation =
            of_generation.and_then(|latest| i64::try_from(latest.unix_time().as_millis()).ok());
        let time_ms = of_generation.unwrap_or_else(|| self.now());
        let mut out = write::Text("{\"time\":".to_owned());
        seconds(&mut out.0, time_ms);
        let age = latest.as_ref().zip(core.as_deref()).map(|(latest, core)| core.age(latest));
        let known = Json::Object(vec![
            ("now", (self.now() as f64 / 1_000.0).into()),
            ("generation", latest.as_ref().map(|latest| latest.generation()).into()),
            ("age", age.into()),
            ("interval", core.as_deref().map(Core::interval).into()),
            ("run", (&*shown.run).into()),
        ])
        .line();
        out.0.push(',');
        out.0.push_str(known.trim_start_matches('{').trim_end().trim_end_matches('}'));
        // Writing to a string does not fail.
        let _ = write!(out.0, ",\"health\":{},", shown.health(core.as_deref()));
        match &self.rules {
            Some(rules) => {
                let (alerts, _) = rules.alerts()?;
                out.0.push_str(alerts.trim_start_matches('{').trim_end_matches('}'));
            }
            None => out.0.push_str("\"alerts\":[]"),
        }
        let until = Instant::now() + HTTP_LIVE_TIME_LIMIT;
        for (name, is_heatmap, all) in
            [(",\"values\":", false, queries), (",\"heatmaps\":", true, heatmaps)]
        {
            out.0.push_str(name);
            out.list(all, |out, text| {
                let left = until.saturating_duration_since(Instant::now());
                let settings =
                    Settings { time_limit: settings.time_limit.min(left), ..settings.clone() };
                let wanted = if is_heatmap { Some(&quantiles[..]) } else { None };
                out.0.push_str(&self.evaluated(shown, (text, wanted), time_ms, &settings));
                Ok(())
            })?;
        }
        out.0.push('}');
        Ok((out.0, false))
    }

    /// One expression's part of a tick.
    fn evaluated(
        &self,
        shown: &Shown,
        (text, heatmap): (&str, Option<&[f64]>),
        time_ms: i64,
        settings: &Settings,
    ) -> Arc<str> {
        let key = (heatmap.map(|all| all.iter().map(|q| q.to_bits()).collect()), text.to_owned());
        if let Some(known) = shown.known(time_ms, &key) {
            return known;
        }
        let evaluate = || -> Result<String, QueryError> {
            if settings.time_limit.is_zero() {
                return Err(QueryError::TimedOut {
                    limit_ms: HTTP_LIVE_TIME_LIMIT.as_millis() as u64,
                });
            }
            let answer = Query::parse(text)?.instant(&*self.source, time_ms, settings)?;
            match heatmap {
                Some(quantiles) => written(&columns(&answer)?, quantiles),
                None => write::answer(&answer),
            }
        };
        match evaluate() {
            Ok(found) => {
                let found: Arc<str> = found.into();
                shown.keep(time_ms, key, found.clone());
                found
            }
            Err(error) => {
                let mut out = "{\"error\":".to_owned();
                quote(&error.to_string(), &mut out);
                out.push('}');
                out.into()
            }
        }
    }
}
