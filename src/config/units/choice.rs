//! Units of choosing among backends.

use super::{StickyBy, token, wrong};
use crate::policy::split::By;

impl StickyBy {
    pub(super) fn parse(text: &str) -> Result<By, String> {
        match text.split_once('.') {
            None if text == "consumer" => Ok(By::Consumer),
            None if text == "address" => Ok(By::Address),
            Some(("header", name)) if token(name) => Ok(By::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if token(name) => Ok(By::Cookie(name.into())),
            _ => Err(wrong(text, "value", "write `consumer`, `address`, `header.NAME` or `cookie.NAME`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_callers_stick_by() {
        assert_eq!(StickyBy::parse("consumer"), Ok(By::Consumer));
        assert_eq!(StickyBy::parse("header.X-Tenant"), Ok(By::Header("x-tenant".into())));
        assert_eq!(StickyBy::parse("cookie.Lane"), Ok(By::Cookie("Lane".into())));
        for bad in ["", "header", "header.", "cookie.a b", "cookie.a=b", "claim.sub", "Consumer", "query.x"] {
            assert!(StickyBy::parse(bad).is_err(), "{bad}");
        }
    }
}
