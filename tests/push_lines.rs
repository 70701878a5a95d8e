//! Pushing lines: InfluxDB, Graphite and StatsD. Real servers are stopped for a while and started again; a StatsD
//! receiver, written here, is not found, or not there.
#![cfg(feature = "push")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/real.rs"]
mod real;
#[path = "common/servers.rs"]
mod servers;
#[path = "push/steps.rs"]
mod steps;

use fake::{Fake, free_address, say, wait_until};
use real::{Real, get};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use steps::{Steps, delivered, eager};
use tachometer::{Counter, Family, Pusher, Target};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("push-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Works thirty times, with the server away from the tenth to the twentieth time.
/// It is stopped once `kept` says that it will not forget the first ten.
fn thirty_steps(
    steps: &Steps,
    target: Target,
    start: impl Fn() -> Real,
    kept: impl Fn() -> bool,
) -> Real {
    let server = start();
    let pusher = steps.push(eager(target));
    (1..=10).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    wait_until("the first ten", kept);
    drop(server);
    (1..=10).for_each(|_| steps.step(&pusher));
    assert_eq!(pusher.status()[0].waiting, 10, "{:?}", pusher.status());
    let server = start();
    (1..=9).for_each(|_| steps.step(&pusher));
    // The last one is flushed.
    steps.work();
    let flush = pusher.stop();
    assert!(flush.is_complete(), "{flush:?}");
    assert_eq!((flush.targets[0].sent, flush.targets[0].dropped), (30, 0));
    server
}

#[test]
fn influxdb_that_was_away_has_each_snapshot_once_at_its_time() {
    if !servers::is_here("influxd", "influxdb") {
        return;
    }
    let (folder, address) = (folder("influxd"), free_address());
    let at = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "reporting-disabled = true\nbind-address = \"{}\"\n[meta]\ndir = \"{}\"\n[data]\n\
         dir = \"{}\"\nwal-dir = \"{}\"\n[http]\nbind-address = \"{address}\"\nlog-enabled = false\n",
        free_address(),
        at("meta"),
        at("data"),
        at("wal"),
    );
    std::fs::write(folder.join("config"), config).unwrap();
    let config = at("config");
    let start = || {
        let arguments = ["-config", &config];
        let server = Real::start("influxd", &arguments, address, "/query?q=SHOW%20DATABASES");
        let mut stream = TcpStream::connect(address).unwrap();
        let create =
            "POST /query?q=CREATE%20DATABASE%20a%26b HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(create.replace("a%26b", "%22a%26b%22").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 OK"), "{answer}");
        server
    };
    let steps = Steps::new();
    // A name that has to be encoded.
    let target = Target::influx(format!("http://{address}"), "a&b");
    let _server = thirty_steps(&steps, target, start, || true);
    let stored = |field: &str, of: &str| -> Vec<(u64, u64)> {
        let query = format!("/query?db=a%26b&epoch=ms&q=SELECT%20{field}%20FROM%20{of}");
        let answer: serde_json::Value = serde_json::from_str(&get(address, &query)).unwrap();
        let rows = answer["results"][0]["series"][0]["values"].as_array().unwrap();
        let row = |row: &serde_json::Value| (row[1].as_u64().unwrap(), row[0].as_u64().unwrap());
        rows.iter().map(row).collect()
    };
    assert_eq!(stored("value", "raft_commits_total"), steps.samples(30));
    assert_eq!(stored("count", "raft_commit_latency_seconds"), steps.samples(30));
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn victoria_metrics_takes_the_path_of_influxdb_2() {
    if !servers::is_here("victoria-metrics", "victoria-metrics") {
        return;
    }
    let (folder, address) = (folder("influx-v2"), free_address());
    let data = format!("-storageDataPath={}", folder.display());
    let listen = format!("-httpListenAddr={address}");
    let start = || {
        let arguments = [&listen, &data, "-search.latencyOffset=0s", "-loggerLevel=ERROR"];
        Real::start("victoria-metrics", &arguments, address, "/health")
    };
    let steps = Steps::new();
    let target = Target::influx_v2(format!("http://{address}"), "org", "bucket").token("hunter2");
    assert!(!format!("{target:?}").contains("hunter2"));
    let _server = thirty_steps(&steps, target, start, || true);
    let stored = || -> Vec<(u64, u64)> {
        get(address, "/internal/force_flush");
        let path = "/api/v1/export?match[]=raft_commits_total_value&start=0&reduce_mem_usage=1";
        let page = get(address, path);
        let samples = page.lines().flat_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let list = |name: &str| line[name].as_array().unwrap().clone();
            let pairs = list("values").into_iter().zip(list("timestamps"));
            let pairs =
                pairs.map(|(value, time)| (value.as_f64().unwrap() as u64, time.as_u64().unwrap()));
            pairs.collect::<Vec<_>>()
        });
        let mut samples: Vec<_> = samples.collect();
        samples.sort_unstable();
        samples
    };
    // Samples can be asked for a moment after they were taken.
    wait_until("the samples", || stored().len() >= 30);
    assert_eq!(stored(), steps.samples(30));
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn requests_to_influxdb_are_as_documented() {
    let steps = Steps::new();
    let server = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, "HTTP/1.1 204 No Content\r\n\r\n");
    });
    let url = format!("http://{}/p/?u=a", server.address);
    let v2 = Target::influx_v2(&url, "my org", "b/c").token("hunter2");
    let v1 = Target::influx(&url, "db").gzip(false).basic_auth("u", "hunter2");
    let pusher = Pusher::builder(&steps.engine).target("v2", eager(v2)).start().unwrap();
    steps.work();
    assert!(pusher.stop().is_complete());
    let second = Pusher::builder(&steps.engine).target("v1", eager(v1)).start().unwrap();
    steps.work();
    assert!(second.stop().is_complete());
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let first = "POST /p/api/v2/write?u=a&org=my%20org&bucket=b%2Fc&precision=ns HTTP/1.1\r\n";
    assert!(requests[0].head.starts_with(first), "{}", requests[0].head);
    assert_eq!(requests[0].header("Authorization"), Some("Token hunter2"));
    assert_eq!(requests[0].header("Content-Encoding"), Some("gzip"));
    let mut page = String::new();
    flate2::read::GzDecoder::new(&requests[0].bytes[..]).read_to_string(&mut page).unwrap();
    let line = |at: u64| {
        format!("raft_commits_total value={at}i {}000000\n", steps.samples(at)[at as usize - 1].1)
    };
    assert!(page.contains(&line(1)), "{page}");
    let first = "POST /p/write?u=a&db=db&precision=ns HTTP/1.1\r\n";
    assert!(requests[1].head.starts_with(first), "{}", requests[1].head);
    assert_eq!(requests[1].header("Content-Encoding"), None);
    assert!(requests[1].body.contains(&line(2)), "{}", requests[1].body);
}

#[test]
fn carbon_that_was_away_has_each_snapshot_at_its_time() {
    if !servers::is_here("carbon-cache", "graphite-carbon") {
        return;
    }
    let folder = folder("graphite");
    std::fs::create_dir_all(folder.join("whisper")).unwrap();
    let [address, pickle, query] = [(); 3].map(|()| free_address());
    let at = folder.display();
    let config = format!(
        "[cache]\nSTORAGE_DIR = {at}\nLOCAL_DATA_DIR = {at}/whisper\nCONF_DIR = {at}\n\
         LOG_DIR = {at}\nPID_DIR = {at}\nUSER =\nMAX_CREATES_PER_MINUTE = inf\n\
         LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {}\n\
         PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {}\n\
         CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {}\n",
        address.port(),
        pickle.port(),
        query.port()
    );
    std::fs::write(folder.join("carbon.conf"), config).unwrap();
    let schemas = "[all]\npattern = .*\nretentions = 1s:6h\n";
    std::fs::write(folder.join("storage-schemas.conf"), schemas).unwrap();
    let config = format!("--config={at}/carbon.conf");
    let start = || {
        let _ = std::fs::remove_file(folder.join("carbon-cache-a.pid"));
        Real::start("carbon-cache", &[&config, "--nodaemon", "start"], address, "")
    };
    let steps = Steps::new();
    let stored = |file: &str| -> Vec<(u64, u64)> {
        let mut fetch = Command::new("whisper-fetch");
        let from = format!("--from={}", steps.began.as_secs());
        let file = folder.join("whisper").join(file);
        let page = String::from_utf8(fetch.arg(from).arg(file).output().unwrap().stdout).unwrap();
        let sample = |line: &str| {
            let (time, value) = line.split_once('\t')?;
            let value = value.trim().parse::<f64>().ok()? as u64;
            Some((value, time.parse::<u64>().ok()? * 1000))
        };
        page.lines().filter_map(sample).collect()
    };
    let files = ["raft_commits_total.wsp", "raft_commit_latency_seconds/count.wsp"];
    let has = |upto| files.iter().all(|file| stored(file) == steps.samples(upto));
    // Carbon forgets what it has not written yet when it is stopped.
    let target = Target::graphite(address.to_string());
    let _server = thirty_steps(&steps, target, start, || has(10));
    wait_until("what was sent", || has(30));
    let _ = std::fs::remove_dir_all(&folder);
}

/// A StatsD receiver: the sum of each counter by name and tags, how often values came of each histogram, and the
/// longest datagram.
#[derive(Debug, Default)]
struct Sums {
    counters: BTreeMap<String, u64>,
    values: BTreeMap<String, u64>,
    longest: usize,
}

impl Sums {
    fn take(&mut self, datagram: &[u8]) {
        self.longest = self.longest.max(datagram.len());
        let text = std::str::from_utf8(datagram).unwrap();
        assert!(text.ends_with('\n'), "whole lines: {text:?}");
        for line in text.lines() {
            let (name, rest) = line.split_once(':').unwrap();
            let parts: Vec<&str> = rest.split('|').collect();
            let tags = parts.iter().find(|part| part.starts_with('#')).unwrap_or(&"");
            let rate = parts.iter().find_map(|part| part.strip_prefix('@'));
            let times = rate.map_or(1.0, |rate| 1.0 / rate.parse::<f64>().unwrap()) as u64;
            let key = format!("{name}{tags}");
            match parts[1] {
                "c" => *self.counters.entry(key).or_default() += parts[0].parse::<u64>().unwrap(),
                "h" | "ms" => *self.values.entry(key).or_default() += times,
                other => assert_eq!(other, "g", "{line}"),
            }
        }
    }

    /// Takes what comes until it is enough.
    fn until(&mut self, socket: &UdpSocket, enough: impl Fn(&Sums) -> bool) {
        socket.set_read_timeout(Some(fake::PATIENCE)).unwrap();
        let mut datagram = [0; 65_536];
        while !enough(self) {
            let len = socket.recv(&mut datagram).expect("a datagram in time");
            self.take(&datagram[..len]);
        }
    }

    /// Takes what is there already.
    fn rest(&mut self, socket: &UdpSocket) {
        socket.set_nonblocking(true).unwrap();
        let mut datagram = [0; 65_536];
        while let Ok(len) = socket.recv(&mut datagram) {
            self.take(&datagram[..len]);
        }
        socket.set_nonblocking(false).unwrap();
    }
}

#[test]
fn what_cannot_be_sent_to_statsd_is_in_the_next_datagrams() {
    for plain in [false, true] {
        let steps = Steps::new();
        let requests = steps.registry.metric("requests_total", "Requests.").limit(500);
        let requests: Family<Counter, 1> = requests.family(["path"]).unwrap();
        let count = || (0..200).for_each(|path| requests.at([&path.to_string()]).inc());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, known) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let found = known.clone();
        let find = move |_: &str, _| match found.load(Ordering::SeqCst) {
            true => Ok(vec![address]),
            false => Err(std::io::Error::other("no such host")),
        };
        let mut target = eager(Target::statsd("statsd.test:8125")).datagram_bytes(600);
        if plain {
            target = target.plain();
        }
        let pusher = Pusher::builder(&steps.engine).target("t", target).resolver(find).start();
        let pusher = pusher.unwrap();
        steps.step(&pusher);
        let failed = || pusher.status()[0].last_error.clone();
        wait_until("a look-up", || failed().is_some_and(|why| why.contains("no such host")));
        for _ in 0..10 {
            count();
            steps.work();
            steps.engine.refresh();
        }
        known.store(true, Ordering::SeqCst);
        let mut sums = Sums::default();
        // The deltas of that time come, however many they are.
        sums.until(&socket, |sums| sums.counters.get("raft_commits_total") == Some(&11));
        for _ in 0..10 {
            count();
            steps.work();
            steps.engine.refresh();
            sums.rest(&socket);
        }
        count();
        steps.work();
        assert!(pusher.stop().is_complete());
        sums.until(&socket, |sums| sums.counters.get("raft_commits_total") == Some(&22));
        sums.rest(&socket);
        assert_eq!(sums.counters.len(), 201);
        let name = |path: u64| match plain {
            true => format!("requests_total.path.{path}"),
            false => format!("requests_total#path:{path}"),
        };
        (0..200).for_each(|path| assert_eq!(sums.counters[&name(path)], 21, "{path}"));
        assert_eq!(sums.values["raft_commit_latency_seconds"], 22);
        assert!(sums.longest <= 600, "{}", sums.longest);
    }
}

#[test]
fn datagrams_that_the_system_took_are_not_sent_again() {
    let steps = Steps::new();
    let requests = steps.registry.metric("requests_total", "Requests.").limit(500);
    let requests: Family<Counter, 1> = requests.family(["path"]).unwrap();
    let count = || (0..400).for_each(|path| requests.at([&path.to_string()]).inc());
    count();
    // Nobody is there: the system takes a datagram, and refuses the next one.
    let address: SocketAddr = free_address();
    let pusher = steps.push(eager(Target::statsd(address.to_string()).datagram_bytes(600)));
    steps.work();
    steps.engine.refresh();
    let refused = || pusher.status()[0].last_error.clone();
    wait_until("a refused datagram", || refused().is_some_and(|why| why.contains("refused")));
    let socket = UdpSocket::bind(address).unwrap();
    delivered(&pusher);
    assert_eq!(pusher.status()[0].dropped, 0, "{:?}", pusher.status());
    count();
    steps.work();
    assert!(pusher.stop().is_complete());
    let mut sums = Sums::default();
    let last = "requests_total#path:99";
    sums.until(&socket, |sums| sums.counters.get(last).is_some_and(|&sum| sum == 2));
    sums.rest(&socket);
    let sums: Vec<u64> =
        (0..400).map(|path| sums.counters[&format!("requests_total#path:{path}")]).collect();
    // What went while nobody listened is lost; nothing else is, and nothing came twice.
    assert!(sums.iter().all(|sum| matches!(sum, 1 | 2)), "{sums:?}");
    let lost = sums.iter().filter(|sum| **sum == 1).count();
    assert!((1..400).contains(&lost), "{lost}");
}
