//! The cache: the phases around [`crate::cache`], look-up before the upstream and storing after it.

use super::admit::Request;
use super::exchange::Exchange;
use super::outcome::{Relay, Response, Store};
use super::view::View;
use crate::cache::{self, Outcome, Rule, Times, Verdict};
use crate::event::CacheUse;
use crate::fault::{Fault, Reason};
use crate::header::Edited;
use crate::plan::{Route, Shared};
use crate::policy::headers::Edit;
use crate::ports::{Host, Message};
use crate::upstream::hop;

/// What the look-up said.
pub enum Cached {
    /// The stored answer serves.
    Hit(Response),
    /// Asked in vain: the upstream's answer may be stored under the key.
    Miss { ask: cache::Ask, key: String, outcome: Outcome, requested: u64 },
    /// The cache has no say.
    Bypass(Outcome),
}

impl<H: Host> Exchange<'_, H> {
    pub(super) async fn look_up(
        &mut self,
        rule: &Rule,
        shared: &Shared,
        route: &Route,
        request: &Request<'_>,
    ) -> Result<Cached, Fault> {
        let view = View::few(self.host, Message::Request);
        let identity = self.event.identity.clone();
        let ask = if hop::is_websocket(request.method, &view) {
            Err("upgrade")
        } else {
            cache::request_may_use(request.method, &view, rule, identity.is_some())
        };
        let ask = match ask {
            Ok(ask) => ask,
            Err(why) => {
                self.event.cache = CacheUse::Bypass;
                return Ok(Cached::Bypass(Outcome::Bypass(why)));
            }
        };
        let api = shared.apis.get(route.api as usize).map(|api| format!("{}/{}", api.name, api.version));
        // A consumer's name is unique within its issuer only.
        let consumer = identity.as_deref().and_then(|identity| {
            let issuer = shared.issuers.get(identity.issuer as usize)?;
            Some(format!("{} {}", issuer.issuer, identity.consumer))
        });
        let key = cache::key(
            rule,
            &api.unwrap_or_default(),
            &request.host,
            &request.path,
            request.query.as_deref(),
            consumer.as_deref(),
            &view,
        );
        self.event.cache = CacheUse::Miss;
        let mut outcome = Outcome::Request;
        if ask.wants_stored() {
            outcome = Outcome::UriMiss;
            if let Some(answer) = self.host.lookup(&key).await {
                let stored = View::few(self.host, Message::Answer(answer));
                let told = self.edited(shared, route);
                let client = View::late(self.host, Message::Request);
                let sent = Edited { base: &client, edits: &told };
                match cache::judge(&ask, &stored, &sent, self.host.now()) {
                    Verdict::Fresh(hit) => {
                        self.event.cache = CacheUse::Hit;
                        let mut edits = hit.edits(&shared.gateway.name);
                        let bodiless =
                            (answer.status == 200 && cache::not_modified(&view, &stored)).then_some(304);
                        if bodiless.is_some() {
                            edits.extend(
                                cache::NOT_MODIFIED_REMOVES.iter().map(|n| Edit::Remove((*n).into())),
                            );
                        }
                        let relay = Relay { answer, bodiless, edits, store: None };
                        return Ok(Cached::Hit(Response::Relay(relay)));
                    }
                    other => outcome = other.outcome(),
                }
            }
        }
        if ask.only_if_cached() {
            return Err(Fault::new(
                Reason::NotCached,
                "Nothing stored answers this request (only-if-cached).",
            ));
        }
        Ok(Cached::Miss { ask, key, outcome, requested: self.host.now() })
    }

    /// What the origin gets beside the client's own fields, as far as its answer may vary by it.
    fn edited(&self, shared: &Shared, route: &Route) -> Vec<Edit> {
        let mut edits = Vec::new();
        if let Some(rule) = &route.auth {
            self.introduce(shared, rule, &mut edits);
        }
        edits.extend(route.headers.request.iter().cloned());
        edits
    }

    /// Stores an upstream's answer if it may be, and says what the cache did.
    pub(super) fn keep(
        &mut self,
        shared: &Shared,
        route: &Route,
        cached: Option<Cached>,
        mut relay: Relay,
    ) -> Response {
        let name = &shared.gateway.name;
        match (cached, &route.cache) {
            (Some(Cached::Miss { ask, key, outcome, requested }), Some(rule)) => {
                let (request, answer) = (
                    View::late(self.host, Message::Request),
                    View::few(self.host, Message::Answer(relay.answer)),
                );
                let times = Times { requested, received: self.host.now() };
                let told = self.edited(shared, route);
                let sent = Edited { base: &request, edits: &told };
                let storable = cache::storable(rule, &ask, &sent, relay.answer.status, &answer, times);
                let said =
                    cache::cache_status(name, outcome, Some(storable.as_ref().map(drop).map_err(|why| *why)));
                if let Ok(stored) = storable {
                    let mut edits = relay.edits.clone();
                    edits.extend(stored.edits());
                    let most = rule.max_bytes.min(u64::from(u32::MAX)) as u32;
                    relay.store = Some(Store { key, edits, most });
                }
                relay.edits.push(Edit::Add("cache-status".into(), said.into()));
            }
            (Some(Cached::Bypass(outcome)), _) => {
                relay
                    .edits
                    .push(Edit::Add("cache-status".into(), cache::cache_status(name, outcome, None).into()));
            }
            _ => {}
        }
        Response::Relay(relay)
    }
}
