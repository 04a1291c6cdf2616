//! Response fields that make browsers stricter, with the defaults of today. All but one are edits made at compile time;
//! `Strict-Transport-Security` is for answers over HTTPS alone (RFC 6797 §7.2).

use super::headers::{Edit, check_value};

/// What a route sends. `None` and `false` switch a field off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// `Strict-Transport-Security`.
    pub hsts: Option<Hsts>,
    /// `X-Content-Type-Options: nosniff`.
    pub nosniff: bool,
    /// Who may show the answer in a frame.
    pub frames: Frames,
    /// `Referrer-Policy`.
    pub referrer: Option<&'static str>,
    /// `Content-Security-Policy`, beside what [`frames`](Security::frames) says.
    pub csp: Option<String>,
    /// `Permissions-Policy`.
    pub permissions: Option<String>,
    /// `Cross-Origin-Opener-Policy`.
    pub coop: Option<&'static str>,
    /// `Cross-Origin-Resource-Policy`.
    pub corp: Option<&'static str>,
    /// `Cross-Origin-Embedder-Policy`.
    pub coep: Option<&'static str>,
    /// Take `Server` and `X-Powered-By` away.
    pub hide_server: bool,
}

/// `Strict-Transport-Security` (RFC 6797 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// Seconds.
    pub max_age: u64,
    /// Also for all hosts below.
    pub subdomains: bool,
    /// May be built into browsers.
    pub preload: bool,
}

/// Who may show an answer in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Nobody.
    Deny,
    /// Pages of the same origin.
    SameOrigin,
    /// Whoever the origin lets.
    Unsaid,
}

/// A year, in seconds.
pub const YEAR: u64 = 31_536_000;

impl Default for Security {
    fn default() -> Self {
        Security {
            hsts: Some(Hsts { max_age: YEAR, subdomains: false, preload: false }),
            nosniff: true,
            frames: Frames::Deny,
            referrer: Some("no-referrer"),
            csp: None,
            permissions: None,
            coop: None,
            corp: None,
            coep: None,
            hide_server: true,
        }
    }
}

impl Hsts {
    /// The field's value.
    pub fn value(&self) -> String {
        let subdomains = if self.subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.preload { "; preload" } else { "" };
        format!("max-age={}{subdomains}{preload}", self.max_age)
    }
}

impl Security {
    /// The edits of every answer. An origin's own values are replaced; but a `Content-Security-Policy` is added to the
    /// origin's, for browsers hold to all of them, and one that replaced a stricter one would loosen it.
    pub fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut set =
            |name: &'static str, value: &'static str| edits.push(Edit::Set(name.into(), value.into()));
        if self.nosniff {
            set("x-content-type-options", "nosniff");
        }
        match self.frames {
            Frames::Deny => set("x-frame-options", "DENY"),
            Frames::SameOrigin => set("x-frame-options", "SAMEORIGIN"),
            Frames::Unsaid => {}
        }
        for (name, value) in [
            ("referrer-policy", self.referrer),
            ("cross-origin-opener-policy", self.coop),
            ("cross-origin-resource-policy", self.corp),
            ("cross-origin-embedder-policy", self.coep),
        ] {
            if let Some(value) = value {
                set(name, value);
            }
        }
        if let Some(permissions) = &self.permissions {
            edits.push(Edit::Set("permissions-policy".into(), permissions.clone().into()));
        }
        if let Some(csp) = self.content_security_policy() {
            edits.push(Edit::Add("content-security-policy".into(), csp.into()));
        }
        if self.hide_server {
            edits.extend(["server", "x-powered-by"].map(|name| Edit::Remove(name.into())));
        }
        edits
    }

    fn content_security_policy(&self) -> Option<String> {
        let ancestors = match self.frames {
            Frames::Deny => Some("frame-ancestors 'none'"),
            Frames::SameOrigin => Some("frame-ancestors 'self'"),
            Frames::Unsaid => None,
        };
        match (&self.csp, ancestors) {
            (Some(csp), Some(ancestors)) => {
                Some(format!("{}; {ancestors}", csp.trim_end_matches([';', ' '])))
            }
            (Some(csp), None) => Some(csp.clone()),
            (None, ancestors) => ancestors.map(str::to_owned),
        }
    }

    /// Refuses what browsers would not heed; for the time of checking. The key that is wrong, and why.
    ///
    /// # Errors
    /// A key and text for the author.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, value) in [("csp", &self.csp), ("permissions", &self.permissions)] {
            if let Some(value) = value {
                check_value(value).map_err(|why| (key, why))?;
            }
        }
        if self.csp.as_deref().is_some_and(names_frame_ancestors) && self.frames != Frames::Unsaid {
            let why = "`csp` and `frames` both say who may frame the answer: write `frames: none`, or leave \
                 `frame-ancestors` out of `csp`";
            return Err(("csp", why.into()));
        }
        if let Some(hsts) = self.hsts.filter(|hsts| hsts.preload)
            && (!hsts.subdomains || hsts.max_age < YEAR)
        {
            let why = "browsers take no host into their list without `subdomains: true` and a `max_age` of a year (8760h)";
            return Err(("hsts", why.into()));
        }
        Ok(())
    }
}

/// Whether a policy has the directive `frame-ancestors`.
pub fn names_frame_ancestors(csp: &str) -> bool {
    let mut names = csp.split([';', ',']).filter_map(|directive| directive.split_ascii_whitespace().next());
    names.any(|name| name.eq_ignore_ascii_case("frame-ancestors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(security: &Security) -> Vec<String> {
        let line = |edit: &Edit| format!("{}: {}", edit.name(), edit.value().unwrap_or("-"));
        security.edits().iter().map(line).collect()
    }

    #[test]
    fn the_defaults() {
        assert_eq!(
            lines(&Security::default()),
            [
                "x-content-type-options: nosniff",
                "x-frame-options: DENY",
                "referrer-policy: no-referrer",
                "content-security-policy: frame-ancestors 'none'",
                "server: -",
                "x-powered-by: -",
            ]
        );
        let hsts = Security::default().hsts.unwrap();
        assert_eq!(hsts.value(), "max-age=31536000");
        let all = Hsts { max_age: YEAR, subdomains: true, preload: true };
        assert_eq!(all.value(), "max-age=31536000; includeSubDomains; preload");
    }

    #[test]
    fn each_can_be_switched() {
        let none = Security {
            hsts: None,
            nosniff: false,
            frames: Frames::Unsaid,
            referrer: None,
            hide_server: false,
            ..Security::default()
        };
        assert_eq!(none.edits(), []);
        let all = Security {
            frames: Frames::SameOrigin,
            csp: Some("default-src 'self';".into()),
            permissions: Some("camera=()".into()),
            coop: Some("same-origin"),
            corp: Some("same-site"),
            coep: Some("require-corp"),
            ..none
        };
        assert_eq!(
            lines(&all),
            [
                "x-frame-options: SAMEORIGIN",
                "cross-origin-opener-policy: same-origin",
                "cross-origin-resource-policy: same-site",
                "cross-origin-embedder-policy: require-corp",
                "permissions-policy: camera=()",
                "content-security-policy: default-src 'self'; frame-ancestors 'self'",
            ]
        );
        // The one field that several values make stricter.
        assert!(
            all.edits()
                .iter()
                .all(|edit| !matches!(edit, Edit::Add(name, _) if name != "content-security-policy"))
        );
    }

    #[test]
    fn check() {
        let of = |change: fn(&mut Security)| {
            let mut security = Security::default();
            change(&mut security);
            security.check().map_err(|(key, _)| key)
        };
        assert_eq!(of(|_| ()), Ok(()));
        assert_eq!(of(|s| s.csp = Some("a\nb".into())), Err("csp"));
        assert_eq!(of(|s| s.csp = Some("default-src x; Frame-Ancestors y".into())), Err("csp"));
        assert_eq!(of(|s| s.permissions = Some("é".into())), Err("permissions"));
        let hsts = |max_age, subdomains| Some(Hsts { max_age, subdomains, preload: true });
        assert_eq!(Security { hsts: hsts(YEAR, true), ..Security::default() }.check(), Ok(()));
        assert!(Security { hsts: hsts(YEAR, false), ..Security::default() }.check().is_err());
        assert!(Security { hsts: hsts(YEAR - 1, true), ..Security::default() }.check().is_err());
    }
}
