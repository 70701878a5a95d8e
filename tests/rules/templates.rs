//! What templates say, and how they fail, as Prometheus has it.

use crate::oracle::{self, input, judge};

/// Over `v{i="a.b.c:80", job="x y"} 1234567`, `w{n="2"} 0.00125` and `w{n="1"} -4000`.
const TEMPLATES: &[&str] = &[
    "plain, {{ $value }} of {{ $labels.i }} and {{ .Labels.job }}, {{ .Value }}",
    "{{ 1e6 }} {{ 123456789.5 }} {{ 0.1 }} {{ 1e21 }} {{ 100000.0 }} {{ 0x1f }} {{ -3 }} {{ 017 }}",
    r#"{{ humanize "x" }}"#,
    r#"{{ humanize "12345" }} {{ 0.00001234 | humanize }} {{ 0 | humanize }} {{ -1234.5 | humanize }} {{ 1e30 | humanize }}"#,
    "{{ $value | humanize1024 }} {{ 0.5 | humanize1024 }} {{ 1e12 | humanize1024 }}",
    "{{ $value | humanizeDuration }} {{ 0.0123 | humanizeDuration }} {{ 59.99 | humanizeDuration }} {{ 3661 | humanizeDuration }} {{ -90 | humanizeDuration }} {{ 0 | humanizeDuration }} {{ 61 | humanizeDuration }}",
    "{{ 0.12345 | humanizePercentage }} {{ 1 | humanizePercentage }}",
    "{{ 1435065584.128 | humanizeTimestamp }} {{ $value | humanizeTimestamp }} {{ -1 | humanizeTimestamp }}",
    "{{ $labels.i.foo }}",
    "x\n  {{ lt $value 5 }}",
    "{{ $labels }} {{ $labels.nope }}!{{ $externalLabels }}",
    r#"{{ query "v" | first | value | humanize }} {{ with query "v" }}{{ . | first | label "i" }}{{ end }}"#,
    r#"{{ printf "%d" $value | toUpper }} {{ print 1 2 "a" 3 }} {{ len "abc" }} {{ println "x" 1 }}"#,
    r#"{{ query "nope" | first | value }}"#,
    "{{ .Nope }}",
    r#"{{ index $labels "i" }} {{ if ge $value 3.0 }}Y{{ else if true }}N{{ else }}M{{ end }}"#,
    "{{ if lt $value 3.0 }}Y{{ else if false }}N{{ else }}M{{ end }}{{ if not true }}1{{ end }}",
    "{{ humanize }}",
    r#"{{ range $i, $v := query "v" }}{{ $i }}={{ $v.Labels.i }} {{ $v.Value | humanize }}{{ end }}"#,
    r#"{{ range query "w" | sortByLabel "n" }}[{{ .Labels.n }}: {{ .Value }}]{{ else }}none{{ end }}"#,
    r#"{{ range query "nope" }}x{{ else }}none{{ end }} {{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}"#,
    r#"{{ range query "w" | sortByLabel "n" }}{{ if eq .Labels.n "2" }}{{ break }}{{ end }}{{ .Labels.n }}{{ end }}"#,
    r#"{{ range query "w" | sortByLabel "n" }}{{ if eq .Labels.n "1" }}{{ continue }}{{ end }}{{ .Labels.n }}{{ end }}"#,
    r#"{{ and 1 0 }} {{ or 0 "x" }} {{ not 0 }} {{ eq 1 1 2 }} {{ eq $labels.i "a" "a.b.c:80" }} {{ ne "a" "b" }}"#,
    r#"{{ $labels.i | stripPort }} {{ $labels.i | stripDomain }} {{ "10.0.0.1:80" | stripDomain }} {{ "[::1]:80" | stripPort }} {{ "a.b" | stripDomain }}"#,
    r#"{{ slice "abcdef" 1 3 }} {{ $labels.i | reReplaceAll "a(.)b" "$1" }} {{ match "a" "bab" }} {{ title "foo bAr" }} {{ parseDuration "1h30m" }}"#,
    "{{ $x := 5 }}{{ $x }}{{ $x = 6 }}{{ $x }}{{ if true }}{{ $x := 7 }}{{ $x }}{{ $x = 8 }}{{ end }}{{ $x }}",
    " a {{- /* a comment */ -}} b {{- 1 -}}  c",
    "{{ nil }}",
    r#"{{ printf "%.2f %5.1f|%-8s|%08.3f|%+d %q %v %t %x %e %g %%" $value 2.25 "ab" 3.14159 7 "q" $labels.i true 255 12345.678 0.5 }}"#,
    r#"{{ printf "%s %d" 1.5 "x" }} {{ printf "%d" }} {{ printf "x" 1 }} {{ printf "%5d|%-5d|%05d" 42 42 -42 }}"#,
    r#"{{ "<a href=\"x\">" | html }} {{ "a b&c" | urlquery }} {{ "é\t\u00e9" }} {{ `raw "x"` }}"#,
    r#"{{ (query "v" | first).Labels.i }} {{ (index (query "v") 0).Value }}"#,
    r#"{{ graphLink "up == 1" }} {{ tableLink "a{b=\"c\"}" }}"#,
    r#"{{ index (query "v") 3 }}"#,
    r#"{{ parseDuration "1x" | len }}{{ lt "a" "b" }} {{ le 1 1 }} {{ gt 1.5 0.5 }} {{ ge "b" "a" }}"#,
    r#"{{ with $labels.nope }}there{{ else }}not there{{ end }} {{ with $y := 3 }}{{ $y }}{{ . }}{{ end }}"#,
    r#"{{ lt 1 1.5 }}"#,
    r#"{{ eq true true }} {{ lt true false }}"#,
    r#"{{ if and (gt $value 1.0) (lt $value 1e9) }}between{{ end }} {{ if or (eq $value 1.0) false }}x{{ end }}"#,
    r#"{{ $value | printf "%.1f" | printf "%10s|" }} {{ toUpper "aé" }} {{ toLower "AÉ" }} {{ len $labels }}"#,
    r#"{{ "x" | humanizeDuration }}"#,
    r#"{{ label "i" 5 }}"#,
    "{{ query $labels.i }}",
    r#"{{ args 1 "x" }}{{ "a" | safeHtml }}"#,
];

/// Of these the texts of errors are other parsers', and so in other words.
const OTHER_WORDS: &[&str] =
    &["{{ query $labels.i }}", r#"{{ label "i" 5 }}"#, r#"parseDuration "1x""#, "args 1"];

#[test]
fn templates_say_what_prometheus_says() {
    if !oracle::is_here() {
        return;
    }
    let inputs = [
        input(&[("__name__", "v"), ("i", "a.b.c:80"), ("job", "x y")], "1234567 1234567"),
        input(&[("__name__", "w"), ("n", "2")], "0.00125 0.00125"),
        input(&[("__name__", "w"), ("n", "1")], "-4000 -4000"),
    ];
    // One rule for each, so that a failure names few.
    let templates =
        TEMPLATES.iter().filter(|text| !OTHER_WORDS.iter().any(|other| text.contains(other)));
    let rules: Vec<_> = templates
        .enumerate()
        .map(|(index, text)| {
            serde_json::json!({
                "alert": format!("A{index}"),
                "expr": "v",
                "labels": {"l": text},
                "annotations": {"a": text},
            })
        })
        .collect();
    assert!(rules.len() > 35);
    let file = serde_json::json!({"groups": [{"name": "g", "rules": rules}]});
    let transitions = judge(&file.to_string(), &inputs, 1, &[]);
    assert_eq!(transitions.len(), 2 * rules.len());
}
