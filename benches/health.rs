//! Health under criterion: what an evaluation costs who evaluates, and what a question costs.

#[path = "../tests/promql/memory.rs"]
mod memory;

use criterion::{Criterion, criterion_group, criterion_main};
use memory::Memory;
use std::hint::black_box;
use std::time::Duration;
use tachometer::rules::{RuleFile, RuleObserver, RuleSettings, Rules};
use tachometer::{Engine, Health, ManualClock, Registry};

const NOW_MS: i64 = 1_700_000_000_000;

const RULES: &str = "
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    labels: {severity: warning, component: network}
    annotations: {summary: '{{ $labels.instance }} is down'}
";

fn health(c: &mut Criterion) {
    for alerts in [0, 10, 10_000] {
        let mut memory = Memory::default().with(&[("__name__", "up")], &[(NOW_MS, 1.0)]);
        for index in 0..alerts {
            let instance = index.to_string();
            let labels = [("__name__", "up"), ("instance", &*instance)];
            memory = memory.with(&labels, &[(NOW_MS, 0.0)]);
        }
        let clock = ManualClock::at(Duration::from_millis(NOW_MS as u64));
        let engine = Engine::builder().registry(&Registry::new()).manual(&clock);
        let engine = engine.start().expect("an engine");
        engine.refresh();
        let health = Health::builder().start(&engine).expect("health");
        let file = RuleFile::parse("rules.yml", RULES).expect("rules");
        let mut rules = Rules::new([file], RuleSettings::default());
        let mut now_ms = NOW_MS;
        // What the rules cost by themselves, to compare with.
        c.bench_function(&format!("the rules, {alerts} alerts"), |b| {
            b.iter(|| {
                now_ms = if now_ms < NOW_MS + 240_000 { now_ms + 1_000 } else { NOW_MS };
                black_box(rules.evaluate(now_ms, &memory))
            })
        });
        let evaluation = rules.evaluate(now_ms + 1_000, &memory);
        c.bench_function(&format!("told of an evaluation, {alerts} alerts"), |b| {
            b.iter(|| health.evaluated(now_ms + 1_000, &evaluation, &rules))
        });
        c.bench_function(&format!("asked, {alerts} alerts, nothing changed"), |b| {
            b.iter(|| black_box(health.to_json()))
        });
    }
}

criterion_group!(benches, health);
criterion_main!(benches);
