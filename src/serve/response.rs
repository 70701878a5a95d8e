//! Responses: head and text in one buffer, and a page that all who get it share.

use super::own::Code;
use super::site::{Body, Reply};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A response on its way.
#[derive(Debug)]
pub(super) struct Response {
    /// The head, and a short text if there is no page.
    text: Vec<u8>,
    /// Its number and its bytes.
    page: Option<(u64, Arc<Vec<u8>>)>,
    sent: usize,
}

/// How a client wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Only the head (the request was `HEAD`).
    pub(super) bare: bool,
    /// Whether the connection stays open afterwards.
    pub(super) keep: bool,
}

/// To a client that could not make itself clear: everything, and then the end.
pub(super) const FINAL: Manner = Manner { bare: false, keep: false };

impl Code {
    /// The number alone.
    pub(super) fn number(self) -> u16 {
        // Three digits each, by the table below.
        self.phrase()[..3].parse().unwrap_or(500)
    }

    /// Number and name.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Code::Ok => "200 OK",
            Code::NotModified => "304 Not Modified",
            Code::Unauthorized => "401 Unauthorized",
            Code::NotAcceptable => "406 Not Acceptable",
            Code::BadRequest => "400 Bad Request",
            Code::NotFound => "404 Not Found",
            Code::MethodNotAllowed => "405 Method Not Allowed",
            Code::RequestTimeout => "408 Request Timeout",
            Code::LengthRequired => "411 Length Required",
            Code::ContentTooLarge => "413 Content Too Large",
            Code::Unprocessable => "422 Unprocessable Content",
            Code::Internal => "500 Internal Server Error",
            Code::NotImplemented => "501 Not Implemented",
            Code::HeaderTooLarge => "431 Request Header Fields Too Large",
            Code::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Response {
    pub(super) fn new(reply: Reply, manner: Manner) -> Response {
        let mut text = head(&reply, manner);
        let page = match reply.body {
            _ if manner.bare => None,
            Body::Text(body) => {
                text.extend_from_slice(body.as_bytes());
                None
            }
            #[cfg(feature = "page")]
            Body::File(file) => {
                text.extend_from_slice(&file);
                None
            }
            Body::Page(page) => Some((page.id, page.bytes)),
        };
        Response { text, page, sent: 0 }
    }

    /// The number of the page that this keeps in memory.
    pub(super) fn page(&self) -> Option<u64> {
        self.page.as_ref().map(|(id, _)| *id)
    }

    /// Sends what is left. `Ok` once all is sent; `WouldBlock` if the client has to read first.
    pub(super) fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        // Not `write_vectored`: unlike `write` it would raise SIGPIPE where a host that is not a
        // Rust program left it on.
        loop {
            let page = self.page.as_ref().map_or(&[][..], |(_, text)| text);
            let left = match self.sent.checked_sub(self.text.len()) {
                None => &self.text[self.sent..],
                Some(at) => &page[at..],
            };
            if left.is_empty() {
                return Ok(());
            }
            match stream.write(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The head of a response whose end is that of the connection.
#[cfg(all(feature = "history", feature = "rules"))]
pub(super) fn open_head(reply: &Reply) -> Vec<u8> {
    let mut head = first_lines(reply);
    head.push_str("Connection: close\r\n\r\n");
    head.into_bytes()
}

fn first_lines(reply: &Reply) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut head = format!("HTTP/1.1 {}\r\nDate: {}\r\n", reply.code.phrase(), date(now));
    // Writing to a string does not fail.
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head
}

fn head(reply: &Reply, manner: Manner) -> Vec<u8> {
    let connection = if manner.keep { "keep-alive" } else { "close" };
    let len = reply.body.bytes().len();
    let mut head = first_lines(reply);
    // The length of what a client has already is that of the whole, of which nothing is sent.
    if reply.code != Code::NotModified {
        let _ = write!(head, "Content-Length: {len}\r\n");
    }
    let _ = write!(head, "Connection: {connection}\r\n\r\n");
    head.into_bytes()
}

/// A time since 1970 as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub(super) fn date(unix: Duration) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (days, second) = (unix.as_secs() / 86_400, unix.as_secs() % 86_400);
    // Years that begin in March put the leap day last (Hinnant, "chrono-compatible low-level date
    // algorithms"): days since 0000-03-01, by eras of 400 years.
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + shifted / 146_097 * 400 + u64::from(month >= 10);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize],
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}
