//! Load with a seed: the same each time, at the rates and with the distributions that were asked for.

use proptest::prelude::*;
use std::time::Duration;
use tachometer::testing::{Arrivals, ClosedLoop, OpenLoop, Operation, Random, Values, Workload};

fn second(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn arrivals(kind: u8, rate: f64) -> Arrivals {
    let made = match kind {
        0 => Arrivals::constant(rate),
        1 => Arrivals::poisson(rate),
        2 => Arrivals::bursts(10, Duration::from_secs_f64(10.0 / rate)),
        _ => Arrivals::ramp(0.0, 2.0 * rate, second(10)),
    };
    made.expect("a rate that there can be")
}

fn values(kind: u8) -> Values {
    let made = match kind {
        0 => Values::exponential(1_000.0),
        1 => Values::log_normal(1_000.0, 0.7),
        2 => Values::uniform(5, 5_000),
        _ => Values::known([1, 2, 3]),
    };
    made.expect("a distribution")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_seed_gives_the_same_load_however_it_is_asked(
        seed: u64, kind in 0..4u8, content in 0..4u8, steps in prop::collection::vec(0..3_000u64, 1..20),
    ) {
        let load = || OpenLoop::new(seed, arrivals(kind, 100.0), values(content));
        let all: Vec<Operation> = load().take(400).collect();
        let mut asked = load();
        let (mut now, mut parts) = (Duration::ZERO, Vec::new());
        for step in steps {
            now += Duration::from_millis(step);
            let due: Vec<Operation> = asked.due(now).take(400).collect();
            prop_assert!(due.iter().all(|one| one.at <= now));
            parts.extend(due);
        }
        let shared = parts.len().min(all.len());
        prop_assert_eq!(&parts[..shared], &all[..shared]);
        prop_assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at), "in the order of time");
        prop_assert!(all.iter().zip(0..).all(|(one, number)| one.number == number));
        let other = OpenLoop::new(seed, arrivals((kind + 1) % 4, 50.0), values(content));
        let contents = |load: OpenLoop| load.take(50).map(|one| one.value).collect::<Vec<_>>();
        prop_assert_eq!(contents(other), contents(load()), "values do not hang on arrivals");
    }

    #[test]
    fn a_client_does_the_same_whatever_others_do(seed: u64, number in 0..1_000u64) {
        let load = ClosedLoop::new(seed, values(0), values(1));
        let alone: Vec<_> = load.client(number).take(20).collect();
        let (mut first, mut second) = (load.client(number), load.client(number + 1));
        let mixed: Vec<_> = (0..20).map(|_| (second.next(), first.next().unwrap()).1).collect();
        prop_assert_eq!(alone, mixed);
    }

    #[test]
    fn no_setting_makes_a_generator_panic(a: f64, b: f64, ns: u64, low: u64, high: u64, seed: u64) {
        let span = Duration::from_nanos(ns);
        let made = [Values::exponential(a), Values::log_normal(a, b), Values::uniform(low, high)];
        let arrivals = [
            Arrivals::constant(a), Arrivals::poisson(b), Arrivals::bursts(low, span), Arrivals::ramp(a, b, span),
        ];
        for values in made.into_iter().flatten() {
            for arrivals in arrivals.iter().flatten() {
                let count = OpenLoop::new(seed, arrivals.clone(), values.clone()).take(50).count();
                prop_assert!(count <= 50);
            }
        }
    }
}

/// How many come in each of the first seconds.
fn counts(load: OpenLoop, seconds: usize) -> Vec<u64> {
    let mut counts = vec![0; seconds];
    for one in load.take_while(|one| one.at < second(seconds as u64)) {
        counts[one.at.as_secs() as usize] += 1;
    }
    counts
}

#[test]
fn arrivals_come_at_their_rates() {
    let load = |arrivals| OpenLoop::new(5, arrivals, Values::fixed(1));
    // The last of each second stands on its end.
    assert_eq!(counts(load(Arrivals::constant(1_000.0).unwrap()), 3), [999, 1_000, 1_000]);
    let bursts = load(Arrivals::bursts(50, Duration::from_millis(300)).unwrap());
    assert_eq!(counts(bursts, 4), [150, 150, 150, 200]);
    let ramp: Vec<u64> = counts(load(Arrivals::ramp(0.0, 1_000.0, second(10)).unwrap()), 13);
    for (at, count) in ramp[..10].iter().enumerate() {
        assert!(count.abs_diff(50 + 100 * at as u64) <= 1, "second {at}: {ramp:?}");
    }
    assert!(ramp[10..].iter().all(|count| count.abs_diff(1_000) <= 1), "{ramp:?}");
    let down = counts(load(Arrivals::ramp(1_000.0, 0.0, second(10)).unwrap()), 20);
    assert!(down[0].abs_diff(950) <= 1 && down[9].abs_diff(50) <= 1, "{down:?}");
    assert_eq!(
        down[10..].iter().sum::<u64>(),
        1,
        "the last stands on its end, and then it is over"
    );
    // Poisson: mean and variance are the rate. Over 200 seconds the mean is off by 0.7 % of its root at most five times that.
    let poisson = counts(load(Arrivals::poisson(100.0).unwrap()), 200);
    let mean = poisson.iter().sum::<u64>() as f64 / 200.0;
    let variance = poisson.iter().map(|n| (*n as f64 - mean).powi(2)).sum::<f64>() / 200.0;
    assert!((mean - 100.0).abs() < 3.5 && (60.0..150.0).contains(&variance), "{mean} {variance}");
}

#[test]
fn values_have_the_quantiles_that_they_should() {
    const COUNT: u64 = 100_000;
    let near = |values: &Values, q: f64, expected: f64| {
        let found = Workload::draw(9, values, COUNT).quantile(q).unwrap() as f64;
        assert!(
            (found / expected - 1.0).abs() < 0.03,
            "{values:?} at {q}: {found}, not {expected}"
        );
    };
    let log_normal = Values::log_normal(1e6, 0.5).unwrap();
    near(&log_normal, 0.5, 1e6);
    // The normal distribution's quantiles at 84.13 % and 97.72 % are one and two deviations.
    near(&log_normal, 0.841_344_7, 1e6 * 0.5f64.exp());
    near(&log_normal, 0.977_249_9, 1e6 * 1f64.exp());
    let exponential = Values::exponential(1e6).unwrap();
    near(&exponential, 0.5, 1e6 * 2f64.ln());
    near(&exponential, 0.99, 1e6 * 100f64.ln());
    near(&Values::uniform(1_000_000, 3_000_000).unwrap(), 0.25, 1_500_000.0);
    let known = Values::known([3, 1, 4, 1, 5]).unwrap();
    let drawn: Vec<u64> = Workload::draw(1, &known, 7).values().collect();
    assert_eq!(drawn, [3, 1, 4, 1, 5, 3, 1], "in its order, and again");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let said = |error: Option<tachometer::Error>| error.expect("refused").to_string();
    let cases = [
        (said(Values::exponential(0.0).err()), "the mean is 0"),
        (said(Values::exponential(f64::NAN).err()), "the mean is NaN"),
        (said(Values::log_normal(1.0, -1.0).err()), "sigma is -1"),
        (said(Values::uniform(2, 1).err()), "2 to 1 is no span"),
        (said(Values::known([]).err()), "at least one value"),
        (said(Arrivals::constant(0.0).err()), "0 a second is not from 0.000001"),
        (said(Arrivals::poisson(f64::INFINITY).err()), "inf a second"),
        (said(Arrivals::bursts(0, second(1)).err()), "at least one operation"),
        (said(Arrivals::bursts(1, Duration::ZERO).err()), "the time between bursts is 0ns"),
        (said(Arrivals::ramp(0.0, 0.0, second(1)).err()), "0 a second"),
    ];
    for (said, part) in cases {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn streams_of_one_seed_are_different() {
    let first = |random: Random| random.clone().next_u64();
    let mut all: Vec<u64> =
        (0..1_000).map(|number| first(Random::stream(1, "client", number))).collect();
    all.extend((0..1_000).map(|seed| first(Random::stream(seed, "link", 1))));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 2_000);
}
