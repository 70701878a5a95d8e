//! Disks: their bound, and when they are full.

use crate::common::loopback::{PATIENCE, wait_until};
use crate::common::process::own_process;
use crate::common::random::Random;
use crate::stand::{Folder, Life, builder, flush, points, seconds, segments};
use tachometer::limits::MIN_HISTORY_DISK_BYTES;
use tachometer::{Gauge, History, ManualClock, Registry};

#[test]
fn the_bound_holds_and_the_coarsest_goes_first() {
    let folder = Folder::new();
    let registry = Registry::new();
    let clock = ManualClock::at(seconds(crate::stand::START));
    let engine = crate::common::by_hand_with(&registry, &clock);
    let metric = |at: usize| registry.metric("level", "Level.").label("at", at.to_string());
    let levels: Vec<Gauge> = (0..100).map(|at| metric(at).gauge().unwrap()).collect();
    let bound = MIN_HISTORY_DISK_BYTES;
    let tiers = || {
        let builder = History::builder().directory(folder.log()).disk_bytes(bound);
        builder.tier(seconds(1), seconds(200)).tier(seconds(5), seconds(100_000))
    };
    let history = tiers().start(&engine).unwrap();
    let mut random = Random::new(3);
    let disk = || segments(&folder.log()).iter().map(|one| one.1.len() as u64).sum::<u64>();
    for generation in 0..3_000 {
        levels.iter().for_each(|one| one.set(f64::from_bits(random.next() >> 2)));
        clock.advance(seconds(1));
        engine.refresh();
        if generation % 50 == 0 {
            flush(&history);
            assert!(disk() <= bound, "{} bytes", disk());
        }
    }
    flush(&history);
    let persistence = history.persistence().unwrap();
    assert!(persistence.deleted_segments > 0 && persistence.bytes <= bound, "{persistence:?}");
    assert_eq!((persistence.bytes, persistence.segments), (disk(), segments(&folder.log()).len()));
    assert!(persistence.written_bytes > 4 * bound, "{persistence:?}");
    let known = history.window("level", &[("at", "7")], seconds(60)).unwrap();
    let known = known.series().next().unwrap().points();
    drop((history, engine));
    let registry = Registry::new();
    let engine = crate::common::by_hand_with(&registry, &clock);
    let history = tiers().start(&engine).unwrap();
    let (from, to) = history.kept().unwrap();
    assert!(to - from < seconds(3_000), "the oldest steps are gone");
    let again = history.window("level", &[("at", "7")], seconds(60)).unwrap();
    let again = again.series().next().unwrap().points();
    assert!(again.len() >= 30 && known.ends_with(&again), "the newest are there: {again:?}");
}

#[test]
fn a_row_that_has_no_room_is_said_to_have_none() {
    let folder = Folder::new();
    let registry = Registry::new();
    let engine = crate::common::by_hand(&registry);
    for at in 0..3_000 {
        let long = "x".repeat(100);
        let metric = registry.metric("level", "Level.").label("at", format!("{long}{at}"));
        metric.gauge().unwrap();
    }
    let history = builder(&folder.log()).disk_bytes(MIN_HISTORY_DISK_BYTES);
    let history = history.start(&engine).unwrap();
    engine.refresh();
    let error = history.flush(PATIENCE).unwrap_err().to_string();
    assert!(error.contains("disk_bytes") && error.contains("allow more"), "{error}");
    assert_eq!(history.persistence().unwrap().dropped_rows, 1);
    assert_eq!(history.series(), 3_000, "in memory it is there");
}

/// Lets files grow to so many bytes.
fn limit(bytes: libc::rlim_t) {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place for the answer.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut now) }, 0);
    now.rlim_cur = bytes.min(now.rlim_max);
    // SAFETY: reads the value.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &now) }, 0);
}

#[test]
fn a_disk_that_refuses_does_not_stop_it() {
    own_process("disk::a_disk_that_refuses_does_not_stop_it", || {
        // SAFETY: so that a write that is refused is an error, and no signal.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let folder = Folder::new();
        let mut life = Life::begin(0);
        let history = builder(&folder.log()).start(&life.engine).unwrap();
        life.steps(12);
        history.sync(PATIENCE).unwrap();
        let sound = segments(&folder.log());
        // In the middle of a row.
        limit(sound.iter().map(|one| one.1.len()).max().unwrap() as libc::rlim_t + 7);
        life.steps(2);
        let error = history.flush(PATIENCE).unwrap_err().to_string();
        assert!(error.contains("cannot write to"), "{error}");
        limit(0);
        life.steps(5);
        let _ = history.flush(PATIENCE);
        let full = history.persistence().unwrap();
        assert!(full.dropped_rows >= 5 && full.errors >= 1 && full.failing.is_some(), "{full:?}");
        assert_eq!(points(&history, "work_total").len(), 19, "in memory it goes on");
        limit(libc::RLIM_INFINITY);
        wait_until("a row that is written again", || {
            life.step();
            let _ = history.flush(PATIENCE);
            history.persistence().unwrap().failing.is_none()
        });
        life.steps(10);
        flush(&history);
        let known = points(&history, "work_total");
        drop(history);
        let again = Life::begin(100_000);
        let history = builder(&folder.log()).start(&again.engine).unwrap();
        assert!(history.damage().is_empty(), "what was torn was cut off: {:?}", history.damage());
        let kept = points(&history, "work_total");
        assert!(kept.len() < known.len() && kept.iter().all(|point| known.contains(point)));
        assert_eq!(kept.last(), known.last());
        let window = history.window("work_total", &[], seconds(3600)).unwrap();
        assert_eq!(window.increase().unwrap() as f64, known.last().unwrap().1, "over the gap");
    });
}
