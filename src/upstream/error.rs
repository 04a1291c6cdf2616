//! Why a proxied request failed: the error types of `Proxy-Status` (RFC 9209 §2.3) that a worker can tell.

use crate::fault::{Fault, Reason};
use crate::header::is_token;
use crate::ports::FetchFault;

/// An error type of RFC 9209.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// `dns_error`.
    Dns,
    /// `destination_unavailable`: the platform does not say more.
    Unavailable,
    /// `destination_ip_unroutable`.
    Unroutable,
    /// `connection_refused`.
    Refused,
    /// `connection_terminated`: broke off before the answer's headers were complete.
    Terminated,
    /// `connection_timeout`.
    ConnectTimeout,
    /// `tls_protocol_error`.
    Tls,
    /// `tls_certificate_error`.
    Certificate,
    /// `http_response_timeout`: the gateway's own patience ended.
    ResponseTimeout,
    /// `http_protocol_error`: the answer was no HTTP.
    Protocol,
    /// `http_upgrade_failed`.
    Upgrade,
    /// `proxy_loop_detected`.
    LoopDetected,
}

impl ProxyError {
    /// The error behind a fetch that brought nothing.
    pub fn of(why: &FetchFault) -> ProxyError {
        match why {
            FetchFault::Timeout => ProxyError::ResponseTimeout,
            FetchFault::Failed(text) => ProxyError::from_failure(text),
            FetchFault::TooLarge => ProxyError::Protocol,
        }
    }

    /// The error that the words of a failed `fetch` tell of. They are the runtime's and may change; what is not
    /// known is `destination_unavailable`.
    pub fn from_failure(text: &str) -> ProxyError {
        let text = text.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["timed out", "timeout", "aborted"]) {
            ProxyError::ResponseTimeout
        } else if says(&["refused"]) {
            ProxyError::Refused
        } else if says(&["dns", "getaddrinfo", "could not resolve", "enotfound", "name or service"]) {
            ProxyError::Dns
        } else if says(&["certificate"]) {
            ProxyError::Certificate
        } else if says(&["tls", "ssl", "handshake"]) {
            ProxyError::Tls
        } else if says(&["unreachable", "no route"]) {
            ProxyError::Unroutable
        } else if says(&["protocol", "invalid http", "parse", "malformed"]) {
            ProxyError::Protocol
        } else if says(&[
            "reset",
            "disconnected",
            "connection lost",
            "closed",
            "hang up",
            "broken pipe",
            "eof",
        ]) {
            ProxyError::Terminated
        } else {
            ProxyError::Unavailable
        }
    }

    /// The error behind an answer with such a status; `None` where it is an answer.
    ///
    /// Cloudflare's network makes some up where it cannot reach an origin; one that answers so itself cannot be told
    /// apart, and none should. No client may be told what is no final status (RFC 9110 §15): the platform gives what
    /// origins send up to 999, and refuses to pass it on. Of interim answers only 101 comes here: one to a request for a
    /// `websocket`, and a breach of the protocol to any other (§15.2.2).
    pub fn from_status(status: u16, websocket: bool) -> Option<ProxyError> {
        Some(match status {
            101 if websocket => return None,
            ..=199 | 600.. => ProxyError::Protocol,
            520 => ProxyError::Protocol,
            521 => ProxyError::Refused,
            522 => ProxyError::ConnectTimeout,
            523 => ProxyError::Unroutable,
            524 => ProxyError::ResponseTimeout,
            525 => ProxyError::Tls,
            526 => ProxyError::Certificate,
            527 => ProxyError::Terminated,
            530 => ProxyError::Dns,
            _ => return None,
        })
    }

    /// The error type's registered name; also the label in events.
    pub const fn label(self) -> &'static str {
        match self {
            ProxyError::Dns => "dns_error",
            ProxyError::Unavailable => "destination_unavailable",
            ProxyError::Unroutable => "destination_ip_unroutable",
            ProxyError::Refused => "connection_refused",
            ProxyError::Terminated => "connection_terminated",
            ProxyError::ConnectTimeout => "connection_timeout",
            ProxyError::Tls => "tls_protocol_error",
            ProxyError::Certificate => "tls_certificate_error",
            ProxyError::ResponseTimeout => "http_response_timeout",
            ProxyError::Protocol => "http_protocol_error",
            ProxyError::Upgrade => "http_upgrade_failed",
            ProxyError::LoopDetected => "proxy_loop_detected",
        }
    }

    /// The reason to answer with (RFC 9209 recommends 502 or 504 for each).
    pub const fn reason(self) -> Reason {
        match self {
            ProxyError::ResponseTimeout | ProxyError::ConnectTimeout => Reason::UpstreamTimeout,
            ProxyError::LoopDetected => Reason::LoopDetected,
            _ => Reason::UpstreamUnreachable,
        }
    }

    /// One member of `Proxy-Status`; `name` is the gateway's.
    pub fn field(self, name: &str) -> String {
        // A token of structured fields begins with a letter.
        let token = name.starts_with(|c: char| c.is_ascii_alphabetic()) && is_token(name);
        let name = if token { name.to_string() } else { format!("{name:?}") };
        format!("{name}; error={}", self.label())
    }

    /// The fault, with `Proxy-Status`. Which target and what the runtime said belong into
    /// [`private`](Fault::private).
    pub fn fault(self, name: &str) -> Fault {
        let detail = match self.reason() {
            Reason::UpstreamTimeout => "The upstream did not answer in time.",
            Reason::LoopDetected => "The request has passed this gateway before.",
            _ => "The upstream could not be reached, or broke off before it answered.",
        };
        Fault::new(self.reason(), detail).header("proxy-status", self.field(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_by_their_words() {
        for (text, expected) in [
            ("Network connection lost.", ProxyError::Terminated),
            ("connect(): Connection refused", ProxyError::Refused),
            ("kj/async-io: connect ETIMEDOUT: Connection timed out", ProxyError::ResponseTimeout),
            ("The operation was aborted due to timeout", ProxyError::ResponseTimeout),
            ("DNS lookup failed.", ProxyError::Dns),
            ("TLS peer's certificate is not trusted", ProxyError::Certificate),
            ("SSL handshake failed", ProxyError::Tls),
            ("connect(): Network is unreachable", ProxyError::Unroutable),
            ("Connection reset by peer", ProxyError::Terminated),
            ("HTTP protocol error", ProxyError::Protocol),
            ("internal error; reference = abc", ProxyError::Unavailable),
            ("", ProxyError::Unavailable),
        ] {
            assert_eq!(ProxyError::from_failure(text), expected, "{text}");
        }
    }

    #[test]
    fn statuses_of_the_network() {
        assert_eq!(
            ProxyError::from_status(522, false).map(ProxyError::reason),
            Some(Reason::UpstreamTimeout)
        );
        assert_eq!(ProxyError::from_status(530, true), Some(ProxyError::Dns));
        for status in [200, 500, 502, 503, 504, 519, 528, 529, 599] {
            assert_eq!(ProxyError::from_status(status, false), None, "{status}");
        }
        assert_eq!(ProxyError::from_status(101, true), None);
        for status in [0, 100, 101, 102, 199, 600, 999] {
            assert_eq!(ProxyError::from_status(status, false), Some(ProxyError::Protocol), "{status}");
        }
    }

    #[test]
    fn fields_are_structured() {
        assert_eq!(ProxyError::Refused.field("tollgate"), "tollgate; error=connection_refused");
        assert_eq!(ProxyError::Refused.field("1 gate"), "\"1 gate\"; error=connection_refused");
        let fault = ProxyError::ResponseTimeout.fault("tollgate");
        assert_eq!(fault.reason.status(), 504);
        assert_eq!(fault.headers, [("proxy-status", "tollgate; error=http_response_timeout".to_string())]);
    }
}
