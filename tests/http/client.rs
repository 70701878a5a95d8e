//! An HTTP client that does nothing by itself: tests say what is sent, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any limit of the listener that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The generation of the snapshot that the page shows.
    pub fn generation(&self) -> u64 {
        self.header("X-Tachometer-Generation").expect("a page").parse().unwrap()
    }

    /// The value of a series on the page: name, and labels as they are written there.
    pub fn value(&self, series: &str) -> Option<&str> {
        self.body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, unread: Vec::new() }
    }

    /// Sends; whether the listener still took it shows in the answer.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub fn hang_up_half(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// A request on this connection, and its answer.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.answer()
    }

    /// A request and its answer, up to the end of the connection: for servers that do not say the
    /// length.
    pub fn get_once(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n"));
        let mut answer = self.bare_answer();
        while self.read() {}
        answer.body = String::from_utf8(std::mem::take(&mut self.unread)).unwrap();
        answer
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.answer_if_whole().expect("the connection ended within the answer")
    }

    /// The next answer, unless the connection ends within it.
    pub fn answer_if_whole(&mut self) -> Option<Answer> {
        let mut answer = self.next_head()?;
        let len = answer.header("Content-Length").expect("a length").parse().unwrap();
        while self.unread.len() < len {
            self.read().then_some(())?;
        }
        answer.body = String::from_utf8(self.unread.drain(..len).collect()).unwrap();
        Some(answer)
    }

    /// The next answer, with a body that need not be text.
    pub fn answer_bytes(&mut self) -> (Answer, Vec<u8>) {
        let answer = self.bare_answer();
        let len = answer.header("Content-Length").expect("a length").parse().unwrap();
        while self.unread.len() < len {
            assert!(self.read(), "the connection ended within the body");
        }
        (answer, self.unread.drain(..len).collect())
    }

    /// The next answer, to a `HEAD`.
    pub fn bare_answer(&mut self) -> Answer {
        self.next_head().expect("the connection ended within the head")
    }

    fn next_head(&mut self) -> Option<Answer> {
        let end = loop {
            match self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read().then_some(())?,
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        Some(Answer { status: head[9..12].parse().unwrap(), head, body: String::new() })
    }

    /// Waits until an answer begins.
    pub fn read_a_little(&mut self) {
        assert!(self.read());
    }

    /// Whether the listener has closed the connection after what was read so far.
    pub fn has_ended(&mut self) -> bool {
        self.unread.is_empty() && !self.read()
    }

    /// All that comes until the listener closes the connection.
    pub fn drained(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.unread)
    }

    /// Reads some; `false` at the end.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(len) => {
                self.unread.extend_from_slice(&bytes[..len]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error} after {:?}", self.text()),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }
}

/// A request on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    Client::connect(address).get(path)
}
