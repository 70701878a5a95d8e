//! Servers that hang, trickle, never end, pack bombs, or answer something else: an error each, in time, and nobody else is held
//! up.

use crate::Stand;
use crate::fake::{Fake, say};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tachometer::source::{PageSource, PollLimits, PollSettings, Samples, Source, SourceError};

const PATIENCE: Duration = Duration::from_secs(60);

fn poll(address: SocketAddr, time: Duration, bytes: usize) -> Result<Samples, SourceError> {
    let mut limits = PollLimits::default();
    (limits.time, limits.bytes) = (time, bytes);
    PageSource::new("s", format!("http://{address}/metrics")).unwrap().poll(&limits)
}

fn server(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Fake {
    Fake::answering("127.0.0.1:0", move |_, stream| answer(stream))
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";

#[test]
fn what_is_no_page_is_an_error_that_says_why() {
    let packed = |text: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    };
    let bomb = packed(&vec![b'#'; 10 << 20]);
    let head = |more: &str| format!("{HEAD}{more}\r\n").into_bytes();
    let with = |more: &str, body: &[u8]| [&head(more)[..], body].concat();
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    for (answer, reason, word) in [
        (with("", b"up{ 1\n"), "malformed", "line 1"),
        (with("", b"\xff\xfe"), "malformed", "UTF-8"),
        (with("", &[b'#'; 2 << 20]), "too_large", "1048576 bytes"),
        (with("Content-Encoding: gzip\r\n", &bomb), "too_large", "1048576 bytes"),
        (with("Content-Encoding: gzip\r\n", b"no gzip"), "malformed", "gzip"),
        (with("Content-Encoding: br\r\n", b"x"), "malformed", "\"br\""),
        (with("Content-Length: 50\r\n", b"up 1\n"), "unreachable", "127.0.0.1"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx".to_vec(),
            "malformed",
            "text/html",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                .to_vec(),
            "malformed",
            "format",
        ),
        (b"no HTTP at all\r\n\r\n".to_vec(), "malformed", "not HTTP"),
        (Vec::new(), "unreachable", "127.0.0.1"),
        (status("302 Go"), "denied", "another URL"),
        (status("401 No"), "denied", "credentials"),
        (status("404 No"), "denied", "URL"),
        (status("500 Oops"), "denied", "fault"),
    ] {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(90)]).into_owned();
        let fake = server(move |stream| {
            let _ = stream.write_all(&answer);
        });
        let error = poll(fake.address, PATIENCE, 1 << 20).unwrap_err();
        assert_eq!(error.reason(), reason, "{shown}: {error}");
        assert!(error.to_string().contains(word), "{shown}: {error}");
    }
}

#[test]
fn one_that_never_ends_ends_at_its_limit() {
    // It hangs before the first byte, within the head, within the body; it trickles, which is as bad.
    let says = ["", "HTTP/1.1 200 OK\r\nX", &format!("{HEAD}\r\nup "), &format!("{HEAD}\r\n")];
    for (at, said) in says.into_iter().enumerate() {
        let said = said.to_owned();
        let fake = server(move |stream| {
            say(stream, &said);
            let began = Instant::now();
            // Longer than anybody should listen.
            while began.elapsed() < PATIENCE && (at < 3 || stream.write_all(b"#").is_ok()) {
                std::thread::sleep(Duration::from_millis(10));
                if at < 3 && stream.peek(&mut [0]).is_ok_and(|read| read == 0) {
                    break;
                }
            }
        });
        let limit = Duration::from_millis(200);
        let error = poll(fake.address, limit, 1 << 20).unwrap_err();
        assert_eq!(error, SourceError::TimedOut { limit }, "{at}");
    }
    // A hundred megabytes, and more.
    let flood = server(|stream| {
        say(stream, &format!("{HEAD}\r\n"));
        while stream.write_all(&[b'#'; 1 << 16]).is_ok() {}
    });
    let error = poll(flood.address, PATIENCE, 16 << 20).unwrap_err();
    assert_eq!(error, SourceError::TooLarge { limit: 16 << 20 });
}

#[test]
fn a_good_one_beside_bad_ones_is_read() {
    let good = server(|stream| say(stream, &format!("{HEAD}\r\nup 1\n")));
    let flood = server(|stream| {
        say(stream, &format!("{HEAD}\r\n"));
        while stream.write_all(&[b'#'; 1 << 16]).is_ok() {}
    });
    let garbage = server(|stream| say(stream, "garbage"));
    let stand = Stand::new(true);
    for (name, fake) in [("flood", &flood), ("garbage", &garbage), ("good", &good)] {
        let source = PageSource::new(name, format!("http://{}/", fake.address)).unwrap();
        stand.sources.add(source, PollSettings::new().max_bytes(1 << 20)).unwrap();
    }
    stand.after(0);
    let now = stand.engine.refresh();
    assert_eq!(now.gauge_with("up", &[("source", "good")]), Ok(1.0));
    let failed = |source, reason| {
        let labels = [("source", source), ("reason", reason)];
        now.counter_with("tachometer_source_failures_total", &labels)
    };
    assert_eq!((failed("flood", "too_large"), failed("garbage", "malformed")), (Ok(1), Ok(1)));
}
