//! The listener, encrypted: curl, a client that misbehaves in TLS's own ways, and errors of set-up.
#![cfg(all(feature = "http", feature = "tls"))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "http/tools.rs"]
mod tools;

use client::Client;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tachometer::{Engine, Listener, ManualClock, Registry};

fn engine() -> Engine {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    // A page of a megabyte, so that neither the session's buffer nor the socket's takes it at once.
    let text = "x".repeat(4_000);
    for index in 0..256 {
        registry.metric("large", "L.").label("text", format!("{text}{index}")).gauge().unwrap();
    }
    let clock = ManualClock::at(Duration::ZERO);
    Engine::builder().registry(&registry).manual(&clock).start().unwrap()
}

struct Stand {
    engine: Engine,
    address: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    _listener: Listener,
}

fn stand(name: &str) -> Option<Stand> {
    if !tools::is_here("openssl", "openssl") {
        return None;
    }
    let (certificate, key) = tools::certificate(&tools::folder(name), "server");
    let engine = engine();
    let builder = Listener::builder().tls_pem_files(&certificate, &key);
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    Some(Stand { engine, address: listener.local_addr(), certificate, key, _listener: listener })
}

type TlsClient = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn connect(stand: &Stand) -> TlsClient {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&stand.certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(stand.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    rustls::StreamOwned::new(session, stream)
}

#[test]
fn curl_reads_the_page() {
    let Some(stand) = stand("tls-curl") else { return };
    if !tools::is_here("curl", "curl") {
        return;
    }
    let url = format!("https://{}/metrics", stand.address);
    let trusted = stand.certificate.to_str().unwrap();
    for version in ["--tlsv1.3", "--tls-max"] {
        let mut arguments = vec!["--fail", "--cacert", trusted, version];
        if version == "--tls-max" {
            arguments.push("1.2");
        }
        let page = tools::curl_text(&[&arguments[..], &[&url]].concat());
        assert!(page.len() > 1_000_000 && page.contains("\nevents_total 7\n"), "{}", page.len());
        let packed = tools::curl_text(&[&arguments[..], &["--compressed", &url]].concat());
        assert_eq!(packed, page);
    }
    assert!(!tools::curl(&[&url]).status.success(), "nobody vouches for it");
    // Many over one connection.
    let many = [&["--fail", "--cacert", trusted][..], &[&*url; 5]].concat();
    assert_eq!(tools::curl_text(&many).matches("\nevents_total 7\n").count(), 5);
}

#[test]
fn a_client_may_read_slowly_and_ask_again() {
    let Some(stand) = stand("tls-slow") else { return };
    let mut client = connect(&stand);
    let request = "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n";
    let last = "GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    client.write_all([request, request, last].concat().as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut all = Vec::new();
    let mut piece = [0; 100_000];
    loop {
        match client.read(&mut piece).unwrap() {
            0 => break,
            len => all.extend_from_slice(&piece[..len]),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // The end was told, not only cut: `read` would have said so.
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(all.matches("\nevents_total 7\n").count(), 3);
}

#[test]
fn whoever_does_not_speak_tls_harms_nobody() {
    let Some(stand) = stand("tls-abuse") else { return };
    let mut honest = connect(&stand);
    let ask = |client: &mut TlsClient| {
        client.write_all(b"GET /health/live HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
        let mut answer = [0; 4096];
        let len = client.read(&mut answer).unwrap();
        assert!(answer[..len].starts_with(b"HTTP/1.1 200 OK"));
    };
    ask(&mut honest);
    let mut open = Vec::new();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let garbage = vec![0xA5; 100_000];
    let all: [&[u8]; 5] =
        [b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n", hello, &garbage, b"", b"\x16"];
    for bytes in all.repeat(10) {
        let mut client = Client::connect(stand.address);
        client.send(bytes);
        open.push(client);
        ask(&mut honest);
    }
    // Plain HTTP is hung up on, after at most an alert.
    assert!(open[0].drained().len() < 64);
    // One who leaves in the middle of a page.
    let mut leaving = connect(&stand);
    leaving.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    leaving.read_exact(&mut [0; 1000]).unwrap();
    drop(leaving);
    ask(&mut honest);
}

#[test]
fn files_that_cannot_be_used_are_errors_that_say_which_and_why() {
    let Some(stand) = stand("tls-errors") else { return };
    let folder = stand.certificate.parent().unwrap();
    let (_, other_key) = tools::certificate(folder, "other");
    let text = folder.join("text");
    std::fs::write(&text, "nothing of the kind").unwrap();
    let broken = folder.join("broken");
    std::fs::write(&broken, "-----BEGIN PRIVATE KEY-----\nsecret!!\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let missing = folder.join("missing.pem");
    let error = |certificate: &Path, key: &Path| {
        let builder = Listener::builder().tls_pem_files(certificate, key);
        builder.bind(&stand.engine, "127.0.0.1:0").unwrap_err().to_string()
    };
    let (certificate, key) = (&*stand.certificate, &*stand.key);
    for (text, parts) in [
        (error(&missing, key), ["read the TLS certificate", "missing.pem", "PEM file"]),
        (error(certificate, &missing), ["read the TLS key", "missing.pem", "PEM file"]),
        (error(&text, key), ["text has no certificate", "PEM file", "BEGIN CERTIFICATE"]),
        (error(certificate, certificate), ["server.crt has no key", "PEM", "BEGIN PRIVATE KEY"]),
        (error(certificate, &broken), ["broken", "not a PEM file", "key"]),
        (error(certificate, &other_key), ["server.crt", "other.key", "belong together"]),
    ] {
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
        assert!(!text.contains("secret!!"), "{text}");
    }
}
