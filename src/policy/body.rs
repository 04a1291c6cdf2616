//! Bounds on the request body, by its declared length (RFC 9110 §8.6).

use crate::fault::{Fault, Reason};
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Largest body in bytes.
    pub max: u64,
}

impl Body {
    /// Whether a request with this `Content-Length` may pass; `has_body` says that there is a body, of whatever
    /// framing. The host sees to it that no more bytes come than were declared (RFC 9112 §6.3).
    ///
    /// # Errors
    /// 413 above [`max`](Body::max), 411 for a body of unknown length, 400 for a length that is no number.
    pub fn admit(&self, content_length: Option<&str>, has_body: bool) -> Result<(), Fault> {
        let Some(text) = content_length else {
            if has_body {
                let detail = "This route takes bodies of declared length only: send `Content-Length`.";
                return Err(Fault::new(Reason::LengthRequired, detail));
            }
            return Ok(());
        };
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::new(Reason::MalformedHeader, "`Content-Length` is no number."));
        }
        // All digits: what does not fit is larger than any maximum.
        if text.parse::<u64>().map_or(true, |length| length > self.max) {
            let detail = format!("This route takes bodies of at most {} bytes.", self.max);
            return Err(Fault::new(Reason::BodyTooLarge, detail).member("max", self.max));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_by_declared_length() {
        use Reason::{BodyTooLarge, LengthRequired, MalformedHeader};
        for (length, has_body, expected) in [
            (None, false, None),
            (None, true, Some(LengthRequired)),
            (Some("0"), false, None),
            (Some("100"), true, None),
            (Some(" 0000100 "), true, None),
            (Some("101"), true, Some(BodyTooLarge)),
            (Some("101"), false, Some(BodyTooLarge)),
            (Some("99999999999999999999999999"), true, Some(BodyTooLarge)),
            (Some(""), true, Some(MalformedHeader)),
            (Some("-1"), true, Some(MalformedHeader)),
            (Some("+1"), true, Some(MalformedHeader)),
            (Some("1, 1"), true, Some(MalformedHeader)),
            (Some("0x10"), true, Some(MalformedHeader)),
            (Some("1e2"), true, Some(MalformedHeader)),
            (Some("\u{661}"), true, Some(MalformedHeader)),
        ] {
            let fault = Body { max: 100 }.admit(length, has_body).err();
            assert_eq!(fault.map(|f| f.reason), expected, "{length:?} {has_body}");
        }
    }
}
