use super::*;
use proptest::prelude::*;

fn fields(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

const CLIENT: Client<'_> = Client { address: "2001:db8::1", host: "api.example.com:8443", scheme: "https" };

fn set<'a>(edits: &'a [Edit], name: &str) -> Option<&'a str> {
    edits.iter().find(|e| e.name() == name).and_then(Edit::value)
}

#[test]
fn inbound_fields_are_replaced() {
    let h = fields(&[
        ("forwarded", "for=6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "1"),
        ("via", "1.1 other"),
    ]);
    let edits = request_edits(&h, &CLIENT, "tollgate", false).unwrap();
    assert_eq!(
        set(&edits, "forwarded"),
        Some(r#"for="[2001:db8::1]";host="api.example.com:8443";proto=https"#)
    );
    assert_eq!(set(&edits, "x-forwarded-for"), Some("2001:db8::1"));
    assert_eq!(set(&edits, "x-forwarded-host"), Some("api.example.com:8443"));
    assert_eq!(set(&edits, "x-forwarded-proto"), Some("https"));
    assert!(edits.contains(&Edit::Add("via".into(), "1.1 tollgate".into())));
    assert!(edits.contains(&Edit::Remove("x-forwarded-port".into())));
}

#[test]
fn trusted_fields_are_continued() {
    let h = fields(&[
        ("forwarded", "for=9.9.9.9"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-proto", "http"),
    ]);
    let client = Client { address: "10.0.0.1", host: "h", scheme: "https" };
    let edits = request_edits(&h, &client, "tollgate", true).unwrap();
    assert_eq!(set(&edits, "forwarded"), Some("for=9.9.9.9, for=10.0.0.1;host=h;proto=https"));
    assert_eq!(set(&edits, "x-forwarded-for"), Some("9.9.9.9, 10.0.0.1"));
    assert_eq!(set(&edits, "x-forwarded-host"), Some("h"));
    assert_eq!(set(&edits, "x-forwarded-proto"), None);
    // An open quote would swallow our element.
    let h = fields(&[("forwarded", "for=\"9.9.9.9"), ("x-forwarded-for", &"9".repeat(3000))]);
    let edits = request_edits(&h, &client, "tollgate", true).unwrap();
    assert_eq!(set(&edits, "forwarded"), Some("for=10.0.0.1;host=h;proto=https"));
    assert_eq!(set(&edits, "x-forwarded-for"), Some("10.0.0.1"));
}

#[test]
fn other_spellings_are_known() {
    for name in hop::INTERNAL.names().iter().chain(RELATED.names()).chain(WRITTEN) {
        assert!(!is_disguised(name), "{name} is the first spelling");
        assert!(is_disguised(&name.replace('-', "_")) && is_disguised(&name.replacen('-', "_", 1)), "{name}");
    }
    for name in ["", "_", "x_forwarded", "x_forwarded_for_", "via", "x_own", "accept_language"] {
        assert!(!is_disguised(name), "{name}");
    }
    // Nothing that is set under a name with a hyphen is left out.
    for edit in request_edits(&fields(&[]), &CLIENT, "tollgate", false).unwrap() {
        assert!(!edit.name().contains('-') || WRITTEN.contains(&edit.name()), "{edit:?}");
    }
}

#[test]
fn a_proxys_word_of_scheme_and_host() {
    let of = |lines: &[(&str, &str)]| proxied(&fields(lines));
    let none = of(&[]);
    assert_eq!(
        of(&[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4;By=_a, for=\"[::1]\"")]),
        none
    );
    let all = [
        none,
        of(&[("x-forwarded-host", "a")]),
        of(&[("x-forwarded-host", "")]),
        of(&[("x-forwarded-proto", "a")]),
        of(&[("x-forwarded-port", "a")]),
        of(&[("forwarded", "host=a")]),
        of(&[("forwarded", "HOST=b;for=1.2.3.4")]),
        of(&[("forwarded", "proto=a")]),
        of(&[("forwarded", "for=1.2.3.4, host=a")]),
        of(&[("forwarded", "host=a, for=1.2.3.4")]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all.iter().skip(at + 1).any(|other| other == one), "{one:?}");
    }
}

#[test]
fn who_is_the_client() {
    let peer = "10.0.0.1";
    for (lines, expected) in [
        (vec![], peer),
        (vec![("x-forwarded-for", "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        (vec![("x-forwarded-for", "1.2.3.4:5678")], "1.2.3.4"),
        (vec![("x-forwarded-for", "2001:db8::1")], "2001:db8::1"),
        (vec![("x-forwarded-for", "1.2.3.4, nonsense")], peer),
        (vec![("forwarded", "for=6.6.6.6, proto=http; For=\"[2001:DB8::2]:80\"")], "2001:db8::2"),
        (vec![("forwarded", "for=unknown"), ("x-forwarded-for", "6.6.6.6")], peer),
        (vec![("forwarded", "for=\"[::1]x\"")], peer),
        (vec![("forwarded", "proto=http")], peer),
    ] {
        let h = fields(&lines);
        assert_eq!(client_address(&h, peer, true), expected, "{lines:?}");
        assert_eq!(client_address(&h, peer, false), peer, "{lines:?}");
    }
}

#[test]
fn loops_end_at_the_second_turn() {
    let of = |via: &str| request_edits(&fields(&[("via", via)]), &CLIENT, "tollgate", false);
    assert!(of("1.1 tollgate").is_ok());
    assert!(of("1.1 tollgate, 1.1 tollgates, HTTP/1.1 x (1.1 tollgate)").is_ok());
    let fault = of("1.1 tollgate, 2 Tollgate (comment)").unwrap_err();
    assert_eq!(fault.reason, Reason::LoopDetected);
    assert_eq!(fault.headers, [("proxy-status", "tollgate; error=proxy_loop_detected".to_string())]);
}

#[test]
fn max_forwards_counts_down() {
    let of = |method, v: &str| max_forwards(method, &fields(&[("max-forwards", v)]));
    assert_eq!(of("OPTIONS", "0"), Hops::Last);
    assert_eq!(of("TRACE", "10"), Hops::Forward(Edit::Set("max-forwards".into(), "9".into())));
    assert_eq!(
        of("OPTIONS", "99999999999"),
        Hops::Forward(Edit::Set("max-forwards".into(), "4294967294".into()))
    );
    for (method, v) in [("GET", "0"), ("OPTIONS", "-1"), ("OPTIONS", ""), ("OPTIONS", "1, 2")] {
        assert_eq!(of(method, v), Hops::Unlimited, "{method} {v}");
    }
    assert_eq!(max_forwards("TRACE", &Vec::new()), Hops::Unlimited);
}

proptest! {
    #[test]
    fn whatever_comes_in_what_goes_out_is_a_value(
        inbound in "\\PC{0,60}", address in "\\PC{0,20}", host in "[ -~]{0,20}", trusted in any::<bool>()
    ) {
        let h = fields(&[("forwarded", &inbound), ("x-forwarded-for", &inbound), ("via", &inbound)]);
        let client = Client { address: &address, host: &host, scheme: "http" };
        if let Ok(edits) = request_edits(&h, &client, "tollgate", trusted) {
            prop_assert!(header::is_value(set(&edits, "forwarded").unwrap()));
        }
        let _ = client_address(&h, &address, trusted);
    }

    #[test]
    fn addresses_survive_their_node(bits in any::<u128>(), four in any::<bool>()) {
        let address: IpAddr = if four { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
        let node = node(&address.to_string()).into_owned();
        let h = fields(&[("forwarded", &format!("for={node}"))]);
        prop_assert_eq!(client_address(&h, "x", true), address.to_string());
    }
}

#[test]
fn a_peer_loses_its_port() {
    for (peer, address) in [
        ("192.0.2.1:54368", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::", "::"),
        ("[", "["),
        ("", ""),
    ] {
        assert_eq!(without_port(peer), address, "{peer}");
    }
}
