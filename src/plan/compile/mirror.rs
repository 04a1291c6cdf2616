//! Where copies of a route's requests go.

use super::definitions::Kind;
use super::route::Side;
use super::split::Ground;
use super::{Compiler, Layers, Place};
use crate::config::settings::{ApiFile, Mirror as Written, MirrorUse, UpstreamUse};
use crate::policy::auth::is_reserved;
use crate::policy::headers::Headers;
use crate::policy::mirror::{MAX_BODY, MAX_TIMEOUT, Mirror};

impl<'a> Compiler<'a> {
    /// The mirrors of a route that sends each request to one upstream.
    pub(super) fn mirrors(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        ground: &Ground<'_>,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Vec<Mirror> {
        let Some((MirrorUse::Mirrors(mirrors), layer)) = layers.nearest(|s| s.mirror.as_ref()) else {
            return Vec::new();
        };
        let at = layer.place.key("mirror");
        let whose = Some(place).filter(|place| layer.place != **place);
        let shared = layer.place.file == self.input.gateway.0;
        // Inherited mirrors are compiled for every route, and their upstreams once.
        let owner = match layer.place.path.first().map(String::as_str) {
            Some("routes") => Self::route_id(api, &layer.place),
            _ if shared => "shared".to_owned(),
            _ => format!("{}/{}", api.api, api.version.name),
        };
        let scope = if shared { 0 } else { scope };
        let mut out: Vec<Mirror> = Vec::new();
        for (i, mirror) in mirrors.iter().enumerate() {
            let at = at.index(i);
            let id = format!("{owner}.mirror{}", i.saturating_add(1));
            let Some(upstream) = self.mirrored_to(scope, &mirror.upstream, id, &at.key("upstream")) else {
                continue;
            };
            if out.iter().any(|other| other.upstream == upstream) {
                let message = "this upstream gets a copy already";
                self.error("duplicate", &at.key("upstream"), message, "remove one of the two");
            }
            out.push(self.one_mirror(mirror, upstream, ground, (&at, whose)));
        }
        out
    }

    fn mirrored_to(&mut self, scope: usize, used: &UpstreamUse, id: String, at: &Place) -> Option<u32> {
        match used {
            UpstreamUse::Named(name) => self.find(Kind::Upstream, scope, name, at),
            UpstreamUse::Inline(upstream) => {
                match self.out.shared.upstreams.iter().position(|known| known.id == id) {
                    Some(index) => u32::try_from(index).ok(),
                    None => Some(self.upstream(id, upstream, at)),
                }
            }
        }
    }

    /// `whose`: the route that inherits it.
    fn one_mirror(
        &mut self,
        mirror: &Written,
        upstream: u32,
        ground: &Ground<'_>,
        (at, whose): (&Place, Option<&Place>),
    ) -> Mirror {
        let mut headers = Headers::default();
        let place = at.key("headers");
        let params = &ground.template.params;
        self.edits(mirror.headers.as_ref(), Side::Request, params, (&place, whose), &mut headers);
        if headers.request.iter().any(|edit| is_reserved(ground.auth, edit.name())) {
            self.no_claims(&headers, ground.auth, &place);
        }
        let max = mirror.max.as_ref().map_or(256 << 10, |max| max.0);
        if max > MAX_BODY {
            self.error("out-of-range", &at.key("max"), "a body of 4MiB at most can be copied", "");
        }
        let bounds = ((1, MAX_TIMEOUT), "from 1ms to 25s");
        let timeout = self.within(mirror.timeout.as_ref(), 5_000, bounds.0, bounds.1, &at.key("timeout"));
        Mirror {
            upstream,
            share: mirror.share.as_ref().map_or(crate::policy::split::PARTS, |share| share.0),
            keep_credentials: mirror.keep_credentials.unwrap_or(false),
            headers,
            max_body: u32::try_from(max).unwrap_or(u32::MAX),
            timeout: u32::try_from(timeout).unwrap_or(u32::MAX),
        }
    }
}
