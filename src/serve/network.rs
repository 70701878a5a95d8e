//! Networks, as an allow list has them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`; a single address is the network of itself.
///
/// ```
/// use tachometer::serve::Network;
/// let inside: Network = "10.0.0.0/8".parse()?;
/// assert!(inside.contains("10.1.2.3".parse().unwrap()));
/// assert!(!inside.contains("192.0.2.1".parse().unwrap()));
/// let wrong = "10.1.0.0/8".parse::<Network>().unwrap_err();
/// assert!(wrong.to_string().contains("10.0.0.0/8"));
/// # Ok::<(), tachometer::serve::InvalidNetwork>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Without bits behind the prefix.
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no [`Network`], and what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork(String);

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidNetwork {}

impl Network {
    /// Whether `address` is in it. An IPv4 address that comes in the clothes of an IPv6 one (`::ffff:10.0.0.1`) is taken
    /// for what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            (_, address) => masked(address, self.prefix) == self.address,
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Network {
        let address = address.to_canonical();
        Network { address, prefix: bits(address) }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Network, InvalidNetwork> {
        const HINT: &str = "write it as 10.0.0.0/8, fd00::/8, or as one address";
        let shown: String = text.chars().take(80).collect();
        let wrong = |what: &str| InvalidNetwork(format!("{shown:?} {what}; {HINT}"));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong("is no network"))?;
        let Some(prefix) = prefix else { return Ok(Network::from(address)) };
        let most = bits(address);
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|prefix| digits && *prefix <= most);
        let prefix: u8 = prefix
            .ok_or_else(|| wrong(&format!("needs a number from 0 to {most} behind the slash")))?;
        if address != masked(address, prefix) {
            let network = masked(address, prefix);
            let what = format!("{shown:?} has bits behind its prefix: write {network}/{prefix}");
            return Err(InvalidNetwork(what));
        }
        // An IPv4 network in the clothes of an IPv6 one.
        match address {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && prefix >= 96 => {
                Ok(Network { address: address.to_canonical(), prefix: prefix - 96 })
            }
            _ => Ok(Network { address, prefix }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `prefix` bits of `address`, and zeros.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_networks_or_not() {
        let is = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is("0.0.0.0/0", "255.1.2.3") && !is("0.0.0.0/0", "::1"));
        assert!(is("10.0.0.0/8", "10.255.0.1") && !is("10.0.0.0/8", "11.0.0.0"));
        assert!(is("192.0.2.4", "192.0.2.4") && !is("192.0.2.4", "192.0.2.5"));
        assert!(is("192.0.2.4/31", "192.0.2.5") && !is("192.0.2.4/31", "192.0.2.6"));
        assert!(is("::/0", "fe80::1") && is("fd00::/8", "fdff::1") && !is("fd00::/8", "fe00::1"));
        assert!(is("::1", "::1") && !is("::1/128", "::2"));
        // A listener on `[::]` sees IPv4 clients like this.
        assert!(is("127.0.0.0/8", "::ffff:127.0.0.1") && !is("::/0", "::ffff:127.0.0.1"));
        assert!(is("::ffff:10.0.0.0/104", "10.1.1.1") && is("::ffff:10.0.0.1", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_told_what_would_be() {
        for (text, wanted) in [
            ("", "\"\" is no network"),
            ("10.0.0", "is no network"),
            ("localhost", "is no network"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/255.0.0.0", "from 0 to 32"),
            ("10.1.2.3/8", "write 10.0.0.0/8"),
            ("fd00::1/8", "write fd00::/8"),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let shown = "10.0.0.0/8".parse::<Network>().unwrap();
        assert_eq!(shown.to_string().parse(), Ok(shown));
    }
}
