//! One route: inheritance applied, references resolved.

use super::definitions::Kind;
use super::split::Ground;
use super::{Compiler, Layer, Layers, Place, RouteFact};
use crate::cache::{self, KeyPart};
use crate::config::settings::{
    ApiFile, BodyUse, CacheUse, Edits, HeadersUse, Route as Written, Status, Timeout as WrittenTimeout,
    Values,
};
use crate::config::units::Link;
use crate::plan::Route;
use crate::policy::auth::{Auth, is_reserved};
use crate::policy::body::Body;
use crate::policy::headers::{self, Edit, Fill, Headers};
use crate::policy::https::Https;
use crate::policy::lifecycle::Lifecycle;
use crate::policy::rewrite::Piece;
use crate::policy::timeout::Timeout;
use crate::routing::path::Leniency;

/// Which way edited headers go.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    /// The key of its edits.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Side::Request => "request",
            Side::Response => "response",
        }
    }
}

/// Whether an edit may stand on that side.
pub(super) fn check_edit(edit: &Edit, side: Side) -> Result<(), String> {
    let mut headers = Headers::default();
    match side {
        Side::Request if is_reserved(None, edit.name()) => {
            return Err(format!("`{}` tells the origin who calls: only the gateway writes it", edit.name()));
        }
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
        let matched = self.matched(&route.matches, route.priority.unwrap_or(0), &place);
        let Some(matched) = matched else { return };
        let template = &matched.template;
        let auth = self.auth(scope, &layers, &place);
        let limits = self.limits_of(scope, &layers, auth.as_ref(), &place);
        let https = self.https(&layers, &place);
        let mut cache = self.cache_of(scope, &layers, auth.as_ref(), matched.takes("GET"), &place);
        if !route.forwards() {
            // Only an upstream's answer is ever stored: a default does not concern others, a rule of its own is a mistake.
            let own = layers.nearest(|s| s.cache.as_ref()).filter(|(_, layer)| layer.place == place);
            if cache.take().is_some() && own.is_some() {
                let message = "only the answer of one upstream is cached";
                self.error("never-applies", &place.key("cache"), message, "remove `cache`");
            }
        }
        let cors = self.cors_of(scope, &layers);
        let timeout = self.timeout(&layers);
        let mut body = None;
        if let Some((BodyUse::Bounded(bounds), _)) = layers.nearest(|s| s.body.as_ref()) {
            body = Some(Body { max: bounds.max.0 });
        }
        let maintenance = self.maintenance(&layers);
        let csrf = self.csrf(cors, &matched.methods(), &layers, &place);
        let (hsts, security) = self.security(&layers);
        let key = maintenance.as_ref().and_then(|rule| rule.key.as_ref());
        let hidden = key.map(|key| Edit::Remove(key.header.clone().into()));
        let first = Headers { request: hidden.into_iter().collect(), response: security, fills: Vec::new() };
        let mut headers = self.headers(first, &template.params, &layers, &place);
        headers.response.extend(self.deprecation(written_in, route, &place));
        self.no_claims(&headers, auth.as_ref(), &place);
        let paths = layers.nearest(|s| s.paths.as_ref());
        let ground = Ground { auth: auth.as_ref(), timeout, template, rules: &matched.rules };
        let action = self.action(scope, written_in, route, &ground, &layers, &place);
        let base = self.out.shared.apis.last().map(|api| api.base.clone()).unwrap_or_default();
        let encoded_slashes = paths.and_then(|(paths, _)| paths.encoded_slashes).unwrap_or(false);
        if !encoded_slashes {
            self.encoded_slashes(&base, &matched.rules, &place);
        }
        self.callable(cors, &matched.methods(), auth.is_some(), &layers, &place);
        for (name, _) in auth.iter().flat_map(|auth| &auth.claim_headers) {
            if !self.out.shared.claim_headers.contains(name) {
                self.out.shared.claim_headers.push(name.clone());
            }
        }
        let secrets = self.secrets_of(auth.as_ref());
        self.out.routes.push(Route {
            name: name.to_owned(),
            api,
            source: self.source(&place),
            template: format!("{base}{}", template.text),
            https: if self.input.environment == "dev" { Https::Optional } else { https },
            paths: Leniency { encoded_slashes },
            auth,
            limits,
            body,
            cors,
            cache,
            headers,
            action,
            timeout,
            secrets,
            csrf,
            hsts,
            maintenance,
            vary: Vec::new(),
        });
        let api = usize::try_from(api).unwrap_or(usize::MAX);
        if let Some(rules) = self.out.rules.get_mut(api) {
            rules.extend(matched.rules);
        }
        self.facts.push(RouteFact { api, place });
    }

    /// What tells callers that this route alone is deprecated.
    fn deprecation(&mut self, written_in: &ApiFile, route: &Written, place: &Place) -> Vec<Edit> {
        let Some(deprecated) = &route.deprecated else { return Vec::new() };
        let at = place.key("deprecated");
        if written_in.version.status != Status::Current {
            let message = "the whole version is deprecated or retired already";
            self.error("misplaced-key", &at, message, "remove `deprecated`");
        }
        let text = |link: &Option<Link>| link.as_ref().map(|link| link.0.clone());
        let lifecycle = Lifecycle::Deprecated {
            since: deprecated.since.0,
            sunset: deprecated.sunset.as_ref().map(|date| date.0),
            link: text(&deprecated.link),
            successor: text(&deprecated.successor),
        };
        self.verdict("bad-lifecycle", &at, lifecycle.check());
        lifecycle.edits()
    }

    fn cache_of(
        &mut self,
        scope: usize,
        layers: &Layers<'a>,
        auth: Option<&Auth>,
        gets: bool,
        place: &Place,
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
        if !gets {
            if own {
                self.error("never-applies", &at, "only `GET` is cached", "remove `cache`, or match `GET`");
            }
            return None;
        }
        let key: Vec<KeyPart> = rule.key.iter().flatten().map(|part| part.0.clone()).collect();
        if key.contains(&KeyPart::Consumer) && auth.is_none() {
            let message = "the cache key holds the consumer, and the route has none (`auth: none`)";
            // What is inherited may be right for the other routes: the mistake is this route's.
            let at = if own { &at } else { place };
            self.error(
                "never-applies",
                at,
                message,
                "give the route `cache: none`, or a key without `consumer`",
            );
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

    fn timeout(&mut self, layers: &Layers<'a>) -> Timeout {
        let usual = Timeout { headers: 15_000, total: 30_000 };
        match layers.nearest(|s| s.timeout.as_ref()) {
            Some((timeout, layer)) => self.timeout_of(timeout, usual, &layer.place.key("timeout")),
            None => usual,
        }
    }

    /// Timeouts as written; what is left out is `usual`, as far as it goes together with the rest.
    pub(super) fn timeout_of(&mut self, timeout: &WrittenTimeout, usual: Timeout, at: &Place) -> Timeout {
        let Timeout { headers, total } = usual;
        let bounds = ((1, 600_000), "from 1ms to 10m");
        let given = |duration: &Option<crate::config::units::Duration>| duration.as_ref().map(|d| d.0);
        let own_headers = given(&timeout.headers);
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
        let narrow = |ms: u64| u32::try_from(ms).unwrap_or(600_000);
        let timeout = Timeout { headers: narrow(headers), total: narrow(total) };
        self.verdict("bad-timeout", at, timeout.check());
        timeout
    }

    /// `out` holds what goes before.
    /// Edits of the answers of an API that belong to no route: what `defaults` say of all.
    pub(super) fn unrouted(&mut self, security: Vec<Edit>, layers: &Layers<'a>, place: &Place) -> Headers {
        let first = Headers { response: security, ..Headers::default() };
        // A value that names what routes capture is left out here; each route says whether that is a mistake.
        let known = self.problems.len();
        let headers = self.headers(first, &[], layers, place);
        self.problems.truncate(known);
        Headers { response: headers.response, ..Headers::default() }
    }

    fn headers(
        &mut self,
        mut out: Headers,
        params: &[String],
        layers: &Layers<'a>,
        place: &Place,
    ) -> Headers {
        for (edits, layer) in layers.growing(|s| s.headers.as_ref(), |h| matches!(h, HeadersUse::Replace(_)))
        {
            let at = layer.place.key("headers");
            let (edits, at) = match edits {
                HeadersUse::Replace(edits) => (edits, at),
                HeadersUse::Add { add } => (add, at.key("add")),
            };
            // What is inherited may be right for the other routes: a mistake is then this route's.
            let whose = Some(place).filter(|place| layer.place != **place);
            for (edits, side) in [(&edits.request, Side::Request), (&edits.response, Side::Response)] {
                self.edits(edits.as_ref(), side, params, (&at.key(side.word()), whose), &mut out);
            }
        }
        out
    }

    /// Fields that the gateway fills with claims are not edited.
    pub(super) fn no_claims(&mut self, headers: &Headers, auth: Option<&Auth>, place: &Place) {
        for edit in headers.request.iter().filter(|edit| is_reserved(auth, edit.name())) {
            let message = format!("`{}` is edited, and filled with a claim by `auth`", edit.name());
            self.error("conflict", place, message, "remove it from `headers.request`, or from `claims`");
        }
    }

    /// Reads edits that stand at a place; what their values name and a route that inherits them does not capture is
    /// shown at that route.
    pub(super) fn edits(
        &mut self,
        edits: Option<&Edits>,
        side: Side,
        params: &[String],
        (place, whose): (&Place, Option<&Place>),
        out: &mut Headers,
    ) {
        let Some(edits) = edits else { return };
        for (i, name) in edits.remove.iter().enumerate() {
            let edit = Edit::Remove(name.to_ascii_lowercase().into());
            self.edit(edit, None, side, &place.key("remove").index(i), out);
        }
        for (verb, fields) in [("set", &edits.set), ("add", &edits.add)] {
            let mut names: Vec<String> = Vec::new();
            for (written, values) in fields {
                let at = place.key(verb).key(written);
                let name = written.to_ascii_lowercase();
                if names.contains(&name) {
                    let message = format!("`{written}` stands here twice");
                    self.error(
                        "duplicate",
                        &at,
                        message,
                        "header names ignore case; several values are a list",
                    );
                }
                for (i, value) in values.as_slice().iter().enumerate() {
                    let at = if matches!(values, Values::Many(_)) { at.index(i) } else { at.clone() };
                    let pieces = match headers::template(value, params) {
                        Ok(pieces) => pieces,
                        Err(message) => {
                            let help = whose.map_or(String::new(), |_| format!("see {}", self.named(&at)));
                            self.error("bad-header", whose.unwrap_or(&at), message, help);
                            continue;
                        }
                    };
                    // Parameters are visible ASCII, never empty.
                    let probe = pieces.iter().map(|piece| match piece {
                        Piece::Literal(text) => text.as_str(),
                        Piece::Param(_) => "x",
                    });
                    let probe = probe.collect::<String>().into();
                    let edit = match verb {
                        "set" if i == 0 => Edit::Set(name.clone().into(), probe),
                        _ => Edit::Add(name.clone().into(), probe),
                    };
                    let fill = pieces.iter().any(|piece| matches!(piece, Piece::Param(_))).then_some(pieces);
                    self.edit(edit, fill, side, &at, out);
                }
                names.push(name);
            }
        }
    }

    /// Adds an edit, and the value that stands in its value's place.
    fn edit(&mut self, edit: Edit, fill: Option<Vec<Piece>>, side: Side, at: &Place, out: &mut Headers) {
        if let Err(message) = check_edit(&edit, side) {
            self.error("bad-header", at, message, "");
            return;
        }
        let response = matches!(side, Side::Response);
        let list = if response { &mut out.response } else { &mut out.request };
        if let (Some(value), Ok(index)) = (fill, u32::try_from(list.len())) {
            out.fills.push(Fill { response, index, value });
        }
        list.push(edit);
    }
}
