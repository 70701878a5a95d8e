//! A real VictoriaMetrics, from Debian's package: found or installed, started on loopback.

use crate::server::{self, PATIENCE};
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether there is one to test with; says so, or fails where it must be there, as [`server::is_here`].
pub fn is_here() -> bool {
    let Err(why) = server::find_or_install("victoria-metrics", &["victoria-metrics"]) else {
        return true;
    };
    let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "CI needs VictoriaMetrics: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: no VictoriaMetrics to test with: {why}");
    false
}

/// A running one; ends with the value.
pub struct Victoria {
    process: Child,
    pub address: SocketAddr,
    folder: PathBuf,
}

impl Victoria {
    pub fn start() -> Victoria {
        let name = format!("victoria-{}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        // Free now; if somebody is faster, it ends, and another is tried.
        for _ in 0..5 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let process = Command::new("victoria-metrics")
                .arg(format!("-httpListenAddr={address}"))
                .arg(format!("-storageDataPath={}", folder.join("data").display()))
                .args(["-search.latencyOffset=0s", "-memory.allowedBytes=64MB"])
                .stdout(Stdio::null())
                .stderr(fs::File::create(folder.join("log")).unwrap())
                .spawn()
                .unwrap();
            let mut victoria = Victoria { process, address, folder: folder.clone() };
            if victoria.is_ready_in_time() {
                return victoria;
            }
        }
        panic!("it does not start:\n{}", fs::read_to_string(folder.join("log")).unwrap());
    }

    fn is_ready_in_time(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
