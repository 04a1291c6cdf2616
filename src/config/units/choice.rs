//! Units that name what of a request is looked at: for counting, for keys, for choosing a backend.

use super::{KeyPart, Network, Per, Share, StickyBy, token, wrong};
use crate::policy::split::{By, PARTS};

/// Whether `text` names a header field by which something may be decided: those that begin with `tollgate-` are the
/// gateway's own.
fn field(text: &str) -> bool {
    token(text) && !text.to_ascii_lowercase().starts_with("tollgate-")
}

impl StickyBy {
    pub(super) fn parse(text: &str) -> Result<By, String> {
        match text.split_once('.') {
            None if text == "consumer" => Ok(By::Consumer),
            None if text == "address" => Ok(By::Address),
            Some(("header", name)) if field(name) => Ok(By::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if token(name) => Ok(By::Cookie(name.into())),
            _ => Err(wrong(text, "value", "write `consumer`, `address`, `header.NAME` or `cookie.NAME`")),
        }
    }
}

impl Per {
    pub(super) fn parse(text: &str) -> Result<crate::limit::Per, String> {
        use crate::limit::Per;
        match text.split_once('.') {
            None if text == "route" => Ok(Per::Route),
            None if text == "consumer" => Ok(Per::Consumer),
            None if text == "address" => Ok(Per::Address),
            Some(("claim", name)) if !name.is_empty() => Ok(Per::Claim(name.into())),
            Some(("header", name)) if field(name) => Ok(Per::Header(name.to_ascii_lowercase())),
            _ => Err(wrong(
                text,
                "counter",
                "write `consumer`, `address`, `route`, `claim.NAME` or `header.NAME`",
            )),
        }
    }
}

impl KeyPart {
    pub(super) fn parse(text: &str) -> Result<crate::cache::KeyPart, String> {
        use crate::cache::KeyPart;
        match text.split_once('.') {
            None if text == "consumer" => Ok(KeyPart::Consumer),
            None if text == "query" => Ok(KeyPart::AllQuery),
            Some(("query", name)) if !name.is_empty() => Ok(KeyPart::Query(name.into())),
            Some(("header", name)) if field(name) => Ok(KeyPart::Header(name.to_ascii_lowercase())),
            _ => Err(wrong(text, "key part", "write `consumer`, `query`, `query.NAME` or `header.NAME`")),
        }
    }
}

impl Network {
    pub(super) fn parse(text: &str) -> Result<crate::policy::maintenance::Network, String> {
        crate::policy::maintenance::Network::parse(text)
    }
}

impl Share {
    pub(super) fn parse(text: &str) -> Result<u16, String> {
        let parts = |text: &str| {
            let (whole, fraction) =
                text.strip_suffix('%')?.split_once('.').unwrap_or((text.strip_suffix('%')?, "0"));
            let digits = |part: &str, most: usize| {
                (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            };
            if !digits(whole, 3) || !digits(fraction, 2) {
                return None;
            }
            // `.5` is fifty hundredths.
            let hundredths: u16 = format!("{fraction:0<2}").parse().ok()?;
            whole
                .parse::<u16>()
                .ok()?
                .checked_mul(100)?
                .checked_add(hundredths)
                .filter(|parts| *parts <= PARTS)
        };
        parts(text).ok_or_else(|| {
            wrong(
                text,
                "share",
                "write a percentage from `0%` to `100%` with two decimals at most, like `10%` or `0.5%`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (text, parts) in
            [("0%", 0), ("10%", 1000), ("0.5%", 50), ("0.05%", 5), ("33.33%", 3333), ("100%", 10_000)]
        {
            assert_eq!(Share::parse(text), Ok(parts), "{text}");
        }
        for bad in ["", "%", "10", "100.01%", "101%", "1.%", ".5%", "0.001%", "-1%", "1 %", "1e1%", "1000%"] {
            assert!(Share::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_that_callers_stick_by() {
        assert_eq!(StickyBy::parse("consumer"), Ok(By::Consumer));
        assert_eq!(StickyBy::parse("header.X-Tenant"), Ok(By::Header("x-tenant".into())));
        assert_eq!(StickyBy::parse("cookie.Lane"), Ok(By::Cookie("Lane".into())));
        for bad in [
            "",
            "header",
            "header.",
            "cookie.a b",
            "cookie.a=b",
            "claim.sub",
            "Consumer",
            "query.x",
            "header.Tollgate-Debug",
        ] {
            assert!(StickyBy::parse(bad).is_err(), "{bad}");
        }
    }
}
