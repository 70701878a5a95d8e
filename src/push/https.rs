//! Settings of targets whose URL is `https://`.

use super::stream::Tls;
use super::target::Target;
use crate::Error;
use crate::url::Url;
use std::path::PathBuf;

/// Whom a target trusts, and who it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    /// Files are left unread: only the settings are looked at.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "no file is read without TLS"))]
    pub(super) unread: bool,
}

/// TLS, for `https://` URLs. Feature `tls`; without it, such a URL is refused when the pusher starts.
///
/// The server's certificate is always verified, against its name in the URL, the time, and the authorities that are
/// trusted: the system's, or those of [`ca_file`](Target::ca_file). There is no way to turn that off: to push to a server
/// whose certificate nobody vouches for, name that very certificate as the authority.
///
/// Files are read when the pusher starts, and not again. TLS 1.2 and 1.3 are spoken. The handshake is a part of the attempt
/// and of its [time limit](Target::time_limit); one that fails is tried again like everything else, and counted in
/// `tachometer_push_failures_total{reason="tls"}`. Cost: the arithmetic of a handshake on the pusher's thread for each attempt;
/// sessions are resumed where the server allows it, which saves most of it.
impl Target {
    /// Trusts the certificate authorities in a PEM file, and no others; those of the system if it is not called.
    ///
    /// ```
    /// use tachometer::{Engine, Pusher, Registry, Target};
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let target = Target::victoria_metrics("https://store.example.com:8428")
    ///     .ca_file("/no/such/ca.pem")
    ///     .client_certificate("/etc/app/client.crt", "/etc/app/client.key");
    /// // Files are read at once.
    /// let error = Pusher::builder(&engine).target("store", target).start().unwrap_err();
    /// # #[cfg(feature = "tls")]
    /// assert!(error.to_string().contains("/no/such/ca.pem"));
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Target {
        self.trust.ca = Some(path.into());
        self
    }

    /// Shows a certificate to a server that asks for one (mutual TLS): PEM files of the certificate, with those that vouch
    /// for it behind it, and of its key.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Target {
        self.trust.identity = Some((certificate.into(), key.into()));
        self
    }
}

impl Trust {
    /// A setting that a target has which does not encrypt.
    pub(super) fn misused(&self) -> Option<&'static str> {
        let ca = self.ca.is_some().then_some("ca_file");
        ca.or_else(|| self.identity.is_some().then_some("client_certificate"))
    }

    /// What the target at `url` needs to begin a session, if it is to be one; inside, `protocol` is spoken.
    pub(super) fn plan(&self, url: &Url, protocol: &[u8]) -> Result<Option<Tls>, Error> {
        if !url.encrypted {
            return match self.misused() {
                None => Ok(None),
                Some(setting) => {
                    let reason = "only https:// URLs have TLS, and this one is http://".to_owned();
                    Err(Error::InvalidSetting { setting, reason })
                }
            };
        }
        #[cfg(feature = "tls")]
        if self.unread {
            Ok(None)
        } else {
            let identity = self.identity.as_ref().map(|(cert, key)| (&**cert, &**key));
            Tls::load(&url.authority, self.ca.as_deref(), identity, protocol).map(Some)
        }
        #[cfg(not(feature = "tls"))]
        {
            let reason = format!(
                "{} inside TLS needs tachometer's feature `tls`; build with it, or send to a proxy \
                 on this machine that speaks TLS",
                String::from_utf8_lossy(protocol)
            );
            Err(Error::InvalidSetting { setting: "url", reason })
        }
    }
}
