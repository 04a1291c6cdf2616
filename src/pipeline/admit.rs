//! What a request must be before anything else is asked: well-formed, and meant for a route.

use super::exchange::Exchange;
use super::identify::secret_missing;
use super::outcome::{Reply, Response};
use super::record::Phase;
use super::view::View;
use crate::fault::{Fault, Reason};
use crate::header::{Headers, is_token};
use crate::plan::Shared;
use crate::policy::headers::Edit;
use crate::policy::https::Https;
use crate::ports::{Fact, Host, Message};
use crate::routing::path::{self, Leniency};
use crate::routing::{Asked, Facts, Found, Miss, Router, host};
use crate::upstream::forwarded::{Hops, max_forwards};
use std::borrow::Cow;

/// The longest method.
const METHOD: usize = 32;

/// A request in its one canonical form.
pub struct Request<'a> {
    pub method: &'a str,
    pub https: bool,
    /// The host with its port, unless that is the scheme's own: what origins are told, and cache keys hold.
    pub authority: Cow<'a, str>,
    pub host: Cow<'a, str>,
    pub path: Cow<'a, str>,
    pub query: Option<Cow<'a, str>>,
}

impl Request<'_> {
    /// What the router is asked.
    pub fn asked<'p, 'f>(&'p self, facts: Option<&'f dyn Facts>) -> Asked<'p, 'f> {
        let query = self.query.as_deref();
        Asked { method: self.method, host: &self.host, path: &self.path, query, facts }
    }
}

/// What the router may look at of a request beside its line.
pub struct Seen<'a, H>(pub &'a H);

impl<H: Host> Facts for Seen<'_, H> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.header(Message::Request, name)
    }

    fn certificate(&self) -> bool {
        self.0.fact(Fact::Certificate).is_some()
    }
}

impl<H: Host> Exchange<'_, H> {
    pub(super) fn admit<'r>(&self, method: &'r str, url: &'r str) -> Result<Request<'r>, Fault> {
        if !is_token(method) || method.len() > METHOD || matches!(method, "CONNECT" | "TRACE" | "TRACK") {
            return Err(Fault::new(Reason::MethodUnknown, "The gateway does not forward this method."));
        }
        let target = path::split(url)?;
        let host = host::canonical(target.authority)?;
        if target.path == "*" {
            return Err(Fault::new(
                Reason::NotFound,
                "The gateway answers for routes, not for itself as a whole.",
            ));
        }
        let lenient = Leniency { encoded_slashes: true };
        let merge = self.gateway.router().is_some_and(|router| router.plan().shared().gateway.merge_slashes);
        let path = match path::merged(target.path) {
            Cow::Owned(merged) if merge => Cow::Owned(path::canonical(&merged, lenient)?.into_owned()),
            _ => path::canonical(target.path, lenient)?,
        };
        let query = target.query.map(path::canonical_query).transpose()?;
        let authority = host::authority(target.authority, &host, target.https);
        Ok(Request { method, https: target.https, authority, host, path, query })
    }

    /// The answer to a CORS preflight: before authentication, which browsers leave out of it.
    pub(super) fn preflight(&mut self, router: &Router, request: &Request<'_>) -> Option<Response> {
        if request.method != "OPTIONS" {
            return None;
        }
        self.enter(Phase::Preflight);
        let headers = View::few(self.host, Message::Request);
        let method = headers.get("access-control-request-method")?;
        let shared = router.plan().shared();
        let asked = Asked { method: &method, ..request.asked(None) };
        let cors = match router.find(&asked) {
            Ok(found) => {
                self.matched(shared, &found.route, &found.params);
                found.route.cors
            }
            Err(
                Miss::Method { api, .. }
                | Miss::Options { api, .. }
                | Miss::Slash { api, .. }
                | Miss::NotFound { api: Some(api) },
            ) => self.belongs(shared, api)?.cors,
            Err(_) => None,
        };
        self.enter(Phase::Preflight);
        let preflight = shared.cors.get(cors? as usize)?.preflight(request.method, &headers)?;
        let headers =
            preflight.headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Some(Response::Reply(Reply { status: 204, headers, body: String::new() }))
    }

    /// The route; or the answer to an `OPTIONS` request that no route takes, or that may go no further.
    pub(super) fn find<'r, 'q>(
        &mut self,
        router: &'r Router,
        request: &'q Request<'_>,
    ) -> Result<Result<Found<'r, 'q>, Response>, Fault> {
        let shared = router.plan().shared();
        let facts = Seen(self.host);
        let miss = match router.find(&request.asked(Some(&facts))) {
            Ok(found) => {
                self.matched(shared, &found.route, &found.params);
                self.share(shared, found.route.cors);
                self.stay_with_https(shared, found.route.hsts.as_ref(), request);
                self.in_service(shared, found.route.api)?;
                self.enter(Phase::Paths);
                path::permitted(&request.path, found.route.paths)?;
                if self.ends_here(request.method) {
                    return Ok(Err(Response::Reply(Reply { status: 204, ..Reply::default() })));
                }
                return Ok(Ok(found));
            }
            Err(miss) => miss,
        };
        if let Miss::NotFound { api: Some(api) }
        | Miss::Method { api, .. }
        | Miss::Options { api, .. }
        | Miss::Slash { api, .. } = &miss
        {
            self.missed = Some(*api);
            let api_of = self.belongs(shared, *api);
            self.share(shared, api_of.and_then(|api| api.cors));
            self.stay_with_https(shared, api_of.and_then(|api| api.hsts.as_ref()), request);
            self.in_service(shared, *api)?;
        } else {
            self.missed = router.near(&request.asked(None));
        }
        self.enter(Phase::Match);
        match miss {
            Miss::NotFound { .. } => {
                Err(Fault::new(Reason::NotFound, "No route matches this host and path."))
            }
            Miss::Method { allow, .. } => {
                let detail = format!("This path has no route for the method. It has {allow}.");
                Err(Fault::new(Reason::MethodNotAllowed, detail).header("allow", allow))
            }
            Miss::Options { allow, .. } => {
                let headers = vec![("allow".into(), allow.into())];
                Ok(Err(Response::Reply(Reply { status: 204, headers, body: String::new() })))
            }
            Miss::Slash { path, .. } => {
                let location = match &request.query {
                    Some(query) => [&path, "?", query].concat(),
                    None => path,
                };
                let headers = vec![("location".into(), location.into())];
                Ok(Err(Response::Reply(Reply { status: 308, headers, body: String::new() })))
            }
            Miss::Unusable(part) => Err(super::unusable().private(format!("{part:?}"))),
        }
    }

    /// Whether `Max-Forwards` makes the gateway the last recipient.
    fn ends_here(&self, method: &str) -> bool {
        method == "OPTIONS" && max_forwards(method, &View::few(self.host, Message::Request)) == Hops::Last
    }

    /// CORS fields of whatever answers.
    fn share(&mut self, shared: &Shared, cors: Option<u32>) {
        let Some(cors) = cors.and_then(|index| shared.cors.get(index as usize)) else { return };
        self.enter(Phase::Cors);
        let host = self.host;
        cors.response_edits(|| host.header(Message::Request, "origin"), &mut self.edits);
    }

    /// Browsers are told to come by HTTPS, if they did (RFC 6797 §7.2).
    fn stay_with_https(&mut self, shared: &Shared, hsts: Option<&String>, request: &Request<'_>) {
        if let Some(hsts) = hsts.filter(|_| self.by_https(shared, request)) {
            self.edits.push(Edit::Set("strict-transport-security".into(), hsts.clone().into()));
        }
    }

    fn in_service(&self, shared: &Shared, api: u32) -> Result<(), Fault> {
        self.enter(Phase::Version);
        match shared.apis.get(api as usize).and_then(|api| api.status.fault()) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// What the route demands of every request; the answer to one that is to come again by HTTPS.
    pub(super) fn guard(
        &self,
        shared: &Shared,
        found: &Found<'_, '_>,
        request: &Request<'_>,
    ) -> Result<Option<Response>, Fault> {
        let route = &found.route;
        if route.https != Https::Optional {
            self.enter(Phase::Https);
            let refused = if self.by_https(shared, request) { None } else { route.https.admit()? };
            if let Some(redirect) = refused {
                let mut elsewhere = self.redirect(shared, redirect, request, &found.params)?;
                if let Response::Reply(reply) = &mut elsewhere {
                    // Behind a proxy that ends TLS, a cache in between may take both schemes for one URL.
                    reply.headers.push(("cache-control".into(), "no-store".into()));
                }
                return Ok(Some(elsewhere));
            }
        }
        if let Some(rule) = &route.maintenance {
            self.enter(Phase::Maintenance);
            self.maintained(shared, rule)?;
        }
        for name in &route.secrets {
            self.enter(Phase::Secrets);
            if self.host.secret(name).is_none_or(|secret| secret.is_empty()) {
                return Err(secret_missing(name));
            }
        }
        if let Some(rule) = &route.csrf {
            self.enter(Phase::Csrf);
            self.same_site(shared, rule, request)?;
        }
        if let Some(body) = &route.body {
            self.enter(Phase::Body);
            let length = self.header("content-length");
            let has_body = || self.host.fact(Fact::HasBody).is_some();
            body.admit(length.as_deref(), length.is_none() && has_body())?;
        }
        Ok(None)
    }
}
