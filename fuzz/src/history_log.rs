//! Any bytes as segments of a history on disk, any rows in sound ones, and a sound log that was harmed: whatever is given
//! back of the last is what was recorded, and what is skipped is told.

use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;
use tachometer::history::outside;
use tachometer::query::{Matcher, Series, Source};
use tachometer::{Counter, Engine, Family, History, ManualClock, Registry};

const START: u64 = 1_700_000_000;
/// Steps and spans, in milliseconds.
const TIERS: [(i64, i64); 2] = [(1_000, 60_000), (5_000, 3_600_000)];
/// The history's bound, in bytes.
const BOUND: usize = 128 << 10;

/// Segments.
#[derive(Arbitrary, Debug)]
pub enum Plan {
    /// Whatever.
    Raw(Vec<Vec<u8>>),
    /// Whatever rows, with checksums that are right; and whether it is the finest tier.
    Sealed(Vec<(bool, Vec<Vec<u8>>)>),
    /// A sound log whose rows were changed by somebody who knows how to make checksums.
    Forged(Vec<Forgery>),
    /// A sound log, of which something was harmed.
    Harmed(u8, Harm),
}

/// A byte of a row.
#[derive(Arbitrary, Debug)]
pub struct Forgery {
    segment: u8,
    row: u8,
    at: u16,
    flip: u8,
    /// Whether bytes are put in there instead.
    more: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
pub enum Harm {
    Cut(u16),
    Flip(u16, u8),
    Grow(Vec<u8>),
    Gone,
    /// It is there a second time.
    Twice,
}

/// What was recorded at a second.
type Truth = BTreeMap<i64, (f64, f64)>;

/// A sound log of two lives, and what they recorded.
fn sound() -> &'static (Vec<Vec<u8>>, Truth) {
    static SOUND: OnceLock<(Vec<Vec<u8>>, Truth)> = OnceLock::new();
    SOUND.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("tachometer-fuzz-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut truth = Truth::new();
        for life in 0..2 {
            let registry = Registry::new();
            let clock = ManualClock::at(Duration::from_secs(START + 100 * life));
            let engine = Engine::builder().registry(&registry).manual(&clock).start();
            let engine = engine.expect("a registry of its own");
            let tier = |(step, span): (i64, i64)| {
                (Duration::from_millis(step as u64), Duration::from_millis(span as u64))
            };
            let builder = History::builder().directory(&folder);
            let builder =
                TIERS.map(tier).into_iter().fold(builder, |b, (step, span)| b.tier(step, span));
            let _history = builder.start(&engine).expect("a directory of its own");
            let work = registry.counter("work_total", "Work.").expect("a counter");
            let level = registry.gauge("level", "Level.").expect("a gauge");
            let size = registry.histogram("size", "Size.").expect("a histogram");
            let keys =
                registry.metric("keys_total", "By key.").expire_after(Duration::from_secs(2));
            let keys: Family<Counter, 1> = keys.family(["key"]).expect("a family");
            for generation in 1..=12 {
                work.add(generation);
                level.set(generation as f64 / 4.0);
                size.record_n(generation * 100, generation);
                keys.at([["a", "b", "c"][generation as usize / 4 % 3]]).inc();
                clock.advance(Duration::from_secs(1));
                engine.refresh();
                let second = (START + 100 * life + generation) as i64 * 1_000;
                let counted = (generation * (generation + 1) / 2) as f64;
                truth.insert(second, (counted, generation as f64 / 4.0));
            }
        }
        let entries = std::fs::read_dir(&folder).expect("it was made");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "history"));
        paths.sort();
        let segments = paths.iter().map(|path| std::fs::read(path).expect("a file")).collect();
        let _ = std::fs::remove_dir_all(&folder);
        (segments, truth)
    })
}

fn read(segments: &[Vec<u8>]) -> (History, usize) {
    let segments: Vec<&[u8]> = segments.iter().map(|segment| &segment[..]).collect();
    outside::history(&TIERS, BOUND, &segments)
}

/// All series with all that they have.
fn all(history: &History) -> Vec<String> {
    let any: [Matcher; 0] = [];
    let series = history.select(&any, i64::MIN / 4, i64::MAX / 4).expect("it is in memory");
    let show = |series: &std::sync::Arc<dyn Series>| {
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        series.floats(i64::MIN / 4, i64::MAX / 4, &mut floats);
        series.histograms(i64::MIN / 4, i64::MAX / 4, &mut histograms);
        let rose = series.increase(i64::MIN / 4, i64::MAX / 4).map(|rose| rose.samples);
        format!("{:?} {floats:?} {} {rose:?}", series.labels(), histograms.len())
    };
    let mut all: Vec<String> = series.iter().map(show).collect();
    all.sort();
    all
}

/// Reads segments that may say anything.
fn anything(segments: &[Vec<u8>]) {
    let (history, damaged) = read(segments);
    assert!(history.bytes() <= BOUND, "{} bytes", history.bytes());
    let (again, still) = read(segments);
    assert_eq!((all(&history), damaged), (all(&again), still));
}

/// Whether a segment's end is that of one of its rows.
fn is_whole(segment: &[u8]) -> bool {
    let rows = outside::payloads(segment);
    segment.len() >= 53 && 53 + rows.iter().map(|row| 8 + row.len()).sum::<usize>() == segment.len()
}

/// Reads the sound log with one segment harmed.
fn harmed(at: u8, harm: &Harm) {
    let (sound, truth) = sound();
    let at = usize::from(at) % sound.len();
    let mut segments = sound.clone();
    let mut told = None;
    let length = segments[at].len();
    match harm {
        Harm::Cut(to) => {
            segments[at].truncate(usize::from(*to) % length);
            told = Some(!is_whole(&segments[at]));
        }
        Harm::Flip(byte, flip) => {
            segments[at][usize::from(*byte) % length] ^= flip;
            told = Some(*flip != 0);
        }
        Harm::Grow(more) => {
            segments[at].extend_from_slice(more);
            told = Some(!is_whole(&segments[at]));
        }
        Harm::Gone => drop(segments.remove(at)),
        Harm::Twice => {
            let twice = segments[at].clone();
            segments.push(twice);
        }
    }
    let (history, damaged) = read(&segments);
    if let Some(told) = told {
        assert_eq!(damaged > 0, told, "{harm:?} of segment {at}");
    }
    for (name, value) in [("work_total", 0), ("level", 1)] {
        let from_to = (Duration::ZERO, Duration::from_secs(2 * START));
        let Ok(window) = history.between(name, &[], from_to.0, from_to.1) else { continue };
        let points = window.series().next().expect("it has one").points();
        for (time, shown) in points.into_iter().filter_map(|(time, shown)| Some((time, shown?))) {
            let truth = truth.get(&(time.as_millis() as i64)).expect("a generation was made then");
            assert_eq!(shown, if value == 0 { truth.0 } else { truth.1 }, "{name} at {time:?}");
        }
        if value == 0 {
            // Twelve generations twice, of which each counts once.
            assert!(window.increase().expect("a counter") <= 2 * 78);
        }
    }
    if let Ok(window) = history.window("size", &[], Duration::from_secs(3_000)) {
        let histogram = window.histogram().expect("a histogram");
        assert!(histogram.count() <= 2 * 78, "{histogram:?}");
        assert!(histogram.max().is_none_or(|max| max <= 1_207), "{histogram:?}");
    }
}

/// Runs one input.
pub fn run(plan: &Plan) {
    match plan {
        Plan::Raw(segments) => anything(segments),
        Plan::Sealed(tiers) => {
            let segments = tiers.iter().zip(1..).map(|((finest, rows), number)| {
                let rows: Vec<_> = rows.iter().filter(|row| !row.is_empty()).cloned().collect();
                outside::segment(if *finest { 1_000 } else { 5_000 }, *finest, number, &rows)
            });
            anything(&segments.collect::<Vec<_>>());
        }
        Plan::Forged(forgeries) => {
            let mut logs: Vec<_> = sound().0.iter().map(|one| outside::payloads(one)).collect();
            for Forgery { segment, row, at, flip, more } in forgeries {
                let count = logs.len();
                let rows = &mut logs[usize::from(*segment) % count];
                let count = rows.len();
                let row = &mut rows[usize::from(*row) % count];
                let at = usize::from(*at) % row.len();
                row[at] ^= flip;
                row.splice(at..at, more.iter().copied());
            }
            let segments = logs.iter().zip(&sound().0).zip(1..).map(|((rows, sound), number)| {
                let finest = sound[32] == 1;
                outside::segment(if finest { 1_000 } else { 5_000 }, finest, number, rows)
            });
            anything(&segments.collect::<Vec<_>>());
        }
        Plan::Harmed(at, harm) => harmed(*at, harm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrary::Unstructured;

    #[test]
    fn random_inputs_agree_with_their_oracles() {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..3_000 {
            let bytes: Vec<u8> = (0..round % 200)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    (random >> 32) as u8
                })
                .collect();
            if let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(&bytes)) {
                run(&plan);
            }
        }
    }
}
