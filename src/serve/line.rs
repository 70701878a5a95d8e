//! Sockets: where clients come from (TCP, a Unix socket) and the line to one of them, encrypted or not. None of it blocks.

use super::connection::Stream;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::unix::SocketFile;
#[cfg(feature = "tls")]
use crate::tls::Session;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown};

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    /// With its file, which goes when the socket does.
    Unix(UnixListener, #[allow(dead_code, reason = "dropped with the socket")] SocketFile),
}

impl Socket {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            Socket::Unix(socket, _) => registry.register(socket, token, Interest::READABLE),
        }
    }

    /// The next client, and its address if it has one.
    pub(super) fn accept(&self) -> io::Result<(Wire, Option<IpAddr>)> {
        match self {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept()?;
                // Head and page go out as they are written; waiting to fill a packet would cost a scrape a delayed
                // acknowledgement. If the option is refused, that is what it costs.
                let _ = stream.set_nodelay(true);
                Ok((Wire::Tcp(stream), Some(address.ip())))
            }
            Socket::Unix(socket, _) => Ok((Wire::Unix(socket.accept()?.0), None)),
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    fn end(&self) {
        // Fails only if the connection is gone, which the next read will tell.
        let _ = match self {
            Wire::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Wire::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.read(buffer),
            Wire::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.write(bytes),
            Wire::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line to a client.
#[derive(Debug)]
pub(super) struct Line {
    wire: Wire,
    #[cfg(feature = "tls")]
    session: Option<Session>,
}

impl Line {
    /// A line that says everything in the open.
    pub(super) fn plain(wire: Wire) -> Line {
        Line {
            wire,
            #[cfg(feature = "tls")]
            session: None,
        }
    }

    /// A line that is encrypted.
    #[cfg(feature = "tls")]
    pub(super) fn encrypted(wire: Wire, tls: &Tls) -> io::Result<Line> {
        Ok(Line { wire, session: Some(tls.session()?) })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match &mut self.wire {
            Wire::Tcp(stream) => registry.register(stream, token, interest),
            Wire::Unix(stream) => registry.register(stream, token, interest),
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.read(&mut self.wire, buffer);
        }
        self.wire.read(buffer)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.write(&mut self.wire, bytes);
        }
        self.wire.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.flush(&mut self.wire);
        }
        Ok(())
    }
}

impl Stream for Line {
    fn end(&mut self) {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            session.end(&mut self.wire);
        }
        self.wire.end();
    }
}
