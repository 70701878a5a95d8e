//! A target's end of TLS: whom it trusts, who it is, and what went wrong, in words. Feature `tls`.

use crate::Error;
use crate::tls::{Session, certificates, certificates_of_system, key, provider, unusable};
use crate::url::Authority;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// What a target needs to begin a session. One for each target: it remembers sessions, which makes later ones cheaper.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads what vouches for the server at `authority` (the system's authorities if no file is given) and, for servers
    /// that ask for it, our certificate and its key. Inside, `protocol` is spoken.
    pub(super) fn load(
        authority: &Authority,
        ca: Option<&Path>,
        identity: Option<(&Path, &Path)>,
        protocol: &[u8],
    ) -> Result<Tls, Error> {
        let server = ServerName::try_from(authority.host.clone()).map_err(|_| {
            let reason = format!("{:?} is not a name that a certificate can have", authority.host);
            Error::InvalidSetting { setting: "url", reason }
        })?;
        let roots = match ca {
            Some(path) => roots_in(path)?,
            None => roots_of_system()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::InvalidSetting { setting: "tls", reason: error.to_string() })?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, secret)) => builder
                .with_client_auth_cert(certificates(certificate)?, key(secret)?)
                .map_err(|error| unusable(certificate, secret, &error))?,
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Tls { config: Arc::new(config), server })
    }

    pub(super) fn session(&self) -> io::Result<Session> {
        let session = ClientConnection::new(self.config.clone(), self.server.clone());
        Ok(Session::new(session.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?))
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| Error::InvalidSetting {
            setting: "ca_file",
            reason: format!("{} has a certificate that cannot be used: {error}", path.display()),
        })?;
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // Systems have old ones that cannot be read; the others do.
    roots.add_parsable_certificates(certificates_of_system()?);
    Ok(roots)
}

/// Characters of a peer's words that an error shows.
const SHOWN: usize = 300;

/// What went wrong in a session, and what to do about it: an error of the kind `InvalidData`, which no socket gives.
/// Other errors stay as they are.
pub(super) fn in_words(error: io::Error) -> io::Error {
    use CertificateError as Bad;
    let Some(error) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) else {
        return error;
    };
    let advice = match error {
        rustls::Error::InvalidCertificate(error) => match error {
            Bad::UnknownIssuer => {
                "no authority that is trusted here vouches for it; name the right one with `ca_file`"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "the server needs a new one",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "look at both clocks",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "use a name in the URL that the certificate has"
            }
            Bad::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "the server shows the certificate of an authority (CA:TRUE); give it one of its own \
                 that this authority signed"
            }
            _ => "the server needs another one",
        },
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            "does it speak TLS on this port?"
        }
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                "it asks for a certificate of ours; give it one with `client_certificate`"
            }
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied => {
                "it does not take our certificate, or wants one and has none; see \
                 `client_certificate`"
            }
            AlertDescription::NoApplicationProtocol => "it does not speak this protocol here",
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
                "it has no version or cipher of TLS 1.2 or 1.3 that is safe"
            }
            _ => "it ended the session",
        },
        rustls::Error::PeerIncompatible(_) => {
            "it has no version or cipher of TLS 1.2 or 1.3 that is safe"
        }
        _ => "this is not TLS as it should be",
    };
    let said: String = error.to_string().chars().take(SHOWN).collect();
    io::Error::new(ErrorKind::InvalidData, format!("{}; {advice}", said.escape_debug()))
}
