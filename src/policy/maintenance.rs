//! Maintenance: a route answers 503 (RFC 9110 §15.6.4) until it is over, but to those who check that it is.

use crate::fault::{Fault, Reason};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Compiled form of a route that is under maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// When it is over by itself, in seconds since 1970.
    pub until: Option<i64>,
    /// Seconds after which clients may come again, where there is no `until`.
    pub retry_after: Option<u32>,
    /// What clients are told; empty: the usual.
    pub message: String,
    /// Addresses that pass.
    pub allow: Vec<Network>,
    /// Who sends this secret passes.
    pub key: Option<Key>,
}

/// A secret by which people pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The field that holds it, lower case. Origins never get it.
    pub header: String,
    /// Name of the secret's binding.
    pub secret: String,
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The first of them.
    address: IpAddr,
    /// How many bits are the same.
    bits: u8,
}

impl Network {
    /// Reads an address, or a network such as `192.0.2.0/24`.
    ///
    /// # Errors
    /// Text for the author.
    pub fn parse(text: &str) -> Result<Network, String> {
        let wrong = || {
            format!("`{text}` is no address: write one like `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`")
        };
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.starts_with('+') => return Err(wrong()),
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
        };
        let network = Network { address, bits };
        let first = network.first(address);
        if first != address {
            return Err(format!("`{text}` has bits beyond its first {bits}: write `{first}/{bits}`"));
        }
        Ok(network)
    }

    /// Whether an address is one of them; IPv4 also where it comes mapped into IPv6 (RFC 4291 §2.5.5.2).
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.first(address) == self.address
    }

    /// An address with all but its first bits cleared.
    fn first(&self, address: IpAddr) -> IpAddr {
        let cleared = |most: u32| most.saturating_sub(u32::from(self.bits));
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(cleared(32)).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(cleared(128)).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        }
    }
}

/// What is known of who asks; each is looked up only where it matters.
pub trait Caller {
    /// The client's address.
    fn address(&self) -> Option<IpAddr>;
    /// A field of the request.
    fn header(&self, name: &str) -> Option<String>;
    /// A secret by the name of its binding.
    fn secret(&self, name: &str) -> Option<String>;
}

impl Maintenance {
    /// Whether a request may pass; `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// 503 while the maintenance lasts, with `Retry-After` where its end or a pace is known.
    pub fn admit(&self, now: u64, caller: &impl Caller) -> Result<(), Fault> {
        let left = self.until.map(|until| {
            let until = u64::try_from(until).unwrap_or(0).saturating_mul(1000);
            until.saturating_sub(now).div_ceil(1000)
        });
        if left == Some(0) || self.lets(caller) {
            return Ok(());
        }
        let message = if self.message.is_empty() { "This API is under maintenance." } else { &self.message };
        let fault = Fault::new(Reason::Maintenance, message);
        Err(match left.or(self.retry_after.map(u64::from)) {
            Some(seconds) => fault.header("retry-after", seconds.to_string()),
            None => fault,
        })
    }

    fn lets(&self, caller: &impl Caller) -> bool {
        if !self.allow.is_empty()
            && caller.address().is_some_and(|address| self.allow.iter().any(|own| own.contains(address)))
        {
            return true;
        }
        let Some(key) = &self.key else { return false };
        // A secret that is not bound opens to nobody.
        let (Some(shown), Some(secret)) = (caller.header(&key.header), caller.secret(&key.secret)) else {
            return false;
        };
        !secret.is_empty() && bool::from(shown.as_bytes().ct_eq(secret.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Who(&'static str, &'static str, &'static str);

    impl Caller for Who {
        fn address(&self) -> Option<IpAddr> {
            self.0.parse().ok()
        }
        fn header(&self, name: &str) -> Option<String> {
            assert_eq!(name, "x-preview");
            Some(self.1.to_owned())
        }
        fn secret(&self, name: &str) -> Option<String> {
            assert_eq!(name, "PREVIEW");
            Some(self.2.to_owned())
        }
    }

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    #[test]
    fn it_ends_when_it_says() {
        let nobody = Who("", "", "");
        let rule = Maintenance { until: Some(100), message: "Back soon.".into(), ..Maintenance::default() };
        let fault = rule.admit(90_001, &nobody).unwrap_err();
        assert_eq!((fault.reason, fault.detail.as_str()), (Reason::Maintenance, "Back soon."));
        assert_eq!(fault.headers, [("retry-after", "10".to_owned())]);
        assert_eq!(rule.admit(99_999, &nobody).unwrap_err().headers, [("retry-after", "1".to_owned())]);
        rule.admit(100_000, &nobody).unwrap();
        let endless = Maintenance { retry_after: Some(60), ..Maintenance::default() };
        assert_eq!(endless.admit(u64::MAX, &nobody).unwrap_err().headers, [("retry-after", "60".to_owned())]);
        assert!(Maintenance::default().admit(0, &nobody).unwrap_err().headers.is_empty());
    }

    #[test]
    fn some_pass() {
        let rule = Maintenance {
            allow: networks(&["192.0.2.0/24", "2001:db8::1"]),
            key: Some(Key { header: "x-preview".into(), secret: "PREVIEW".into() }),
            ..Maintenance::default()
        };
        for (address, shown, secret, passes) in [
            ("192.0.2.9", "", "s", true),
            ("::ffff:192.0.2.9", "", "s", true),
            ("2001:db8::1", "", "s", true),
            ("2001:db8::2", "", "s", false),
            ("192.0.3.9", "", "s", false),
            ("", "", "s", false),
            ("", "s", "s", true),
            ("", "t", "s", false),
            ("", "s, s", "s", false),
            ("", "", "", false),
        ] {
            assert_eq!(rule.admit(0, &Who(address, shown, secret)).is_ok(), passes, "{address} {shown}");
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for text in [
            "",
            "a",
            "192.0.2.1/33",
            "192.0.2.1/24",
            "192.0.2.0/+24",
            "192.0.2.0/",
            "::1/129",
            "::1/64",
            "192.0.2",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        assert!(Network::parse("192.0.2.1/24").unwrap_err().contains("192.0.2.0/24"));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("255.1.2.3".parse().unwrap()));
        assert!(Network::parse("::/0").unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!(!Network::parse("::/0").unwrap().contains("1.2.3.4".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn a_network_holds_the_addresses_with_its_bits(a in any::<u32>(), b in any::<u32>(), bits in 0_u8..=32) {
            let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
            let first: std::net::Ipv4Addr = (a & mask).into();
            let network = Network::parse(&format!("{first}/{bits}")).unwrap();
            prop_assert_eq!(network.contains(IpAddr::V4(b.into())), a & mask == b & mask);
        }
    }
}
