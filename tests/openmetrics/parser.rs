//! The strict OpenMetrics parser of PyPI's `prometheus_client`, in a virtual environment of the tests' own.

use crate::common::debian;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What the parser read.
#[derive(Debug, Default)]
pub struct Parsed {
    /// By name: type and unit.
    pub families: BTreeMap<String, (String, String)>,
    /// By name and [`labels`].
    pub samples: BTreeMap<(String, String), Sample>,
}

#[derive(Debug)]
pub struct Sample {
    pub value: f64,
    /// Labels, value and time, as Python shows them.
    pub exemplar: Option<String>,
}

const SCRIPT: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
page = sys.stdin.buffer.read().decode()
def labels(of):
    return ",".join(f"{k}={v.encode().hex()}" for k, v in sorted(of.items()))
for family in text_string_to_metric_families(page):
    print("family", family.name, family.type, family.unit or "-", sep="\t")
    for s in family.samples:
        e = s.exemplar
        shown = f"{labels(e.labels)} {e.value!r} {float(e.timestamp)!r}" if e else "-"
        print("sample", s.name, labels(s.labels) or "-", repr(float(s.value)), shown, sep="\t")
"#;

/// Labels as one text, the values in hexadecimal.
pub fn labels(all: &[(String, String)]) -> String {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut all: Vec<_> = all.iter().map(|(k, v)| format!("{k}={}", hex(v))).collect();
    all.sort();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}

/// A Python that has the parser; made if need be. See [`debian::missing`] for where that cannot be done.
pub fn find() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let requirement = "prometheus_client>=0.22,<1";
        debian::virtual_environment("python-openmetrics", requirement, |environment| {
            let python = environment.join("bin/python");
            let import = ["-c", "import prometheus_client.openmetrics.parser"];
            let imported = Command::new(&python).args(import).output();
            imported.is_ok_and(|done| done.status.success()).then_some(python)
        })
    });
    found.as_deref().map_err(|why| debian::missing("OpenMetrics parser", why)).ok()
}

/// Parses `page`.
///
/// # Panics
/// The parser refuses it; the message has its words and the page.
pub fn parse(python: &Path, page: &[u8]) -> Parsed {
    let mut process = Command::new(python)
        .args(["-c", SCRIPT])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let bytes = page.to_vec();
    let writes = std::thread::spawn(move || input.write_all(&bytes));
    let output = process.wait_with_output().unwrap();
    let _ = writes.join();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(page));
    let mut parsed = Parsed::default();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["family", name, kind, unit] => {
                let unit = unit.trim_matches('-').to_owned();
                parsed.families.insert(name.to_owned(), (kind.to_owned(), unit));
            }
            ["sample", name, labels, value, exemplar] => {
                let exemplar = (exemplar != "-").then(|| exemplar.to_owned());
                let sample = Sample { value: value.parse().unwrap(), exemplar };
                let again = parsed.samples.insert((name.to_owned(), labels.to_owned()), sample);
                assert!(again.is_none(), "twice on the page: {line}");
            }
            _ => panic!("{line}"),
        }
    }
    parsed
}
