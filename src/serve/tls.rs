//! The listener's end of TLS: its certificate and key. Feature `tls`.

use crate::Error;
use crate::tls::{Session, certificates, key, provider, unusable};
use rustls::{ServerConfig, ServerConnection};
use std::io;
use std::path::Path;
use std::sync::Arc;

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
    pub(super) fn load(certificate: &Path, secret: &Path) -> Result<Tls, Error> {
        let chain = certificates(certificate)?;
        let key = key(secret)?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| unusable(certificate, secret, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls(Arc::new(config)))
    }

    pub(super) fn session(&self) -> io::Result<Session> {
        Ok(Session::new(ServerConnection::new(self.0.clone()).map_err(io::Error::other)?))
    }
}
