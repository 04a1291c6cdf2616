//! The cache: the phases around [`crate::cache`], look-up before the upstream and storing after it.

use super::admit::Request;
use super::exchange::Exchange;
use super::outcome::{Relay, Response, Store};
use super::view::View;
use crate::cache::{self, Caller, KeyPart, Outcome, Rule, Subject, Times, Verdict};
use crate::event::CacheUse;
use crate::fault::{Fault, Reason};
use crate::header::{Edited, Headers};
use crate::plan::{Route, Shared};
use crate::policy::headers::Edit;
use crate::ports::{FetchFault, Host, Message};
use crate::upstream::{forwarded, hop};
use std::borrow::Cow;
use std::cell::OnceCell;

/// Most milliseconds for a look-up. A store that answers later costs clients more than it saves, for many origins answer
/// in less; one that is well answers in a tenth of it. No more than half of the request's time goes to it: the origin
/// needs some too.
const PATIENCE: u32 = 300;

/// What the look-up said.
pub enum Cached {
    /// The stored answer serves.
    Hit(Response),
    /// Asked in vain: the upstream's answer may be stored under the key. `sent` are the edits that make the origin's
    /// request, by which `Vary` is judged.
    Miss { ask: cache::Ask, key: String, outcome: Outcome, requested: u64, sent: Vec<Edit> },
    /// The cache has no say.
    Bypass(Outcome),
}

impl Cached {
    /// The edits that make the origin's request, if they were made.
    pub(super) fn sent(&self) -> Option<Vec<Edit>> {
        match self {
            Cached::Miss { sent, .. } => Some(sent.clone()),
            _ => None,
        }
    }
}

/// The client's request as the origin gets it; made when the first field is looked at, which most hits never do.
struct Outbound<'e, 'a, H: Host> {
    way: &'e Exchange<'a, H>,
    shared: &'e Shared,
    route: &'e Route,
    request: &'e Request<'e>,
    made: OnceCell<Result<Made<'a, H>, Fault>>,
}

/// The client's fields, and the edits on them.
type Made<'a, H> = (View<'a, H>, Vec<Edit>);

impl<'a, H: Host> Outbound<'_, 'a, H> {
    fn make(&self) -> Result<Made<'a, H>, Fault> {
        let view = View::many(self.way.host, Message::Request);
        let edits = self.way.outbound(&view, self.shared, self.route, self.request, false)?;
        Ok((view, edits))
    }

    /// Fails if the request was looked at and cannot be sent: what was read of it then means nothing.
    fn sound(&self) -> Result<(), Fault> {
        match self.made.get() {
            Some(Err(fault)) => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// The edits; `ask` is told which of the client's fields they leave.
    fn edits(mut self, rule: &Rule, ask: &mut cache::Ask) -> Result<Vec<Edit>, Fault> {
        let (view, edits) = self.made.take().unwrap_or_else(|| self.make())?;
        let mut left = Vec::new();
        Edited { base: &view, edits: &edits }.each(&mut |name| left.push(name.to_owned()));
        ask.note(rule, left.iter().map(String::as_str));
        Ok(edits)
    }
}

impl<H: Host> Headers for Outbound<'_, '_, H> {
    fn each(&self, visit: &mut dyn FnMut(&str)) {
        if let Ok((view, edits)) = self.made.get_or_init(|| self.make()) {
            Edited { base: view, edits }.each(visit);
        }
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let (view, edits) = self.made.get_or_init(|| self.make()).as_ref().ok()?;
        let sent = Sent(Edited { base: view, edits });
        sent.get(name).map(|value| Cow::Owned(value.into_owned()))
    }
}

/// A request's fields as the origin gets them. But the origin that speaks of `Authorization` means the caller, also
/// where it learns of him in other fields; and what the gateway takes away because only the edge may say it, such as
/// the client's country, the edge may say to the origin again.
struct Sent<'v>(Edited<'v>);

impl Headers for Sent<'_> {
    fn each(&self, visit: &mut dyn FnMut(&str)) {
        self.0.each(visit);
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let client = name == "authorization" || hop::INTERNAL.contains(name);
        if client { self.0.base.get(name) } else { self.0.get(name) }
    }
}

fn not_cached() -> Fault {
    Fault::new(Reason::NotCached, "Nothing stored answers this request (only-if-cached).")
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
        let ask = if hop::is_websocket(request.method, &view) {
            Err("upgrade")
        } else {
            cache::request_may_use(request.method, &view, rule, self.event.identity.is_some())
        };
        let mut ask = match ask {
            Ok(ask) => ask,
            Err(why) => {
                self.event.cache = CacheUse::Bypass;
                self.note_cache(rule, shared, None, Outcome::Bypass(why));
                return Ok(Cached::Bypass(Outcome::Bypass(why)));
            }
        };
        self.event.cache = CacheUse::Miss;
        let out = Outbound { way: self, shared, route, request, made: OnceCell::new() };
        let key = self.key(rule, shared, route, request, &out);
        out.sound()?;
        self.note_cache(rule, shared, Some(&key), Outcome::Request);
        let mut outcome = Outcome::Request;
        if ask.wants_stored() {
            outcome = Outcome::UriMiss;
            let left = self.patience(&route.timeout).unwrap_or(0);
            let found = match self.host.lookup(&key, PATIENCE.min(left / 2).max(1)).await {
                Ok(found) => found,
                Err(fault) => {
                    self.event.cache = CacheUse::Unanswered;
                    if ask.only_if_cached() {
                        return Err(not_cached());
                    }
                    // What a store that does not answer is given to keep would only wait for it, in memory.
                    let why = if fault == FetchFault::Timeout { "timeout" } else { "failed" };
                    return Ok(Cached::Bypass(Outcome::Unanswered(why)));
                }
            };
            if let Some(answer) = found {
                let stored = View::many(self.host, Message::Answer(answer));
                let verdict = cache::judge(&ask, &stored, &out, self.host.now());
                out.sound()?;
                match verdict {
                    Verdict::Fresh(_) if !cache::decodable(&view, &stored) => outcome = Outcome::VaryMiss,
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
                        self.note_hit(&edits);
                        let relay = Relay { answer, bodiless, edits, store: None };
                        return Ok(Cached::Hit(Response::Relay(relay)));
                    }
                    other => outcome = other.outcome(),
                }
            }
        }
        if ask.only_if_cached() {
            return Err(not_cached());
        }
        let sent = out.edits(rule, &mut ask)?;
        Ok(Cached::Miss { ask, key, outcome, sent, requested: self.host.now() })
    }

    fn key(
        &self,
        rule: &Rule,
        shared: &Shared,
        route: &Route,
        request: &Request<'_>,
        sent: &dyn Headers,
    ) -> String {
        let api = shared.apis.get(route.api as usize).map(|api| format!("{}/{}", api.name, api.version));
        let trusted = shared.gateway.trust_forwarded;
        let proxied = trusted.then(|| forwarded::proxied(&View::many(self.host, Message::Request)));
        let mut introduction = Vec::new();
        let mut credentials = None;
        if let Some(auth) = route.auth.as_ref().filter(|_| rule.key.contains(&KeyPart::Consumer)) {
            self.introduce(shared, auth, &mut introduction);
            credentials = auth.keep_credentials.then(|| self.header("authorization")).flatten();
        }
        let caller = self.event.identity.as_deref().and_then(|identity| {
            let issuer = &shared.issuers.get(identity.issuer as usize)?.issuer;
            let (introduction, credentials) = (introduction.as_slice(), credentials.as_deref());
            Some(Caller { issuer, consumer: &identity.consumer, introduction, credentials })
        });
        let subject = Subject {
            api: api.as_deref().unwrap_or_default(),
            route: &route.name,
            https: request.https,
            authority: &request.authority,
            proxied: proxied.as_deref(),
            path: &request.path,
            query: request.query.as_deref(),
            backend: self.backend(route).map(|backend| backend.name.as_str()),
            cors: route.cors.is_some(),
            caller,
            headers: sent,
        };
        cache::key(rule, &subject)
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
            (Some(Cached::Miss { ask, key, outcome, requested, sent }), Some(rule)) => {
                let (request, answer) = (
                    View::late(self.host, Message::Request),
                    View::many(self.host, Message::Answer(relay.answer)),
                );
                let times = Times { requested, received: self.host.now() };
                let sent = Sent(Edited { base: &request, edits: &sent });
                let storable = cache::storable(rule, &ask, &sent, relay.answer.status, &answer, times);
                let said =
                    cache::cache_status(name, outcome, Some(storable.as_ref().map(drop).map_err(|why| *why)));
                if let Ok(stored) = storable {
                    let mut edits = relay.edits.clone();
                    edits.extend(stored.edits());
                    let most = rule.max_bytes.min(u64::from(u32::MAX)) as u32;
                    relay.store = Some(Store { key, edits, most });
                }
                self.note_said(&said);
                relay.edits.push(Edit::Add("cache-status".into(), said.into()));
            }
            (Some(Cached::Bypass(outcome)), _) => {
                let said = cache::cache_status(name, outcome, None);
                self.note_said(&said);
                relay.edits.push(Edit::Add("cache-status".into(), said.into()));
            }
            _ => {}
        }
        Response::Relay(relay)
    }
}
