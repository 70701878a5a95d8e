//! Pushing over TLS: to real servers, with certificates that are right and wrong in every way, and to peers that do not
//! speak it.
#![cfg(all(feature = "push", feature = "tls", feature = "http"))]

#[path = "push/authority.rs"]
mod authority;
mod common;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/node.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod node;
#[path = "push/real.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod real;
#[path = "common/servers.rs"]
mod servers;
#[path = "http/tools.rs"]
mod tools;

use authority::{Authority, Identity, LONG_AGO, NOW};
use fake::{Fake, free_address, wait_until};
use node::{Node, SOON, eager, quick};
use real::Real;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tachometer::push::{Payload, Protocol};
use tachometer::{Engine, Listener, Pusher, Registry, Snapshot, Target, TextEncoder};

/// What the first attempt at `target` failed with.
fn error_of(node: &Node, target: Target, reason: &str) -> String {
    let builder = Pusher::builder(&node.engine).target("t", quick(target)).flush_within(SOON);
    let pusher = builder.start().unwrap();
    let before = node.failures("t", reason);
    node.count.inc();
    node.engine.refresh();
    wait_until(&format!("a failure: {reason}"), || pusher.status()[0].last_error.is_some());
    let error = pusher.status()[0].last_error.clone().unwrap();
    pusher.stop();
    assert!(node.failures("t", reason) > before, "not {reason}: {error}");
    error
}

#[test]
fn victoria_metrics_takes_it_over_tls() {
    if !tools::is_here("openssl", "openssl")
        || !tools::is_here("curl", "curl")
        || !tools::is_here("victoria-metrics", "victoria-metrics")
    {
        return;
    }
    let folder = tools::folder("push-tls-victoria");
    let authority = Authority::new(&folder, "ca");
    let identity = authority.issue("server", "IP:127.0.0.1", NOW);
    let address = free_address();
    let arguments = [
        "-tls".to_owned(),
        format!("-tlsCertFile={}", identity.certificate.display()),
        format!("-tlsKeyFile={}", identity.key.display()),
        format!("-httpListenAddr={address}"),
        format!("-storageDataPath={}", folder.join("data").display()),
        "-search.latencyOffset=0s".to_owned(),
        "-loggerLevel=ERROR".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let start = || Real::start("victoria-metrics", &arguments, address, "");
    let server = start();

    let registry = Registry::new();
    let count = registry.counter("n_total", "Counted.").unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let clock = tachometer::ManualClock::at(now - Duration::from_secs(3600));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let target = Target::victoria_metrics(format!("https://{address}"));
    let target = target.ca_file(&authority.certificate).every(SOON).retry(SOON, SOON * 10);
    let pusher = Pusher::builder(&engine).target("store", target).start().unwrap();
    let work = || {
        count.inc();
        clock.advance(Duration::from_secs(1));
    };
    let push = |payloads: u64| {
        for _ in 0..payloads {
            let seen = || pusher.status()[0].waiting as u64 + pusher.status()[0].sent;
            let before = seen();
            work();
            engine.refresh();
            wait_until("a payload", || seen() > before);
        }
    };
    push(10);
    wait_until("delivery", || pusher.status()[0].sent == 10);
    drop(server);
    push(5);
    assert_eq!(pusher.status()[0].waiting, 5);
    let _server = start();
    // The last snapshot is made by `stop`.
    work();
    assert!(pusher.stop().is_complete());

    let trusted = authority.certificate.to_str().unwrap();
    let get = |path: &str| {
        let url = format!("https://{address}{path}");
        tools::curl_text(&["--fail", "--globoff", "--cacert", trusted, &url])
    };
    let stored = || get("/api/v1/export?match[]=n_total&start=0&reduce_mem_usage=1");
    let wanted: Vec<String> = (1..=16).map(|value| value.to_string()).collect();
    let wanted = format!("\"values\":[{}]", wanted.join(","));
    wait_until("the samples", || {
        get("/internal/force_flush");
        // One block of samples for each start of the server.
        let values = stored().replace("],\"timestamps", "\n").replace("\"values\":[", "\n");
        let values: Vec<&str> =
            values.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).collect();
        format!("\"values\":[{}]", values.join(",")) == wanted
    });
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_pushgateway_that_asks_for_certificates_gets_ours() {
    if !tools::is_here("openssl", "openssl")
        || !tools::is_here("curl", "curl")
        || !tools::is_here("prometheus-pushgateway", "prometheus-pushgateway")
    {
        return;
    }
    let folder = tools::folder("push-tls-gateway");
    let authority = Authority::new(&folder, "ca");
    let server = authority.issue("server", "IP:127.0.0.1", NOW);
    let ours = authority.issue("ours", "DNS:app", NOW);
    let strange = Authority::new(&folder, "strange").issue("theirs", "DNS:app", NOW);
    let config = folder.join("web.yml");
    let text = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  \
         client_auth_type: RequireAndVerifyClientCert\n",
        server.certificate.display(),
        server.key.display(),
        authority.certificate.display()
    );
    std::fs::write(&config, text).unwrap();
    let address = free_address();
    let arguments = [
        format!("--web.listen-address={address}"),
        format!("--web.config.file={}", config.display()),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let _gateway = Real::start("prometheus-pushgateway", &arguments, address, "");

    let node = Node::new();
    let url = format!("https://{address}");
    let target = || Target::pushgateway(&url, "batch").ca_file(&authority.certificate);
    let shown =
        |as_whom: &Identity| target().client_certificate(&as_whom.certificate, &as_whom.key);
    let error = error_of(&node, target(), "tls");
    assert!(error.contains("client_certificate"), "{error}");
    let error = error_of(&node, shown(&strange), "tls");
    assert!(error.contains("does not take our certificate"), "{error}");

    let pusher = Pusher::builder(&node.engine).target("gateway", shown(&ours)).start().unwrap();
    node.count.add(100);
    assert!(pusher.stop().is_complete(), "{:?}", pusher.status());
    let value = node.engine.snapshot().counter("n_total").unwrap();
    let [ca, cert, key] = [&authority.certificate, &ours.certificate, &ours.key];
    let page = tools::curl_text(&[
        "--fail",
        "--cacert",
        ca.to_str().unwrap(),
        "--cert",
        cert.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
        &format!("{url}/metrics"),
    ]);
    let series = format!("n_total{{instance=\"\",job=\"batch\"}} {value}\n");
    assert!(page.contains(&series), "{series}: {page}");
    let _ = std::fs::remove_dir_all(folder);
}

/// A listener of our own, which refuses to be pushed to, in words of HTTP.
fn listener(node: &Node, identity: &Identity) -> (Listener, SocketAddr) {
    let builder = Listener::builder().tls_pem_files(&identity.certificate, &identity.key);
    let listener = builder.bind(&node.engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    (listener, address)
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("push-tls-wrong");
    let authority = Authority::new(&folder, "ca");
    let other = Authority::new(&folder, "other");
    let authoritative = Identity {
        certificate: authority.certificate.clone(),
        key: authority.certificate.with_extension("key"),
    };
    let node = Node::new();
    let tried = |identity: &Identity, host: &str, ca: &Authority, reason: &str| {
        let (_listener, address) = listener(&node, identity);
        let target = eager(format!("https://{host}:{}/", address.port()));
        error_of(&node, target.ca_file(&ca.certificate), reason)
    };
    let here = "127.0.0.1";
    let good = authority.issue("good", "IP:127.0.0.1,DNS:localhost", NOW);
    // It is there, and answers in HTTP.
    for host in [here, "localhost"] {
        let error = tried(&good, host, &authority, "refused");
        assert!(error.contains("405"), "{error}");
    }
    // One that vouches for itself is trusted if it is named.
    let (certificate, key) = tools::certificate(&folder, "own");
    let own = Identity { certificate, key };
    let (_listener, address) = listener(&node, &own);
    let target = eager(format!("https://{address}/")).ca_file(&own.certificate);
    assert!(error_of(&node, target, "refused").contains("405"));
    let named = authority.issue("named", "DNS:store.example.com", NOW);
    let old = authority.issue("old", "IP:127.0.0.1", LONG_AGO);
    for (identity, ca, words) in [
        (&good, &other, ["UnknownIssuer", "ca_file"]),
        (&named, &authority, ["store.example.com", "name"]),
        (&old, &authority, ["expired", "new one"]),
        (&authoritative, &authority, ["CaUsedAsEndEntity", "one of its own"]),
    ] {
        let error = tried(identity, here, ca, "tls");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn the_authorities_of_the_system_are_trusted_unless_a_file_is_named() {
    const TEST: &str = "the_authorities_of_the_system_are_trusted_unless_a_file_is_named";
    const FOLDER: &str = "TACHOMETER_TEST_AUTHORITIES";
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    if let Some(folder) = std::env::var_os(FOLDER) {
        // In a process whose system's authorities are ours.
        let at = |name: &str| std::path::Path::new(&folder).join(name);
        let node = Node::new();
        let identity = Identity { certificate: at("server.crt"), key: at("server.key") };
        let (_listener, address) = listener(&node, &identity);
        let url = format!("https://{address}/");
        let error = error_of(&node, eager(&url), "refused");
        assert!(error.contains("405"), "{error}");
        let error = error_of(&node, eager(&url).ca_file(at("other.crt")), "tls");
        assert!(error.contains("UnknownIssuer"), "{error}");
        return;
    }
    let folder = tools::folder("push-tls-system");
    let authority = Authority::new(&folder, "ca");
    authority.issue("server", "IP:127.0.0.1", NOW);
    Authority::new(&folder, "other");
    let run = |authorities: &std::path::Path| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args([TEST, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, &folder);
        test.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR").output().unwrap()
    };
    let output = run(&authority.certificate);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
    // And a system that has none says so.
    std::fs::write(folder.join("empty"), "").unwrap();
    let output = run(&folder.join("empty"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("ca-certificates"), "{errors}");
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn peers_that_do_not_speak_tls_cost_no_more_than_their_own_time() {
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("push-tls-abuse");
    let authority = Authority::new(&folder, "ca");
    let identity = authority.issue("server", "IP:127.0.0.1", NOW);
    let (good, taken, resumed) = accepting(&identity, &rustls::version::TLS13, false);
    // Takes connections, as far as the system does, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = Fake::start("127.0.0.1:0", |_, _| false, |_, _| {});
    let saying = |words: &'static [u8], lingers: bool| {
        let before = move |_: usize, stream: &mut std::net::TcpStream| {
            let _ = stream.write_all(words);
            // To the end: to close with something unread would take these words back.
            while stream.read(&mut [0; 4096]).is_ok_and(|len| len > 0) && lingers {}
            false
        };
        Fake::start("127.0.0.1:0", before, |_, _| {})
    };
    let http = saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", true);
    let cut_off = saying(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", false);
    let garbage = saying(&[0xA5; 100_000], true);
    let node = Node::new();
    let mut builder = Pusher::builder(&node.engine).flush_within(Duration::from_millis(200));
    for (name, address) in [
        ("good", good),
        ("silent", silent.local_addr().unwrap()),
        ("plain", plain.address),
        ("http", http.address),
        ("cut off", cut_off.address),
        ("garbage", garbage.address),
    ] {
        let target = eager(format!("https://{address}/"));
        let limit = Duration::from_millis(if name == "silent" { 300 } else { 30_000 });
        let target = target.time_limit(limit).ca_file(&authority.certificate);
        builder = builder.target(name, target);
    }
    let pusher = builder.start().unwrap();
    for _ in 0..20 {
        let sent = pusher.status()[0].sent;
        node.count.inc();
        node.engine.refresh();
        wait_until("the good one", || pusher.status()[0].sent > sent);
    }
    // The last error of each, at some time: a busy machine may end an attempt somewhere else than most.
    for at in 1..pusher.status().len() {
        let words = if at == 1 { "the time limit was over in the TLS handshake" } else { "TLS" };
        let said = || pusher.status()[at].last_error.clone();
        wait_until(words, || said().is_some_and(|error| error.contains(words)));
    }
    assert_eq!(pusher.status()[0].last_error, None);
    pusher.stop();
    assert!(node.failures("silent", "timeout") > 0);
    for name in ["plain", "http", "cut off", "garbage"] {
        assert!(node.failures(name, "tls") > 0, "{name}");
    }
    assert!(taken.lock().unwrap().len() >= 20);
    // All but the first continue a session.
    assert!(resumed.load(Ordering::SeqCst) >= 19);
    let _ = std::fs::remove_dir_all(folder);
}

type Taken = Arc<std::sync::Mutex<Vec<Vec<u8>>>>;

/// A server that answers each request with 200, keeps its body, and counts sessions that were resumed; if `slowly`, it lets the socket fill up before it reads.
fn accepting(
    identity: &Identity,
    version: &'static rustls::SupportedProtocolVersion,
    slowly: bool,
) -> (SocketAddr, Taken, Arc<AtomicUsize>) {
    let config = authority::server(identity, &[b"h2", b"http/1.1"], &[version]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bodies = Taken::default();
    let taken = bodies.clone();
    let resumptions = Arc::<AtomicUsize>::default();
    let resumed = resumptions.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            let (taken, resumed) = (taken.clone(), resumed.clone());
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let mut piece = vec![0; 64 << 10];
                loop {
                    let Ok(len @ 1..) = stream.read(&mut piece) else { return };
                    if slowly && bytes.len() % 7 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    bytes.extend_from_slice(&piece[..len]);
                    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                        continue;
                    };
                    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                    let length =
                        head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                    let length: usize = length.unwrap().parse().unwrap();
                    if bytes.len() == end + 4 + length {
                        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
                        let how = stream.conn.handshake_kind();
                        if how == Some(rustls::HandshakeKind::Resumed) {
                            resumed.fetch_add(1, Ordering::SeqCst);
                        }
                        taken.lock().unwrap().push(bytes.split_off(end + 4));
                        break;
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            });
        }
    });
    (address, bodies, resumptions)
}

/// One payload of bytes, no two pieces of which are alike.
#[derive(Debug)]
struct Large;

fn large() -> Vec<u8> {
    (0..1_500_000u32).flat_map(u32::to_le_bytes).collect()
}

impl Protocol for Large {
    fn prepare(&mut self, _: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        payloads.push(Payload::new(large(), "application/octet-stream"));
    }
}

#[test]
fn a_large_payload_to_a_slow_reader_arrives_whole_in_both_versions() {
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("push-tls-large");
    let authority = Authority::new(&folder, "ca");
    let identity = authority.issue("server", "IP:127.0.0.1", NOW);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (address, taken, _) = accepting(&identity, version, true);
        let node = Node::new();
        let target = Target::http_with(format!("https://{address}/"), Large);
        let target = target.time_limit(fake::PATIENCE).ca_file(&authority.certificate);
        let builder = Pusher::builder(&node.engine).target("t", target);
        let pusher = builder.flush_within(fake::PATIENCE).start().unwrap();
        node.count.inc();
        node.engine.refresh();
        let flush = pusher.stop();
        assert!(flush.is_complete(), "{flush:?}");
        assert!(*taken.lock().unwrap() == [large()], "it arrived once, as it was");
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn settings_that_cannot_be_are_errors_that_say_why() {
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("push-tls-settings");
    let authority = Authority::new(&folder, "ca");
    let one = authority.issue("one", "DNS:app", NOW);
    let other = authority.issue("two", "DNS:app", NOW);
    let missing = folder.join("missing.pem");
    let node = Node::new();
    let https = || eager("https://store.example.com/").ca_file(&authority.certificate);
    for (target, parts) in [
        (https().ca_file(&missing), ["certificate", "missing.pem"]),
        (https().ca_file(&one.key), ["one.key", "has no certificate"]),
        (https().client_certificate(&missing, &one.key), ["certificate", "missing.pem"]),
        (https().client_certificate(&one.certificate, &missing), ["key", "missing.pem"]),
        (https().client_certificate(&one.certificate, &other.key), ["two.key", "belong together"]),
        (eager("http://h/").ca_file(&authority.certificate), ["ca_file", "https://"]),
        (eager("http://h/").client_certificate("a", "b"), ["client_certificate", "https://"]),
        (Target::lines("h:1", TextEncoder::new()).ca_file("a"), ["ca_file", "only HTTP"]),
        (eager("https://a~b/").ca_file(&authority.certificate), ["a~b", "certificate"]),
    ] {
        let error = Pusher::builder(&node.engine).target("odd", target).start().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("\"odd\""), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
    }
    let _ = std::fs::remove_dir_all(folder);
}
