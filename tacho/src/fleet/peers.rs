//! Which peer is slow against the others, by one measure after the other.
//!
//! "The others" are those of the same group: the followers that one leader sees, or all members by their own series. A ratio
//! of 1 is as fast as their median.

use std::collections::BTreeMap;

use tachometer::query::{Answer, Query, QueryError, Settings, Source};

/// What peers are compared by: its name, the query, the labels that name the peer (the first that is there), whether each instance
/// is a group of its own, and below what nobody is slow, in seconds.
struct Measure {
    name: &'static str,
    query: &'static str,
    peer: &'static [&'static str],
    own_group: bool,
    floor: f64,
}

const MEASURES: [Measure; 3] = [
    Measure {
        name: "follower_lag",
        query: "max by (instance, node, follower) (raft_follower_lag_seconds)",
        peer: &["follower"],
        own_group: true,
        floor: 0.001,
    },
    Measure {
        name: "peer_latency",
        query: "histogram_quantile(0.5, sum by (instance, node, peer) (rate(hotstuff_peer_latency_seconds[1m])))",
        peer: &["peer"],
        own_group: true,
        floor: 0.000_1,
    },
    Measure {
        name: "log_append",
        query: "histogram_quantile(0.5, sum by (instance, node) (rate(raft_log_append_duration_seconds[1m])))",
        peer: &["node", "instance"],
        own_group: false,
        floor: 0.000_01,
    },
];

/// How slow one peer is.
#[derive(Clone, Debug, PartialEq)]
pub struct Slowness {
    pub instance: String,
    pub peer: String,
    pub measure: &'static str,
    pub ratio: f64,
}

/// Ranks all peers that `source` has something about, the slowest first.
pub fn rank(
    source: &dyn Source,
    now_ms: i64,
    settings: &Settings,
) -> Result<Vec<Slowness>, QueryError> {
    let mut all = Vec::new();
    for measure in &MEASURES {
        // The queries are constants, which a test parses.
        let answer = Query::parse(measure.query)?.instant(source, now_ms, settings)?;
        let Answer::Vector(samples) = answer else { continue };
        let mut groups: BTreeMap<String, Vec<(String, String, f64)>> = BTreeMap::new();
        for sample in samples {
            let label = |name: &str| sample.labels.get(name).unwrap_or_default();
            let peer = measure.peer.iter().map(|name| label(name)).find(|peer| !peer.is_empty());
            let value = sample.value.as_float().filter(|value| value.is_finite());
            if let (Some(peer), Some(value)) = (peer, value) {
                let own = format!("{}\0{}", label("instance"), label("node"));
                let group = if measure.own_group { own } else { String::new() };
                let member = (label("instance").to_owned(), peer.to_owned(), value);
                groups.entry(group).or_default().push(member);
            }
        }
        for group in groups.values() {
            for (at, (instance, peer, value)) in group.iter().enumerate() {
                let others = group.iter().enumerate().filter(|(other, _)| *other != at);
                let Some(median) = median(others.map(|(_, other)| other.2).collect()) else {
                    continue;
                };
                let ratio = value.max(measure.floor) / median.max(measure.floor);
                let (instance, peer) = (instance.clone(), peer.clone());
                all.push(Slowness { instance, peer, measure: measure.name, ratio });
            }
        }
    }
    all.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    Ok(all)
}

/// The middle, the mean of the two in the middle; `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_can_be_read() {
        for measure in &MEASURES {
            Query::parse(measure.query).unwrap();
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
