//! Windows against a naive store that keeps what was recorded in every generation: random hosts, whose series come, go
//! and come back, whose clocks step, and which stand still for a while.

use crate::common::by_hand_with;
use crate::common::random::Random;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;
use tachometer::history::{HistoryBuilder, Window};
use tachometer::{Counter, Engine, Family, Gauge, Histogram, History, ManualClock, Registry};

const START: u64 = 1_700_000_000_000;
const KEYS: [&str; 3] = ["a", "b", "c"];

/// Some generations that are alike.
#[derive(Clone, Copy, Debug)]
struct Phase {
    generations: usize,
    /// Milliseconds from one to the next.
    pace: u64,
    /// Records in each, at most.
    records: u64,
    /// What is done to the clocks first.
    clock: Event,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    None,
    /// The process stands still for so many milliseconds.
    Gap(u64),
    /// The wall's clock is set so many milliseconds ahead.
    Wall(i64),
    /// The process ends, and another one begins.
    Restart,
}

fn phase(restarts: u32) -> impl Strategy<Value = Phase> {
    let event = prop_oneof![
        4 => Just(Event::None),
        1 => (1_000u64..200_000).prop_map(Event::Gap),
        1 => (-50_000i64..50_000).prop_map(Event::Wall),
        restarts => Just(Event::Restart),
    ];
    let pace = prop_oneof![3 => Just(1_000u64), 1 => Just(0), 1 => 1u64..3_000, 1 => Just(7_000)];
    (1usize..350, pace, 0u64..6, event).prop_map(|(generations, pace, records, clock)| Phase {
        generations,
        pace,
        records,
        clock,
    })
}

/// What one generation recorded.
#[derive(Debug, Default)]
struct Recorded {
    time: u64,
    counts: HashMap<&'static str, u64>,
    values: HashMap<&'static str, Vec<u64>>,
    level: f64,
}

/// A process: what it counts, and its history.
struct Process {
    /// Before the engine, whose end makes a last generation.
    history: History,
    engine: Engine,
    plain: Counter,
    keyed: Family<Counter, 1>,
    size: Histogram,
    keyed_size: Family<Histogram, 1>,
    level: Gauge,
}

struct Host {
    clock: ManualClock,
    settings: HistoryBuilder,
    process: Option<Process>,
    all: Vec<Recorded>,
    /// The model's own clocks.
    wall: u64,
    last_wall: u64,
}

impl Process {
    fn begin(clock: &ManualClock, settings: &HistoryBuilder) -> Self {
        let registry = Registry::new();
        let engine = by_hand_with(&registry, clock);
        let metric =
            |name: &str| registry.metric(name, "Of a model.").expire_after(Duration::from_secs(5));
        Process {
            history: settings.clone().start(&engine).unwrap(),
            plain: registry.counter("plain_total", "Of a model.").unwrap(),
            keyed: metric("keyed_total").family(["key"]).unwrap(),
            size: registry.histogram("size", "Of a model.").unwrap(),
            keyed_size: metric("keyed_size").family(["key"]).unwrap(),
            level: registry.gauge("level", "Of a model.").unwrap(),
            engine,
        }
    }
}

impl Host {
    fn new(settings: HistoryBuilder) -> Self {
        let clock = ManualClock::at(Duration::from_millis(START));
        let process = Some(Process::begin(&clock, &settings));
        Host { clock, settings, process, all: Vec::new(), wall: START, last_wall: START }
    }

    fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    fn run(&mut self, phase: Phase, random: &mut Random) {
        match phase.clock {
            Event::None => {}
            Event::Gap(millis) => {
                self.clock.advance(Duration::from_millis(millis));
                self.wall += millis;
            }
            Event::Wall(by) => {
                self.wall = self.wall.saturating_add_signed(by);
                self.clock.set_wall(Duration::from_millis(self.wall));
            }
            Event::Restart => {
                self.process = None;
                self.process = Some(Process::begin(&self.clock, &self.settings));
                let history = &self.process().history;
                assert!(history.damage().is_empty(), "{:?}", history.damage());
            }
        }
        let mut passed = if let Event::Gap(millis) = phase.clock { millis } else { 0 };
        for generation in 0..phase.generations {
            if generation % 100 == 0 {
                self.process().history.flush(Duration::from_secs(60)).unwrap();
            }
            let process = self.process.as_ref().unwrap();
            let mut now = Recorded::default();
            for _ in 0..random.below(phase.records + 1) {
                let key = KEYS[random.below(3) as usize];
                let value = random.below(1 << 40) >> random.below(40);
                match random.below(4) {
                    0 => {
                        process.plain.add(value);
                        *now.counts.entry("").or_default() += value;
                    }
                    1 => {
                        process.keyed.at([key]).add(value);
                        *now.counts.entry(key).or_default() += value;
                    }
                    2 => {
                        process.size.record(value);
                        now.values.entry("").or_default().push(value);
                    }
                    _ => {
                        process.keyed_size.at([key]).record(value);
                        now.values.entry(key).or_default().push(value);
                    }
                }
            }
            now.level = random.below(1_000) as f64 / 10.0;
            process.level.set(now.level);
            self.clock.advance(Duration::from_millis(phase.pace));
            self.wall += phase.pace;
            passed += phase.pace;
            process.engine.refresh();
            // Never backwards, and at the pace of the monotonic clock where the wall is behind; but no process knows how
            // long the one before it has been gone.
            if generation == 0 && matches!(phase.clock, Event::Restart) {
                passed = 0;
            }
            let last = self.all.last().map(|last| last.time);
            now.time = match last {
                Some(last) if self.wall <= last => last + passed.max(1),
                _ => self.wall,
            };
            (self.last_wall, passed) = (self.wall, 0);
            self.all.push(now);
        }
    }

    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Recorded> {
        self.all.iter().filter(move |one| from < one.time && one.time <= to)
    }

    fn counted(&self, key: &str, from: u64, to: u64) -> u64 {
        self.between(from, to).filter_map(|one| one.counts.get(key)).sum()
    }

    fn values(&self, key: &str, from: u64, to: u64) -> Vec<u64> {
        let mut all: Vec<u64> = self
            .between(from, to)
            .filter_map(|one| one.values.get(key))
            .flatten()
            .copied()
            .collect();
        all.sort_unstable();
        all
    }

    /// From when on values may count: from the window's bound; or, if history does not reach back to the window's
    /// beginning, also from a generation of the step that the bound ends, as a series that begins in it counts from
    /// zero.
    fn beginnings(&self, low: u64, from: u64) -> impl Iterator<Item = u64> {
        let step = self.between(low.saturating_sub(60_001), low).map(|one| one.time - 1);
        std::iter::once(low).chain(step.filter(move |_| low > from))
    }

    /// All that history says of the time after `from` up to `to`; `exact` if its bounds are known.
    fn check(
        &self,
        history: &History,
        from: u64,
        to: u64,
        exact: bool,
    ) -> Result<(), TestCaseError> {
        let millis = Duration::from_millis;
        let ask = |name: &str, labels: &[(&str, &str)]| {
            history.between(name, labels, millis(from), millis(to)).ok()
        };
        let rows = self.all.iter().map(|one| one.time);
        let known = (
            rows.clone().filter(|time| *time <= from).max(),
            rows.filter(|time| *time <= to).max(),
        );
        for key in ["", "a", "b", "c"] {
            let labels = [("key", key)];
            let labels: &[_] = if key.is_empty() { &[] } else { &labels };
            let (total, size) = if key.is_empty() {
                ("plain_total", "size")
            } else {
                ("keyed_total", "keyed_size")
            };
            let bounds = |window: &Window| {
                let (low, high) = window.bounds();
                (low.as_millis() as u64, high.as_millis() as u64)
            };
            match ask(total, labels) {
                None if exact => prop_assert_eq!(self.counted(key, known.0.unwrap_or(0), to), 0),
                None => {}
                Some(window) => {
                    let (low, high) = bounds(&window);
                    if exact {
                        prop_assert_eq!((Some(low), Some(high)), (known.0, known.1));
                    }
                    let rose = window.increase().unwrap();
                    let right =
                        self.beginnings(low, from).any(|low| rose == self.counted(key, low, high));
                    prop_assert!(right, "{rose}, not {} of {key:?}", self.counted(key, low, high));
                }
            }
            match ask(size, labels) {
                None if exact => {
                    prop_assert!(self.values(key, known.0.unwrap_or(0), to).is_empty())
                }
                None => {}
                Some(window) => {
                    let (low, high) = bounds(&window);
                    let histogram = window.histogram().unwrap();
                    let sum = |values: &[u64]| {
                        values.iter().map(|&value| u128::from(value)).sum::<u128>()
                    };
                    let right = |values: &Vec<u64>| {
                        (histogram.count(), histogram.sum()) == (values.len() as u64, sum(values))
                    };
                    let truth = self
                        .beginnings(low, from)
                        .map(|low| self.values(key, low, high))
                        .find(right);
                    let Some(truth) = truth else {
                        let truth = self.values(key, low, high);
                        return Err(TestCaseError::fail(format!(
                            "{histogram:?}, not {truth:?} of {key:?}"
                        )));
                    };
                    for q in [0.0, 0.25, 0.5, 0.99, 1.0] {
                        let rank = (q * truth.len() as f64).ceil().max(1.0) as usize;
                        let near = truth.get(rank - 1).zip(histogram.quantile(q));
                        if let Some((&truth, found)) = near {
                            prop_assert!(
                                found.abs_diff(truth) as f64 <= 0.008 * truth as f64,
                                "{found}, not {truth}"
                            );
                        } else {
                            prop_assert!(truth.is_empty() && histogram.is_empty());
                        }
                    }
                }
            }
        }
        if let Some(window) = ask("level", &[]) {
            let level = |time: Duration| {
                let time = time.as_millis() as u64;
                self.all.iter().find(|one| one.time == time).map(|one| one.level)
            };
            let points = window.series().next().unwrap().points();
            prop_assert!(points.is_sorted_by_key(|point| point.0));
            prop_assert!(points.iter().all(|(time, value)| *value == level(*time)), "{points:?}");
            if exact {
                prop_assert_eq!(points.len(), self.between(from, to).count());
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_have_what_was_recorded(
        phases in proptest::collection::vec(phase(0), 1..12),
        seed in any::<u64>(),
        max_bytes in prop_oneof![Just(64usize << 10), Just(96 << 10), Just(256 << 20)],
        asked in proptest::collection::vec((0.0f64..1.1, 0.0f64..1.0), 40),
    ) {
        run(settings(max_bytes), phases, seed, max_bytes, &asked)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_over_restarts_have_what_was_recorded(
        phases in proptest::collection::vec(phase(6), 1..12),
        seed in any::<u64>(),
        max_bytes in prop_oneof![Just(96 << 10), Just(256 << 20)],
        asked in proptest::collection::vec((0.0f64..1.1, 0.0f64..1.0), 40),
    ) {
        let name = format!("tachometer-history-model-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        let result = run(settings(max_bytes).directory(&path), phases, seed, max_bytes, &asked);
        let _ = std::fs::remove_dir_all(&path);
        result?;
    }
}

fn settings(max_bytes: usize) -> HistoryBuilder {
    let span = |seconds| Duration::from_secs(seconds);
    let builder = History::builder().max_bytes(max_bytes);
    builder.tier(span(1), span(120)).tier(span(15), span(900)).tier(span(60), span(7200))
}

fn run(
    settings: HistoryBuilder,
    phases: Vec<Phase>,
    seed: u64,
    max_bytes: usize,
    asked: &[(f64, f64)],
) -> Result<(), TestCaseError> {
    let mut host = Host::new(settings);
    let mut random = Random::new(seed);
    let roomy = max_bytes > 1 << 20;
    for phase in phases {
        host.run(phase, &mut random);
        let history = &host.process().history;
        prop_assert!(history.bytes() <= max_bytes, "{} bytes", history.bytes());
        let (first, last) = (host.all[0].time, host.all[host.all.len() - 1].time);
        host.check(history, 0, last, false)?;
        for (back, part) in asked {
            let from = last - ((last - first) as f64 * back).min(last as f64) as u64;
            let to = from + ((last - from.min(last)) as f64 * part) as u64;
            let recent = roomy && from >= first && last - from <= 120_000;
            host.check(history, from, to, recent)?;
            host.check(history, from, last, recent)?;
        }
    }
    Ok(())
}

/// Of the finest tier's segments on disk, those that reach to the beginning of its span are still there.
#[test]
fn a_window_as_long_as_the_finest_tier_is_exact_after_a_restart() {
    let phases = vec![
        Phase { generations: 284, pace: 1000, records: 0, clock: Event::None },
        Phase { generations: 165, pace: 7000, records: 0, clock: Event::Wall(-7000) },
        Phase { generations: 1, pace: 1000, records: 0, clock: Event::Restart },
    ];
    let path = format!("tachometer-history-span-{}", std::process::id());
    let path = std::env::temp_dir().join(path);
    let asked: Vec<_> = (0..40).map(|part| (f64::from(part) / 450.0, 0.0)).collect();
    let result = run(settings(256 << 20).directory(&path), phases, 0, 256 << 20, &asked);
    let _ = std::fs::remove_dir_all(&path);
    result.unwrap();
}

/// A series begins anew, and the block in which it does is displaced before coarser tiers have a row.
#[test]
fn windows_at_the_bound_have_what_was_recorded() {
    let phases = vec![
        Phase { generations: 225, pace: 1000, records: 1, clock: Event::None },
        Phase { generations: 136, pace: 0, records: 0, clock: Event::None },
    ];
    let asked = [
        (0.9745633937895078, 0.8430314581570579),
        (0.5849899299537642, 0.7360051198757956),
        (1.088188900051421, 0.32225471647586995),
        (0.32800342999452387, 0.7120830777447419),
        (0.15653971889267634, 0.8258749333243354),
        (0.09864134336268858, 0.862858029127812),
        (1.028782133849319, 0.29139133474697876),
        (0.3110863978974501, 0.9838366437262198),
        (0.24694709643413487, 0.1053369990506818),
        (0.9849621315270357, 0.8273913614541755),
        (0.4493128820913405, 0.8799422854700207),
        (0.6703715734724057, 0.5949665300681295),
        (0.41582645133984575, 0.2577654255541343),
        (0.7392124627735183, 0.47286691596724323),
        (0.06877429299548211, 0.5360934377505083),
        (0.6379544125893837, 0.7764819422797089),
        (0.14498149965816656, 0.21381273557715613),
        (0.7610146183622193, 0.11910893546743383),
        (1.0019233314017209, 0.7873912168992409),
        (0.7227276710443252, 0.47468389330132793),
        (0.02120348987317813, 0.4795228776617737),
        (1.042771097930153, 0.0994245935638529),
        (0.712555427583726, 0.8975105580409249),
        (0.8792373689852773, 0.380690835677541),
        (0.18976544732584055, 0.5559636235783673),
        (0.05822757815718528, 0.9179540281743277),
        (0.6923950254523366, 0.212997451478103),
        (0.27559212522943854, 0.9328573136148012),
        (0.5788527797984732, 0.002929979671989703),
        (0.2578480442216697, 0.6332647587139426),
        (0.14487590817887763, 0.964046985514503),
        (0.27325457701274186, 0.7015936281537972),
        (0.047906819168841784, 0.838378343744304),
        (0.4244812129688806, 0.763767840439563),
        (0.886779660542684, 0.4982130339462947),
        (0.35435625818076605, 0.6948683018892979),
        (1.042610410557074, 0.1816300418531663),
        (0.1298434181473934, 0.3869181214521893),
        (0.16541478341011764, 0.039697349144360496),
        (0.38136939195026404, 0.17098117088455594),
    ];
    run(settings(98_304), phases, 16_354_953_994_112_794_588, 98_304, &asked).unwrap();
}

/// All rows go, right before a coarser tier's step is over.
#[test]
fn windows_after_all_rows_went_have_what_was_recorded() {
    let phases = vec![
        Phase { generations: 302, pace: 1000, records: 1, clock: Event::Wall(-7999) },
        Phase { generations: 3, pace: 333, records: 3, clock: Event::None },
    ];
    let asked = [
        (1.0598352308822876, 0.292521996781845),
        (0.25424136033178013, 0.2738020142061014),
        (0.7461268562312336, 0.23659784964136937),
        (0.6319428433770278, 0.0579999262657988),
        (0.08505435758232505, 0.5769308507348484),
        (0.9613099758732693, 0.712513827287651),
        (0.7774684440851523, 0.2252860162811159),
        (0.7076599959466754, 0.20911927988138515),
        (0.7152463367561942, 0.5305066329909869),
        (0.7494119113011762, 0.451809755432566),
        (0.30558477824205643, 0.7084066393165641),
        (0.43070724610698014, 0.3620112558470819),
        (0.5820943852127415, 0.8324921558762002),
        (0.6282714088845782, 0.07396316468768381),
        (0.1039014201118441, 0.9642081514369228),
        (0.53907943110871, 0.3585193967126125),
        (0.1630698543093354, 0.650575272902521),
        (0.5574996082110694, 0.13297082028374166),
        (0.47422402010560233, 0.6393174108458637),
        (0.8021438372029673, 0.44305601277869416),
        (0.07491980525142361, 0.9291309967815108),
        (0.7026170785909248, 0.0644179285942059),
        (0.16975453134086513, 0.7594181918777293),
        (0.5253698049069292, 0.6170209477399756),
        (0.3926350359630174, 0.7150693898170504),
        (1.0040260084597745, 0.13876080231087182),
        (0.45403321336832214, 0.14719654557498235),
        (0.6465580067225892, 0.7147043515726582),
        (0.0722239750380135, 0.09079940864693735),
        (1.0034412391979453, 0.6241762291597713),
        (0.9051665005580963, 0.8971779416966024),
        (0.6417185946552627, 0.43173657685745165),
        (0.661911718424003, 0.05663339529474082),
        (0.2271862310236005, 0.9451093970401107),
        (0.21211483943041884, 0.41779241071930484),
        (0.603596531029665, 0.34162338941632026),
        (1.027190645379671, 0.10240476495623722),
        (0.2072731582204705, 0.2558063653824009),
        (0.6525188401429859, 0.7357177662426859),
        (0.06842566115904446, 0.9365906956031038),
    ];
    run(settings(98304), phases, 1410835911302054553, 98304, &asked).unwrap();
}
