use super::*;
use proptest::prelude::*;
use std::borrow::Cow;

#[derive(Default)]
struct Caller {
    consumer: Option<(&'static str, String)>,
    claim: Option<(&'static str, String)>,
    address: Option<IpAddr>,
    header: Option<String>,
}

impl Facts for Caller {
    fn route(&self) -> Cow<'_, str> {
        Cow::Borrowed("orders/v2/getOrder")
    }
    fn consumer(&self) -> Option<(&str, &str)> {
        self.consumer.as_ref().map(|(issuer, consumer)| (*issuer, consumer.as_str()))
    }
    fn claim(&self, name: &str) -> Option<(&str, Cow<'_, str>)> {
        self.claim.as_ref().filter(|_| name == "tenant").map(|(issuer, value)| (*issuer, value.into()))
    }
    fn address(&self) -> Option<IpAddr> {
        self.address
    }
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.header.as_deref().filter(|_| name == "x-tenant").map(Cow::from)
    }
}

fn by_address(address: &str) -> ObjectName {
    object(&Per::Address, &Caller { address: Some(address.parse().unwrap()), ..Caller::default() }).unwrap()
}

fn by_header(value: Option<&str>) -> ObjectName {
    object(&Per::Header("x-tenant".into()), &Caller { header: value.map(Into::into), ..Caller::default() })
        .unwrap()
}

/// A name that changes loses every count at the next deployment.
#[test]
fn names_are_pinned() {
    let caller = Caller {
        consumer: Some(("customers", "alice".into())),
        claim: Some(("customers", "acme".into())),
        address: Some("192.0.2.7".parse().unwrap()),
        header: Some("acme".into()),
    };
    let missing = Per::Header("x-other".into());
    for (per, pinned) in [
        (Per::Route, PINNED[0]),
        (Per::Consumer, PINNED[1]),
        (Per::Claim("tenant".into()), PINNED[2]),
        (Per::Address, PINNED[3]),
        (Per::Header("x-tenant".into()), PINNED[4]),
        (missing, PINNED[5]),
    ] {
        assert_eq!(object(&per, &caller).unwrap().as_str(), pinned, "{per:?}");
    }
}

/// Reckoned with another implementation of the hash.
const PINNED: [&str; 6] = [
    "ce38a758b5e5a20865abc548e078e91f",
    "75ba5914941f1a3b4c738f2a24ce102a",
    "ab99330a7d2d89cd9314374492c78573",
    "6b9fa428b01f817d2d72b827a7710681",
    "950c725f5b82aa88a7f0a9a50fe7bc9f",
    "b978d279d04485008d1dc4dbeb5cd50c",
];

#[test]
fn one_ipv6_network_is_one_caller_and_a_mapped_address_is_ipv4() {
    assert_eq!(by_address("2001:db8:1:2::1"), by_address("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(by_address("2001:db8:1:2::1"), by_address("2001:db8:1:3::1"));
    assert_eq!(by_address("::ffff:192.0.2.7"), by_address("192.0.2.7"));
    assert_ne!(by_address("192.0.2.7"), by_address("192.0.2.8"));
    assert_ne!(by_address("::1"), by_address("127.0.0.1"));
}

#[test]
fn a_missing_header_is_counted_apart_from_an_empty_one() {
    assert_ne!(by_header(None), by_header(Some("")));
    assert_eq!(by_header(None), by_header(None));
}

#[test]
fn what_is_missing_is_refused() {
    let nobody = Caller::default();
    assert_eq!(object(&Per::Consumer, &nobody), Err(KeyError::NoConsumer));
    assert_eq!(object(&Per::Claim("tenant".into()), &nobody), Err(KeyError::NoClaim));
    assert_eq!(object(&Per::Address, &nobody), Err(KeyError::NoAddress));
    let other = Caller { claim: Some(("customers", "acme".into())), ..Caller::default() };
    assert_eq!(object(&Per::Claim("other".into()), &other), Err(KeyError::NoClaim));
}

#[test]
fn the_same_consumer_name_with_two_issuers_is_two_callers() {
    let of = |issuer| {
        object(&Per::Consumer, &Caller { consumer: Some((issuer, "alice".into())), ..Caller::default() })
            .unwrap()
    };
    assert_ne!(of("customers"), of("partners"));
}

proptest! {
    /// However the parts are cut, another cut is another name.
    #[test]
    fn no_two_lists_of_parts_share_a_name(
        one in prop::collection::vec("[ab\0:,|]{0,3}", 1..4), two in prop::collection::vec("[ab\0:,|]{0,3}", 1..4),
    ) {
        let refs = |parts: &[String]| name(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(one == two, refs(&one) == refs(&two));
    }

    #[test]
    fn names_are_short_whatever_is_sent(value in "\\PC{0,300}") {
        let name = by_header(Some(&value));
        prop_assert!(name.as_str().len() == 32 && name.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
