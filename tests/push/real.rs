//! Real servers, from Debian's packages: found or installed, and started on loopback.

use crate::client::Client;
use crate::fake::PATIENCE;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Whether there is a `program` to test with; installs its `package` if it may. Where there is none, says so on the error output, or
/// fails if the environment has `CI` or `TACHOMETER_NO_SKIP`: a test that must run does not pass by not running.
pub fn is_here(program: &str, package: &str) -> bool {
    // One installation at a time: apt would refuse the second.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Err(why) = find_or_install(program, package) else { return true };
    let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "{program} is needed: {why}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no {program} to test with: {why}");
    false
}

fn find_or_install(program: &str, package: &str) -> Result<(), String> {
    let found = || Command::new(program).arg("--version").output().is_ok();
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
    found().then_some(()).ok_or("installed, but it does not run".to_owned())
}

/// A running server; ends with the value.
pub struct Real(Child);

impl Real {
    /// One that listens on `address`, and is ready when `path`, if there is one, answers 200.
    pub fn start(program: &str, arguments: &[&str], address: SocketAddr, path: &str) -> Real {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Real(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err()
            || (!path.is_empty() && Client::connect(address).get_once(path).status != 200)
        {
            let ended = server.0.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{program} does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Real {
    /// Asks it to stop, so that it writes down what it has taken.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = self.0.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The body of what `path` answers.
pub fn get(address: SocketAddr, path: &str) -> String {
    let answer = Client::connect(address).get_once(path);
    assert!(matches!(answer.status, 200 | 204), "{path}: {} {}", answer.status, answer.body);
    answer.body
}
