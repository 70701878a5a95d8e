//! Reading a response, piece by piece as it arrives.
//!
//! The status line decides what became of a payload: a server that says 200 has taken it, whatever
//! happens to the rest of the response. The body is read for the protocol's sake (some say in it
//! what they did not take), as long as it is sound, and up to a limit. A connection carries one
//! response, so nothing hangs on where exactly a body ends.

use crate::limits::{
    MAX_PUSH_RESPONSE_BYTES, MAX_PUSH_RESPONSE_HEAD_BYTES, MAX_PUSH_RESPONSE_HEADERS,
};
use crate::push::protocol::Answer;
use crate::retry::retry_after;
use std::time::Duration;

/// A response whose head was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Those whose values are text.
    pub(crate) headers: Vec<(String, String)>,
    /// What there was of the body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, headers: &self.headers, body: &self.body }
    }

    /// How long it asks to be left alone. `now` is the time since 1970.
    pub(crate) fn retry_after(&self, now: Duration) -> Option<Duration> {
        retry_after(self.answer().header("retry-after")?, now)
    }
}

/// Reads one response.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What was not understood yet.
    unread: Vec<u8>,
    /// Bytes of interim heads before this one.
    skipped: usize,
    response: Option<Response>,
    next: Next,
}

/// What is read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Head,
    /// So many bytes of the body.
    Length(u64),
    ChunkSize,
    /// So many bytes of a chunk, and the line's end behind it.
    Chunk(u64),
    ChunkEnd,
    /// Everything, until the connection is closed.
    Rest,
    /// Nothing: the response is whole, or what follows is of no use.
    Nothing,
}

/// The longest line that gives a chunk's size.
const MAX_CHUNK_LINE: usize = 256;

impl Reader {
    /// Takes the next bytes of the connection; `true` once nothing more is needed.
    ///
    /// # Errors
    /// Why this is not an HTTP response.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<bool, &'static str> {
        if self.next == Next::Nothing {
            return Ok(true);
        }
        self.unread.extend_from_slice(bytes);
        while self.next == Next::Head {
            if !self.head()? {
                return Ok(false);
            }
        }
        self.body();
        Ok(self.next == Next::Nothing)
    }

    /// What was read, at the connection's end; `None` if that was before the end of the head.
    pub(crate) fn finish(&mut self) -> Option<Response> {
        self.response.take()
    }

    /// Reads one head; `false` if it is not all there.
    fn head(&mut self) -> Result<bool, &'static str> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_PUSH_RESPONSE_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let room = MAX_PUSH_RESPONSE_HEAD_BYTES - self.skipped;
        let len = match parsed.parse(&self.unread) {
            Ok(httparse::Status::Complete(len)) if len <= room => len,
            Ok(httparse::Status::Partial) if self.unread.len() < room => return Ok(false),
            Ok(_) => return Err("the head of its answer is too long"),
            Err(httparse::Error::TooManyHeaders) => return Err("its answer has too many headers"),
            Err(_) => return Err("its answer is not HTTP"),
        };
        let status = parsed.code.unwrap_or_default();
        match status {
            101 => return Err("it answers that it speaks another protocol"),
            // An interim response: the real one follows.
            100..=199 => {
                self.unread.drain(..len);
                self.skipped += len;
                return Ok(!self.unread.is_empty());
            }
            200..=599 => {}
            _ => return Err("its answer has a status code that HTTP does not have"),
        }
        self.next = framing(status, parsed.headers);
        let text = |header: &httparse::Header<'_>| {
            let value = std::str::from_utf8(header.value).ok()?;
            Some((header.name.to_owned(), value.trim().to_owned()))
        };
        let headers = parsed.headers.iter().filter_map(text).collect();
        self.response = Some(Response { status, headers, body: Vec::new() });
        self.unread.drain(..len);
        Ok(true)
    }

    fn body(&mut self) {
        loop {
            let (take, then) = match self.next {
                Next::Head | Next::Nothing => return,
                Next::Length(0) => return self.end(),
                Next::Length(left) => {
                    let take = self.available(left);
                    (take, Next::Length(left - take as u64))
                }
                Next::Rest => (self.unread.len(), Next::Rest),
                Next::Chunk(0) => (0, Next::ChunkEnd),
                Next::Chunk(left) => {
                    let take = self.available(left);
                    (take, Next::Chunk(left - take as u64))
                }
                Next::ChunkEnd => match self.unread.get(..2) {
                    Some(b"\r\n") => {
                        self.unread.drain(..2);
                        (0, Next::ChunkSize)
                    }
                    Some(_) => return self.end(),
                    None => return,
                },
                Next::ChunkSize => match self.chunk_size() {
                    // The last chunk. Trailers are nothing to us.
                    Some(Ok(0)) | Some(Err(())) => return self.end(),
                    Some(Ok(size)) => (0, Next::Chunk(size)),
                    None => return,
                },
            };
            let moved = take > 0 || self.next != then;
            if let Some(response) = &mut self.response {
                let room = MAX_PUSH_RESPONSE_BYTES.saturating_sub(response.body.len());
                response.body.extend_from_slice(&self.unread[..take.min(room)]);
                self.unread.drain(..take);
                if take > room {
                    return self.end();
                }
            }
            self.next = then;
            if !moved {
                return;
            }
        }
    }

    fn available(&self, left: u64) -> usize {
        usize::try_from(left).map_or(self.unread.len(), |left| left.min(self.unread.len()))
    }

    /// The size on the next line; `None` if the line is not all there, an error if it is none.
    fn chunk_size(&mut self) -> Option<Result<u64, ()>> {
        let end = self.unread.windows(2).take(MAX_CHUNK_LINE).position(|pair| pair == b"\r\n");
        let Some(end) = end else {
            return (self.unread.len() > MAX_CHUNK_LINE).then_some(Err(()));
        };
        let size = match httparse::parse_chunk_size(&self.unread) {
            Ok(httparse::Status::Complete((_, size))) => Ok(size),
            _ => Err(()),
        };
        self.unread.drain(..end + 2);
        Some(size)
    }

    fn end(&mut self) {
        self.next = Next::Nothing;
        self.unread = Vec::new();
    }
}

/// How the body's end is told (RFC 9112, section 6.3).
fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Next {
    if matches!(status, 204 | 304) {
        return Next::Nothing;
    }
    let all = |name: &'static str| {
        headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    };
    if let Some(encoding) = all("transfer-encoding").next_back() {
        let chunked = encoding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        // Another encoding is none that was asked for.
        return if chunked { Next::ChunkSize } else { Next::Nothing };
    }
    let mut lengths = all("content-length").map(|value| {
        let value = std::str::from_utf8(value).ok()?.trim();
        let plain = value.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| value.parse().ok()).flatten()
    });
    match lengths.next() {
        None => Next::Rest,
        Some(Some(length)) if lengths.all(|other| other == Some(length)) => Next::Length(length),
        // No length, or two: there is no telling what the body is.
        Some(_) => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response in `bytes`, read `step` bytes at a time, and whether it was whole.
    fn read(bytes: &[u8], step: usize) -> Result<(Option<Response>, bool), &'static str> {
        let mut reader = Reader::default();
        let mut whole = false;
        for piece in bytes.chunks(step) {
            whole = reader.feed(piece)?;
        }
        Ok((reader.finish(), whole))
    }

    fn check(bytes: &[u8], status: u16, body: &[u8], whole: bool) {
        for step in [1, 2, 3, 7, 1 << 20] {
            let (response, ended) = read(bytes, step).unwrap();
            let response = response.expect("a head");
            assert_eq!((response.status, &response.body[..]), (status, body), "{step}");
            assert_eq!(ended, whole, "{step}");
        }
    }

    #[test]
    fn the_ways_to_end_a_body() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, more", 200, b"hello", true);
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 200, b"hello", false);
        check(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", true);
        check(b"HTTP/1.0 200 OK\r\n\r\nall of it", 200, b"all of it", false);
        let chunked = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n\
                        5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
        check(chunked, 400, b"hello!", true);
        check(&chunked[..chunked.len() - 7], 400, b"hello!", false);
    }

    #[test]
    fn a_sound_head_stands_whatever_follows() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello";
        check(chunked, 200, b"", true);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello";
        check(chunked, 200, b"h", true);
        check(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello", 200, b"", true);
        let two = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhello";
        check(two, 200, b"", true);
        let huge = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; 1 << 20]].concat();
        check(&huge, 200, &[b'x'; MAX_PUSH_RESPONSE_BYTES], true);
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\nA: b\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 0\r\nRetry-After:  7 \r\n\r\n";
        check(bytes, 200, b"", true);
        let (response, _) = read(bytes, 5).unwrap();
        let response = response.unwrap();
        assert_eq!(response.answer().header("retry-AFTER"), Some("7"));
        assert_eq!(response.retry_after(Duration::ZERO), Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_is_no_response() {
        for bytes in [
            &b"220 mail.example.com ESMTP\r\n"[..],
            b"\x16\x03\x01\x02\x00",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 101 Switching\r\n\r\n",
            b"HTTP/1.1 999 Odd\r\n\r\n",
        ] {
            assert!(read(bytes, 1).is_err(), "{bytes:?}");
        }
        let long = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'x'; MAX_PUSH_RESPONSE_HEAD_BYTES]].concat();
        assert!(read(&long, 1000).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(1000));
        assert!(read(many.as_bytes(), 1 << 20).is_err());
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        assert!(read(interim.as_bytes(), 1000).is_err());
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nA: b", 4), Ok((None, false)));
    }
}
