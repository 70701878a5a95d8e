//! Info metrics and state sets: what is registered is what a snapshot shows, and what breaks their rules is refused.

mod common;

use common::{by_hand, page_of};
use std::sync::atomic::{AtomicBool, Ordering};
use tachometer::{Error, Kind, MetricBuilder, Registry, Snapshot, StateSet, Unit, bundle, labels};

labels! {
    /// What a node is.
    enum Role("role") { Follower = "follower", Candidate = "candidate", Leader = "leader" }
}

labels! {
    /// Some of the same states, in another order.
    enum Other("role") { Leader = "leader", Follower = "follower" }
}

/// The states of `name` that are at 1, over all of its series.
fn holding(now: &Snapshot, name: &str) -> Vec<String> {
    let all = now.select(name, &[]).filter(|series| match series.value {
        tachometer::Value::Gauge(value) => value == 1.0,
        _ => panic!("{series:?}"),
    });
    all.map(|series| series.label(name).unwrap().to_owned()).collect()
}

#[test]
fn a_state_set_has_one_state_from_the_start() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let role: StateSet<Role> = registry.state_set("raft_role", "The role.").unwrap();
    assert!(role.is(Role::Follower));
    assert_eq!(holding(&engine.refresh(), "raft_role"), ["follower"]);
    let same = role.clone();
    for (state, name) in [
        (Role::Leader, "leader"),
        (Role::Candidate, "candidate"),
        (Role::Follower, "follower"),
        (Role::Leader, "leader"),
    ] {
        same.set(state);
        assert!(role.is(state));
        let now = engine.refresh();
        assert_eq!(holding(&now, "raft_role"), [name]);
        assert_eq!(now.select("raft_role", &[]).count(), 3);
        assert_eq!(now.select("raft_role", &[]).next().unwrap().definition.kind, Kind::StateSet);
        assert_eq!(now.gauge("raft_role").unwrap(), 1.0);
    }
    // Registered again alike: the same one.
    let again: StateSet<Role> = registry.state_set("raft_role", "The role.").unwrap();
    assert!(again.is(Role::Leader));
}

#[test]
fn state_sets_of_different_labels_are_different() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let of_group = |group: &str| -> StateSet<Role> {
        registry.metric("raft_role", "The role.").label("group", group).state_set().unwrap()
    };
    let (first, second) = (of_group("1"), of_group("2"));
    first.set(Role::Leader);
    second.set(Role::Candidate);
    let now = engine.refresh();
    for (group, state) in [("1", "leader"), ("2", "candidate")] {
        let labels = [("group", group), ("raft_role", state)];
        assert_eq!(now.gauge_with("raft_role", &labels).unwrap(), 1.0);
        assert_eq!(now.gauge_with("raft_role", &labels[..1]).unwrap(), 1.0, "and no other");
    }
}

/// While it is set without a pause, no snapshot has two states, or none.
#[test]
fn every_snapshot_has_exactly_one_state() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let role: StateSet<Role> = registry.state_set("raft_role", "The role.").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for state in [Role::Leader, Role::Follower, Role::Candidate] {
                    role.set(state);
                }
            }
        });
        let counts: Vec<usize> =
            (0..2_000).map(|_| holding(&engine.refresh(), "raft_role").len()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(counts.iter().all(|&count| count == 1), "{counts:?}");
    });
}

static STATIC: StateSet<Role> = StateSet::new("static_role", "The role.");
static REFUSED: StateSet<Role> = StateSet::new("refused role", "A name that is none.");

#[test]
fn static_state_sets() {
    STATIC.register().unwrap();
    STATIC.set(Role::Candidate);
    REFUSED.set(Role::Leader);
    assert!(STATIC.is(Role::Candidate));
    assert!(REFUSED.register().is_err());
    assert!(Registry::global().rejected().iter().any(|r| r.name == "refused role"));
    let engine = by_hand(Registry::global());
    let now = engine.refresh();
    assert_eq!(holding(&now, "static_role"), ["candidate"]);
    assert!(now.rejected_records().contains(&("refused role".to_owned(), 0)), "it has no count");
}

bundle! {
    /// Both in a bundle.
    struct Node("node_") {
        /// What the node is.
        role: StateSet<Role> = "role";
    }
}

#[test]
fn a_bundle_has_state_sets() {
    let registry = Registry::new();
    let node = Node::register(&registry).unwrap();
    node.role.set(Role::Leader);
    assert_eq!(holding(&by_hand(&registry).refresh(), "node_role"), ["leader"]);
}

#[test]
fn a_state_set_that_goes_leaves_a_clean_slot() {
    for _ in 0..3 {
        let registry = Registry::new();
        let engine = by_hand(&registry);
        let role: StateSet<Role> = registry.state_set("raft_role", "The role.").unwrap();
        assert!(role.is(Role::Follower), "the first state, whoever had the slot before");
        role.set(Role::Leader);
        drop((role, registry));
        for _ in 0..3 {
            engine.refresh();
        }
    }
}

#[test]
fn info_metrics() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let labels = [("version", "1.2"), ("commit", "0a1b")];
    registry.info("build_info", "What runs.", labels).unwrap();
    registry.info("build_info", "What runs.", labels).unwrap();
    registry.metric("build_info", "What runs.").label("version", "2").info().unwrap();
    let now = engine.refresh();
    assert_eq!(now.select("build_info", &[]).count(), 2);
    assert_eq!(now.gauge_with("build_info", &labels).unwrap(), 1.0);
    assert_eq!(now.select("build_info", &[]).next().unwrap().definition.kind, Kind::Info);
    let page = page_of(&engine);
    assert!(
        page.contains("# TYPE build_info gauge\nbuild_info{commit=\"0a1b\",version=\"1.2\"} 1\n")
    );
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let registry = Registry::new();
    let states = |metric: MetricBuilder<'_>| metric.state_set::<Role>().err();
    let info = |metric: MetricBuilder<'_>| metric.info().err();
    let metric = |name| registry.metric(name, "Help.");
    for (error, part) in [
        (info(metric("build")), "ends in _info"),
        (info(metric("_info")), "ends in _info"),
        (info(metric("time_seconds_info").unit(Unit::Seconds)), "has no unit"),
        (states(metric("up_seconds").unit(Unit::Seconds)), "has no unit"),
        (states(metric("a:role")), "a label name has"),
        (states(metric("__role")), "Prometheus's own"),
        (states(metric("role").label("role", "x")), "twice"),
    ] {
        let error = error.unwrap_or_else(|| panic!("nothing said {part:?}"));
        assert!(matches!(error, Error::InvalidName { .. }) && error.to_string().contains(part));
    }
    let _role: StateSet<Role> = registry.state_set("role", "Help.").unwrap();
    for error in [
        registry.state_set::<Other>("role", "Help.").err(),
        registry.gauge("role", "Help.").err(),
        registry.metric("role", "Help.").label("role", "leader").gauge().err(),
    ] {
        assert!(matches!(error, Some(Error::Conflict { .. })), "{error:?}");
    }
    let engine = by_hand(&registry);
    assert_eq!(engine.refresh().len(), 3, "what was refused left nothing behind");
}
