//! Any thresholds and any recipes: an error that says what was expected, or rules whose YAML is read back as the same rules.
//! Thresholds also go through TOML and back.

use arbitrary::Arbitrary;
use std::time::Duration;
use tachometer::config::AlertConfig;
use tachometer::rules::RuleFile;
use tachometer::rules::recipes::{
    Anomaly, Bound, BurnRate, BurnWindows, ConsensusKind, Recipe, Severity, Span,
};

/// One input.
#[derive(Arbitrary, Clone, Debug)]
pub struct Plan {
    thresholds: Thresholds,
    group: String,
    recipes: Vec<(Named, Kind)>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Thresholds {
    is_raft: bool,
    prefix: Option<String>,
    /// In microseconds.
    spans: [Option<u32>; 3],
    numbers: [Option<f64>; 8],
    counts: [Option<u64>; 2],
}

#[derive(Arbitrary, Clone, Debug)]
struct Named {
    name: Text,
    component: Option<String>,
    label: Option<(String, String)>,
    annotation: Option<(String, String)>,
    hold: Length,
    keep_firing: Length,
    interval: Option<Length>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Kind {
    Threshold(Text, Side, f64),
    RateOfChange(Text, Length, f64),
    Drift(Text, Length, f64),
    Anomaly {
        of: Text,
        window: Length,
        offset: Length,
        z: f64,
        side: Side,
        floor: Option<f64>,
    },
    Absence(Text, Length),
    Vanished(Text, Length),
    DeadMansSwitch,
    BurnRate {
        errors: Text,
        total: Text,
        objective: f64,
        by: Vec<Text>,
        pairs: Vec<(f64, Length, Length)>,
    },
    StaleData(Text, Length),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Side {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// Often a text that will do.
#[derive(Arbitrary, Clone, Debug)]
enum Text {
    Counter,
    Gauge,
    Rate,
    Quoted,
    Any(String),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Length {
    Seconds(u32),
    Nanos(u64),
    Zero,
    Longest,
}

impl Text {
    fn get(&self) -> &str {
        match self {
            Text::Counter => "requests_total",
            Text::Gauge => "level{job=\"a\"}",
            Text::Rate => "rate(requests_total[5m])",
            Text::Quoted => "x{a=\"{{ it's \\n \"}",
            Text::Any(text) => text,
        }
    }
}

impl Length {
    fn get(self) -> Duration {
        match self {
            Length::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Length::Nanos(nanos) => Duration::from_nanos(nanos),
            Length::Zero => Duration::ZERO,
            Length::Longest => Duration::MAX,
        }
    }
}

impl Thresholds {
    fn config(&self) -> AlertConfig {
        let span =
            |at: usize| self.spans[at].map(|micros| Span(Duration::from_micros(micros.into())));
        let consensus = if self.is_raft { ConsensusKind::Raft } else { ConsensusKind::Hotstuff2 };
        AlertConfig {
            consensus,
            prefix: self.prefix.clone(),
            max_block_time: span(0),
            network_latency: span(1),
            stale_data: span(2),
            view_change_rate: self.numbers[0],
            min_throughput: self.numbers[1],
            peer_disconnect_rate: self.numbers[2],
            message_loss_rate: self.numbers[3],
            cpu: self.numbers[4],
            memory: self.numbers[5],
            disk: self.numbers[6],
            byzantine_rate: self.numbers[7],
            safety_violations: self.counts[0],
            liveness_timeouts: self.counts[1],
        }
    }

    /// How many are set.
    fn count(&self) -> usize {
        self.spans.iter().flatten().count()
            + self.numbers.iter().flatten().count()
            + self.counts.iter().flatten().count()
    }
}

fn recipe(named: &Named, kind: &Kind) -> Recipe {
    let name = match &named.name {
        Text::Any(name) => name.clone(),
        // As many names as there are kinds: few recipes are refused for having another's.
        _ => {
            format!("A{}", format!("{kind:?}").bytes().take(5).map(char::from).collect::<String>())
        }
    };
    let recipe = match kind {
        Kind::Threshold(text, side, value) => {
            let bound = match side {
                Side::Above => Bound::Above(*value),
                Side::AtLeast => Bound::AtLeast(*value),
                Side::Below => Bound::Below(*value),
                Side::AtMost => Bound::AtMost(*value),
            };
            Recipe::threshold(name, text.get(), bound)
        }
        Kind::RateOfChange(text, window, value) => {
            Recipe::rate_of_change(name, text.get(), window.get(), Bound::Below(*value))
        }
        Kind::Drift(text, window, value) => {
            Recipe::drift(name, text.get(), window.get(), Bound::Above(*value))
        }
        Kind::Anomaly { of, window, offset, z, side, floor } => {
            let anomaly = Anomaly::of(of.get(), window.get()).offset(offset.get());
            let anomaly = match side {
                Side::Above | Side::AtLeast => anomaly.above(*z),
                Side::Below => anomaly.below(*z),
                Side::AtMost => anomaly.beyond(*z),
            };
            let anomaly = floor.map_or(anomaly.clone(), |floor| anomaly.floor(floor));
            Recipe::anomaly(name, anomaly)
        }
        Kind::Absence(text, window) => Recipe::absence(name, text.get(), window.get()),
        Kind::Vanished(text, window) => Recipe::vanished(name, text.get(), window.get()),
        Kind::DeadMansSwitch => Recipe::dead_mans_switch(name),
        Kind::BurnRate { errors, total, objective, by, pairs } => {
            let burn_rate = BurnRate::of(errors.get(), total.get(), *objective);
            let burn_rate = burn_rate.by(by.iter().map(Text::get));
            let pairs = pairs.iter().map(|(factor, long, short)| BurnWindows {
                factor: *factor,
                long: long.get(),
                short: short.get(),
                severity: Severity::Warning,
            });
            let pairs: Vec<_> = pairs.collect();
            Recipe::burn_rate(
                name,
                if pairs.is_empty() { burn_rate } else { burn_rate.windows(pairs) },
            )
        }
        Kind::StaleData(text, age) => Recipe::stale_data(name, text.get(), age.get()),
    };
    let recipe = recipe.hold(named.hold.get()).keep_firing(named.keep_firing.get());
    let recipe = named.interval.map_or(recipe.clone(), |interval| recipe.interval(interval.get()));
    let recipe = match &named.component {
        Some(component) => recipe.component(component.replace("{{", "{")),
        None => recipe,
    };
    let recipe = match &named.label {
        Some((name, value)) => recipe.label(name, value),
        None => recipe,
    };
    match &named.annotation {
        Some((name, text)) => recipe.annotation(name, text),
        None => recipe,
    }
}

/// What is written must be read as the same rules, and written the same again.
fn round_trip(file: &RuleFile) {
    let yaml = file.to_yaml();
    let read = match RuleFile::parse("fuzz.yml", &yaml) {
        Ok(read) => read,
        Err(errors) => panic!("{errors}\n{yaml}"),
    };
    assert_eq!(format!("{:?}", read.groups()), format!("{:?}", file.groups()), "{yaml}");
    assert_eq!(read.to_yaml(), yaml);
}

/// Runs one input.
pub fn run(plan: &Plan) {
    let config = plan.thresholds.config();
    match config.rules() {
        Ok(file) => {
            let rules: usize = file.groups().iter().map(|group| group.rules().len()).sum();
            assert_eq!(rules, plan.thresholds.count(), "one alert for each threshold");
            round_trip(&file);
            // TOML's whole numbers end at 2^63.
            if let Ok(text) = toml::to_string(&config) {
                assert_eq!(toml::from_str::<AlertConfig>(&text).as_ref(), Ok(&config), "{text}");
            }
        }
        Err(error) => assert!(error.reason.len() > 10 && error.recipe == "alerts", "{error}"),
    }
    let recipes: Vec<_> =
        plan.recipes.iter().take(20).map(|(named, kind)| recipe(named, kind)).collect();
    for recipe in &recipes {
        if let Err(error) = recipe.rules() {
            assert!(error.reason.len() > 10 && !error.setting.is_empty(), "{error}");
        }
    }
    let sound: Vec<_> = recipes.into_iter().filter(|recipe| recipe.rules().is_ok()).collect();
    match RuleFile::of_recipes("fuzz.yml", &plan.group, &sound) {
        Ok(file) => round_trip(&file),
        Err(error) => {
            let group = error.setting == "group" && plan.group.is_empty();
            assert!(group || error.reason.contains("of this name already"), "{error}");
        }
    }
}
