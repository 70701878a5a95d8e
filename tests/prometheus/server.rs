//! A real Prometheus, from Debian's package: found or installed, started on loopback, asked through
//! its query API.

use crate::client::Client;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Generous: Prometheus is ready in a quarter of a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there is a Prometheus to test with; installs it if it may. Where there is none, says so
/// on the error output, or fails if the environment has `CI` or `TACHOMETER_NO_SKIP`: a test that must run does not pass by
/// not running.
pub fn is_here() -> bool {
    static HERE: OnceLock<Result<(), String>> = OnceLock::new();
    let found = || find_or_install("prometheus", &["prometheus", "promtool"]);
    let Err(why) = HERE.get_or_init(found) else { return true };
    let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "CI needs Prometheus: {why}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no Prometheus to test with: {why}");
    false
}

/// Finds the programs of a Debian package, or installs it.
pub fn find_or_install(package: &str, programs: &[&str]) -> Result<(), String> {
    let runs = |program: &&str| {
        Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
    };
    let found = || programs.iter().all(runs);
    if found() {
        return Ok(());
    }
    let user = Command::new("id").arg("-u").output().map_err(|error| format!("id: {error}"))?;
    if user.stdout.trim_ascii() != b"0" {
        return Err(format!("install Debian's package `{package}`, or run as root"));
    }
    let install = format!("install -y --no-install-recommends {package}");
    for step in ["update", &install] {
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
    found().then_some(()).ok_or("installed, but it does not run".to_owned())
}

/// The value of a query that gives one series; `None` while it gives none.
pub fn query(address: SocketAddr, query: &str) -> Option<f64> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = Client::connect(address).get_once(&format!("/api/v1/query?query={encoded}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let mut values = answer.body.split("\"value\":[").skip(1);
    // `1700000000.123,"42"]}`
    let value = values.next()?.split('"').nth(1).unwrap().parse().unwrap();
    assert!(values.next().is_none(), "{query} gives several: {}", answer.body);
    Some(value)
}

/// A running Prometheus; ends with the value.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Prometheus {
    /// One that scrapes `target` five times a second.
    pub fn scraping(target: SocketAddr) -> Prometheus {
        Prometheus::scraping_with(target, "")
    }

    /// As [`Prometheus::scraping`], with further settings of the scrape: `, scheme: https`.
    #[allow(dead_code, reason = "each test binary uses some of it")]
    pub fn scraping_with(target: SocketAddr, settings: &str) -> Prometheus {
        Prometheus::configured(Some((target, settings)), &[])
    }

    /// One that scrapes `target`, if there is one, and has more arguments.
    #[allow(dead_code, reason = "each test binary uses some of it")]
    pub fn with(target: Option<SocketAddr>, arguments: &[&str]) -> Prometheus {
        Prometheus::configured(target.map(|target| (target, "")), arguments)
    }

    fn configured(target: Option<(SocketAddr, &str)>, arguments: &[&str]) -> Prometheus {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("prometheus-{}-{number}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut config = "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n".to_owned();
        if let Some((target, settings)) = target {
            config += &format!(
                "scrape_configs:\n\
                 - {{job_name: tachometer, static_configs: [{{targets: ['{target}']}}]{settings}}}\n"
            );
        }
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        // Free now; if somebody is faster, Prometheus ends, and `wait_until_ready` tries another.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut server = Prometheus::start(&folder, port, arguments);
            if server.is_ready_in_time() {
                return server;
            }
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("Prometheus does not start:\n{log}");
    }

    fn start(folder: &std::path::Path, address: SocketAddr, arguments: &[&str]) -> Prometheus {
        let at = |name: &str| folder.join(name).display().to_string();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", at("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", at("data")))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        Prometheus { process, address, folder: folder.to_owned() }
    }

    fn is_ready_in_time(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.process.try_wait().unwrap().is_none() {
            if std::net::TcpStream::connect(self.address).is_ok()
                && Client::connect(self.address).get_once("/-/ready").status == 200
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Where it listens.
    #[allow(dead_code, reason = "each test binary uses some of it")]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// See [`query`].
    pub fn query(&self, asked: &str) -> Option<f64> {
        query(self.address, asked)
    }

    /// Waits until a query gives `wanted`.
    pub fn wait_for(&self, query: &str, wanted: f64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.query(query);
            if value == Some(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{query} is {value:?}, not {wanted}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(self.folder.join("data"));
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
