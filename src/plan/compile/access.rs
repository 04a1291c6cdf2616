//! Who may call a route and how often: authentication, scopes, limits, HTTPS, and what gateway.yaml requires.

use super::definitions::Kind;
use super::route::{Side, check_edit};
use super::{Compiler, Layer, Layers, Place};
use crate::config::problem::nearest;
use crate::config::settings::{AuthUse, HttpsUse, HttpsWord, Limits, Requirement, Scopes};
use crate::limit::Per;
use crate::limit::message::MAX_LIMITS;
use crate::policy::auth::Auth;
use crate::policy::headers::Edit;
use crate::policy::https::Https;
use crate::token::Keys;

impl<'a> Compiler<'a> {
    fn requires(&self, requirement: Requirement) -> bool {
        self.input.gateway.1.require.contains(&requirement)
    }

    /// Reports an exception from `require` that gives no reason where it is made.
    fn exception(&mut self, what: &str, layer: &Layer<'a>, key: &str) {
        if layer.settings.because.is_none() {
            let message = format!("gateway.yaml requires {what} of every route");
            let help = "say why this is an exception, with `because:` beside it";
            self.error("required", &layer.place.key(key), message, help);
        }
    }

    pub(super) fn auth(&mut self, scope: usize, layers: &Layers<'a>, place: &Place) -> Option<Auth> {
        let Some((auth, layer)) = layers.nearest(|s| s.auth.as_ref()) else {
            let message = "nothing says who may call this route";
            self.error(
                "no-auth",
                place,
                message,
                "add `auth: { jwt: ISSUER }`, or `auth: none` with `because:`",
            );
            return None;
        };
        let jwt = match auth {
            AuthUse::Open(_) => {
                if self.requires(Requirement::Authentication) {
                    self.exception("authentication", layer, "auth");
                }
                if let Some((_, scopes)) = layers.nearest(|s| s.scopes.as_ref())
                    && scopes.place == *place
                {
                    let message = "scopes are asked of nobody: the route has `auth: none`";
                    self.error(
                        "never-applies",
                        &place.key("scopes"),
                        message,
                        "remove `scopes`, or ask for a token",
                    );
                }
                return None;
            }
            AuthUse::Jwt(jwt) => jwt,
        };
        let at = layer.place.key("auth").key("jwt");
        // The names in gateway.yaml's defaults are those of gateway.yaml.
        let scope = if layer.place.file == self.input.gateway.0 { 0 } else { scope };
        let mut issuers = Vec::new();
        let names = jwt.jwt.as_slice();
        for (i, name) in names.iter().enumerate() {
            let at = if names.len() == 1 { at.clone() } else { at.index(i) };
            if let Some(index) = self.find(Kind::Issuer, scope, name, &at) {
                if issuers.contains(&index) {
                    self.error(
                        "duplicate",
                        &at,
                        format!("the issuer `{name}` stands here twice"),
                        "remove one",
                    );
                    continue;
                }
                // The issuer of a token is found by its `iss`.
                let iss = |i: &u32| {
                    let issuer = self.out.shared.issuers.get(usize::try_from(*i).ok()?);
                    issuer.map(|issuer| issuer.issuer.clone())
                };
                if issuers.iter().any(|other| iss(other) == iss(&index)) {
                    let message = format!("another issuer of this route has the same `issuer` as `{name}`");
                    self.error("conflict", &at, message, "name only one of them, or declare them as one");
                }
                issuers.push(index);
            }
        }
        let (scopes, any) = self.scopes(layers, &issuers);
        let mut claim_headers: Vec<(String, String)> = Vec::new();
        for (header, claim) in &jwt.claims {
            let at = layer.place.key("auth").key("claims").key(header);
            let edit = Edit::Set(header.to_ascii_lowercase().into(), "x".into());
            if let Err(message) = check_edit(&edit, Side::Request) {
                self.error("bad-header", &at, message, "");
            }
            if claim.is_empty() {
                self.error("bad-value", &at, "the claim's name is empty", "");
            }
            if claim_headers.iter().any(|(known, _)| *known == header.to_ascii_lowercase()) {
                self.error(
                    "duplicate",
                    &at,
                    format!("`{header}` stands here twice"),
                    "header names ignore case",
                );
            }
            claim_headers.push((header.to_ascii_lowercase(), claim.clone()));
        }
        Some(Auth {
            issuers,
            scopes,
            any,
            keep_credentials: jwt.keep_credentials.unwrap_or(false),
            claim_headers,
        })
    }

    fn scopes(&mut self, layers: &Layers<'a>, issuers: &[u32]) -> (Vec<String>, bool) {
        let mut out: Vec<String> = Vec::new();
        let mut any = false;
        for (scopes, layer) in layers.growing(|s| s.scopes.as_ref(), |s| !matches!(s, Scopes::Add { .. })) {
            let at = layer.place.key("scopes");
            let (list, at) = match scopes {
                Scopes::List(list) => (list, at),
                Scopes::All { all } => (all, at.key("all")),
                Scopes::Any { any: list } => {
                    any = true;
                    (list, at.key("any"))
                }
                Scopes::Add { add } => {
                    if any {
                        let help = "write the whole: `{ any: … }` or `{ all: … }`";
                        self.error("bad-scopes", &at, "what is added to `any` would loosen the rule", help);
                    }
                    (add, at.key("add"))
                }
            };
            for (i, scope) in list.iter().enumerate() {
                let at = at.index(i);
                // RFC 6749 §3.3.
                let fits = !scope.is_empty()
                    && scope
                        .bytes()
                        .all(|b| b == 0x21 || (0x23..=0x5b).contains(&b) || (0x5d..=0x7e).contains(&b));
                if !fits {
                    self.error("bad-value", &at, format!("`{scope}` is no scope (RFC 6749 §3.3)"), "");
                    continue;
                }
                if out.contains(scope) {
                    self.error(
                        "duplicate",
                        &at,
                        format!("the scope `{scope}` is asked for already"),
                        "remove one",
                    );
                    continue;
                }
                let granted = |index: &u32| {
                    let known = usize::try_from(*index).ok().and_then(|i| self.issuer_scopes.get(i));
                    // An issuer that lists no scopes may grant any.
                    known.is_none_or(|known| known.as_ref().is_none_or(|known| known.contains(scope)))
                };
                if !issuers.is_empty() && !issuers.iter().any(granted) {
                    let known =
                        issuers.iter().filter_map(|i| self.issuer_scopes.get(usize::try_from(*i).ok()?));
                    let known: Vec<&str> = known.flatten().flatten().map(String::as_str).collect();
                    let help = match nearest(scope, known) {
                        Some(word) => format!("did you mean `{word}`?"),
                        None => "add it to the issuer's `scopes`, or remove it here".into(),
                    };
                    self.error(
                        "unheld-scope",
                        &at,
                        format!("nobody can hold the scope `{scope}`: no issuer of this route grants it"),
                        help,
                    );
                }
                out.push(scope.clone());
            }
        }
        (out, any)
    }

    pub(super) fn limits_of(
        &mut self,
        scope: usize,
        layers: &Layers<'a>,
        auth: Option<&Auth>,
        place: &Place,
    ) -> Vec<u32> {
        let mut out = Vec::new();
        let values = layers.growing(|s| s.limits.as_ref(), |l| matches!(l, Limits::Replace(_)));
        for (limits, layer) in &values {
            let at = layer.place.key("limits");
            let (names, at) = match limits {
                Limits::Replace(names) => (names, at),
                Limits::Add { add } => (add, at.key("add")),
            };
            let scope = if layer.place.file == self.input.gateway.0 { 0 } else { scope };
            for (i, name) in names.iter().enumerate() {
                let at = at.index(i);
                let Some(index) = self.find(Kind::Limit, scope, name, &at) else { continue };
                if out.contains(&index) {
                    self.error(
                        "duplicate",
                        &at,
                        format!("the limit `{name}` holds here already"),
                        "remove one",
                    );
                    continue;
                }
                out.push(index);
                let per = usize::try_from(index)
                    .ok()
                    .and_then(|i| self.out.shared.limits.get(i))
                    .map(|l| l.per.clone());
                if auth.is_none() && matches!(per, Some(Per::Consumer | Per::Claim(_))) {
                    let message =
                        format!("the limit `{name}` counts by token, and the route has none (`auth: none`)");
                    let help = "list limits `per: address`, `header.NAME` or `route` in the route's `limits`";
                    // What is inherited may be right for the other routes: the mistake is this route's.
                    let at = if layer.place == *place { &at } else { place };
                    self.error("never-applies", at, message, help);
                }
            }
        }
        // More of one key would not fit into a message to their object, and none of them would be counted.
        if out.len() > MAX_LIMITS {
            let message = format!("{} limits hold on this route, of {MAX_LIMITS} at most", out.len());
            self.error("long-list", place, message, "leave out those that others imply");
        }
        if out.is_empty() && self.requires(Requirement::Limit) {
            match values.first() {
                Some((_, layer)) => self.exception("a limit", &(*layer).clone(), "limits"),
                None => self.error(
                    "required",
                    place,
                    "gateway.yaml requires a limit of every route",
                    "add `limits: […]`",
                ),
            }
        }
        out
    }

    pub(super) fn https(&mut self, layers: &Layers<'a>, place: &Place) -> Https {
        let required = self.requires(Requirement::Https);
        match layers.nearest(|s| s.https.as_ref()) {
            Some((HttpsUse::Required(true), _)) => Https::Required,
            Some((HttpsUse::Word(HttpsWord::Redirect), _)) => Https::Redirect,
            Some((HttpsUse::Required(false), layer)) => {
                if required {
                    self.exception("HTTPS", layer, "https");
                }
                Https::Optional
            }
            None => {
                if required {
                    self.error(
                        "required",
                        place,
                        "gateway.yaml requires HTTPS of every route",
                        "add `https: true` to a `defaults`",
                    );
                }
                Https::Optional
            }
        }
    }

    /// Secrets without which the route must not answer, noted for the whole plan too.
    pub(super) fn secrets_of(&mut self, auth: Option<&Auth>) -> Vec<String> {
        let mut secrets: Vec<String> = Vec::new();
        for index in auth.iter().flat_map(|auth| &auth.issuers) {
            let issuer = usize::try_from(*index).ok().and_then(|i| self.out.shared.issuers.get(i));
            if let Some(Keys::Secret(name)) = issuer.map(|issuer| &issuer.keys)
                && !secrets.contains(name)
            {
                secrets.push(name.clone());
            }
        }
        for name in &secrets {
            if !self.out.shared.secrets.contains(name) {
                self.out.shared.secrets.push(name.clone());
            }
        }
        secrets
    }
}
