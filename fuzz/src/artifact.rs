//! Any bytes as the artifact of a run, and a sound one with bytes changed: an error that says where, or what is in it.
//!
//! The oracle is a second reader, over a tree of JSON: what the first accepts, the second finds the same.

use arbitrary::Arbitrary;
use serde_json::Value;
use tachometer::testing::artifact::{Fact, Run};
use tachometer::{Error, JsonSnapshot};

/// An input.
#[derive(Arbitrary, Debug)]
pub enum Plan {
    /// A file, as it is.
    File(Vec<u8>),
    /// A sound file, with these bytes (place and new value) changed, and its end cut off.
    Harmed { changes: Vec<(u16, u8)>, cut: u8 },
}

const SOUND: &str = r#"{"format":"tachometer-artifact","version":1,
"name":"run","run_id":"r-1","seed":"18446744073709551615","status":"failed","error":"why",
"started_unix_ns":"1700000000000000000","written_unix_ns":"1700000001000000000","duration_ns":"1000000000",
"panics":1,"facts":{"a":1.5,"b":"c","d":true},
"memory":[{"at_ns":"5","resident_bytes":1024,"virtual_bytes":4096,"threads":3}],
"events":[{"at_ns":"7","name":"one","text":"two"}],
"dropped_events":0,"dropped_facts":0,"failed_writes":0,"metrics_left_out":false,
"metrics":{"format":"tachometer","version":1,"generation":1,"unix_time_ns":"0","complete":true,"moving_shards":0,
"families":[{"name":"a_total","type":"counter","unit":"none","help":"A.","series":[
{"labels":{"k":"v"},"created_ns":"0","value":7}]}],"rejected":[]}}
"#;

pub fn run(plan: &Plan) {
    match plan {
        Plan::File(bytes) => check(bytes),
        Plan::Harmed { changes, cut } => {
            let mut bytes = SOUND.as_bytes().to_vec();
            for (place, value) in changes {
                let place = usize::from(*place) % bytes.len();
                bytes[place] = *value;
            }
            bytes.truncate(bytes.len() - usize::from(*cut));
            if changes.is_empty() && *cut <= 1 {
                assert!(Run::parse(&bytes).is_ok(), "it is sound");
            }
            check(&bytes);
        }
    }
}

fn check(bytes: &[u8]) {
    let run = match Run::parse(bytes) {
        Ok(run) => run,
        Err(Error::Unreadable { at, reason, .. }) => {
            assert!(!at.is_empty() && !reason.is_empty());
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let tree: Value = serde_json::from_slice(bytes).expect("JSON, if it was accepted");
    assert_eq!(
        (&tree["format"], &tree["name"]),
        (&"tachometer-artifact".into(), &run.name.as_str().into())
    );
    assert_eq!(tree["status"], run.status.name());
    assert_eq!(number(&tree["duration_ns"]), run.duration.as_nanos());
    assert_eq!(tree["seed"].is_null(), run.seed.is_none());
    assert_eq!(tree["error"].as_str(), run.error.as_deref());
    let facts = tree["facts"].as_object().expect("an object");
    assert_eq!(facts.len(), run.facts.len());
    for (name, fact) in facts {
        match &run.facts[name] {
            Fact::Text(text) => assert_eq!(fact.as_str(), Some(text.as_str())),
            Fact::Number(value) => assert_eq!(fact.as_f64(), Some(*value)),
            Fact::Flag(flag) => assert_eq!(fact.as_bool(), Some(*flag)),
        }
    }
    let memory = tree["memory"].as_array().expect("a list");
    let threads = memory.iter().map(|one| number(&one["threads"]));
    assert!(threads.eq(run.memory.iter().map(|one| u128::from(one.memory.threads))));
    let events = tree["events"].as_array().expect("a list");
    let texts = events.iter().map(|one| one["text"].as_str());
    assert!(texts.eq(run.events.iter().map(|one| Some(one.text.as_str()))));
    let metrics = tree.get("metrics").filter(|metrics| !metrics.is_null());
    let read =
        metrics.map(|page| JsonSnapshot::parse(page.to_string().as_bytes()).expect("as before"));
    // Printed, so that one NaN is as another.
    assert_eq!(format!("{read:?}"), format!("{:?}", run.metrics));
}

/// A number, or a text of its digits.
fn number(value: &Value) -> u128 {
    let text = value.as_str().map(|text| text.parse().expect("digits"));
    text.unwrap_or_else(|| value.as_u64().expect("a number").into())
}
