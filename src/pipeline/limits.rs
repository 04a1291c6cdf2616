//! Limits and quotas: the phase around [`crate::limit`].
//!
//! All limits of a route must hold. Those of one key share an object and one transaction; objects are asked in the
//! limits' order, and on a refusal what earlier ones charged is refunded. A denial that is remembered costs no call.
//!
//! A token that is not remembered costs a signature check, perhaps a fetch of keys: before that the limits by address
//! are charged ([`Whose::Stranger`]), so that a flood of wrong tokens runs into them. They stay charged where the
//! answer is 401, and are given back where the caller turns out right and is refused for another reason.

use super::exchange::Exchange;
use super::record::Phase;
use super::view::View;
use crate::event::LimitUse;
use crate::fault::Fault;
use crate::limit::key::{self, ObjectName};
use crate::limit::memory::Asked;
use crate::limit::message::{self, Message, ObjectError, Reply};
use crate::limit::{Limit, Per, State, Unreachable, Verdict, fields};
use crate::plan::{Route, Shared};
use crate::policy::headers::Edit;
use crate::ports::{self, Ask, Class, Fact, Host, Tell};
use crate::upstream::forwarded;
use std::borrow::Cow;

/// Every limit costs one request one unit.
const COST: u32 = 1;

/// Of whom it is known that they ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Somebody with a token whose signature is yet to be checked: only what counts by address is charged. The rest
    /// a stranger could use up for others, by naming their header or their route.
    Stranger,
    /// The caller of the route, whoever that may be.
    Caller,
}

/// The limits of a request that have been asked so far.
#[derive(Default)]
pub(super) struct Tally<'a> {
    held: Vec<Held<'a>>,
    /// Objects that may have charged something, under the request's id.
    charged: Vec<ObjectName>,
}

/// A limit of the route, and its object for this request.
pub(super) struct Held<'a> {
    /// Among the route's limits.
    place: usize,
    index: u32,
    pub(super) limit: &'a Limit,
    pub(super) object: ObjectName,
    pub(super) verdict: Option<Verdict>,
    pub(super) degraded: bool,
    /// A denial was remembered.
    pub(super) remembered: bool,
    /// The isolate's own share, as the request left it.
    share: Option<State>,
}

impl Held<'_> {
    fn asked(&self) -> Asked<'_> {
        Asked { object: &self.object, limit: self.limit, cost: COST }
    }
}

pub(super) struct Facts<'a, 'b, H: Host> {
    pub(super) exchange: &'a Exchange<'b, H>,
    pub(super) shared: &'a Shared,
}

impl<H: Host> Facts<'_, '_, H> {
    fn issuer(&self) -> Option<&str> {
        let identity = self.exchange.event.identity.as_ref()?;
        self.shared.issuers.get(identity.issuer as usize).map(|issuer| issuer.id.as_str())
    }
}

impl<H: Host> key::Facts for Facts<'_, '_, H> {
    fn route(&self) -> Cow<'_, str> {
        self.exchange.event.route_name(self.shared).into()
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
        let view = View::few(host, ports::Message::Request);
        forwarded::client_address(&view, forwarded::without_port(&peer), trusted).parse().ok()
    }
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.exchange.header(name)
    }
}

impl<H: Host> Exchange<'_, H> {
    /// Charges those of the route's limits that have not been asked yet, or none of its limits: where one refuses,
    /// what `tally` holds of earlier ones is given back.
    pub(super) async fn charge<'s>(
        &mut self,
        shared: &'s Shared,
        route: &Route,
        whose: Whose,
        tally: &mut Tally<'s>,
    ) -> Result<(), Fault> {
        self.enter(Phase::Limits);
        let before = tally.held.len();
        let result = match self.hold(shared, route, whose, tally) {
            Ok(()) => self.ask_all(before, whose, tally).await,
            Err(fault) => Err(fault),
        };
        if result.is_err() {
            self.give_back(tally);
        }
        if result.is_err() || whose == Whose::Caller {
            tally.held.sort_by_key(|held| held.place);
            self.note_limits(shared, &tally.held);
            self.tell(&tally.held);
        }
        result
    }

    /// Finds the objects of the limits that are to be asked now.
    fn hold<'s>(
        &self,
        shared: &'s Shared,
        route: &Route,
        whose: Whose,
        tally: &mut Tally<'s>,
    ) -> Result<(), Fault> {
        let facts = Facts { exchange: self, shared };
        tally.held.reserve(route.limits.len());
        for (place, index) in route.limits.iter().enumerate() {
            let Some(limit) = shared.limits.get(*index as usize) else { continue };
            let early = whose == Whose::Stranger && limit.per != Per::Address;
            if early || tally.held.iter().any(|held| held.place == place) {
                continue;
            }
            // What cannot be counted cannot be limited: refused, as `check` should have seen.
            let object =
                limit.object(&facts).map_err(|error| fields::unavailable(limit, &error.to_string()))?;
            tally.held.push(Held {
                place,
                index: *index,
                limit,
                object,
                verdict: None,
                degraded: false,
                remembered: false,
                share: None,
            });
        }
        Ok(())
    }

    /// Asks for the limits from this place of the tally on: the memory of denials first, then their objects.
    async fn ask_all(&mut self, from: usize, whose: Whose, tally: &mut Tally<'_>) -> Result<(), Fault> {
        let Tally { held, charged } = tally;
        let held = held.get_mut(from..).unwrap_or_default();
        if let Some(fault) = self.remembered(held) {
            return Err(fault);
        }
        let mut objects: Vec<ObjectName> = Vec::new();
        for held in held.iter() {
            if !objects.contains(&held.object) {
                objects.push(held.object.clone());
            }
        }
        let mut others = objects.len();
        for object in objects {
            others -= 1;
            let mut group: Vec<&mut Held<'_>> =
                held.iter_mut().filter(|held| held.object == object).collect();
            // A charge that can be given back costs its object a row. The last one need not be: a refusal charges
            // nothing. But a limit that is closed refuses, too, what its object has charged without saying so in time.
            // So may the own share of one that degrades, and that stays charged: most routes have such a limit and no
            // other, and a row for each of their requests is too dear for what an outage costs their window.
            let closed = group.iter().any(|held| held.limit.unreachable == Unreachable::Closed);
            let refundable = others > 0 || closed || whose == Whose::Stranger;
            let id = refundable.then(|| self.event.id.clone());
            let asked = self.ask_object(&object, &mut group, id.as_deref()).await;
            let answered = group.iter().all(|held| !held.degraded);
            let fault = match asked {
                Err(fault) => Some(fault),
                Ok(()) => exceeded(held, self.host.now()),
            };
            // An object that refuses has charged nothing. One whose answer was lost may have.
            if refundable && (fault.is_none() || !answered) {
                charged.push(object);
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// The refusal that a remembered denial amounts to.
    fn remembered(&self, held: &mut [Held<'_>]) -> Option<Fault> {
        let (now, memory) = (self.host.now(), self.gateway.limits.borrow());
        for held in held.iter_mut() {
            held.verdict = memory.denied(&held.asked(), now);
            held.remembered = held.verdict.is_some();
        }
        exceeded(held, now)
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
        let mut memory = self.gateway.limits.borrow_mut();
        let verdicts = memory.share(&asked, self.host.now());
        // Where one refuses, none is charged.
        let charged = verdicts.iter().all(|verdict| verdict.admitted);
        let local = group
            .iter_mut()
            .filter(|held| held.verdict.is_none() && held.limit.unreachable == Unreachable::Degrade);
        for (held, verdict) in local.zip(verdicts) {
            held.share = memory.shared(&held.asked()).filter(|_| charged);
            held.verdict = Some(verdict);
        }
        drop(memory);
        self.event.private = why.to_owned();
        Ok(())
    }

    /// Gives back what was charged, also where a charge is still under way: whichever of the two an object gets
    /// first, nothing stays. The client need not wait for it. A refund that is lost stays charged to the end of its
    /// window: never too much is admitted.
    pub(super) fn give_back(&self, tally: &mut Tally<'_>) {
        for object in tally.charged.drain(..) {
            let message = Message::Refund { id: Cow::Borrowed(&self.event.id) }.encode();
            self.host.tell(Tell { class: Class::Limiter, name: object.as_str().to_owned(), message });
        }
        let (now, mut memory) = (self.host.now(), self.gateway.limits.borrow_mut());
        for held in &mut tally.held {
            if let Some(share) = held.share.take() {
                memory.take_back(&held.asked(), &share, now);
            }
        }
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
