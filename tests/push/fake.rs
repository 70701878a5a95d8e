//! A server that does what a test tells it, and remembers what it was sent.
#![allow(dead_code, unused_imports, reason = "each test binary uses some of it")]

pub use crate::common::loopback::{PATIENCE, free_address, wait_until};

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// What came over one connection, and when it was whole.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
    pub at: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of a series on the page that is the body.
    pub fn value(&self, series: &str) -> Option<u64> {
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        self.body.lines().find_map(value)
    }
}

type Behaviour = dyn Fn(usize, &mut TcpStream) -> bool + Send + Sync;

/// Ends, and gives its port free, with the value.
pub struct Fake {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Reads each request, and then lets `answer` write what it likes: it gets the request's number, from zero.
    pub fn answering(
        address: &str,
        answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
    ) -> Fake {
        Fake::start(address, |_, _| true, answer)
    }

    /// Answers everything with 200.
    pub fn good(address: &str) -> Fake {
        Fake::answering(address, |_, stream| say(stream, "HTTP/1.1 200 OK\r\n\r\n"))
    }

    /// `before` gets each connection, and its number, before anything is read; it says whether to go on.
    pub fn start(
        address: &str,
        before: impl Fn(usize, &mut TcpStream) -> bool + Send + Sync + 'static,
        answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
    ) -> Fake {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let ending = Arc::new(AtomicBool::new(false));
        let (all, end) = (requests.clone(), ending.clone());
        let (before, answer): (Arc<Behaviour>, Arc<_>) = (Arc::new(before), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (all, before, answer) = (all.clone(), before.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if !before(number, &mut stream) {
                        return;
                    }
                    if let Some(request) = read(&mut stream) {
                        let number = {
                            let mut all = all.lock().unwrap();
                            all.push(request);
                            all.len() - 1
                        };
                        answer(number, &mut stream);
                    }
                });
            }
        });
        Fake { address, requests, ending, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/push", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The values of `series` in all requests, in the order in which they came.
    pub fn values(&self, series: &str) -> Vec<u64> {
        self.requests().iter().filter_map(|request| request.value(series)).collect()
    }

    /// Waits until there were so many requests.
    pub fn wait_for(&self, requests: usize) {
        wait_until(&format!("{requests} requests"), || self.requests().len() >= requests);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

pub fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

/// A request with a length; lines, if there is no head; `None` if it is cut off.
fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // Where the body begins, and its length.
    let mut framing: Option<(usize, usize)> = None;
    loop {
        if framing.is_none()
            && let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = text(&bytes[..end]);
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            // Who asks for a page sends nothing.
            let length = match length {
                None if head.starts_with("GET ") => "0",
                length => length?.1,
            };
            framing = Some((end + 4, length.parse().ok()?));
        }
        if let Some((begin, length)) = framing
            && bytes.len() >= begin + length
        {
            let (head, bytes) = (text(&bytes[..begin - 4]), bytes.split_off(begin));
            return Some(Request { head, body: text(&bytes), bytes, at: Instant::now() });
        }
        match stream.read(&mut piece) {
            Ok(0) if framing.is_none() && !text(&bytes).contains("HTTP/1.1") => {
                let body = text(&bytes);
                return Some(Request { head: String::new(), body, bytes, at: Instant::now() });
            }
            Ok(0) | Err(_) => return None,
            Ok(len) => bytes.extend_from_slice(&piece[..len]),
        }
    }
}
