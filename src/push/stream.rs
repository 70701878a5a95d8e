//! The connection to a target, encrypted or not, that never blocks.

#[cfg(feature = "tls")]
use super::tls;
#[cfg(feature = "tls")]
pub(super) use super::tls::Tls;
use crate::limits::PUSH_TURN_BYTES;
#[cfg(feature = "tls")]
use crate::tls::Session;
use mio::net::TcpStream;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;

/// There is none without the feature `tls`.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Debug)]
pub(super) enum Tls {}

/// A connected socket, which stops reading for a moment when the peer has more to say than one turn has time for.
#[derive(Debug)]
struct Wire {
    socket: TcpStream,
    /// Bytes read since it last had nothing, or stopped.
    read: usize,
    /// Whether it stopped although there may be more.
    paused: bool,
}

#[derive(Debug)]
pub(super) struct Stream {
    wire: Wire,
    #[cfg(feature = "tls")]
    session: Option<Session>,
}

impl Stream {
    /// A stream over a connected `socket`.
    ///
    /// # Errors
    /// The session cannot begin.
    pub(super) fn new(socket: TcpStream, tls: Option<&Tls>) -> io::Result<Stream> {
        let wire = Wire { socket, read: 0, paused: false };
        #[cfg(feature = "tls")]
        return Ok(Stream { wire, session: tls.map(Tls::session).transpose()? });
        #[cfg(not(feature = "tls"))]
        match tls {
            None => Ok(Stream { wire }),
            Some(never) => match *never {},
        }
    }

    /// Goes on with the TLS handshake, if there is one, until it is over.
    ///
    /// # Errors
    /// `WouldBlock` until then.
    pub(super) fn handshake(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.handshake(&mut self.wire).map_err(tls::in_words);
        }
        Ok(())
    }

    /// Whether it stopped reading although the peer may have said more, for which no event will come.
    pub(super) fn take_paused(&mut self) -> bool {
        std::mem::take(&mut self.wire.paused)
    }

    /// Whether the peer agreed to speak HTTP/2, or was not asked.
    #[cfg(feature = "grpc")]
    pub(super) fn takes_http2(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(session) = &self.session {
            return session.protocol() == Some(b"h2");
        }
        true
    }

    /// Says that nothing more will be sent.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        #[cfg(all(feature = "tls", any(feature = "http", feature = "grpc")))]
        if let Some(session) = &mut self.session {
            session.end(&mut self.wire);
        }
        self.wire.socket.shutdown(Shutdown::Write)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.read(&mut self.wire, buffer).map_err(tls::in_words);
        }
        self.wire.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.write(&mut self.wire, bytes).map_err(tls::in_words);
        }
        self.wire.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            let part = parts.iter().find(|part| !part.is_empty());
            let part = part.map_or(&[][..], |part| part);
            return session.write(&mut self.wire, part).map_err(tls::in_words);
        }
        self.wire.socket.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.flush(&mut self.wire).map_err(tls::in_words);
        }
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read >= PUSH_TURN_BYTES {
            (self.read, self.paused) = (0, true);
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = self.socket.read(buffer);
        match &read {
            Ok(len) => self.read += len,
            Err(_) => self.read = 0,
        }
        read
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_peer_that_does_not_stop_is_paused_and_nothing_of_it_is_lost() {
        const SAID: usize = 4 * PUSH_TURN_BYTES;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let talking = std::thread::spawn(move || peer.write_all(&vec![7; SAID]).unwrap());
        let mut stream = Stream::new(socket, None).unwrap();
        let (mut heard, mut in_one_go, mut buffer) = (0, 0, [0; 16 << 10]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    assert!(buffer[..len].iter().all(|&byte| byte == 7));
                    (heard, in_one_go) = (heard + len, in_one_go + len);
                    assert!(in_one_go < PUSH_TURN_BYTES + buffer.len());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(!stream.take_paused() || in_one_go >= PUSH_TURN_BYTES);
                    in_one_go = 0;
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(heard, SAID);
        talking.join().unwrap();
    }
}
