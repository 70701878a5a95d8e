//! A real Prometheus, from Debian's package: found or installed, started on loopback, asked through
//! its query API.

use crate::client::Client;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Generous: Prometheus is ready in a quarter of a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there is a Prometheus to test with; installs it if it may. Where there is none, says so
/// on the error output, or fails if the environment has `CI`: a test that must run does not pass by
/// not running.
pub fn is_here() -> bool {
    static HERE: OnceLock<Result<(), String>> = OnceLock::new();
    let Err(why) = HERE.get_or_init(find_or_install) else { return true };
    assert!(std::env::var_os("CI").is_none(), "CI needs Prometheus: {why}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no Prometheus to test with: {why}");
    false
}

fn find_or_install() -> Result<(), String> {
    let runs =
        |program| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = || runs("prometheus") && runs("promtool");
    if found() {
        return Ok(());
    }
    let user = Command::new("id").arg("-u").output().map_err(|error| format!("id: {error}"))?;
    if user.stdout.trim_ascii() != b"0" {
        return Err("install Debian's package `prometheus`, or run as root".to_owned());
    }
    for step in ["update", "install -y --no-install-recommends prometheus"] {
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
    pub fn scraping_with(target: SocketAddr, settings: &str) -> Prometheus {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "prometheus-{}-{}",
            std::process::id(),
            target.port()
        ));
        fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs:\n\
             - {{job_name: tachometer, static_configs: [{{targets: ['{target}']}}]{settings}}}\n"
        );
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        // Free now; if somebody is faster, Prometheus ends, and `wait_until_ready` tries another.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut server = Prometheus::start(&folder, port);
            if server.is_ready_in_time() {
                return server;
            }
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("Prometheus does not start:\n{log}");
    }

    fn start(folder: &std::path::Path, address: SocketAddr) -> Prometheus {
        let at = |name: &str| folder.join(name).display().to_string();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", at("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", at("data")))
            .arg(format!("--web.listen-address={address}"))
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

    /// The value of a query that gives one series; `None` while it gives none.
    pub fn query(&self, query: &str) -> Option<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer =
            Client::connect(self.address).get_once(&format!("/api/v1/query?query={encoded}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let mut values = answer.body.split("\"value\":[").skip(1);
        // `1700000000.123,"42"]}`
        let value = values.next()?.split('"').nth(1).unwrap().parse().unwrap();
        assert!(values.next().is_none(), "{query} gives several: {}", answer.body);
        Some(value)
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
