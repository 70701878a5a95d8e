//! Who may read: user and password, or a token (RFC 7617, RFC 6750), compared in a time that does not tell how much of a
//! guess was right: see [`Secret`].

use crate::secret::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The credentials that are good; empty: none are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    /// `user:password` in base64, as clients send it.
    basic: Vec<Secret>,
    bearer: Vec<Secret>,
    /// Health is told only to whoever may read the rest.
    pub(super) closed_health: bool,
}

impl Auth {
    pub(super) fn add_basic(&mut self, user: &str, password: &str) {
        let pair = format!("{user}:{password}");
        self.basic.push(Secret::new(BASE64_STANDARD.encode(pair)));
    }

    pub(super) fn add_bearer(&mut self, token: &str) {
        self.bearer.push(Secret::new(token));
    }

    /// Whether credentials are asked for.
    pub(super) fn is_on(&self) -> bool {
        !self.basic.is_empty() || !self.bearer.is_empty()
    }

    /// Whether a request with this `Authorization` may read.
    pub(super) fn lets_in(&self, authorization: Option<&[u8]>) -> bool {
        if !self.is_on() {
            return true;
        }
        let Some(given) = authorization.map(<[u8]>::trim_ascii) else { return false };
        let Some(space) = given.iter().position(|&byte| byte == b' ') else { return false };
        let (scheme, given) = (&given[..space], given[space..].trim_ascii());
        let secrets = match scheme {
            _ if scheme.eq_ignore_ascii_case(b"basic") => &self.basic,
            _ if scheme.eq_ignore_ascii_case(b"bearer") => &self.bearer,
            _ => return false,
        };
        // All of them, so that the time does not tell which one was right either.
        secrets.iter().fold(false, |good, secret| good | secret.is(given))
    }

    /// What a client without credentials is told to bring.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &'static str> {
        let basic = "Basic realm=\"tachometer\", charset=\"UTF-8\"";
        let bearer = "Bearer realm=\"tachometer\"";
        let all = [(basic, !self.basic.is_empty()), (bearer, !self.bearer.is_empty())];
        all.into_iter().filter(|(_, wanted)| *wanted).map(|(challenge, _)| challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As clients send it: RFC 4648, 4.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("\u{ff}\u{3f}?>", "w78/Pz4="),
        ] {
            assert_eq!(BASE64_STANDARD.encode(plain), wanted);
        }
    }

    #[test]
    fn only_whole_and_right_credentials_are_good() {
        let mut auth = Auth::default();
        assert!(auth.lets_in(None), "none are asked for");
        auth.add_basic("Aladdin", "open sesame");
        auth.add_bearer("t0ken");
        let good = |text: &str| auth.lets_in(Some(text.as_bytes()));
        assert!(good("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") && good("Bearer t0ken"));
        assert!(good("BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ== ") && good("bearer t0ken"));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Bearer",
            "Bearer ",
            "t0ken",
            "Bearer t0ke",
            "Bearer t0kent0ken",
            "Bearer t0kem",
            "Basic t0ken",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",
            "Digest t0ken",
        ] {
            assert!(!good(wrong), "{wrong}");
        }
        assert!(!auth.lets_in(None));
        assert_eq!(auth.challenges().count(), 2);
        // An empty secret opens nothing by accident.
        assert!(!Secret::new("").is(b"x"));
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let mut auth = Auth::default();
        auth.add_basic("ann", "pass");
        auth.add_bearer("t0ken");
        let shown = format!("{auth:?}");
        let hidden = BASE64_STANDARD.encode("ann:pass");
        for part in ["ann", "pass", "t0ken", &hidden] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
