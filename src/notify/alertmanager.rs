//! Alertmanager, by its API of version 2.

use super::client::Client;
use super::http::{Http, http_settings, parse};
use super::notice::Posting;
use super::pace::{Pace, at_least, limit_settings, pace_settings};
use super::queue::Entry;
use super::text::rfc3339;
use super::worker::{Deliver, Outcome};
use crate::Error;
use crate::limits::{DEFAULT_NOTIFY_RESEND_DELAY, MAX_NOTIFY_BATCH};
use crate::query::Labels;
use crate::url::Url;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// Alertmanager (API v2), which groups, inhibits, routes and repeats: it is told of each alert that fires, again after
/// each [`resend_delay`](Alertmanager::resend_delay), and of each that resolved, again for 15 minutes, as Prometheus
/// does it.
///
/// Of a cluster, name every member: each is told of everything, and has a queue and a thread of its own, as they agree
/// among themselves on who notifies. What waits for one that is down is kept, an alert that is sent again in the place
/// of what waits of it. A firing alert that is not sent again ends by itself after four resend delays, or four of the
/// group's intervals if those are longer.
///
/// `$externalLabels` and `$externalURL` are those of [`RuleSettings`](crate::rules::RuleSettings): the labels are added
/// to each alert that lacks them, and the URL begins its `generatorURL`, which has the expression as it is written
/// (Prometheus prints it anew).
///
/// ```
/// use std::time::Duration;
/// use tachometer::notify::Alertmanager;
/// let handler = Alertmanager::new(["http://am-1:9093/prefix", "http://am-2:9093/prefix"])
///     .basic_auth("node", "hunter2")
///     .resend_delay(Duration::from_secs(30));
/// assert!(!format!("{handler:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug)]
pub struct Alertmanager {
    urls: Vec<String>,
    resend_delay: Duration,
    pub(super) http: Http,
    pub(super) pace: Pace,
}

http_settings!(Alertmanager);
pace_settings!(Alertmanager);
limit_settings!(Alertmanager);

impl Alertmanager {
    /// Alertmanagers at these URLs: `http[s]://host[:port][/prefix]`, without `/api/v2/alerts`.
    pub fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Alertmanager {
        Alertmanager {
            urls: urls.into_iter().map(Into::into).collect(),
            resend_delay: DEFAULT_NOTIFY_RESEND_DELAY,
            http: Http::default(),
            pace: Pace::default(),
        }
    }

    /// After how long it is told again of an alert; a minute unless it is called.
    #[must_use]
    pub fn resend_delay(mut self, delay: Duration) -> Self {
        self.resend_delay = delay;
        self
    }

    pub(super) fn resend(&self) -> Result<Duration, Error> {
        at_least("resend_delay", self.resend_delay).map(|()| self.resend_delay)
    }

    /// Where its API is, for each URL.
    fn endpoints(&self) -> Result<Vec<Url>, Error> {
        if self.urls.is_empty() {
            let reason = "there is none; give it one for each Alertmanager".to_owned();
            return Err(Error::InvalidSetting { setting: "urls", reason });
        }
        let endpoint = |text: &String| {
            let mut url = parse(text)?;
            if url.query.is_some() {
                let reason = "the URL of an Alertmanager has no query; leave it out".to_owned();
                return Err(Error::InvalidSetting { setting: "url", reason });
            }
            url.path = format!("{}/api/v2/alerts", url.path.trim_end_matches('/'));
            Ok(url)
        };
        self.urls.iter().map(endpoint).collect()
    }

    #[cfg(feature = "config")]
    pub(super) fn check_urls(&self) -> Result<(), Error> {
        self.endpoints().map(drop)
    }

    /// A client for each URL.
    pub(super) fn clients(&self) -> Result<Vec<Client>, Error> {
        self.endpoints()?.into_iter().map(|url| Client::new(url, &self.http)).collect()
    }
}

/// One of them.
#[derive(Debug)]
pub(super) struct Sender(pub(super) Client);

impl Deliver for Sender {
    fn batch(&self) -> usize {
        MAX_NOTIFY_BATCH
    }

    fn deliver(&mut self, entries: &[Entry], limit: Duration) -> Outcome {
        let alerts = entries.iter().filter_map(|entry| match entry {
            Entry::Alert(alert) => Some(PostableAlert::from(&**alert)),
            _ => None,
        });
        match serde_json::to_vec(&alerts.collect::<Vec<_>>()) {
            Ok(body) => self.0.post(&body, limit),
            Err(error) => Outcome::Refused { said: error.to_string(), apart: true },
        }
    }
}

/// In the words of its API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    #[serde(serialize_with = "as_map")]
    labels: &'a Labels,
    #[serde(serialize_with = "as_map", skip_serializing_if = "Labels::is_empty")]
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

impl<'a> From<&'a Posting> for PostableAlert<'a> {
    fn from(alert: &'a Posting) -> Self {
        PostableAlert {
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: rfc3339(alert.starts_ms),
            ends_at: rfc3339(alert.ends_ms),
            generator_url: &alert.generator_url,
        }
    }
}

/// Labels as an object.
pub(super) fn as_map<S: Serializer>(labels: &Labels, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(labels.iter())
}
