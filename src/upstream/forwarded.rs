//! What the gateway tells origins about the way of a request: `Forwarded` (RFC 7239), its older kin
//! `X-Forwarded-*`, `Via` (RFC 9110 §7.6.3) and `Max-Forwards` (§7.6.2).

use super::hop;
use crate::fault::{Fault, Reason};
use crate::header::{self, Headers, Table, token_or_quoted};
use crate::policy::headers::Edit;
use std::borrow::Cow;
use std::net::IpAddr;

/// How often the gateway's own name may stand in an inbound `Via`. Once is legitimate: two gateways of the same
/// name in a row, a team's behind the company's. A second time is taken for a loop, which so ends after two
/// turns.
pub const MAX_VIA: usize = 1;

/// Longest inbound chain that is continued, in bytes; a longer one is replaced.
const MAX_CHAIN: usize = 2048;

/// Older fields that say the same or more, and that nobody else may set.
pub static RELATED: Table = Table::of(&[
    "x-forwarded-client-cert",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-forwarded-prefix",
]);

/// What the gateway itself writes with a hyphen in its name, the request's id included.
const WRITTEN: &[&str] =
    &["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "max-forwards", "x-request-id"];

/// Whether a field, by its lower-case name, is a second spelling of what the gateway writes or keeps from origins: one
/// with `_`, which origins that follow CGI cannot tell from the first. Neither clients nor a trusted proxy have use for
/// one, so none passes.
pub fn is_disguised(name: &str) -> bool {
    let own = || [hop::INTERNAL.names(), RELATED.names(), WRITTEN].into_iter().flatten();
    name.contains('_') && own().any(|own| header::same_field(own, name))
}

/// The connection on which a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// Address of the peer; empty if unknown.
    pub address: &'a str,
    /// Canonical host of the request, with a port if it has one.
    pub host: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
}

/// Edits of the request. `name` is the gateway's pseudonym in `Via`.
///
/// `trusted` (another proxy of the operator's stands in front): inbound `Forwarded` and `X-Forwarded-For` are
/// continued, inbound `X-Forwarded-Host` and `-Proto` kept. Otherwise all inbound ones are replaced. The request
/// is refused with 508 if [`MAX_VIA`] is passed.
pub fn request_edits(
    headers: &dyn Headers,
    client: &Client<'_>,
    name: &str,
    trusted: bool,
) -> Result<Vec<Edit>, Fault> {
    if headers.get("via").is_some_and(|via| seen(&via, name) > MAX_VIA) {
        return Err(Fault::new(Reason::LoopDetected, "The request has passed this gateway before.")
            .header("proxy-status", super::error::ProxyError::LoopDetected.field(name)));
    }
    let mut element = String::with_capacity(80);
    element.push_str("for=");
    element.push_str(&node(client.address));
    element.push_str(";host=");
    element.push_str(&token_or_quoted(client.host));
    element.push_str(";proto=");
    element.push_str(&token_or_quoted(client.scheme));
    let set = |name: &'static str, value: String| Edit::Set(name.into(), value.into());
    // The older field has no word for "unknown" that software agrees on.
    let address = if client.address.is_empty() { "unknown" } else { client.address };
    let mut edits = Vec::with_capacity(8);
    edits.push(Edit::Add("via".into(), ["1.1 ", name].concat().into()));
    if trusted {
        edits.push(set("forwarded", continued(headers.get("forwarded"), &element)));
        edits.push(set("x-forwarded-for", continued(headers.get("x-forwarded-for"), address)));
        if !headers.has("x-forwarded-host") {
            edits.push(set("x-forwarded-host", client.host.into()));
        }
        if !headers.has("x-forwarded-proto") {
            edits.push(set("x-forwarded-proto", client.scheme.into()));
        }
    } else {
        edits.push(set("forwarded", element));
        edits.push(set("x-forwarded-for", address.into()));
        edits.push(set("x-forwarded-host", client.host.into()));
        edits.push(set("x-forwarded-proto", client.scheme.into()));
        edits.extend(headers.present(&RELATED).iter().map(|name| Edit::Remove((*name).into())));
    }
    Ok(edits)
}

/// What the proxy in front says of scheme and host, where it is trusted and so repeated to the origin, which makes
/// links of it: two requests that differ in it have different answers. Addresses are left out.
pub fn proxied(headers: &dyn Headers) -> String {
    let mut said = String::new();
    // No field value has a line feed: different values never make the same text.
    for name in ["x-forwarded-host", "x-forwarded-proto"].iter().chain(RELATED.names()) {
        if let Some(value) = headers.get(name) {
            said.push_str(&value);
        } else {
            said.push('\r');
        }
        said.push('\n');
    }
    if let Some(chain) = headers.get("forwarded") {
        let bare = said.len();
        let mut any = false;
        for element in header::list(&chain) {
            for pair in header::parameters(element) {
                let name = pair.split_once('=').map_or(pair, |(name, _)| name.trim());
                if !["for", "by"].iter().any(|node| name.eq_ignore_ascii_case(node)) {
                    any = true;
                    said.push_str(pair);
                    said.push('\n');
                }
            }
            // Some origins take the first element's word, others the last one's.
            said.push('\r');
        }
        if !any {
            said.truncate(bare);
        }
    }
    said
}

/// The peer's address without its port: some hosts tell both (`192.0.2.1:443`, `[2001:db8::1]:443`).
pub fn without_port(peer: &str) -> &str {
    if let Some(rest) = peer.strip_prefix('[') {
        return rest.split_once(']').map_or(peer, |(address, _)| address);
    }
    match peer.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => peer,
    }
}

/// The client's address, for limits and events: the peer's, or, behind a trusted proxy, the last one in
/// `Forwarded`, else in `X-Forwarded-For`: the one that the trusted proxy itself wrote. Earlier ones are hearsay.
/// What is no address falls back on the peer's.
pub fn client_address<'a>(headers: &'a dyn Headers, peer: &'a str, trusted: bool) -> Cow<'a, str> {
    if !trusted {
        return Cow::Borrowed(peer);
    }
    let last = |value: Cow<'_, str>| header::list(&value).last().map(str::to_string);
    let element = headers.get("forwarded").and_then(last);
    let address = match &element {
        Some(element) => header::parameters(element).find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim()))?
        }),
        None => headers.get("x-forwarded-for").and_then(last).and_then(|text| address(&text)),
    };
    address.map_or(Cow::Borrowed(peer), |address| Cow::Owned(address.to_string()))
}

/// The address in a node (RFC 7239 §6): bare, quoted, bracketed, with or without a port.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(node);
    if let Ok(address) = node.parse() {
        return Some(address);
    }
    if let Some(rest) = node.strip_prefix('[') {
        let (inner, port) = rest.split_once(']')?;
        return (port.is_empty() || port.starts_with(':')).then(|| inner.parse().ok())?;
    }
    node.rsplit_once(':').and_then(|(address, _)| address.parse().ok())
}

/// The node of an address: IPv6 in brackets and quotes, what is no address as `unknown`.
fn node(address: &str) -> Cow<'_, str> {
    match address.parse::<IpAddr>() {
        // What parses is in dotted decimal form already.
        Ok(IpAddr::V4(_)) => Cow::Borrowed(address),
        Ok(IpAddr::V6(v6)) => Cow::Owned(format!("\"[{v6}]\"")),
        Err(_) => Cow::Borrowed("unknown"),
    }
}

/// An inbound chain with our element at its end, or our element alone.
fn continued(inbound: Option<Cow<'_, str>>, element: &str) -> String {
    match inbound {
        Some(chain)
            if !chain.is_empty()
                && chain.len() <= MAX_CHAIN
                && header::is_value(&chain)
                && header::quotes_closed(&chain) =>
        {
            format!("{chain}, {element}")
        }
        _ => element.to_string(),
    }
}

/// How often `name` stands as the received-by of a `Via`.
fn seen(via: &str, name: &str) -> usize {
    header::list(via)
        .filter(|e| e.split_ascii_whitespace().nth(1).is_some_and(|by| by.eq_ignore_ascii_case(name)))
        .count()
}

/// What `Max-Forwards` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hops {
    /// Nothing: another method, no such field, or one that cannot be read.
    Unlimited,
    /// The gateway is the final recipient and must answer by itself.
    Last,
    /// Forward with this edit.
    Forward(Edit),
}

/// Reads `Max-Forwards`, which counts for TRACE and OPTIONS only.
pub fn max_forwards(method: &str, headers: &dyn Headers) -> Hops {
    if !matches!(method, "TRACE" | "OPTIONS") {
        return Hops::Unlimited;
    }
    match headers.get("max-forwards").and_then(|v| digits(&v)) {
        None => Hops::Unlimited,
        Some(0) => Hops::Last,
        Some(n) => Hops::Forward(Edit::Set("max-forwards".into(), n.saturating_sub(1).to_string().into())),
    }
}

/// A number of digits only; one that is too large counts as the largest.
fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
