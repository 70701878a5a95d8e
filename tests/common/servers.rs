//! Servers from Debian's packages: found or installed, started on ports that the system chose, asked over HTTP, ended with
//! the value. And a registry with everything that a format finds hard.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tachometer::{Buckets, Registry, Unit};

/// Generous: each is ready in a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `program` is there, of Debian's `package`; installs it if it may. Where it is not, says so on the error output,
/// or fails if the environment has `CI` or `TACHOMETER_NO_SKIP`: a test that must run does not pass by not running.
pub fn is_here(program: &str, package: &str) -> bool {
    let Err(why) = find_or_install(program, package) else { return true };
    let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "this test needs {program}: {why}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no {program} to test with: {why}");
    false
}

fn find_or_install(program: &str, package: &str) -> Result<(), String> {
    let found = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    };
    if found() {
        return Ok(());
    }
    let user = Command::new("id").arg("-u").output().map_err(|error| format!("id: {error}"))?;
    if user.stdout.trim_ascii() != b"0" {
        return Err(format!("install Debian's package `{package}`, or run as root"));
    }
    for step in ["update", &format!("install -y --no-install-recommends {package}")] {
        let apt = Command::new("apt-get")
            .args(["-q", "-o", "DPkg::Lock::Timeout=120"])
            .args(step.split(' '))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .map_err(|error| format!("apt-get: {error}"))?;
        if !apt.status.success() {
            return Err(format!("apt-get {step}: {}", String::from_utf8_lossy(&apt.stderr)));
        }
    }
    found().then_some(()).ok_or_else(|| "installed, but it is not there".to_owned())
}

/// A running server with a folder of its own; ends with the value.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
    pub folder: PathBuf,
}

impl Server {
    /// Starts what `command` says, given a folder and free ports, until the first of these takes connections.
    pub fn start(
        name: &str,
        ports: usize,
        command: impl Fn(&Path, &[SocketAddr]) -> Command,
    ) -> Server {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("{name}-{}", std::process::id()));
        // Free now; if somebody is faster, the server ends, and we try others.
        for _ in 0..5 {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            let held: Vec<_> =
                (0..ports).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
            let ports: Vec<_> = held.iter().map(|port| port.local_addr().unwrap()).collect();
            let mut command = command(&folder, &ports);
            drop(held);
            let log = std::fs::File::create(folder.join("log")).unwrap();
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let process = command.spawn().unwrap();
            let mut server = Server { process, address: ports[0], folder: folder.clone() };
            if server.is_ready() {
                return server;
            }
        }
        panic!("{name} does not start:\n{}", log(&folder));
    }

    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// What it wrote to its output.
    pub fn log(&self) -> String {
        log(&self.folder)
    }

    /// Status and body of the answer to a request.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n{headers}\r\n",
            self.address,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits until `look` finds what it looks for.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// As a query's parameter.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The wall's time, in whole seconds.
pub fn now() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Duration::from_secs(now.as_secs())
}

/// A label's values with everything that some format must escape; no two alike.
pub const ODD: [&str; 14] = [
    "plain",
    "/api/v1/a b",
    "a,b=c d",
    "ends in \\",
    "back\\slash, \\, \\ \\= and \"quotes\"",
    "a\nline",
    "a\\nline",
    "ünïcödé ☃",
    "~tilde;semi%25:colon|pipe#hash@at",
    "{brace=\"x\"}",
    "'quote'\ttab",
    "  blanks  ",
    "..",
    "a%20b",
];

/// Series by all of [`ODD`], and values at the ends of their types.
pub fn odd_registry() -> Registry {
    let registry = Registry::new();
    for (index, value) in ODD.iter().enumerate() {
        let metric = registry.metric("odd_total", "Odd labels.").label("odd", *value);
        metric.counter().unwrap().add(index as u64 + 1);
    }
    // One with a label without a value, and one without the label, which many formats cannot tell apart.
    registry.metric("odd_total", "Odd labels.").label("odd", "").counter().unwrap().add(100);
    registry.metric("odd_total", "Odd labels.").counter().unwrap().add(101);
    registry
        .metric("reserved_total", "Odd names.")
        .label("time", "t")
        .label("name", "n")
        .label("value", "v")
        .counter()
        .unwrap()
        .add(7);
    registry.counter("large_total", "At the end of i64.").unwrap().add(i64::MAX as u64);
    registry.counter("huge_total", "Beyond i64.").unwrap().add(u64::MAX);
    registry.up_down_counter("low", "The lowest.").unwrap().add(i64::MIN);
    registry.up_down_counter("negative", "Below zero.").unwrap().add(-17);
    let metric = registry.metric("spent_seconds_total", "Time.").unit(Unit::Nanoseconds);
    metric.counter().unwrap().add(2_500_000_001);
    let gauges = [
        ("ratio", 0.625),
        ("tiny", 5e-324),
        ("vast", 1.5e300),
        ("minus", -1.25),
        ("third", 1.0 / 3.0),
        ("nan", f64::NAN),
        ("infinite", f64::INFINITY),
        ("minus_infinite", f64::NEG_INFINITY),
    ];
    for (name, value) in gauges {
        registry.gauge(name, "A gauge.").unwrap().set(value);
    }
    let metric =
        registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds).label("peer", "n 1");
    let wait = metric.histogram().unwrap();
    (1..=10_000u64).for_each(|i| wait.record(i * i * 37));
    let size = registry.metric("size", "Sizes.").buckets(Buckets::Fixed(&[1.0, 10.0, 1e6]));
    let size = size.histogram().unwrap();
    [0, 1, 5, 10, 11, 1 << 40, u64::MAX].iter().for_each(|&value| size.record(value));
    registry.histogram("empty", "Nothing.").unwrap();
    registry
}
