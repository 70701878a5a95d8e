//! What both ends of TLS need: certificates and keys from PEM files, and a session that never blocks. Feature `tls`.
//!
//! rustls with ring: of its two providers the one that builds with a C compiler alone. The listener (`serve::tls`) and the
//! pusher (`push::tls`) each add their own end. Notifications (`notify::tls`) and sources go over blocking sessions of `ureq`'s.
#![cfg_attr(
    not(any(feature = "http", feature = "push")),
    allow(dead_code, reason = "notifications need certificates alone")
)]

use crate::Error;
use rustls::Connection;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes that a session may hold for a peer who does not read.
const BUFFERED: usize = 64 << 10;

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a PEM file, of which there must be one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let all = all.map_err(|error| unreadable("certificate", path, &error))?;
    if all.is_empty() {
        return Err(unreadable("certificate", path, &pem::Error::NoItemsFound));
    }
    Ok(all)
}

/// Those of the authorities that this system trusts, of which there must be one.
#[cfg(any(feature = "backend", feature = "push", feature = "source"))]
pub(crate) fn certificates_of_system() -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        let reason = format!(
            "this system has no certificate authorities{why}; install them (Debian's package \
             ca-certificates), or name a PEM file with `ca_file`"
        );
        return Err(Error::InvalidSetting { setting: "ca_file", reason });
    }
    Ok(found.certs)
}

/// Whom a client trusts, in `ureq`'s terms: the authorities of the PEM file `ca`, or those of the system.
#[cfg(feature = "source")]
pub(crate) fn of_client(ca: Option<&Path>) -> Result<ureq::tls::TlsConfig, Error> {
    use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
    let trusted = match ca {
        Some(path) => {
            let found = certificates(path)?;
            // `ureq` passes over those that it cannot use: then nothing would be trusted, and nobody would know why.
            let mut roots = rustls::RootCertStore::empty();
            for certificate in &found {
                roots.add(certificate.clone()).map_err(|error| Error::InvalidSetting {
                    setting: "ca_file",
                    reason: format!(
                        "{} has a certificate that cannot be used: {error}",
                        path.display()
                    ),
                })?;
            }
            found
        }
        None => certificates_of_system()?,
    };
    let trusted = trusted.iter().map(|found| Certificate::from_der(found).to_owned());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider())
        .root_certs(RootCerts::Specific(Arc::new(trusted.collect())))
        .build())
}

/// The first private key of a PEM file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("key", path, &error))
}

/// A certificate and a key that rustls would not take together.
pub(crate) fn unusable(certificate: &Path, key: &Path, error: &rustls::Error) -> Error {
    Error::InvalidSetting {
        setting: "tls",
        reason: format!(
            "certificate {} and key {} cannot be used: {error}; they must belong together",
            certificate.display(),
            key.display()
        ),
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

/// One connection's session. As on a socket, `WouldBlock` comes only after the wire has said so.
#[derive(Debug)]
pub(crate) struct Session(Box<Connection>);

impl Session {
    pub(crate) fn new(connection: impl Into<Connection>) -> Session {
        let mut connection = connection.into();
        connection.set_buffer_limit(Some(BUFFERED));
        Session(Box::new(connection))
    }

    /// Agrees with the peer on how to speak; what is read and written before that has to wait for it.
    #[cfg(feature = "push")]
    pub(crate) fn handshake(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            self.flush(wire)?;
            if !self.0.is_handshaking() {
                return Ok(());
            }
            if self.0.read_tls(wire)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.process(wire)?;
        }
    }

    /// The protocol that both agreed to speak inside.
    #[cfg(feature = "grpc")]
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.0.alpn_protocol()
    }

    /// Reads what the peer says.
    pub(crate) fn read(
        &mut self,
        wire: &mut (impl Read + Write),
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            // What cannot be sent is no reason not to hear what was said; the next write tells.
            let _ = self.flush(wire);
            match self.0.reader().read(buffer) {
                // The peer closed the wire without a word: there is no more either way.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return self.ended(wire),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.0.read_tls(wire)? == 0 {
                return self.ended(wire);
            }
            self.process(wire)?;
        }
    }

    /// The end of what the peer says, unless the session had broken before.
    fn ended(&mut self, wire: &mut (impl Read + Write)) -> io::Result<usize> {
        self.process(wire).map(|()| 0)
    }

    /// Takes what it has room for.
    pub(crate) fn write(
        &mut self,
        wire: &mut (impl Read + Write),
        bytes: &[u8],
    ) -> io::Result<usize> {
        // Nothing more before the wire took what was said.
        self.flush(wire)?;
        let taken = self.0.writer().write(bytes)?;
        self.flush_if_it_goes(wire)?;
        Ok(taken)
    }

    /// Hands on all that it holds back.
    pub(crate) fn flush(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        while self.0.wants_write() {
            match self.0.write_tls(wire) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
                Err(error) => return Err(self.why(wire, error)),
            }
        }
        Ok(())
    }

    /// What the peer said before it went away, as it does to one whose certificate it does not take.
    fn why(&mut self, wire: &mut impl Read, otherwise: io::Error) -> io::Error {
        while matches!(self.0.read_tls(wire), Ok(1..)) {
            if let Err(error) = self.0.process_new_packets() {
                return io::Error::new(ErrorKind::InvalidData, error);
            }
        }
        otherwise
    }

    /// Tells the peer that nothing more will be said.
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) fn end(&mut self, wire: &mut (impl Read + Write)) {
        self.0.send_close_notify();
        // A peer who does not take it finds the wire closed.
        let _ = self.flush(wire);
    }

    fn process(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        let Err(error) = self.0.process_new_packets() else { return Ok(()) };
        // The peer is told what was wrong, if it will hear it.
        let _ = self.flush(wire);
        Err(io::Error::new(ErrorKind::InvalidData, error))
    }

    fn flush_if_it_goes(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        match self.flush(wire) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }
}
