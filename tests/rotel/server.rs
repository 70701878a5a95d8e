//! A real OTLP collector, `rotel` from PyPI: found or installed, started on loopback, asked by reading what it says that it
//! decoded.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Generous: it is ready in a moment on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
const VERSION: &str = "rotel==0.0.1a15";

/// The collector's program; installs it if it may. Where there is none, says so on the error output, or fails if the
/// environment has `CI` or `TACHOMETER_NO_SKIP`: a test that must run does not pass by not running.
pub fn program() -> Option<&'static Path> {
    static HERE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match HERE.get_or_init(find_or_install) {
        Ok(program) => Some(program),
        Err(why) => {
            let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|v| std::env::var_os(v).is_some());
            assert!(!must, "rotel is needed here: {why}");
            // Not `eprintln!`, which the test harness keeps to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED: no rotel to test with: {why}");
            None
        }
    }
}

/// In a virtual environment under `target`.
fn find_or_install() -> Result<PathBuf, String> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rotel");
    if let Some(program) = inside(&environment) {
        return Ok(program);
    }
    // Made elsewhere and then renamed: a process that looks meanwhile finds all of it or nothing.
    let fresh = environment.with_extension(std::process::id().to_string());
    let path = fresh.display().to_string();
    let made = run("python3", &["-m", "venv", &path]).or_else(|_| {
        run("apt-get", &["update", "-q"])?;
        run("apt-get", &["install", "-y", "-q", "--no-install-recommends", "python3-venv"])?;
        run("python3", &["-m", "venv", "--clear", &path])
    });
    let made = made
        .and_then(|()| run(&format!("{path}/bin/pip"), &["install", "-q", VERSION]))
        .and_then(|()| inside(&fresh).map(drop).ok_or("installed, but it does not run".to_owned()));
    // If another process was faster, its environment stands.
    let _ = made.as_ref().map(|()| fs::rename(&fresh, &environment));
    let _ = fs::remove_dir_all(&fresh);
    made?;
    inside(&environment).ok_or_else(|| format!("{} has no rotel", environment.display()))
}

/// The program itself, not the script that starts it: ended, it leaves no child behind.
fn inside(environment: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(environment.join("lib")).ok()?;
    let mut programs =
        pythons.flatten().map(|python| python.path().join("site-packages/rotel/rotel-agent"));
    programs.find(|program| {
        Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
    })
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// A running collector; ends with the value.
pub struct Rotel {
    process: Child,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    folder: PathBuf,
}

impl Rotel {
    pub fn start(program: &Path) -> Rotel {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "rotel-{}-{}",
            std::process::id(),
            free().port()
        ));
        fs::create_dir_all(&folder).unwrap();
        // Free now; if somebody is faster, it ends, and we try others.
        for _ in 0..5 {
            let (http, grpc) = (free(), free());
            let at = |name: &str| folder.join(name).display().to_string();
            let process = Command::new(program)
                .args(["start", "--exporter", "blackhole", "--debug-log", "metrics"])
                .args(["--debug-log-verbosity", "detailed"])
                .args(["--otlp-http-endpoint", &http.to_string()])
                .args(["--otlp-grpc-endpoint", &grpc.to_string()])
                .args(["--pid-file", &at("pid"), "--log-file", &at("log")])
                .stdout(fs::File::create(folder.join("out")).unwrap())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Rotel { process, http, grpc, folder: folder.clone() };
            if server.is_ready_in_time() {
                return server;
            }
        }
        panic!("rotel does not start:\n{}", fs::read_to_string(folder.join("out")).unwrap());
    }

    fn is_ready_in_time(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.process.try_wait().unwrap().is_none() {
            if [self.http, self.grpc].iter().all(|address| TcpStream::connect(address).is_ok()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// What it printed, once `enough` says that all is there.
    pub fn printed(&self, enough: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(self.folder.join("out")).unwrap();
            if enough(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "rotel printed only\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
