//! Where a target is: `http[s]://host[:port][/path][?query]`, or `host:port` for lines and datagrams.
//!
//! Only what can be sent as it stands is taken: nothing is normalized, decoded or guessed. What is
//! refused is told without showing it where it may hold a secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An `http://` or `https://` URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether it is `https://`.
    pub(crate) encrypted: bool,
    pub(crate) authority: Authority,
    /// Begins with `/`; has no query.
    pub(crate) path: String,
    /// Without the `?`.
    pub(crate) query: Option<String>,
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// Of a name in the DNS.
const MAX_HOST_BYTES: usize = 253;

impl Url {
    /// # Errors
    /// What is wrong, and what would be right.
    pub(crate) fn parse(text: &str) -> Result<Url, String> {
        let example = "write it as http://host:port/path";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("it has no scheme; {example}"));
        };
        let encrypted = scheme.eq_ignore_ascii_case("https");
        if !encrypted && !scheme.eq_ignore_ascii_case("http") {
            return Err(format!("its scheme is neither http nor https; {example}"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if rest.contains('#') {
            return Err("a fragment (#…) is never sent to a server; leave it out".to_owned());
        }
        if authority.contains('@') {
            return Err("it has credentials before an @; leave them out, and give them with \
                        `basic_auth` or `header`, which keeps them out of every message"
                .to_owned());
        }
        let authority = Authority::with_default(
            authority,
            Some(if encrypted { HTTPS_PORT } else { HTTP_PORT }),
        )?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let bad = |byte: u8| !byte.is_ascii_graphic() || br#""<>\^`{|}"#.contains(&byte);
        if let Some(at) = rest.bytes().position(bad) {
            return Err(format!(
                "its path or query has a character, at byte {} behind the host, that a URL cannot \
                 have; percent-encode it (a space is %20)",
                at + 1
            ));
        }
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Url { encrypted, authority, path, query: query.map(str::to_owned) })
    }
}

impl Url {
    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("http{}://{}", if self.encrypted { "s" } else { "" }, self.authority)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

/// Without the query: some servers take their tokens there.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.query.is_some() { "?…" } else { "" };
        write!(f, "{}{}{query}", self.origin(), self.path)
    }
}

impl Authority {
    /// `host:port`.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    #[cfg(any(feature = "push", test))]
    pub(crate) fn parse(text: &str) -> Result<Authority, String> {
        if text.contains("://") {
            return Err("this kind of target takes host:port, without a scheme".to_owned());
        }
        Self::with_default(text, None)
    }

    fn with_default(text: &str, default: Option<u16>) -> Result<Authority, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let Some((host, port)) = rest.split_once(']') else {
                    return Err("the [ of its IPv6 address has no ]".to_owned());
                };
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err("what is in [] is not an IPv6 address".to_owned());
                }
                match port.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if port.is_empty() => (host, None),
                    None => return Err("between ] and the port there must be a colon".to_owned()),
                }
            }
            None => match text.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err("an IPv6 address is written in brackets: [::1]:port".to_owned());
                }
                Some((host, port)) => (host_checked(host)?, Some(port)),
                None => (host_checked(text)?, None),
            },
        };
        let port = match port {
            Some(port) => {
                let number = port.parse().ok().filter(|&number: &u16| number > 0);
                let plain = port.bytes().all(|byte| byte.is_ascii_digit());
                number.filter(|_| plain).ok_or("its port is not a number from 1 to 65535")?
            }
            None => default.ok_or("it has no port; write host:port")?,
        };
        Ok(Authority { host: host.to_owned(), port })
    }
}

fn host_checked(host: &str) -> Result<&str, String> {
    if host.is_empty() {
        return Err("it has no host".to_owned());
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if host.len() > MAX_HOST_BYTES || !host.bytes().all(good) {
        return Err(format!(
            "its host is longer than {MAX_HOST_BYTES} bytes or has other characters than letters, \
             digits, '-', '.', '_' and '~'"
        ));
    }
    Ok(host)
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Appends `text`, percent-encoded where a segment of a path cannot have it as it stands.
#[cfg(any(feature = "notify", feature = "push", test))]
pub(crate) fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Appends `bytes` in base 64: RFC 4648's first alphabet, or the one for URLs; with padding.
pub(crate) fn base64(bytes: &[u8], for_url: bool, out: &mut String) {
    let engine = if for_url { &URL_SAFE } else { &STANDARD };
    engine.encode_string(bytes, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones_come_back_as_they_were() {
        for text in [
            "http://localhost:9091/metrics/job/a?x=1&y=%20",
            "http://[::1]:8428/api",
            "http://10.0.0.1:1/",
            "http://a.b-c_d:65535/?",
            "https://[::1]:8428/api",
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
        assert_eq!(Url::parse("http://h").unwrap().to_string(), "http://h:80/");
        assert_eq!(Url::parse("https://h").unwrap().to_string(), "https://h:443/");
        assert_eq!(Url::parse("HTTP://h?q").unwrap().to_string(), "http://h:80/?q");
    }

    #[test]
    fn bad_ones_are_told_apart_without_secrets() {
        for (text, word) in [
            ("", "scheme"),
            ("localhost:9091", "scheme"),
            ("ftp://h/", "scheme"),
            ("http://", "host"),
            ("http://:80/", "host"),
            ("http://h:0/", "port"),
            ("http://h:65536/", "port"),
            ("http://h:+80/", "port"),
            ("http://h:/", "port"),
            ("http://::1/", "brackets"),
            ("http://[::1", "]"),
            ("http://[::1]80/", "colon"),
            ("http://[x]:80/", "IPv6"),
            ("http://us\u{e9}r/", "host"),
            ("http://h/a b", "percent"),
            ("http://h/a\r\nX: y", "percent"),
            ("http://h/#x", "fragment"),
            ("http://user:hunter2@h/", "credentials"),
        ] {
            let why = Url::parse(text).unwrap_err();
            assert!(why.contains(word) && !why.contains("hunter2"), "{text}: {why}");
        }
        assert!(Authority::parse("h").unwrap_err().contains("port"));
        assert!(Authority::parse("tcp://h:1").unwrap_err().contains("scheme"));
        let url = Url::parse("http://h/write?token=hunter2").unwrap();
        assert_eq!(format!("{url:?}"), "http://h:80/write?…");
    }

    #[test]
    fn encodings() {
        let mut out = String::new();
        percent_encode("a b/\u{e9}~", &mut out);
        assert_eq!(out, "a%20b%2F%C3%A9~");
        // RFC 4648, section 10.
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            let mut out = String::new();
            base64(plain.as_bytes(), false, &mut out);
            assert_eq!(out, encoded);
        }
        let mut out = String::new();
        base64(&[0xFB, 0xFF], true, &mut out);
        base64(&[0xFB, 0xFF], false, &mut out);
        assert_eq!(out, "-_8=+/8=");
    }
}
