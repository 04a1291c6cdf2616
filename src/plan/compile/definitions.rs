//! What is declared once and named elsewhere: issuers, limits, upstreams, cache rules, CORS settings.

use super::{Compiler, Place};
use crate::config::problem::nearest;
use crate::config::settings;
use crate::limit::{self, Algorithm, Per};
use crate::token;
use crate::upstream;
use std::collections::HashMap;

/// The names of one kind of definition. Scope 0 is gateway.yaml, scope n + 1 the nth API file.
pub(super) struct Table {
    what: &'static str,
    key: &'static str,
    entries: HashMap<(usize, String), (u32, Place, bool)>,
    /// In declared order, for warnings.
    order: Vec<(usize, String)>,
}

impl Table {
    pub(super) fn new(what: &'static str, key: &'static str) -> Self {
        Table { what, key, entries: HashMap::new(), order: Vec::new() }
    }

    fn insert(&mut self, scope: usize, name: &str, index: usize, place: Place) {
        let key = (scope, name.to_owned());
        self.order.push(key.clone());
        self.entries.insert(key, (u32::try_from(index).unwrap_or(u32::MAX), place, false));
    }

    /// Finds a reference: `shared/NAME` in gateway.yaml, a bare name in the file and then there.
    fn find(&mut self, scope: usize, reference: &str) -> Result<u32, String> {
        let scopes: &[usize] = match reference.strip_prefix("shared/") {
            Some(_) => &[0],
            None => &[scope, 0],
        };
        let name = reference.strip_prefix("shared/").unwrap_or(reference);
        for scope in scopes {
            if let Some((index, _, used)) = self.entries.get_mut(&(*scope, name.to_owned())) {
                *used = true;
                return Ok(*index);
            }
        }
        let known = self.order.iter().filter(|(at, _)| scopes.contains(at)).map(|(_, name)| name.as_str());
        Err(match nearest(name, known) {
            Some(word) if scopes == [0] => format!("did you mean `shared/{word}`?"),
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("declare it under `{}`, here or in gateway.yaml", self.key),
        })
    }

    pub(super) fn unused(&self) -> impl Iterator<Item = (&'static str, &str, &Place)> {
        self.order.iter().filter_map(|key| match self.entries.get(key) {
            Some((_, place, false)) => Some((self.what, key.1.as_str(), place)),
            _ => None,
        })
    }
}

/// Which table a reference is looked up in.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Issuer,
    Limit,
    Cache,
    Cors,
    Upstream,
}

impl<'a> Compiler<'a> {
    /// The index of what `reference` names, or a problem.
    pub(super) fn find(&mut self, kind: Kind, scope: usize, reference: &str, place: &Place) -> Option<u32> {
        let table = match kind {
            Kind::Issuer => &mut self.issuers,
            Kind::Limit => &mut self.limits,
            Kind::Cache => &mut self.caches,
            Kind::Cors => &mut self.cors,
            Kind::Upstream => &mut self.upstreams,
        };
        match table.find(scope, reference) {
            Ok(index) => Some(index),
            Err(help) => {
                let what = table.what;
                let article = if what.starts_with(['i', 'u']) { "an" } else { "a" };
                let message = match kind {
                    Kind::Cors => format!("there are no {what} called `{reference}`"),
                    _ => format!("there is no {what} called `{reference}`"),
                };
                let help = match nearest(reference, ["none"]) {
                    Some(word) if !matches!(kind, Kind::Issuer | Kind::Limit | Kind::Upstream) => {
                        format!("did you mean `{word}`? Otherwise {article} {what}: {help}")
                    }
                    _ => help,
                };
                self.error("unknown-name", place, message, help);
                None
            }
        }
    }

    /// Compiles the definitions of gateway.yaml and of every API file.
    pub(super) fn definitions(&mut self) {
        let (file, gateway) = self.input.gateway;
        self.scope(0, file, "shared", &gateway.definitions);
        for (order, (file, api)) in self.input.apis.iter().enumerate() {
            let prefix = format!("{}/{}", api.api, api.version.name);
            self.scope(order.saturating_add(1), *file, &prefix, &api.definitions);
        }
    }

    fn scope(&mut self, scope: usize, file: usize, prefix: &str, own: &'a settings::Definitions) {
        for (name, issuer) in &own.issuers {
            let place = Place::new(file, &["issuers", name]);
            self.name("an issuer", name, &place);
            // Shared issuers go by their bare name: it is in tokens' events and in identity headers.
            let id = if scope == 0 { name.clone() } else { format!("{prefix}/{name}") };
            let compiled = self.issuer(id, issuer, &place);
            self.issuers.insert(scope, name, self.out.shared.issuers.len(), place);
            self.out.shared.issuers.push(compiled);
            self.issuer_scopes.push(issuer.scopes.clone());
        }
        for (name, limit) in &own.limits {
            let place = Place::new(file, &["limits", name]);
            self.name("a limit", name, &place);
            let compiled = self.limit(format!("{prefix}/{name}"), limit, &place);
            self.limits.insert(scope, name, self.out.shared.limits.len(), place);
            self.out.shared.limits.push(compiled);
        }
        for (name, rule) in &own.caches {
            let place = Place::new(file, &["caches", name]);
            self.name("a cache rule", name, &place);
            self.caches.insert(scope, name, self.cache_settings.len(), place.clone());
            self.cache_settings.push((rule, place));
        }
        for (name, cors) in &own.cors {
            let place = Place::new(file, &["cors", name]);
            self.name("CORS settings", name, &place);
            let index = self.cors_settings(cors, &place);
            self.cors.insert(scope, name, usize::try_from(index).unwrap_or(usize::MAX), place);
        }
        for (name, upstream) in &own.upstreams {
            let place = Place::new(file, &["upstreams", name]);
            self.name("an upstream", name, &place);
            let index = self.upstream(format!("{prefix}/{name}"), upstream, &place);
            self.upstreams.insert(scope, name, usize::try_from(index).unwrap_or(usize::MAX), place);
        }
    }

    /// A duration within bounds, in `unit` milliseconds.
    pub(super) fn within(
        &mut self,
        value: Option<&crate::config::units::Duration>,
        default: u64,
        (least, most): (u64, u64),
        bounds: &str,
        place: &Place,
    ) -> u64 {
        let value = value.map_or(default, |duration| duration.0);
        if value < least || value > most {
            self.error("out-of-range", place, format!("this duration must be {bounds}"), "");
        }
        value.clamp(least, most)
    }

    fn issuer(&mut self, id: String, issuer: &settings::Issuer, place: &Place) -> token::Issuer {
        if issuer.development == Some(true) {
            self.out.development.push(id.clone());
            let message = "this issuer is for development: its key lies on developers' disks";
            self.local_only(
                "development-issuer",
                &place.key("development"),
                message.into(),
                "name the real issuer for this environment",
            );
        }
        for (i, audience) in issuer.audience.as_slice().iter().enumerate() {
            if audience.is_empty() {
                self.error("bad-value", &place.key("audience").index(i), "an audience must not be empty", "");
            }
        }
        let second = 1_000;
        let leeway =
            self.within(issuer.leeway.as_ref(), 30_000, (0, 300_000), "5m at most", &place.key("leeway"));
        let keys = self.keys(issuer, &place.key("keys"));
        let compiled = token::Issuer {
            id,
            issuer: issuer.issuer.clone(),
            audiences: issuer.audience.as_slice().to_vec(),
            algorithms: issuer.algorithms.clone(),
            keys,
            leeway: u32::try_from(leeway / second).unwrap_or(300),
            types: issuer
                .types
                .iter()
                .map(|kind| kind.to_ascii_lowercase())
                .map(|kind| kind.strip_prefix("application/").map_or(kind.clone(), str::to_owned))
                .collect(),
            required: issuer.required.clone(),
            scope_claim: issuer.scope_claim.clone().unwrap_or_else(|| "scope".into()),
            consumer_claim: issuer.consumer_claim.clone().unwrap_or_else(|| "sub".into()),
        };
        self.verdict("bad-issuer", place, token::keys::consistent(&compiled));
        compiled
    }

    fn keys(&mut self, issuer: &settings::Issuer, place: &Place) -> token::Keys {
        let keys = &issuer.keys;
        let given = [keys.jwks.is_some(), keys.inline.is_some(), keys.secret.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "an issuer has exactly one source of keys";
            self.error("bad-keys", place, message, "give one of `jwks`, `inline` and `secret`");
        }
        for (key, given) in [
            ("ttl", keys.ttl.is_some()),
            ("interval", keys.interval.is_some()),
            ("max_stale", keys.max_stale.is_some()),
        ] {
            if given && keys.jwks.is_none() {
                self.error(
                    "misplaced-key",
                    &place.key(key),
                    format!("`{key}` belongs to `jwks`"),
                    "remove it",
                );
            }
        }
        if let Some(secret) = &keys.secret {
            return token::Keys::Secret(secret.0.clone());
        }
        if let Some(set) = &keys.inline {
            for (i, key) in set.keys.iter().enumerate() {
                let symmetric = key.get("kty").and_then(serde_json::Value::as_str) == Some("oct");
                if symmetric || ["d", "p", "q", "k"].iter().any(|part| key.contains_key(*part)) {
                    let message = "this key is private";
                    self.error(
                        "private-key",
                        &place.key("inline").key("keys").index(i),
                        message,
                        "give public keys only, and replace this one: it is in the open now",
                    );
                }
            }
            let text = serde_json::to_string(&serde_json::json!({ "keys": set.keys })).unwrap_or_default();
            return token::Keys::Inline(text);
        }
        let at = place.key("jwks");
        let url = keys.jwks.as_ref().map(|url| url.0.clone()).unwrap_or_default();
        if let Ok(parsed) = url::Url::parse(&url) {
            let nearness = Nearness::of(&parsed);
            if parsed.scheme() != "https" && nearness != Nearness::Loopback {
                self.error("insecure-url", &at, "keys are fetched over `https:` only", "");
            }
            self.near(nearness, "the JWK Set", &at);
        }
        let ttl = self.within(
            keys.ttl.as_ref(),
            600_000,
            (10_000, 86_400_000),
            "from 10s to 24h",
            &place.key("ttl"),
        );
        let interval = self.within(
            keys.interval.as_ref(),
            30_000,
            (1_000, 3_600_000),
            "from 1s to 1h",
            &place.key("interval"),
        );
        let stale = self.within(
            keys.max_stale.as_ref(),
            86_400_000,
            (0, 604_800_000),
            "168h at most",
            &place.key("max_stale"),
        );
        let seconds = |ms: u64| u32::try_from(ms / 1_000).unwrap_or(u32::MAX);
        token::Keys::Jwks { url, ttl: seconds(ttl), interval: seconds(interval), max_stale: seconds(stale) }
    }

    fn limit(&mut self, id: String, limit: &settings::Limit, place: &Place) -> limit::Limit {
        let algorithm = match (&limit.rate, &limit.sliding, &limit.quota) {
            (Some(rate), None, None) => {
                Algorithm::Bucket { rate: rate.0.0, period: rate.0.1, burst: limit.burst.unwrap_or(rate.0.0) }
            }
            (None, Some(rate), None) => Algorithm::Sliding { limit: rate.0.0, window: rate.0.1 },
            (None, None, Some(quota)) => Algorithm::Quota { limit: quota.0.0, period: quota.0.1 },
            _ => {
                let message = "a limit counts in exactly one way";
                self.error("bad-limit", place, message, "give one of `rate`, `sliding` and `quota`");
                Algorithm::Bucket { rate: 1, period: 1_000, burst: 1 }
            }
        };
        if limit.burst.is_some() && limit.rate.is_none() {
            self.error("misplaced-key", &place.key("burst"), "`burst` belongs to `rate`", "remove it");
        }
        if let Algorithm::Bucket { rate, period, .. } | Algorithm::Sliding { limit: rate, window: period } =
            algorithm
            && u64::from(rate).saturating_mul(1_000) > u64::from(period).saturating_mul(OBJECT_RATE)
        {
            let message =
                format!("one object counts this limit, and serves about {OBJECT_RATE} requests a second");
            let help = "count callers apart with `per`, or lower the rate";
            self.warn("too-fast", place, message, help);
        }
        let unreachable = match limit.unreachable {
            Some(settings::Unreachable::Degrade) => limit::Unreachable::Degrade,
            Some(settings::Unreachable::Closed) => limit::Unreachable::Closed,
            Some(settings::Unreachable::Open) => limit::Unreachable::Open,
            None if limit.quota.is_some() => limit::Unreachable::Closed,
            None => limit::Unreachable::Degrade,
        };
        let deadline = self.within(
            limit.deadline.as_ref(),
            500,
            (10, 10_000),
            "from 10ms to 10s",
            &place.key("deadline"),
        );
        limit::Limit {
            id,
            algorithm,
            per: limit.per.as_ref().map_or(Per::Consumer, |per| per.0.clone()),
            unreachable,
            deadline: u32::try_from(deadline).unwrap_or(10_000),
            source: self.source(place),
        }
    }

    /// Compiles an upstream and returns its index.
    pub(super) fn upstream(&mut self, id: String, upstream: &settings::Upstream, place: &Place) -> u32 {
        let single = upstream.url.is_some() || upstream.via.is_some();
        if single == upstream.targets.is_some() {
            let message = "an upstream has either one target or a list of them";
            self.error("bad-upstream", place, message, "give `url` (or `via`), or `targets`");
        }
        let mut targets = Vec::new();
        if single {
            targets.extend(self.target(upstream.url.as_ref(), upstream.via.as_ref(), 1, place));
        }
        for (i, target) in upstream.targets.iter().flatten().enumerate() {
            let at = place.key("targets").index(i);
            let compiled =
                self.target(target.url.as_ref(), target.via.as_ref(), target.weight.unwrap_or(1), &at);
            if let Some(compiled) = compiled {
                if targets.iter().any(|t: &upstream::Target| t.url == compiled.url && t.via == compiled.via) {
                    self.error(
                        "duplicate",
                        &at,
                        "this target stands in the list already",
                        "use `weight` to send it more",
                    );
                }
                targets.push(compiled);
            }
        }
        if !targets.is_empty() && targets.iter().all(|target| target.weight == 0) {
            let message = "no target has a weight: none would ever be chosen";
            self.error(
                "bad-upstream",
                &place.key("targets"),
                message,
                "give at least one target a weight from 1",
            );
        }
        self.out.shared.upstreams.push(upstream::Upstream { id, targets });
        u32::try_from(self.out.shared.upstreams.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn target(
        &mut self,
        url: Option<&crate::config::units::Origin>,
        via: Option<&crate::config::units::Via>,
        weight: u32,
        place: &Place,
    ) -> Option<upstream::Target> {
        let via = via.map(|via| via.0.clone());
        let url = match (url, &via) {
            (Some(url), _) => url.0.clone(),
            // A binding has no address; the name only shows in the origin's `Host`.
            (None, Some(via)) => format!("https://{}.internal", via.to_ascii_lowercase().replace('_', "-")),
            (None, None) => {
                self.error("bad-upstream", place, "a target needs an address", "give `url` or `via`");
                return None;
            }
        };
        if via.is_none()
            && let Ok(parsed) = url::Url::parse(&url)
        {
            self.near(Nearness::of(&parsed), "this origin", &place.key("url"));
        }
        Some(upstream::Target { url, via, weight })
    }

    fn near(&mut self, nearness: Nearness, what: &str, place: &Place) {
        match nearness {
            Nearness::Loopback => {
                let message =
                    format!("{what} is on the loopback address, which a deployed gateway cannot reach");
                self.local_only("loopback", place, message, "give a public host, or a binding by `via:`");
            }
            Nearness::BareAddress => {
                let message = format!("{what} is a bare IP address, which deployed workers may not fetch");
                self.local_only("bare-address", place, message, "give it a name, or a binding by `via:`");
            }
            Nearness::Named => {}
        }
    }
}

/// Requests that a Durable Object answers a second, at best.
const OBJECT_RATE: u64 = 1_000;

/// What the host of a URL is.
#[derive(Clone, Copy, PartialEq)]
enum Nearness {
    Loopback,
    BareAddress,
    Named,
}

impl Nearness {
    fn of(url: &url::Url) -> Self {
        match url.host() {
            Some(url::Host::Ipv4(address)) if address.is_loopback() || address.is_unspecified() => {
                Nearness::Loopback
            }
            Some(url::Host::Ipv6(address)) if address.is_loopback() || address.is_unspecified() => {
                Nearness::Loopback
            }
            Some(url::Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
                Nearness::Loopback
            }
            Some(url::Host::Domain(_)) | None => Nearness::Named,
            Some(_) => Nearness::BareAddress,
        }
    }
}
