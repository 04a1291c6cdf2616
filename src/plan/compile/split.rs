//! The backends of a route, and what keeps callers with them.

use super::route::{Side, check_edit};
use super::{Compiler, Layers, Place};
use crate::config::problem::nearest;
use crate::config::settings::{
    ApiFile, Backend as WrittenBackend, Canary, Route as Written, SameSite, Sticky,
};
use crate::plan::Forward;
use crate::plan::rule::Rule;
use crate::policy::auth::{Auth, is_reserved};
use crate::policy::canary;
use crate::policy::headers::{Edit, Headers};
use crate::policy::split::{self, Backend, By, NewCookie, Split};
use crate::policy::timeout::Timeout;
use crate::routing::path::Template;
use indexmap::IndexMap;

/// What a route says elsewhere and its backends rest on.
pub(super) struct Ground<'g> {
    pub auth: Option<&'g Auth>,
    pub timeout: Timeout,
    pub template: &'g Template,
    /// When a request belongs to the route.
    pub rules: &'g [Rule],
}

impl<'a> Compiler<'a> {
    /// Keys that say something of backends, on a route without any.
    pub(super) fn no_backends(&mut self, route: &Written, place: &Place) {
        for (key, given) in [("sticky", route.sticky.is_some()), ("canary", route.canary.is_some())] {
            if given {
                let message = format!("`{key}` chooses among `backends`, and there are none");
                self.error("misplaced-key", &place.key(key), message, "add `backends`, or remove it");
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn split(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        route: &'a Written,
        backends: &'a IndexMap<String, WrittenBackend>,
        ground: &Ground<'_>,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Forward {
        if route.upstream.is_some() {
            let message = "a route with `backends` has no `upstream` of its own";
            self.error("misplaced-key", &place.key("upstream"), message, "put it into the backends");
        }
        let at = place.key("backends");
        let route_id = Self::route_id(api, place);
        let mut out = Vec::new();
        let mut most = 0;
        for (name, backend) in backends {
            let at = at.key(name);
            self.name("a backend", name, &at);
            let id = format!("{route_id}.{name}");
            let Some(upstream) = self.upstream_of(scope, api, backend.upstream.as_ref(), &id, &at) else {
                continue;
            };
            let further = self.further(Some(upstream));
            most = most.max(further);
            let wanted = layers.nearest(|s| s.failover.as_ref()).map_or(2, |(wanted, _)| *wanted);
            let own = backend.rewrite.as_ref();
            let (rewrite, told_host) =
                own.map_or((None, None), |written| self.rewritten(written, ground, &at.key("rewrite")));
            let timeout = backend.timeout.as_ref();
            out.push(Backend {
                name: name.clone(),
                upstream,
                weight: backend.weight.unwrap_or(1),
                rewrite,
                told_host,
                headers: self.backend_headers(backend, ground, &at.key("headers")),
                timeout: timeout.map(|timeout| self.timeout_of(timeout, ground.timeout, &at.key("timeout"))),
                failover: wanted.min(further),
            });
        }
        self.failover_within(layers, most, "the backends' upstreams have", place);
        let name = place.path.get(1).map_or("", String::as_str);
        let own = format!("{}/{}/{name}", api.api, api.version.name);
        let mut split = Split { seed: split::seed(&own), backends: out, sticky: None, canary: None };
        if let Some(canary) = &route.canary {
            self.canary(canary, route, ground, place, &mut split);
        }
        // A backend that could not be read is a problem already; the others alone would be judged wrongly.
        if split.backends.len() == backends.len() {
            self.verdict("bad-backends", &at, split.check());
        }
        if let Some(sticky) = &route.sticky {
            self.sticky(sticky, ground, &place.key("sticky"), &mut split);
        }
        let upstream = split.backends.first().map_or(0, |backend| backend.upstream);
        let (rewrite, told_host) = self.sent(route, ground, place);
        let mirrors = self.mirrors(scope, api, ground, layers, place);
        Forward { upstream, rewrite, failover: 0, told_host, split: Some(Box::new(split)), mirrors }
    }

    fn backend_headers(&mut self, backend: &WrittenBackend, ground: &Ground<'_>, place: &Place) -> Headers {
        let mut out = Headers::default();
        let Some(headers) = &backend.headers else { return out };
        for (edits, side) in [(&headers.request, Side::Request), (&headers.response, Side::Response)] {
            let at = place.key(side.word());
            self.edits(edits.as_ref(), side, &ground.template.params, (&at, None), &mut out);
        }
        self.no_claims(&out, ground.auth, place);
        out
    }

    fn canary(
        &mut self,
        canary: &'a Canary,
        route: &'a Written,
        ground: &Ground<'_>,
        place: &Place,
        out: &mut Split,
    ) {
        let at = place.key("canary");
        let backends = route.backends.iter().flatten();
        let Some((name, backend)) = backends.clone().find(|(name, _)| **name == canary.backend) else {
            let message = format!("there is no backend called `{}`", canary.backend);
            let help = nearest(&canary.backend, backends.map(|(name, _)| name.as_str())).map_or_else(
                || "name one of `backends`".to_owned(),
                |word| format!("did you mean `{word}`?"),
            );
            self.error("unknown-name", &at.key("backend"), message, help);
            return;
        };
        if backend.weight.is_some() {
            let message = format!("the share of `{name}` follows from `canary`, not from a weight");
            let place = place.key("backends").key(name).key("weight");
            self.error("misplaced-key", &place, message, "remove `weight`");
        }
        for (key, given, needed, there) in [
            ("start", canary.start.is_some(), "over", canary.over.is_some()),
            ("over", canary.over.is_some(), "from", canary.from.is_some()),
        ] {
            if given && !there {
                let message = format!("`{key}` says nothing without `{needed}`");
                self.error("misplaced-key", &at.key(key), message, format!("add `{needed}`"));
            }
        }
        // Where it could not be read, that is a problem already.
        let Some(index) = out.backends.iter().position(|backend| backend.name == *name) else { return };
        if let Some(own) = out.backends.get_mut(index) {
            own.weight = 0;
        }
        let longest = 9_600 * 3_600_000;
        let over = canary.over.as_ref().map_or(0, |over| {
            self.within(Some(over), 0, (1_000, longest), "from 1s to 9600h", &at.key("over"))
        });
        let from = canary.from.as_ref().map_or(0, |from| from.0);
        let compiled = canary::Canary {
            backend: u16::try_from(index).unwrap_or(u16::MAX),
            from: u64::try_from(from).unwrap_or(0).saturating_mul(1_000),
            over,
            start: canary.start.as_ref().map_or(0, |share| share.0),
            to: canary.to.0,
            header: canary.header.as_ref().map(|name| self.canary_header(name, ground, &at.key("header"))),
        };
        self.verdict("bad-canary", &at, compiled.check());
        out.canary = Some(compiled);
    }

    fn canary_header(&mut self, name: &str, ground: &Ground<'_>, place: &Place) -> String {
        let name = name.to_ascii_lowercase();
        if let Err(message) = check_edit(&Edit::Set(name.clone().into(), "x".into()), Side::Request) {
            self.error("bad-header", place, message, "");
        } else if is_reserved(ground.auth, &name) || matches!(name.as_str(), "authorization" | "cookie") {
            let message = format!("`{name}` says something else, which origins need");
            self.error("bad-header", place, message, "take a field of its own, like `X-Canary`");
        }
        name
    }

    fn sticky(&mut self, sticky: &Sticky, ground: &Ground<'_>, place: &Place, out: &mut Split) {
        if out.backends.len() == 1 {
            let message = "there is one backend: everybody is with it";
            self.error("never-applies", place, message, "add another backend, or remove `sticky`");
        }
        let by = sticky.by.0.clone();
        if by == By::Consumer && ground.auth.is_none() {
            let message = "callers stick by the consumer, and the route has none (`auth: none`)";
            self.error(
                "never-applies",
                &place.key("by"),
                message,
                "stick by something else, or ask for a token",
            );
        }
        if let By::Header(name) = &by
            && is_reserved(ground.auth, name)
        {
            let message =
                format!("`{name}` never comes from a caller: the gateway tells origins by it who calls");
            self.error("never-applies", &place.key("by"), message, "write `consumer`");
        }
        let set = sticky.set.as_ref().map(|set| {
            let at = place.key("set");
            if !matches!(by, By::Cookie(_)) {
                let message = "`set` gives callers the cookie that `by` names, and it names none";
                self.error("misplaced-key", &at, message, "write `by: cookie.NAME`, or remove `set`");
            }
            let longest = 9_600 * 3_600_000;
            let max_age = set.max_age.as_ref().map(|age| {
                let age = self.within(Some(age), 0, (1_000, longest), "from 1s to 9600h", &at.key("max_age"));
                u32::try_from(age / 1_000).unwrap_or(u32::MAX)
            });
            let same_site = match set.same_site {
                Some(SameSite::Strict) => split::SameSite::Strict,
                Some(SameSite::None) => split::SameSite::None,
                Some(SameSite::Lax) | None => split::SameSite::Lax,
            };
            let base = self.out.shared.apis.last().map(|api| api.base.clone()).unwrap_or_default();
            // What would end the attribute cannot stand in it; and browsers refuse `__Host-` with another path.
            let host_wide =
                matches!(&by, By::Cookie(name) if name.to_ascii_lowercase().starts_with("__host-"));
            let whole = host_wide || base.is_empty() || base.contains([';', ',']);
            let path = if whole { "/".to_owned() } else { base };
            NewCookie { max_age, same_site, path }
        });
        if let Some(group) = &sticky.group {
            // No route's full name: those have two slashes.
            out.seed = split::seed(&format!("group {group}"));
        }
        out.sticky = Some(split::Sticky { by, set });
    }
}
