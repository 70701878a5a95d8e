//! Rule files that are taken, and such that are refused: `promtool check rules` thinks so, too.

use crate::oracle;
use tachometer::rules::RuleFile;

const GOOD: &[&str] = &[
    "",
    "groups: [{name: g, rules: [{alert: A, expr: up, keep_firing_for: 5m}]}]",
    "groups:",
    "groups: []",
    "# nothing\n",
    "groups: [{name: g}]",
    "groups: [{name: g, rules: }]",
    "groups: [{name: g, interval: 5s, limit: 10, rules: [{record: a:b, expr: up}]}]",
    "groups: [{name: g, rules: [{alert: 'any name, really', expr: up == 0, for: 1h30m}]}]",
    "groups: [{name: g, rules: [{alert: A, expr: up, for: 0, labels: {severity: 1, on: true, x: null}}]}]",
    "groups: [{name: g, rules: [{alert: A, expr: '1'}, {alert: A, expr: '1', labels: {a: b}}]}]",
    "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      up\n        == 0\n    annotations:\n      text: >-\n        {{ $labels.x }} is\n        down\n",
    "groups:\n- name: g\n  rules:\n  - &rule\n    record: a\n    expr: up\n  - *rule\n",
    "groups: [{name: g, rules: [{record: a, expr: up, labels: {l: '{{ not a template'}}]}]",
    "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ range $i, $v := query \"up\" }}{{ $v.Value }}{{ end }}'}}]}]",
    "groups: [{name: a, rules: []}, {name: b, rules: []}]",
    "{\"groups\": [{\"name\": \"g\", \"rules\": [{\"record\": \"a\", \"expr\": \"up\"}]}]}",
    "groups: [{name: g, limit: -1, interval: 0s, rules: [{record: a, expr: 1}]}]",
];

/// Each with a part of the error that says where or what.
const BAD: &[(&str, &str)] = &[
    (
        "groups: [{name: g, rules: [{record: a, expr: up, keep_firing_for: 5m}]}]",
        "keep_firing_for is for alerts",
    ),
    ("groups: {", "no YAML"),
    ("groups: 5", "rules.yml:1: groups is a scalar, a list was expected"),
    ("group: []", "unknown key \"group\" in the file"),
    ("groups: []\ngroups: []", "rules.yml:2: the key \"groups\" is already set in line 1"),
    ("groups: [{rules: []}]", "a group needs a name"),
    ("groups: [{name: g}, {name: g}]", "group \"g\", there is a group of this name already"),
    ("groups: [{name: g, intervall: 5s}]", "unknown key \"intervall\" in a group"),
    ("groups: [{name: g, interval: 5}]", "interval: \"5\" is no duration"),
    ("groups: [{name: g, limit: many}]", "limit: a whole number"),
    (
        "groups:\n- name: g\n  rules:\n  - expr: up",
        "rules.yml:4: group \"g\", rule 1, \"\": one of record and alert",
    ),
    (
        "groups: [{name: g, rules: [{record: a, alert: b, expr: up}]}]",
        "only one of record and alert",
    ),
    ("groups: [{name: g, rules: [{record: a}]}]", "rule 1, \"a\": expr must be set"),
    (
        "groups:\n- name: g\n  rules:\n  - record: a\n    expr: up\n  - alert: B\n    expr: sum(\n",
        "rules.yml:7: group \"g\", rule 2, \"B\": expr: ",
    ),
    ("groups: [{name: g, rules: [{record: a-b, expr: up}]}]", "\"a-b\" is no metric name"),
    ("groups: [{name: g, rules: [{record: 1a, expr: up}]}]", "\"1a\" is no metric name"),
    ("groups: [{name: g, rules: [{record: a, expr: up, for: 5m}]}]", "for is for alerts"),
    (
        "groups: [{name: g, rules: [{record: a, expr: up, annotations: {a: b}}]}]",
        "annotations is for alerts",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, for: 5 minutes}]}]",
        "for: \"5 minutes\" is no duration",
    ),
    ("groups: [{name: g, rules: [{alert: A, expr: up, for: 1m1h}]}]", "is no duration"),
    ("groups: [{name: g, rules: [{alert: A, expr: up, for: 300y}]}]", "at most 292 years"),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, fro: 5m}]}]",
        "unknown key \"fro\" in a rule",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, labels: {a-b: c}}]}]",
        "\"a-b\" is no name of labels",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, labels: {__name__: c}}]}]",
        "\"__name__\" is no name of labels",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a b: c}}]}]",
        "\"a b\" is no name of annotations",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, labels: {a: [b]}}]}]",
        "label \"a\" is a list",
    ),
    ("groups: [{name: g, rules: [{alert: A, expr: up, labels: [a]}]}]", "labels is a list"),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, labels: {a: '{{ nope }}'}}]}]",
        "function \"nope\" not defined",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ $nope }}'}}]}]",
        "undefined variable \"$nope\"",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ if true }}'}}]}]",
        "`{{end}}` is missing",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ if }}x{{ end }}'}}]}]",
        "missing value for if",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ $value'}}]}]",
        "unclosed action",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ end }}'}}]}]",
        "unexpected {{end}}",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ \"x }}'}}]}]",
        "unterminated quoted string",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ ( 1 }}'}}]}]",
        "unclosed left parenthesis",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ $value | 5 }}'}}]}]",
        "a constant cannot take",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ break }}'}}]}]",
        "break outside of a range",
    ),
    (
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {a: '{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}'}}]}]",
        "undefined variable \"$x\"",
    ),
];

/// Taken there and refused here, with its reason in the module's documentation.
const TWO_DOCUMENTS: &str = "groups: []\n---\ngroups: [{name: g, rules: [{alert: A, expr: up}]}]";

#[test]
fn files_are_taken_and_refused_as_by_promtool() {
    let is_here = oracle::is_here();
    for text in GOOD {
        assert!(
            RuleFile::parse("rules.yml", text).is_ok(),
            "{text}: {:?}",
            RuleFile::parse("rules.yml", text)
        );
        if is_here {
            assert_eq!(oracle::check(text), Ok(()), "{text}");
        }
    }
    for (text, said) in BAD {
        let error = RuleFile::parse("rules.yml", text).expect_err(text).to_string();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.starts_with("rules.yml:"), "{error}");
        if is_here {
            assert!(oracle::check(text).is_err(), "promtool takes {text}");
        }
    }
}

#[test]
fn known_differences_are_still_there() {
    let error = RuleFile::parse("rules.yml", TWO_DOCUMENTS).unwrap_err().to_string();
    assert!(error.starts_with("rules.yml:2: a second document"), "{error}");
    let template =
        "groups: [{name: g, rules: [{alert: A, expr: up, labels: {a: '{{ 1.5 | toTime }}'}}]}]";
    let error = RuleFile::parse("rules.yml", template).unwrap_err().to_string();
    assert!(error.contains("function \"toTime\" is not supported here"), "{error}");
    if oracle::is_here() {
        assert_eq!(oracle::check(TWO_DOCUMENTS), Ok(()));
        assert_eq!(oracle::check(template), Ok(()));
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let text =
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n    for: x\n  - record: b\n";
    let errors = RuleFile::parse("rules.yml", text).unwrap_err();
    let lines: Vec<_> = errors.0.iter().map(|error| error.line).collect();
    assert_eq!(lines, [6, 5, 7], "{errors}");
}

#[test]
fn files_are_bounded() {
    use tachometer::limits::{MAX_RULE_FILE_BYTES, MAX_RULE_FILE_DEPTH, MAX_RULE_FILE_NODES};
    let refused = |text: &str, said: &str| {
        let error = RuleFile::parse("rules.yml", text).unwrap_err().to_string();
        assert!(error.contains(said), "{error:.300}");
    };
    refused(&" ".repeat(MAX_RULE_FILE_BYTES + 1), "the file is larger than");
    refused(&"[".repeat(MAX_RULE_FILE_DEPTH + 1), "nested deeper than");
    // Nine levels of ten aliases each: a thousand million values.
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    refused(&text, &format!("more than {MAX_RULE_FILE_NODES} values"));
}
