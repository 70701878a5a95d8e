//! The strict OpenMetrics parser of PyPI's `prometheus_client`, in a virtual environment of the tests' own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
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

/// A Python that has the parser; made if need be. Where that cannot be done, says so on the error output, or fails if the
/// environment has `CI` or `TACHOMETER_NO_SKIP`.
pub fn find() -> Option<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let why = match FOUND.get_or_init(make) {
        Ok(python) => return Some(python.clone()),
        Err(why) => why,
    };
    let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "the OpenMetrics parser is needed: {why}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no OpenMetrics parser to test with: {why}");
    None
}

fn make() -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python-openmetrics");
    let python = folder.join("bin/python");
    let import = ["-c", "import prometheus_client.openmetrics.parser"];
    if Command::new(&python).args(import).output().is_ok_and(|done| done.status.success()) {
        return Ok(python);
    }
    let place = folder.display().to_string();
    let venv = ["-m", "venv", "--clear", &place];
    if run("python3", &venv).is_err() && is_root() {
        // Debian keeps it in a package of its own.
        let update = ["-q", "-o", "DPkg::Lock::Timeout=120", "update"];
        let install = ["-q", "-o", "DPkg::Lock::Timeout=120", "install", "-y"];
        run("apt-get", &update)?;
        let packages = ["--no-install-recommends", "python3", "python3-venv"];
        run("apt-get", &[&install[..], &packages[..]].concat())?;
    }
    run("python3", &venv)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let pip = [&pip[..], &["prometheus_client>=0.22,<1"]].concat();
    run(&python.display().to_string(), &pip)?;
    run(&python.display().to_string(), &import)?;
    Ok(python)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {}: {said}", arguments.join(" "))),
    }
}

/// Parses `page`.
///
/// # Panics
/// The parser refuses it; the message has its words and the page.
pub fn parse(python: &PathBuf, page: &[u8]) -> Parsed {
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
