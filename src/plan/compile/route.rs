//! One route: inheritance applied, references resolved.

use super::definitions::Kind;
use super::{Compiler, Layer, Layers, Place, RouteFact};
use crate::cache::{self, KeyPart};
use crate::config::settings;
use crate::config::settings::{
    ApiFile, AuthUse, BodyUse, CacheUse, CorsUse, Edits, HeadersUse, Limits, Requirement, Route as Written,
    Scopes, UpstreamUse,
};
use crate::limit::Per;
use crate::plan::{Action, Forward, Route};
use crate::policy::auth::Auth;
use crate::policy::body::Body;
use crate::policy::combine::{Call, Combine};
use crate::policy::headers::{Edit, Headers};
use crate::policy::rewrite::Rewrite;
use crate::policy::timeout::Timeout;
use crate::routing::path::{Leniency, Template, template};
use crate::token::Keys;
use std::collections::BTreeSet;

/// Which way edited headers go.
#[derive(Clone, Copy)]
enum Side {
    Request,
    Response,
}

/// Whether an edit may stand on that side.
fn check_edit(edit: &Edit, side: Side) -> Result<(), String> {
    let mut headers = Headers::default();
    match side {
        Side::Request => headers.request.push(edit.clone()),
        Side::Response => headers.response.push(edit.clone()),
    }
    headers.check()
}

impl<'a> Compiler<'a> {
    pub(super) fn route(
        &mut self,
        api: u32,
        scope: usize,
        file: usize,
        written_in: &'a ApiFile,
        name: &'a str,
        route: &'a Written,
    ) {
        let place = Place::new(file, &["routes", name]);
        self.name("a route", name, &place);
        let (gateway_file, gateway) = self.input.gateway;
        let layers = Layers(vec![
            Layer { settings: &route.settings, place: place.clone() },
            Layer { settings: &written_in.defaults, place: Place::new(file, &["defaults"]) },
            Layer { settings: &gateway.defaults, place: Place::new(gateway_file, &["defaults"]) },
        ]);
        let (methods, source) = &route.matches.0;
        let template = template(source).unwrap_or_else(|message| {
            self.error("bad-template", &place.key("match"), message, "");
            Template { text: "/".into(), params: Vec::new() }
        });
        let auth = self.auth(scope, &layers, &place);
        let limits = self.limits_of(scope, &layers, auth.as_ref(), &place);
        let https = self.https(&layers, &place);
        let cache = self.cache_of(scope, &layers, auth.as_ref(), methods);
        let cors = self.cors_of(scope, &layers);
        let timeout = self.timeout(&layers);
        let mut body = None;
        if let Some((BodyUse::Bounded(bounds), _)) = layers.nearest(|s| s.body.as_ref()) {
            body = Some(Body { max: bounds.max.0 });
        }
        let headers = self.headers(&layers);
        let paths = layers.nearest(|s| s.paths.as_ref());
        let action = match &route.combine {
            Some(calls) => self.combine(scope, written_in, route, calls, &template, &layers, &place),
            None => self.forward(scope, written_in, route, &template, &layers, &place),
        };
        let base = self.out.shared.apis.last().map(|api| api.base.clone()).unwrap_or_default();
        let index = u32::try_from(self.out.routes.len()).unwrap_or(u32::MAX);
        let secrets = self.secrets_of(auth.as_ref());
        self.out.routes.push(Route {
            name: name.to_owned(),
            api,
            source: self.source(&place),
            template: format!("{base}{source}"),
            https: https && self.input.environment != "dev",
            paths: Leniency {
                encoded_slashes: paths.and_then(|(paths, _)| paths.encoded_slashes).unwrap_or(false),
            },
            auth,
            limits,
            body,
            cors,
            cache,
            headers,
            action,
            timeout,
            secrets,
        });
        self.enter(api, index, methods, &template.text, &place);
        self.facts.push(RouteFact {
            api: usize::try_from(api).unwrap_or(usize::MAX),
            place,
            template: template.text,
        });
    }

    /// Adds the route to the matcher's entries of its API.
    fn enter(&mut self, api: u32, index: u32, methods: &[String], text: &str, place: &Place) {
        let mut clashes = Vec::new();
        if let Some(entries) = usize::try_from(api).ok().and_then(|api| self.out.entries.get_mut(api)) {
            let entry = match entries.iter().position(|(known, _)| known == text) {
                Some(position) => entries.get_mut(position),
                None => {
                    entries.push((text.to_owned(), Vec::new()));
                    entries.last_mut()
                }
            };
            if let Some((_, routes)) = entry {
                for method in methods {
                    match routes.iter().find(|(known, _)| known == method) {
                        Some((_, other)) => clashes.push((method.clone(), *other)),
                        None => routes.push((method.clone(), index)),
                    }
                }
            }
        }
        for (method, other) in clashes {
            let other = usize::try_from(other)
                .ok()
                .and_then(|other| self.facts.get(other))
                .map(|fact| fact.place.clone());
            let Some(other) = other else { continue };
            let name = other.path.last().cloned().unwrap_or_default();
            let method = if method == "*" { "ANY" } else { &method };
            let message = format!("`{method} {text}` is matched by the route `{name}` already");
            let help =
                format!("the other is {}; remove one, or change its method or template", self.named(&other));
            self.error("conflict", &place.key("match"), message, help);
        }
    }

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

    fn auth(&mut self, scope: usize, layers: &Layers<'a>, place: &Place) -> Option<Auth> {
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
                } else {
                    issuers.push(index);
                }
            }
        }
        let (scopes, any) = self.scopes(layers, &issuers);
        let mut claim_headers: Vec<(String, String)> = Vec::new();
        for (header, claim) in &jwt.claims {
            let at = layer.place.key("auth").key("claims").key(header);
            let edit = Edit::Set(header.to_ascii_lowercase(), "x".into());
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
                    let help = match crate::config::problem::nearest(scope, known) {
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

    fn limits_of(
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
                    let route = place.path.last().cloned().unwrap_or_default();
                    let message = format!(
                        "the limit `{name}` counts by token, but `{route}` has none (`auth: none`): it could never bind"
                    );
                    let help = "list limits `per: address`, `header` or `route` on this route";
                    self.error("never-applies", &at, message, help);
                }
            }
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

    fn https(&mut self, layers: &Layers<'a>, place: &Place) -> bool {
        let required = self.requires(Requirement::Https);
        match layers.nearest(|s| s.https.as_ref()) {
            Some((true, _)) => true,
            Some((false, layer)) => {
                if required {
                    self.exception("HTTPS", layer, "https");
                }
                false
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
                false
            }
        }
    }

    fn cache_of(
        &mut self,
        scope: usize,
        layers: &Layers<'a>,
        auth: Option<&Auth>,
        methods: &[String],
    ) -> Option<cache::Rule> {
        let (cache, layer) = layers.nearest(|s| s.cache.as_ref())?;
        let at = layer.place.key("cache");
        let own = layer.place.path.first().is_some_and(|part| part == "routes");
        let (rule, rule_at) = match cache {
            CacheUse::Named(name) if name == "none" => return None,
            CacheUse::Named(name) => {
                let scope = if layer.place.file == self.input.gateway.0 { 0 } else { scope };
                let index = self.find(Kind::Cache, scope, name, &at)?;
                self.cache_settings.get(usize::try_from(index).ok()?).cloned()?
            }
            CacheUse::Inline(rule) => (rule, at.clone()),
        };
        // Only GET is cached: a default does not concern other routes, a rule of their own is a mistake.
        if !methods.iter().any(|method| method == "GET" || method == "*") {
            if own {
                self.error("never-applies", &at, "only `GET` is cached", "remove `cache`, or match `GET`");
            }
            return None;
        }
        let key: Vec<KeyPart> = rule.key.iter().flatten().map(|part| part.0.clone()).collect();
        if key.contains(&KeyPart::Consumer) && auth.is_none() {
            let message = "the key holds the consumer, but the route has `auth: none`: there is none";
            self.error("never-applies", &at, message, "remove `consumer` from the key");
        }
        if rule.ttl.is_some() && auth.is_some() && !key.contains(&KeyPart::Consumer) && own {
            let message =
                "answers to callers with a token are stored only where the origin allows it (RFC 9111 §3.5)";
            self.warn(
                "rarely-applies",
                &at,
                message,
                "add `consumer` to `key` to cache for each caller apart",
            );
        }
        if rule.override_origin == Some(true) && rule.ttl.is_none() {
            self.error(
                "bad-cache",
                &rule_at.key("override"),
                "`override` without `ttl` says nothing",
                "add `ttl`",
            );
        }
        let ttl = rule.ttl.as_ref().map(|ttl| {
            let most = 30 * 86_400_000;
            let ttl = self.within(Some(ttl), 0, (1_000, most), "from 1s to 720h", &rule_at.key("ttl"));
            u32::try_from(ttl).unwrap_or(u32::MAX)
        });
        Some(cache::Rule {
            ttl,
            override_origin: rule.override_origin.unwrap_or(false),
            key,
            max_bytes: rule.max.as_ref().map_or(10 << 20, |max| max.0),
        })
    }

    pub(super) fn cors_of(&mut self, scope: usize, layers: &Layers<'a>) -> Option<u32> {
        let (cors, layer) = layers.nearest(|s| s.cors.as_ref())?;
        let at = layer.place.key("cors");
        match cors {
            CorsUse::Named(name) if name == "none" => None,
            CorsUse::Named(name) => {
                let scope = if layer.place.file == self.input.gateway.0 { 0 } else { scope };
                self.find(Kind::Cors, scope, name, &at)
            }
            CorsUse::Inline(cors) => Some(self.cors_settings(cors, &at)),
        }
    }

    fn timeout(&mut self, layers: &Layers<'a>) -> Timeout {
        let (headers, total) = (15_000, 30_000);
        let Some((timeout, layer)) = layers.nearest(|s| s.timeout.as_ref()) else {
            return Timeout { headers, total };
        };
        let at = layer.place.key("timeout");
        let bounds = ((1, 600_000), "from 1ms to 10m");
        let given = |duration: &Option<crate::config::units::Duration>| duration.as_ref().map(|d| d.0);
        let (own_headers, own_total) = (given(&timeout.headers), given(&timeout.total));
        let total = self.within(
            timeout.total.as_ref(),
            u64::from(total).max(own_headers.unwrap_or(0)).min(600_000),
            bounds.0,
            bounds.1,
            &at.key("total"),
        );
        let headers = self.within(
            timeout.headers.as_ref(),
            u64::from(headers).min(total),
            bounds.0,
            bounds.1,
            &at.key("headers"),
        );
        if own_total.is_some() && headers > total {
            let message = "one attempt may take longer than all together: it could never time out";
            self.error("never-applies", &at.key("headers"), message, "make `headers` at most `total`");
        }
        let narrow = |ms: u64| u32::try_from(ms).unwrap_or(600_000);
        Timeout { headers: narrow(headers), total: narrow(total) }
    }

    fn headers(&mut self, layers: &Layers<'a>) -> Headers {
        let mut out = Headers::default();
        for (edits, layer) in layers.growing(|s| s.headers.as_ref(), |h| matches!(h, HeadersUse::Replace(_)))
        {
            let at = layer.place.key("headers");
            let (edits, at) = match edits {
                HeadersUse::Replace(edits) => (edits, at),
                HeadersUse::Add { add } => (add, at.key("add")),
            };
            self.edits(edits.request.as_ref(), Side::Request, &at.key("request"), &mut out.request);
            self.edits(edits.response.as_ref(), Side::Response, &at.key("response"), &mut out.response);
        }
        out
    }

    fn edits(&mut self, edits: Option<&Edits>, side: Side, place: &Place, out: &mut Vec<Edit>) {
        let Some(edits) = edits else { return };
        let removed = edits.remove.iter().enumerate();
        let removed =
            removed.map(|(i, name)| (Edit::Remove(name.to_ascii_lowercase()), place.key("remove").index(i)));
        let set = edits.set.iter();
        let set = set.map(|(name, value)| {
            (Edit::Set(name.to_ascii_lowercase(), value.clone()), place.key("set").key(name))
        });
        let added = edits.add.iter();
        let added = added.map(|(name, value)| {
            (Edit::Add(name.to_ascii_lowercase(), value.clone()), place.key("add").key(name))
        });
        for (edit, at) in removed.chain(set).chain(added) {
            match check_edit(&edit, side) {
                Ok(()) => out.push(edit),
                Err(message) => self.error("bad-header", &at, message, ""),
            }
        }
    }

    /// The upstream that a route or call names, or the file's.
    fn upstream_of(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        own: Option<&UpstreamUse>,
        id: &str,
        place: &Place,
    ) -> Option<u32> {
        let file = Place::new(place.file, &["upstream"]);
        let (used, at, id) = match (own, &api.upstream) {
            (Some(used), _) => (used, place.key("upstream"), id.to_owned()),
            (None, Some(used)) => (used, file, format!("{}/{}", api.api, api.version.name)),
            (None, None) => {
                let help = "add `upstream:` here or at the top of the file";
                self.error("no-upstream", place, "nothing says where this goes", help);
                return None;
            }
        };
        match used {
            UpstreamUse::Named(name) => self.find(Kind::Upstream, scope, name, &at),
            UpstreamUse::Inline(upstream) => {
                // The file's upstream is compiled by the first route that uses it.
                let known = self.out.shared.upstreams.iter().position(|known| known.id == id);
                match known {
                    Some(index) => u32::try_from(index).ok(),
                    None => Some(self.upstream(id, upstream, &at)),
                }
            }
        }
    }

    fn route_id(api: &ApiFile, place: &Place) -> String {
        let name = place.path.get(1).map_or("", String::as_str);
        format!("{}/{}:{name}", api.api, api.version.name)
    }

    fn forward(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        route: &'a Written,
        template: &Template,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Action {
        let id = Self::route_id(api, place);
        let upstream = self.upstream_of(scope, api, route.upstream.as_ref(), &id, place);
        let rewrite =
            route.rewrite.as_ref().and_then(|text| self.rewrite(text, template, &place.key("rewrite")));
        let targets = upstream
            .and_then(|i| self.out.shared.upstreams.get(usize::try_from(i).ok()?))
            .map_or(1, |upstream| upstream.targets.len());
        let further = u8::try_from(targets.saturating_sub(1)).unwrap_or(u8::MAX);
        let failover = match layers.nearest(|s| s.failover.as_ref()) {
            Some((wanted, layer)) => {
                if *wanted > further && layer.place == *place {
                    let message =
                        format!("the upstream has {targets} target{}", if targets == 1 { "" } else { "s" });
                    self.error(
                        "never-applies",
                        &place.key("failover"),
                        message,
                        format!("write {further} at most, or add targets"),
                    );
                }
                (*wanted).min(further)
            }
            None => further.min(2),
        };
        Action::Forward(Forward { upstream: upstream.unwrap_or(0), rewrite, failover })
    }

    fn rewrite(&mut self, text: &str, template: &Template, place: &Place) -> Option<Rewrite> {
        let _ = template;
        match super::shims::rewrite(text) {
            Ok(rewrite) => Some(rewrite),
            Err(message) => {
                self.error("bad-rewrite", place, message, "");
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn combine(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        route: &'a Written,
        calls: &'a indexmap::IndexMap<String, settings::Call>,
        template: &Template,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Action {
        for (key, given) in [("upstream", route.upstream.is_some()), ("rewrite", route.rewrite.is_some())] {
            if given {
                let message = format!("a combined route has no `{key}` of its own");
                self.error(
                    "misplaced-key",
                    &place.key(key),
                    message,
                    "put it into the calls, as `upstream` and `path`",
                );
            }
        }
        if let Some((_, layer)) = layers.nearest(|s| s.failover.as_ref())
            && layer.place == *place
        {
            let message = "calls of a combined route are not sent again";
            self.error("never-applies", &place.key("failover"), message, "remove `failover`");
        }
        let at = place.key("combine");
        if calls.is_empty() || calls.len() > 6 {
            let message = format!("a combined route has 1 to 6 calls, this one {}", calls.len());
            self.error("bad-combine", &at, message, "a request has six connections at most");
        }
        if !calls.is_empty() && calls.values().all(|call| call.required == Some(false)) {
            let message = "no call is required: with all upstreams down the answer would be an empty success";
            self.error("bad-combine", &at, message, "leave `required: false` out of at least one");
        }
        let mut out = Vec::new();
        for (name, call) in calls {
            let at = at.key(name);
            self.name("a call", name, &at);
            let id = format!("{}.{name}", Self::route_id(api, place));
            let upstream = self.upstream_of(scope, api, call.upstream.as_ref(), &id, &at);
            let path = self.rewrite(&call.path, template, &at.key("path"));
            let mut forward_headers: BTreeSet<String> = BTreeSet::new();
            for (i, header) in call.headers.iter().enumerate() {
                let at = at.key("headers").index(i);
                let edit = Edit::Set(header.to_ascii_lowercase(), "x".into());
                if let Err(message) = check_edit(&edit, Side::Request) {
                    self.error("bad-header", &at, message, "");
                } else if !forward_headers.insert(header.to_ascii_lowercase()) {
                    self.error(
                        "duplicate",
                        &at,
                        format!("`{header}` stands here twice"),
                        "header names ignore case",
                    );
                }
            }
            let max = call.max.as_ref().map_or(1 << 20, |max| max.0);
            if max > 16 << 20 {
                self.error("out-of-range", &at.key("max"), "a part may have 16MiB at most", "");
            }
            if let (Some(upstream), Some(path)) = (upstream, path) {
                out.push(Call {
                    name: name.clone(),
                    upstream,
                    path,
                    required: call.required.unwrap_or(true),
                    forward_headers: forward_headers.into_iter().collect(),
                    max_bytes: u32::try_from(max).unwrap_or(u32::MAX),
                });
            }
        }
        Action::Combine(Combine { calls: out })
    }

    /// Secrets without which the route must not answer, noted for the whole plan too.
    fn secrets_of(&mut self, auth: Option<&Auth>) -> Vec<String> {
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
