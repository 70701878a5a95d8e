//! Encryption: certificate and key from PEM files, and a session that never blocks. Feature `tls`.
//!
//! rustls with ring: of its two providers the one that builds with a C compiler alone.

use super::line::Wire;
use crate::Error;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Bytes that a session may hold for a client who does not read.
const BUFFERED: usize = 64 << 10;

/// Certificate and key.
#[derive(Clone)]
pub(super) struct Tls(Arc<ServerConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(secret)")
    }
}

impl Tls {
    /// Reads a certificate, with those that vouch for it behind it, and its key.
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Tls, Error> {
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain = chain.map_err(|error| unreadable("certificate", certificate, &error))?;
        if chain.is_empty() {
            return Err(unreadable("certificate", certificate, &pem::Error::NoItemsFound));
        }
        let secret =
            PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|b| b.with_no_client_auth().with_single_cert(chain, secret));
        let mut config = config.map_err(|error| Error::InvalidSetting {
            setting: "tls",
            reason: format!(
                "certificate {} and key {} cannot be used: {error}; they must belong together",
                certificate.display(),
                key.display()
            ),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls(Arc::new(config)))
    }

    pub(super) fn session(&self) -> io::Result<Session> {
        let mut session = ServerConnection::new(self.0.clone()).map_err(io::Error::other)?;
        session.set_buffer_limit(Some(BUFFERED));
        Ok(Session(Box::new(session)))
    }
}

fn unreadable(what: &str, path: &Path, error: &pem::Error) -> Error {
    let path = path.display();
    match error {
        pem::Error::Io(error) => Error::Io {
            attempt: format!("read the TLS {what} {path}"),
            kind: error.kind(),
            reason: format!("{error}; give the path of a PEM file that this user may read"),
        },
        pem::Error::NoItemsFound => Error::InvalidSetting {
            setting: "tls",
            reason: format!(
                "{path} has no {what}: it must be a PEM file, with a line -----BEGIN {}-----",
                if what == "key" { "PRIVATE KEY" } else { "CERTIFICATE" }
            ),
        },
        // Not its words: they may quote the file, which may be a key.
        _ => Error::InvalidSetting {
            setting: "tls",
            reason: format!(
                "{path} is not a PEM file that can be read, though a {what} must be one"
            ),
        },
    }
}

/// One client's session.
#[derive(Debug)]
pub(super) struct Session(Box<ServerConnection>);

impl Session {
    /// Reads what the client says. As everywhere, `WouldBlock` only after the wire has said so.
    pub(super) fn read(&mut self, wire: &mut Wire, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.flush_if_it_goes(wire)?;
            match self.0.reader().read(buffer) {
                // The client closed the wire without a word: there is no more either way.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.0.read_tls(wire)? == 0 {
                return Ok(0);
            }
            self.process(wire)?;
        }
    }

    /// Takes what it has room for.
    pub(super) fn write(&mut self, wire: &mut Wire, bytes: &[u8]) -> io::Result<usize> {
        // Nothing more before the wire took what was said.
        self.flush(wire)?;
        let taken = self.0.writer().write(bytes)?;
        self.flush_if_it_goes(wire)?;
        Ok(taken)
    }

    /// Hands on all that it holds back.
    pub(super) fn flush(&mut self, wire: &mut Wire) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(wire)?;
        }
        Ok(())
    }

    /// Tells the client that nothing more will be said.
    pub(super) fn end(&mut self, wire: &mut Wire) {
        self.0.send_close_notify();
        // A client who does not take it finds the wire closed.
        let _ = self.flush(wire);
    }

    fn process(&mut self, wire: &mut Wire) -> io::Result<()> {
        let Err(error) = self.0.process_new_packets() else { return Ok(()) };
        // The client is told what was wrong, if it will hear it.
        let _ = self.flush(wire);
        Err(io::Error::new(ErrorKind::InvalidData, error))
    }

    fn flush_if_it_goes(&mut self, wire: &mut Wire) -> io::Result<()> {
        match self.flush(wire) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }
}
