//! Series that come and go.

use crate::common::by_hand_with;
use std::time::Duration;
use tachometer::{Counter, Gauge, History, ManualClock, Registry};

const START: Duration = Duration::from_secs(1_700_000_000);

#[test]
fn series_that_end_are_marked_and_come_back_from_zero() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let engine = by_hand_with(&registry, &clock);
    let expiring =
        |name: &str| registry.metric(name, "By key.").expire_after(Duration::from_secs(3));
    let levels = expiring("level").family::<Gauge, 1>(["key"]).unwrap();
    let counts = expiring("work_total").family::<Counter, 1>(["key"]).unwrap();
    let builder = History::builder().tier(Duration::from_secs(1), Duration::from_secs(60));
    let history =
        builder.tier(Duration::from_secs(30), Duration::from_secs(3600)).start(&engine).unwrap();
    let mut there = Vec::new();
    for second in 0..40 {
        if second % 20 == 0 {
            levels.at(["a"]).set(f64::from(second) + 1.0);
            counts.at(["a"]).add(7);
        }
        clock.advance(Duration::from_secs(1));
        let now = engine.refresh();
        there.push(now.select("level", &[("key", "a")]).next().is_some());
    }
    let changes = there.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 3, "there, gone, there, gone: {there:?}");
    let window = history.window("level", &[("key", "a")], Duration::from_secs(60)).unwrap();
    let points = window.series().next().unwrap().points();
    let ends: Vec<_> =
        points.iter().filter(|point| point.1.is_none()).map(|point| point.0).collect();
    let gone = |from: usize| from + there[from..].iter().position(|there| !there).unwrap();
    let time = |generation: usize| START + Duration::from_secs(1 + generation as u64);
    assert_eq!(ends, [time(gone(0)), time(gone(20))]);
    assert_eq!(points.len(), there.iter().filter(|there| **there).count() + 2);
    // Once in the first tier and once in the second, the counter began from zero twice: neither shows less.
    assert_eq!(
        history.window("work_total", &[], Duration::from_secs(60)).unwrap().increase(),
        Ok(14)
    );
    for second in 0..600 {
        if second == 300 {
            counts.at(["a"]).add(1);
        }
        clock.advance(Duration::from_secs(1));
        engine.refresh();
    }
    let window = history.window("work_total", &[], Duration::from_secs(3600)).unwrap();
    assert_eq!(window.increase(), Ok(15));
}
