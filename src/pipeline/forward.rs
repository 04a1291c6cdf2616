//! One upstream: what is sent of a request, and what is passed on of the answer.

use super::admit::Request;
use super::debug;
use super::exchange::Exchange;
use super::outcome::Relay;
use super::record::Side;
use super::send::Parcel;
use super::view::View;
use crate::fault::Fault;
use crate::header::{Headers, same_field};
use crate::plan::{Action, Forward, Route, Shared};
use crate::policy::auth::{self, Auth};
use crate::policy::cors;
use crate::policy::headers::Edit;
use crate::ports::{Base, Fact, Host, Message};
use crate::routing::Params;
use crate::upstream::forwarded::{self, Hops};
use crate::upstream::{choose, hop};

impl<H: Host> Exchange<'_, H> {
    /// `sent` are the edits of [`Exchange::outbound`], where somebody has made them already.
    pub(super) async fn forward(
        &mut self,
        shared: &Shared,
        route: &Route,
        forward: &Forward,
        request: &Request<'_>,
        params: &Params<'_, '_>,
        sent: Option<Vec<Edit>>,
    ) -> Result<Relay, Fault> {
        let view = match &sent {
            Some(_) => View::few(self.host, Message::Request),
            None => View::names(self.gateway, self.host, Message::Request),
        };
        let websocket = hop::is_websocket(request.method, &view);
        let edits = match sent {
            Some(edits) => edits,
            None => self.outbound(&view, shared, route, request, websocket)?,
        };

        let backend = self.backend(route);
        let rewrite = backend.and_then(|backend| backend.rewrite.as_ref()).or(forward.rewrite.as_ref());
        let path = match rewrite {
            Some(rewrite) => rewrite.apply(&request.path, |name| params.get(name))?,
            None => request.path.to_string(),
        };
        // A GET has no body, whatever it says of its length.
        let bodiless = matches!(request.method, "GET" | "HEAD") || self.host.fact(Fact::HasBody).is_none();
        let again = choose::may_send_again(request.method, !bodiless);
        let (upstream, failover) =
            backend.map_or((forward.upstream, forward.failover), |own| (own.upstream, own.failover));
        let timeout = backend.and_then(|backend| backend.timeout.as_ref()).unwrap_or(&route.timeout);
        let parcel = Parcel {
            upstream,
            call: "",
            method: request.method,
            target: with_query(path, request.query.as_deref()),
            base: if bodiless { Base::Headers } else { Base::Whole },
            edits,
            websocket,
            tries: if again { u32::from(failover) + 1 } else { 1 },
        };
        // A handshake cannot be copied: there would be two ends of one conversation.
        if !forward.mirrors.is_empty() && !websocket {
            self.mirror(shared, &forward.mirrors, &parcel);
        }
        let (began, mut attempts) = (self.host.now(), Vec::with_capacity(1));
        let result = self.send(shared, timeout, parcel, &mut attempts).await;
        self.event.attempts = attempts;
        self.event.origin = self.host.now().saturating_sub(began) as u32;
        let answer = result.map_err(|error| error.fault(&shared.gateway.name))?;
        let view = View::names(self.gateway, self.host, Message::Answer(answer));
        let (mut edits, mut mark) = (hop::response_edits(&view, answer.status == 101), 0);
        self.changed(Side::Response, "gateway", &edits, &mut mark);
        if route.cors.is_some() {
            edits.extend(view.present(&cors::FIELDS).iter().map(|name| Edit::Remove((*name).into())));
        }
        self.changed(Side::Response, "cors", &edits, &mut mark);
        Ok(Relay { answer, bodiless: None, edits, store: None })
    }

    /// Edits that make of a client's request the one that an origin gets.
    pub(super) fn outbound(
        &self,
        view: &View<'_, H>,
        shared: &Shared,
        route: &Route,
        request: &Request<'_>,
        websocket: bool,
    ) -> Result<Vec<Edit>, Fault> {
        let (mut edits, mut mark) = (hop::request_edits(view, websocket)?, 0);
        self.changed(Side::Request, "gateway", &edits, &mut mark);
        let claims = &shared.claim_headers;
        let reserved = |name: &str| {
            same_field(name, debug::FIELD)
                || auth::is_reserved(None, name)
                || claims.iter().any(|claim| same_field(claim, name))
                || forwarded::is_disguised(name)
        };
        edits.extend(view.chosen(reserved).into_iter().map(Edit::Remove));
        self.changed(Side::Request, "identity", &edits, &mut mark);
        let backend = self.backend(route);
        let host = backend.and_then(|backend| backend.told_host.as_deref()).or_else(|| told_host(route));
        edits.extend(self.told(view, shared, request, host)?);
        if let Hops::Forward(edit) = forwarded::max_forwards(request.method, view) {
            edits.push(edit);
        }
        self.changed(Side::Request, "gateway", &edits, &mut mark);
        if let Some(rule) = &route.auth {
            if !rule.keep_credentials {
                edits.push(Edit::Remove("authorization".into()));
            }
            self.introduce(shared, rule, &mut edits);
        }
        self.changed(Side::Request, "auth", &edits, &mut mark);
        route.headers.request_edits(&self.captured, &mut edits);
        self.changed(Side::Request, "headers", &edits, &mut mark);
        if let Some(backend) = backend {
            edits.extend(self.canary_header(route).map(|name| Edit::Remove(name.clone().into())));
            backend.headers.request_edits(&self.captured, &mut edits);
            self.changed(Side::Request, "backends", &edits, &mut mark);
        }
        Ok(edits)
    }

    /// What an origin is told of the way here; `host` in place of the client's.
    pub(super) fn told(
        &self,
        view: &View<'_, H>,
        shared: &Shared,
        request: &Request<'_>,
        host: Option<&str>,
    ) -> Result<Vec<Edit>, Fault> {
        let address = self.host.fact(Fact::Address).unwrap_or_default();
        let scheme = if request.https { "https" } else { "http" };
        let address = forwarded::without_port(&address);
        let client = forwarded::Client { address, host: host.unwrap_or(&request.authority), scheme };
        let gateway = &shared.gateway;
        let mut edits = forwarded::request_edits(view, &client, &gateway.name, gateway.trust_forwarded)?;
        if let Some(host) = host.filter(|_| gateway.trust_forwarded) {
            edits.push(Edit::Set("x-forwarded-host".into(), host.to_owned().into()));
        }
        edits.push(Edit::Set(super::REQUEST_ID.into(), self.event.id.clone().into()));
        Ok(edits)
    }

    /// Tells an origin who calls.
    pub(super) fn introduce(&self, shared: &Shared, rule: &Auth, edits: &mut Vec<Edit>) {
        let Some(identity) = &self.event.identity else { return };
        let Some(issuer) = shared.issuers.get(identity.issuer as usize) else { return };
        rule.identity_headers(issuer, identity, |name, value| {
            edits.push(Edit::Set(name.to_owned().into(), value.into_owned().into()));
        });
    }
}

/// The host that the route tells its origin.
fn told_host(route: &Route) -> Option<&str> {
    match &route.action {
        Action::Forward(forward) => forward.told_host.as_deref(),
        _ => None,
    }
}

/// A path with the client's query behind its own.
fn with_query(mut target: String, query: Option<&str>) -> String {
    if let Some(query) = query {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(query);
    }
    target
}
