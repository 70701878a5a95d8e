//! A host's own bundle: everything that the shipped ones get, it gets the same way.

use crate::common::{by_hand, page_of};
use crate::drive;
use crate::drive::Driven;
use crate::five::Artefacts;
use std::time::Duration;
use tachometer::declare::{Alert, Bound, PanelKind, Severity};
use tachometer::{Counter, EnumFamily, Family, Gauge, Histogram, Registry, Unit, generate};

tachometer::labels! {
    /// How a sack of grain turned out.
    pub enum Grade("grade") { Fine = "fine", Coarse = "coarse" }
}

tachometer::bundle! {
    /// What a mill records.
    pub struct MillMetrics("mill_", "Mill") {
        "Grain":
        /// Sacks ground, by grade.
        pub sacks: EnumFamily<Counter, Grade> = "sacks_total" => asks("How much is ground?"), headline();
        /// Grinding a sack.
        pub grinding: Histogram = "grinding_seconds", unit(Unit::Nanoseconds) => asks("Is the mill slow?");
        "Water":
        /// The water's height behind the dam, by gate.
        pub water: Family<Gauge, 1> = "water_height", keys(["gate"])
            => asks("Is there enough water?"), titled("Water"),
               alert(Alert::when_beyond("MillDry", "mill_water_height", Bound::Below(0.5))
                   .hold(Duration::from_secs(30))
                   .severity(Severity::Critical)
                   .component("storage")
                   .summary("There is no water at {{ $labels.gate }}")
                   .action("Open the upper sluice."));
    }
    derived {
        "Grain":
        /// Sacks a second, over a minute.
        "throughput" = "sum without (grade) (rate(mill_sacks_total[1m]))" => asks("How fast is it?"), titled("Throughput");
    }
}

fn artefacts() -> Artefacts {
    let registry = Registry::new();
    let (driven, declared) = (&mut Driven::default(), MillMetrics::declaration());
    drive!(driven, &registry, MillMetrics { sacks, grinding, water });
    let page = page_of(&by_hand(&registry));
    assert_eq!(*registry.bundles()[0], declared, "whoever serves the registry knows the bundle");
    Artefacts::of(&declared, MillMetrics::NAMES, &page, &declared.to_markdown())
}

#[test]
fn it_gets_all_five() {
    let declared = MillMetrics::declaration();
    assert_eq!(artefacts().drifts(&declared), [""; 0]);
    let dashboards = generate::grafana(std::slice::from_ref(&declared));
    let titles: Vec<_> = dashboards.iter().map(|dashboard| dashboard.title()).collect();
    assert_eq!(titles, ["Mill", "Fleet"], "a dashboard of its own");
    let kinds: Vec<_> = dashboards[0].panels().map(|panel| panel.kind).collect();
    assert_eq!(kinds, [PanelKind::Lines, PanelKind::Heatmap, PanelKind::Lines, PanelKind::Lines]);
}

/// The check is one: each of the five, changed, is found out.
#[test]
fn whichever_drifts_is_found_out() {
    let (declared, sound) = (MillMetrics::declaration(), artefacts());
    let told = |change: fn(&mut Artefacts), what: &str| {
        let mut changed = sound.clone();
        change(&mut changed);
        let drifts = changed.drifts(&declared);
        assert!(drifts.iter().any(|drift| drift.contains(what)), "{what}: {drifts:?}");
    };
    told(|own| own.handles[1] = "grinding_ms".to_owned(), "handles");
    told(
        |own| own.page = own.page.replace("mill_sacks_total counter", "mill_sacks_total gauge"),
        "# TYPE",
    );
    told(|own| own.page = own.page.replace("Grinding a sack.", "Milling."), "# HELP");
    told(|own| own.page = own.page.replace("gate=", "door="), "has not the labels");
    told(|own| own.page = own.page.replace("grade=\"fine\"", "grade=\"odd\""), "not in Label");
    told(|own| own.page += "# TYPE mill_rats gauge\n", "mill_rats, which is not declared");
    told(
        |own| own.dashboards = own.dashboards.replace("\"Water\"", "\"Wine\""),
        "no panel \"Water\"",
    );
    told(
        |own| own.dashboards = own.dashboards.replace("\"value\":0.5", "\"value\":0.6"),
        "no threshold of MillDry",
    );
    told(|own| own.rules = own.rules.replace("< 0.5", "< 0.4"), "no rule is the alert MillDry");
    told(
        |own| own.rules = own.rules.replace("for: 30s", "for: 31s"),
        "no rule is the alert MillDry",
    );
    told(
        |own| own.rules = own.rules.replace("severity: critical", "severity: warning"),
        "no rule is the alert",
    );
    told(|own| own.rules = own.rules.replace("[1m]", "[2m]"), "no rule records mill_throughput");
    told(
        |own| own.documentation = own.documentation.replace("mill_grinding", "mill_grounding"),
        "documentation lacks",
    );
    told(
        |own| own.documentation = own.documentation.replace("upper sluice", "lower sluice"),
        "documentation lacks MillDry",
    );
}
