//! Webhooks, in the shape of Alertmanager's, version 4: what takes those takes these.

use super::alertmanager::as_map;
use super::client::Client;
use super::http::{Http, http_settings, parse};
use super::notice::{Change, Told, starts_ms, with_external};
use super::pace::{Pace, limit_settings, pace_settings};
use super::queue::{Entry, Message};
use super::text::rfc3339;
use super::worker::{Deliver, Outcome};
use crate::Error;
use crate::limits::MAX_WEBHOOK_ALERTS;
use crate::query::Labels;
use crate::rules::AlertState;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A webhook: a POST of JSON, as Alertmanager's webhooks of version 4 have it, so that receivers for those work without
/// change.
///
/// One message for each rule group in which an evaluation changed something: with the alerts that changed, and the
/// others of the group that fire. `status` is `firing` as long as an alert of the group fires. `groupLabels` has the
/// rule file and the group (`rule_file`, `rule_group`), `groupKey` is the same for each message of a group, `receiver`
/// is the handler's name, `externalURL` that of [`RuleSettings`](crate::rules::RuleSettings), whose external labels
/// each alert has. More than [`MAX_WEBHOOK_ALERTS`] changes go into several messages; of the others, `truncatedAlerts`
/// says how many are left out.
///
/// A message arrives at least once: after a lost answer it is sent again.
///
/// ```
/// use tachometer::notify::Webhook;
/// let handler = Webhook::new("https://pager.example.com/hook?key=hunter2").bearer_token("hunter2");
/// assert!(!format!("{handler:?}").contains("hunter2"));
/// ```
#[derive(Clone)]
pub struct Webhook {
    url: String,
    pub(super) http: Http,
    pub(super) pace: Pace,
}

http_settings!(Webhook);
pace_settings!(Webhook);
limit_settings!(Webhook);

/// Without the URL, which may be a secret as a whole.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Webhook { url: _, http, pace } = self;
        f.debug_struct("Webhook").field("http", http).field("pace", pace).finish_non_exhaustive()
    }
}

impl Webhook {
    /// A webhook at this URL: `http[s]://host[:port][/path][?query]`.
    pub fn new(url: impl Into<String>) -> Webhook {
        Webhook { url: url.into(), http: Http::default(), pace: Pace::default() }
    }

    #[cfg(feature = "config")]
    pub(super) fn check_url(&self) -> Result<(), Error> {
        parse(&self.url).map(drop)
    }

    pub(super) fn client(&self) -> Result<Client, Error> {
        Client::new(parse(&self.url)?, &self.http)
    }
}

/// A change in messages of at most `bound` alerts.
pub(super) fn messages(change: &Arc<Change>, bound: usize) -> impl Iterator<Item = Message> {
    let most = bound.clamp(1, MAX_WEBHOOK_ALERTS);
    (0..change.changed.len()).step_by(most).map(move |from| {
        let to = change.changed.len().min(from + most);
        let others = change.others.len().min(most - (to - from));
        Message { change: change.clone(), changed: from..to, others }
    })
}

#[derive(Debug)]
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) receiver: String,
}

impl Deliver for Sender {
    fn batch(&self) -> usize {
        1
    }

    fn deliver(&mut self, entries: &[Entry], limit: Duration) -> Outcome {
        let Some(Entry::Group(message)) = entries.first() else { return Outcome::Arrived };
        match serde_json::to_vec(&Body::new(message, &self.receiver)) {
            Ok(body) => self.client.post(&body, limit),
            Err(error) => Outcome::Refused { said: error.to_string(), apart: false },
        }
    }
}

/// In Alertmanager's words.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Item<'a>>,
    #[serde(serialize_with = "owned_as_map")]
    group_labels: Labels,
    #[serde(serialize_with = "owned_as_map")]
    common_labels: Labels,
    #[serde(serialize_with = "owned_as_map")]
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    status: &'static str,
    #[serde(serialize_with = "owned_as_map")]
    labels: Labels,
    #[serde(serialize_with = "as_map")]
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

fn owned_as_map<S: serde::Serializer>(labels: &Labels, to: S) -> Result<S::Ok, S::Error> {
    as_map(labels, to)
}

fn status(fires: bool) -> &'static str {
    if fires { "firing" } else { "resolved" }
}

impl<'a> Body<'a> {
    fn new(message: &'a Message, receiver: &'a str) -> Body<'a> {
        let change = &message.change;
        let changed = change.changed.get(message.changed.clone()).unwrap_or_default();
        let others = change.others.get(..message.others).unwrap_or_default();
        let item = |told: &'a Told| Item::new(told, &change.external_labels);
        let alerts: Vec<Item<'_>> = changed.iter().chain(others).map(item).collect();
        let group_labels =
            Labels::new([("rule_file", &*change.file), ("rule_group", &*change.group)]);
        Body {
            receiver,
            status: status(message.fires()),
            common_labels: common(alerts.iter().map(|item| &item.labels)),
            common_annotations: common(alerts.iter().map(|item| item.annotations)),
            external_url: &change.external_url,
            version: "4",
            group_key: format!("{{}}:{group_labels}"),
            group_labels,
            truncated_alerts: change.others.len() - others.len(),
            alerts,
        }
    }
}

impl<'a> Item<'a> {
    fn new(told: &'a Told, external: &Labels) -> Item<'a> {
        let alert = &told.alert;
        let labels = with_external(&alert.labels, external);
        Item {
            status: status(alert.state == AlertState::Firing),
            fingerprint: fingerprint(&labels),
            labels,
            annotations: &alert.annotations,
            starts_at: rfc3339(starts_ms(alert)),
            // Alertmanager's word for a time that is not yet known: Go's first one.
            ends_at: alert.resolved_at_ms.map_or("0001-01-01T00:00:00Z".to_owned(), rfc3339),
            generator_url: &told.generator_url,
        }
    }
}

/// What all of them have.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = all.next() else { return Labels::empty() };
    let mut common: Vec<(&str, &str)> = first.iter().collect();
    for labels in all {
        common.retain(|(name, value)| labels.get(name) == Some(value));
    }
    Labels::new(common)
}

/// The number by which Alertmanager knows an alert: FNV-1a of its labels, each name and value with a byte 255 behind
/// it.
fn fingerprint(labels: &Labels) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in labels.iter() {
        for text in [name, value] {
            text.bytes().for_each(&mut add);
            add(255);
        }
    }
    format!("{hash:016x}")
}
