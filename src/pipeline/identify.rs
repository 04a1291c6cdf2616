//! Who calls: the phase around [`crate::token`]. Usually the token is remembered and nothing waits.

use super::exchange::Exchange;
use super::gateway::Gateway;
use super::limits::{Tally, Whose};
use super::record::Phase;
use crate::fault::{Fault, Reason};
use crate::plan::{Route, Shared};
use crate::policy::auth::{self, Auth};
use crate::policy::headers::Edit;
use crate::policy::timeout::Timeout;
use crate::ports::{Base, Fetch, Host, Signature};
use crate::token::keys::{FETCH_DEADLINE, KeySet, MAX_SET, Need, Source, Ticket};
use crate::token::memory::Tag;
use crate::token::{Identity, Keys, Pending, parse};
use std::cell::RefCell;
use std::sync::Arc;

/// Milliseconds between looks at a key set that another request fetches: nothing may be awaited that another
/// request started, so each waits by its own timer.
const LOOK: u32 = 25;
/// Milliseconds that a fetch of keys may take in all: a second less than others wait for it, who count in whole ones.
const PATIENCE: u64 = (FETCH_DEADLINE - 1) * 1000;

impl<H: Host> Exchange<'_, H> {
    /// Who calls a route with this rule, verified, and whether that one may. `tally` takes what had to be charged to
    /// find out.
    pub(super) async fn identify<'s>(
        &mut self,
        shared: &'s Shared,
        route: &Route,
        rule: &Auth,
        tally: &mut Tally<'s>,
    ) -> Result<(), Fault> {
        let Some(field) = self.header("authorization") else {
            return Err(auth::refuse(Reason::TokenMissing));
        };
        let token = auth::bearer(&field).map_err(auth::refuse)?;
        let now = self.host.now() / 1000;
        let (tag, known) = {
            let epoch = self.epoch();
            let mut memory = self.gateway.tokens.borrow_mut();
            let tag = memory.tag(token);
            (tag, memory.get(tag, &rule.issuers, now, epoch))
        };
        let identity = match known {
            Some(identity) => {
                self.note_token(shared, &identity, "remembered");
                identity
            }
            None => {
                let pending = parse::token(token)
                    .and_then(|token| token.admit(&shared.issuers, &rule.issuers, now))
                    .map_err(auth::refuse)?;
                if !route.limits.is_empty() {
                    Box::pin(self.charge(shared, route, Whose::Stranger, tally)).await?;
                    self.enter(Phase::Auth);
                }
                let verified =
                    Box::pin(self.verify_anew(shared, &route.timeout, pending, token.len(), tag)).await;
                // Wrong tokens stay charged; what the gateway or the issuer fails at does not.
                verified.inspect_err(|fault| {
                    if fault.reason.status() != 401 {
                        self.give_back(tally);
                    }
                })?
            }
        };
        self.event.identity = Some(Arc::clone(&identity));
        rule.authorize(&identity).inspect_err(|_| self.give_back(tally))
    }

    /// Checks the signature of a token that is not remembered, and remembers it.
    async fn verify_anew(
        &self,
        shared: &Shared,
        timeout: &Timeout,
        pending: Pending<'_>,
        length: usize,
        tag: Tag,
    ) -> Result<Arc<Identity>, Fault> {
        let issuer = pending.issuer();
        let epoch = self.verify(shared, timeout, issuer, &pending).await?;
        let now = self.host.now() / 1000;
        let identity = Arc::new(pending.verified());
        self.note_token(shared, &identity, "verified");
        let until = self.source(issuer, |source| source.remember_until(now)).unwrap_or(0);
        self.gateway.tokens.borrow_mut().put(tag, length, Arc::clone(&identity), until, epoch);
        Ok(identity)
    }

    /// Stands for everything that remembered verifications rest on; the plan lives as long as the isolate.
    fn epoch(&self) -> u64 {
        self.gateway.keys.iter().map(|keys| keys.borrow().as_ref().map_or(0, Source::epoch)).sum()
    }

    fn source<T>(&self, issuer: u32, ask: impl FnOnce(&mut Source) -> T) -> Option<T> {
        self.gateway.keys.get(issuer as usize)?.borrow_mut().as_mut().map(ask)
    }

    /// Makes the issuer's source of keys known, once for the isolate.
    fn open(&self, keys: &Keys, issuer: u32) -> Result<(), Fault> {
        if self.source(issuer, |_| ()).is_some() {
            return Ok(());
        }
        let secret = match keys {
            Keys::Secret(name) => self.host.secret(name),
            _ => None,
        };
        let source = Source::new(keys, secret.as_deref()).map_err(|reason| match keys {
            Keys::Secret(name) => secret_missing(name),
            _ => auth::refuse(reason),
        })?;
        if let Some(place) = self.gateway.keys.get(issuer as usize) {
            *place.borrow_mut() = Some(source);
        }
        Ok(())
    }

    /// Verifies a token's signature; the answer is the epoch of the keys that did.
    async fn verify(
        &self,
        shared: &Shared,
        timeout: &Timeout,
        issuer: u32,
        pending: &Pending<'_>,
    ) -> Result<u64, Fault> {
        let Some(keys) = shared.issuers.get(issuer as usize).map(|issuer| &issuer.keys) else {
            return Err(super::unusable().private("the route names an issuer that the plan does not have"));
        };
        self.open(keys, issuer)?;
        for _ in 0..2 {
            let set = self.keys(keys, timeout, issuer, pending).await?;
            let epoch = self.epoch();
            if self.any_verifies(&set, pending).await {
                return Ok(epoch);
            }
            if !self.renewed(keys, timeout, issuer).await {
                break;
            }
        }
        Err(auth::refuse(Reason::TokenSignature))
    }

    /// Whether the issuer has other keys than those just tried: it may have changed a key and kept its id.
    async fn renewed(&self, keys: &Keys, timeout: &Timeout, issuer: u32) -> bool {
        let epoch = self.source(issuer, |source| source.epoch());
        loop {
            let now = self.host.now() / 1000;
            match self.source(issuer, |source| source.refetch(now)) {
                Some(Need::Fetch(ticket)) => return self.fetch_keys(keys, issuer, ticket).await,
                Some(Need::Wait(_)) if self.patience(timeout).is_some() => self.host.wait(LOOK).await,
                _ => return false,
            }
            if self.source(issuer, |source| source.epoch()) != epoch {
                return true;
            }
        }
    }

    async fn any_verifies(&self, keys: &KeySet, pending: &Pending<'_>) -> bool {
        for key in keys.candidates(pending.kid.as_deref(), pending.algorithm) {
            let signature = Signature {
                algorithm: pending.algorithm,
                jwk: key.jwk().to_owned(),
                input: pending.signing_input.to_owned(),
                signature: pending.signature.clone(),
            };
            // A key that the host cannot use verifies nothing.
            if self.host.verify(signature).await.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    /// The issuer's keys, fetched if need be.
    async fn keys(
        &self,
        keys: &Keys,
        timeout: &Timeout,
        issuer: u32,
        pending: &Pending<'_>,
    ) -> Result<Arc<KeySet>, Fault> {
        let unavailable = |wait: u64| {
            auth::refuse(Reason::IssuerUnavailable).header("retry-after", wait.max(1).to_string())
        };
        loop {
            let now = self.host.now() / 1000;
            let ask = |source: &mut Source| source.need(now, pending.kid.as_deref(), pending.algorithm);
            match self.source(issuer, ask).unwrap_or(Need::Unknown) {
                Need::Use(keys) => return Ok(keys),
                Need::Refresh(keys) => {
                    self.host.refresh();
                    return Ok(keys);
                }
                Need::Fetch(ticket) => {
                    self.fetch_keys(keys, issuer, ticket).await;
                    // What came too late for this request serves the next.
                    if self.patience(timeout).is_none() {
                        return Err(unavailable(1));
                    }
                }
                // Bounded: the fetch that is waited for has a deadline, after which this request fetches itself.
                Need::Wait(_) if self.patience(timeout).is_some() => self.host.wait(LOOK).await,
                Need::Wait(_) => return Err(unavailable(1)),
                Need::Unknown => return Err(auth::refuse(Reason::TokenKeyUnknown)),
                Need::Unavailable(until) => return Err(unavailable(until.saturating_sub(now))),
            }
        }
    }

    async fn fetch_keys(&self, keys: &Keys, issuer: u32, ticket: Ticket) -> bool {
        fetch_keys(self.gateway, self.host, keys, issuer, ticket).await
    }
}

/// Fetches the keys of an issuer whose time is over, if nobody does so yet: a task of its own, whose end no request waits
/// for.
pub async fn refresh<H: Host>(gateway: &Gateway, host: &H) {
    let (Some(router), now) = (gateway.router(), host.now() / 1000) else { return };
    let due = |keys: &RefCell<Option<Source>>| keys.borrow_mut().as_mut()?.due(now);
    let mut sources = (0_u32..).zip(&gateway.keys);
    let Some((issuer, ticket)) = sources.find_map(|(issuer, keys)| Some((issuer, due(keys)?))) else {
        return;
    };
    if let Some(issuer_of) = router.plan().shared().issuers.get(issuer as usize) {
        fetch_keys(gateway, host, &issuer_of.keys, issuer, ticket).await;
    }
}

/// Fetches a key set; whether the keys changed.
async fn fetch_keys<H: Host>(gateway: &Gateway, host: &H, keys: &Keys, issuer: u32, ticket: Ticket) -> bool {
    let (Keys::Jwks { url, .. }, Some(place)) = (keys, gateway.keys.get(issuer as usize)) else {
        return false;
    };
    let accept = "application/jwk-set+json, application/json";
    let fetch = Fetch {
        url: url.clone(),
        method: "GET".into(),
        via: None,
        base: Base::Isolate,
        edits: vec![Edit::Set("accept".into(), accept.into())],
        timeout: PATIENCE as u32,
    };
    let began = host.now();
    let body = match host.fetch(fetch).await {
        Ok(answer) if answer.status == 200 => {
            let left = PATIENCE.saturating_sub(host.now().saturating_sub(began)).max(1);
            host.read(answer, MAX_SET as u32, left as u32).await.ok()
        }
        _ => None,
    };
    let (now, set) = (host.now() / 1000, body.map(|body| KeySet::parse(&body)));
    place.borrow_mut().as_mut().is_some_and(|source| source.fetched(now, ticket, set))
}

/// The fault of a route whose secret is not bound.
pub(super) fn secret_missing(name: &str) -> Fault {
    auth::refuse(Reason::SecretMissing).private(format!("secret {name} is not bound, or too short"))
}
