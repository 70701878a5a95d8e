//! Whom a client trusts, in `ureq`'s terms. Feature `tls`.

use crate::Error;
use crate::tls::{certificates, provider};
use rustls::RootCertStore;
use std::path::Path;
use std::sync::Arc;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Trusts the authorities of the PEM file `ca`, or those of the system.
pub(super) fn config(ca: Option<&Path>) -> Result<TlsConfig, Error> {
    let trusted = match ca {
        Some(path) => {
            let found = certificates(path)?;
            // `ureq` passes over those that it cannot use: then nothing would be trusted, and nobody would know why.
            let mut roots = RootCertStore::empty();
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
        None => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
                let reason = format!(
                    "this system has no certificate authorities{why}; install them (Debian's package \
                     ca-certificates), or name a PEM file with `ca_file`"
                );
                return Err(Error::InvalidSetting { setting: "ca_file", reason });
            }
            found.certs
        }
    };
    let trusted: Vec<_> =
        trusted.iter().map(|found| Certificate::from_der(found).to_owned()).collect();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider())
        .root_certs(RootCerts::Specific(Arc::new(trusted)))
        .build())
}
