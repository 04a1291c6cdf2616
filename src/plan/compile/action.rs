//! What answers a route: one upstream, or several combined.

use super::definitions::Kind;
use super::route::{Side, check_edit};
use super::split::Ground;
use super::{Compiler, Layers, Place};
use crate::config::settings::{ApiFile, AuthUse, Call as WrittenCall, Route as Written, UpstreamUse};
use crate::plan::{Action, Forward};
use crate::policy::combine::{Call, Combine};
use crate::policy::headers::Edit;
use crate::policy::rewrite::Rewrite;
use crate::routing::path::Template;
use indexmap::IndexMap;
use std::collections::BTreeSet;

impl<'a> Compiler<'a> {
    /// The upstream that a route or call names, or the file's.
    pub(super) fn upstream_of(
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

    pub(super) fn route_id(api: &ApiFile, place: &Place) -> String {
        let name = place.path.get(1).map_or("", String::as_str);
        format!("{}/{}:{name}", api.api, api.version.name)
    }

    pub(super) fn forward(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        route: &'a Written,
        ground: &Ground<'_>,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Action {
        if let Some(backends) = &route.backends {
            return Action::Forward(self.split(scope, api, route, backends, ground, layers, place));
        }
        self.no_backends(route, place);
        let id = Self::route_id(api, place);
        let upstream = self.upstream_of(scope, api, route.upstream.as_ref(), &id, place);
        let (rewrite, told_host) = self.sent(route, ground, place);
        let further = self.further(upstream);
        let wanted = layers.nearest(|s| s.failover.as_ref()).map_or(2, |(wanted, _)| *wanted);
        self.failover_within(layers, further, "the upstream has", place);
        let (upstream, failover) = (upstream.unwrap_or(0), wanted.min(further));
        let mirrors = self.mirrors(scope, api, ground, layers, place);
        Action::Forward(Forward { upstream, rewrite, failover, told_host, split: None, mirrors })
    }

    /// Targets of an upstream beside the first.
    pub(super) fn further(&self, upstream: Option<u32>) -> u8 {
        let targets = upstream
            .and_then(|i| self.out.shared.upstreams.get(usize::try_from(i).ok()?))
            .map_or(1, |upstream| upstream.targets.len());
        u8::try_from(targets.saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// A route's own `failover` must not ask for more targets than there are.
    pub(super) fn failover_within(&mut self, layers: &Layers<'a>, further: u8, who: &str, place: &Place) {
        let Some((wanted, layer)) = layers.nearest(|s| s.failover.as_ref()) else { return };
        if *wanted > further && layer.place == *place {
            let targets = further.saturating_add(1);
            let message = format!("{who} {targets} target{}", if targets == 1 { "" } else { "s" });
            let help = format!("write {further} at most, or add targets");
            self.error("never-applies", &place.key("failover"), message, help);
        }
    }

    fn keeps_credentials(&self, layers: &Layers<'a>) -> bool {
        match layers.nearest(|s| s.auth.as_ref()) {
            Some((AuthUse::Jwt(auth), _)) => auth.keep_credentials == Some(true),
            // An open route's `Authorization` is the origin's own affair.
            _ => true,
        }
    }

    pub(super) fn rewrite(&mut self, text: &str, template: &Template, place: &Place) -> Option<Rewrite> {
        match Rewrite::parse(text, &template.params) {
            Ok(rewrite) => Some(rewrite),
            Err(message) => {
                self.error("bad-rewrite", place, message, "");
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn combine(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        calls: &'a IndexMap<String, WrittenCall>,
        template: &Template,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Action {
        if let Some((_, layer)) = layers.nearest(|s| s.failover.as_ref())
            && layer.place == *place
        {
            let message = "calls of a combined route are not sent again";
            self.error("never-applies", &place.key("failover"), message, "remove `failover`");
        }
        let at = place.key("combine");
        if !calls.is_empty() && calls.values().all(|call| call.required == Some(false)) {
            let message = "no call is required: with all upstreams down the answer would be an empty success";
            self.warn("all-optional", &at, message, "leave `required: false` out of at least one");
        }
        let mut out = Vec::new();
        for (name, call) in calls {
            let at = at.key(name);
            let id = format!("{}.{name}", Self::route_id(api, place));
            let upstream = self.upstream_of(scope, api, call.upstream.as_ref(), &id, &at);
            let path = self.rewrite(&call.path, template, &at.key("path"));
            let mut forward_headers: BTreeSet<String> = BTreeSet::new();
            for (i, header) in call.headers.iter().enumerate() {
                let at = at.key("headers").index(i);
                let edit = Edit::Set(header.to_ascii_lowercase().into(), "x".into());
                if let Err(message) = check_edit(&edit, Side::Request) {
                    self.error("bad-header", &at, message, "");
                } else if edit.name() == "authorization" && !self.keeps_credentials(layers) {
                    let message = "credentials are not passed on";
                    let help = "say `keep_credentials: true` in `auth`, or remove it here";
                    self.error("bad-header", &at, message, help);
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
        // A call that could not be read is a problem already; the others alone would be judged wrongly.
        let combine = Combine { calls: out };
        if combine.calls.len() == calls.len() {
            self.verdict("bad-combine", &at, combine.check());
        }
        Action::Combine(combine)
    }
}
