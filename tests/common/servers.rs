//! Servers: started on ports that the system chose, asked over HTTP, ended with the value. And a registry with everything that
//! a format finds hard.
#![allow(dead_code, unused_imports, reason = "each test binary uses some of it")]

pub use crate::common::debian::is_here;
pub use crate::common::loopback::{PATIENCE, wait_for};

use crate::common::loopback::{free_addresses, wait};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use tachometer::{Buckets, Registry, Unit};

/// A process that is killed with the value.
pub struct Running(Child);

impl Running {
    /// Starts `command`, until all of `addresses` take connections, and the first one answers 200 when it is asked for
    /// `path`, if there is one; `None` if it ends instead.
    pub fn start(command: &mut Command, addresses: &[SocketAddr], path: &str) -> Option<Running> {
        let mut running = Running(command.stdin(Stdio::null()).spawn().unwrap());
        let is_ready = || {
            addresses.iter().all(|address| TcpStream::connect(address).is_ok())
                && (path.is_empty()
                    || ask(addresses[0], "GET", path, "", b"")
                        .is_ok_and(|(status, _)| status == 200))
        };
        wait(|| match is_ready() {
            true => Ok(Some(())),
            false if running.has_ended() => Ok(None),
            false => Err(format!("{command:?} is not ready")),
        })?;
        // Not somebody else, who was faster with the address.
        (!running.has_ended()).then_some(running)
    }

    /// Asks it to end, so that it writes down what it has taken, and waits until it has.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        wait(|| self.has_ended().then_some(()).ok_or_else(|| "it does not end".to_owned()));
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server with a folder of its own; ends with the value.
pub struct Server {
    running: Option<Running>,
    /// All that it listens on.
    pub addresses: Vec<SocketAddr>,
    /// The first of them.
    pub address: SocketAddr,
    pub folder: PathBuf,
}

impl Server {
    /// Starts what `command` says, given a folder and free ports, until all of these take connections.
    pub fn start(
        name: &str,
        ports: usize,
        command: impl Fn(&Path, &[SocketAddr]) -> Command,
    ) -> Server {
        Server::start_with(name, ports, "", command)
    }

    /// As [`Server::start`], until the first port answers 200 when it is asked for `path`.
    pub fn start_with(
        name: &str,
        ports: usize,
        path: &str,
        command: impl Fn(&Path, &[SocketAddr]) -> Command,
    ) -> Server {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        // Free now; if somebody is faster, the server ends, and we try others.
        for _ in 0..5 {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            let addresses = free_addresses(ports);
            let mut command = command(&folder, &addresses);
            let file = |name: &str| File::create(folder.join(name)).unwrap();
            command.stdout(file("output")).stderr(file("errors"));
            if let Some(running) = Running::start(&mut command, &addresses, path) {
                let address = addresses[0];
                return Server { running: Some(running), addresses, address, folder };
            }
        }
        let said = ["output", "errors"].map(|name| fs::read_to_string(folder.join(name)).unwrap());
        panic!("{name} does not start:\n{}", said.concat());
    }

    /// What it has written to its standard output.
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.join("output")).unwrap()
    }

    /// Status and body of the answer to a request.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        ask(self.address, method, path, headers, body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.running.take());
        let _ = fs::remove_dir_all(self.folder.join("data"));
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A real VictoriaMetrics, which [`is_here`].
pub fn victoria_metrics() -> Server {
    Server::start("victoria-metrics", 1, |folder, ports| {
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-httpListenAddr={}", ports[0]))
            .arg(format!("-storageDataPath={}", folder.join("data").display()))
            .args(["-search.latencyOffset=0s", "-memory.allowedBytes=64MB"]);
        command
    })
}

/// Status and body of the answer to a request on a connection of its own.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let parts = answer.split_once("\r\n\r\n");
    let parts = parts.and_then(|(head, body)| Some((head.split(' ').nth(1)?.parse().ok()?, body)));
    let (status, body) = parts.ok_or_else(|| io::Error::other(format!("no answer: {answer}")))?;
    Ok((status, body.to_owned()))
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
