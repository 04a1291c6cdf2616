//! Limits and quotas: the phase around [`crate::limit`].
//!
//! All limits of a route must hold. Those of one key share an object and one transaction; objects are asked in the
//! limits' order, and on a refusal what earlier ones charged is refunded. A denial that is remembered costs no call.

use super::exchange::Exchange;
use super::view::View;
use crate::event::LimitUse;
use crate::fault::Fault;
use crate::limit::key::{self, ObjectName};
use crate::limit::memory::Asked;
use crate::limit::message::{self, Message, ObjectError, Reply};
use crate::limit::{Limit, Unreachable, Verdict, fields};
use crate::plan::{Route, Shared};
use crate::policy::headers::Edit;
use crate::ports::{Ask, Class, Fact, Host, Message as Whose};
use crate::upstream::forwarded;
use std::borrow::Cow;

/// Every limit costs one request one unit.
const COST: u32 = 1;

/// A limit of the route, and its object for this request.
struct Held<'a> {
    index: u32,
    limit: &'a Limit,
    object: ObjectName,
    verdict: Option<Verdict>,
    degraded: bool,
}

impl Held<'_> {
    fn asked(&self) -> Asked<'_> {
        Asked { object: &self.object, limit: self.limit, cost: COST }
    }
}

pub(super) struct Facts<'a, 'b, H: Host> {
    pub(super) exchange: &'a Exchange<'b, H>,
    pub(super) shared: &'a Shared,
    pub(super) route: String,
}

impl<H: Host> Facts<'_, '_, H> {
    fn issuer(&self) -> Option<&str> {
        let identity = self.exchange.event.identity.as_ref()?;
        self.shared.issuers.get(identity.issuer as usize).map(|issuer| issuer.id.as_str())
    }
}

impl<H: Host> key::Facts for Facts<'_, '_, H> {
    fn route(&self) -> &str {
        &self.route
    }
    fn consumer(&self) -> Option<(&str, &str)> {
        Some((self.issuer()?, self.exchange.event.identity.as_ref()?.consumer.as_str()))
    }
    fn claim(&self, name: &str) -> Option<(&str, Cow<'_, str>)> {
        let identity = self.exchange.event.identity.as_ref()?;
        let scalar = identity.claims.get(name).is_some_and(|claim| !claim.is_array() && !claim.is_object());
        scalar.then_some((self.issuer()?, identity.claim_text(name)?))
    }
    fn address(&self) -> Option<std::net::IpAddr> {
        let (host, trusted) = (self.exchange.host, self.shared.gateway.trust_forwarded);
        let peer = host.fact(Fact::Address)?;
        let view = View::few(host, Whose::Request);
        forwarded::client_address(&view, forwarded::without_port(&peer), trusted).parse().ok()
    }
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.exchange.header(name)
    }
}

impl<H: Host> Exchange<'_, H> {
    /// Charges the route's limits, or none of them.
    pub(super) async fn charge(&mut self, shared: &Shared, route: &Route) -> Result<(), Fault> {
        let facts = Facts { exchange: self, shared, route: self.event.route_name(shared) };
        let mut held = Vec::with_capacity(route.limits.len());
        for index in &route.limits {
            let Some(limit) = shared.limits.get(*index as usize) else { continue };
            // What cannot be counted cannot be limited: refused, as `check` should have seen.
            let object =
                limit.object(&facts).map_err(|error| fields::unavailable(limit, &error.to_string()))?;
            held.push(Held { index: *index, limit, object, verdict: None, degraded: false });
        }
        let result = match self.remembered(&mut held) {
            Some(fault) => Err(fault),
            None => self.ask_objects(&mut held).await,
        };
        self.tell(&held);
        result
    }

    /// The refusal that a remembered denial amounts to.
    fn remembered(&self, held: &mut [Held<'_>]) -> Option<Fault> {
        let (now, memory) = (self.host.now(), self.gateway.limits.borrow());
        for held in held.iter_mut() {
            held.verdict = memory.denied(&held.asked(), now);
        }
        exceeded(held, now)
    }

    async fn ask_objects(&mut self, held: &mut [Held<'_>]) -> Result<(), Fault> {
        let mut objects: Vec<ObjectName> = Vec::new();
        for held in held.iter() {
            if !objects.contains(&held.object) {
                objects.push(held.object.clone());
            }
        }
        // Only what shares a request with other objects can have to be refunded.
        let id = (objects.len() > 1).then(|| self.event.id.clone());
        for (place, object) in objects.iter().enumerate() {
            let mut group: Vec<&mut Held<'_>> =
                held.iter_mut().filter(|held| held.object == *object).collect();
            let asked = self.ask_object(object, &mut group, id.as_deref()).await;
            let refused = match asked {
                Err(fault) => Some(fault),
                Ok(()) => exceeded(held, self.host.now()),
            };
            if let Some(fault) = refused {
                // The last one too: where its answer was lost it may have charged, and an unknown id costs nothing.
                if let (Some(id), Some(charged)) = (&id, objects.get(..=place)) {
                    self.refund(charged, id).await;
                }
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Asks one object for its limits and fills in their verdicts; each limit that it cannot answer is answered by
    /// its own word.
    async fn ask_object(
        &mut self,
        object: &ObjectName,
        group: &mut [&mut Held<'_>],
        id: Option<&str>,
    ) -> Result<(), Fault> {
        let mut why = String::from("rows of a newer version");
        // Once more at most: without the limits that newer code keeps there.
        for _ in 0..2 {
            let mut open: Vec<&mut &mut Held<'_>> = group.iter_mut().filter(|held| !held.degraded).collect();
            if open.is_empty() {
                break;
            }
            let limits = open.iter().map(|held| message::Ask {
                limit: Cow::Borrowed(held.limit.id.as_str()),
                algorithm: held.limit.algorithm,
                cost: COST,
            });
            let message = Message::Charge { id: id.map(Cow::Borrowed), limits: limits.collect() }.encode();
            let deadline = open.iter().map(|held| held.limit.deadline).min().unwrap_or_default();
            let sent = self.host.now();
            let ask = Ask { class: Class::Limiter, name: object.as_str().to_owned(), message, deadline };
            let reply = self.host.ask(ask).await.map_err(|error| error.0);
            let reply = reply.and_then(|text| Reply::decode(&text, open.len()).map_err(|e| format!("{e:?}")));
            match reply {
                Ok(Reply::Verdicts(verdicts)) => {
                    let mut memory = self.gateway.limits.borrow_mut();
                    for (held, verdict) in open.iter_mut().zip(verdicts) {
                        memory.remember(&held.asked(), &verdict, sent);
                        held.verdict = Some(verdict);
                    }
                    break;
                }
                Ok(Reply::Refused(ObjectError::NewerRows(indexes))) => {
                    for index in indexes {
                        if let Some(held) = open.get_mut(usize::from(index)) {
                            held.degraded = true;
                        }
                    }
                }
                other => {
                    why = match other {
                        Ok(reply) => format!("{reply:?}"),
                        Err(error) => error,
                    };
                    open.iter_mut().for_each(|held| held.degraded = true);
                }
            }
        }
        self.without_object(group, &why)
    }

    /// Limits that their object did not answer.
    fn without_object(&mut self, group: &mut [&mut Held<'_>], why: &str) -> Result<(), Fault> {
        let unanswered = || group.iter().filter(|held| held.verdict.is_none());
        if let Some(closed) = unanswered().find(|held| held.limit.unreachable == Unreachable::Closed) {
            return Err(fields::unavailable(closed.limit, why));
        }
        let asked: Vec<Asked<'_>> = unanswered()
            .filter(|held| held.limit.unreachable == Unreachable::Degrade)
            .map(|held| held.asked())
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let verdicts = self.gateway.limits.borrow_mut().share(&asked, self.host.now());
        let local = group
            .iter_mut()
            .filter(|held| held.verdict.is_none() && held.limit.unreachable == Unreachable::Degrade);
        for (held, verdict) in local.zip(verdicts) {
            held.verdict = Some(verdict);
        }
        self.event.private = why.to_owned();
        Ok(())
    }

    /// Gives back what was charged. A refund that is lost stays charged to the end of its window: never too much is
    /// admitted.
    async fn refund(&self, objects: &[ObjectName], id: &str) {
        let message = Message::Refund { id: Cow::Borrowed(id) }.encode();
        let refunds = objects.iter().map(|object| {
            self.host.ask(Ask {
                class: Class::Limiter,
                name: object.as_str().to_owned(),
                message: message.clone(),
                deadline: 1_000,
            })
        });
        futures_util::future::join_all(refunds).await;
    }

    /// Tells client and event how the limits stand.
    fn tell(&mut self, held: &[Held<'_>]) {
        let told = told(held);
        let Some((limit, verdict)) = fields::binding(&told).and_then(|place| told.get(place)) else { return };
        if let Some(binding) = held.iter().find(|held| held.limit.id == limit.id) {
            let (limit, remaining) = (binding.index, verdict.remaining);
            self.event.limit = Some(LimitUse { limit, remaining, degraded: binding.degraded });
        }
        if told.iter().all(|(_, verdict)| verdict.admitted) {
            let policy = fields::rate_limit_policy(told.iter().map(|(limit, _)| *limit), self.host.now());
            self.edits.push(Edit::Set("ratelimit".into(), fields::rate_limit(&told).into()));
            self.edits.push(Edit::Set("ratelimit-policy".into(), policy.into()));
        }
    }
}

fn told<'a>(held: &[Held<'a>]) -> Vec<fields::Told<'a>> {
    held.iter().filter_map(|held| Some((held.limit, held.verdict?))).collect()
}

fn exceeded(held: &[Held<'_>], now: u64) -> Option<Fault> {
    fields::exceeded(&told(held), now)
}
