//! What needs no upstream: answers of the route file, and refusals by maintenance and of cross-site requests.

use super::admit::Request;
use super::exchange::Exchange;
use super::limits::Facts;
use super::outcome::{Reply, Response};
use super::view::View;
use crate::fault::Fault;
use crate::limit::key;
use crate::plan::Shared;
use crate::policy::csrf::Csrf;
use crate::policy::maintenance::{Caller, Maintenance};
use crate::policy::redirect::{Asked, Redirect};
use crate::policy::respond::Respond;
use crate::ports::{Host, Message};
use crate::routing::{Params, host};
use std::borrow::Cow;
use std::net::IpAddr;

impl<H: Host> Exchange<'_, H> {
    pub(super) fn redirect(
        &self,
        shared: &Shared,
        redirect: &Redirect,
        request: &Request<'_>,
        params: &Params<'_, '_>,
    ) -> Result<Response, Fault> {
        let https = self.by_https(shared, request);
        let (host, authority) = self.addressed(shared, request, https);
        let asked = Asked {
            https,
            host: &host,
            authority: &authority,
            path: &request.path,
            query: request.query.as_deref(),
        };
        let location = redirect.location(&asked, |name| params.get(name))?;
        let headers = vec![("location".into(), location.into())];
        Ok(Response::Reply(Reply { status: redirect.status, headers, body: String::new() }))
    }

    pub(super) fn respond(&self, respond: &Respond) -> Response {
        let Respond { status, headers, body } = respond;
        Response::Reply(Reply { status: *status, headers: headers.clone(), body: body.clone() })
    }

    /// Whether a request may pass during maintenance.
    pub(super) fn maintained(&self, shared: &Shared, rule: &Maintenance) -> Result<(), Fault> {
        rule.admit(self.event.at, &Facts { exchange: self, shared })
    }

    /// Whether a request is none that another site made a browser send.
    pub(super) fn same_site(&self, shared: &Shared, rule: &Csrf, request: &Request<'_>) -> Result<(), Fault> {
        let (_, authority) = self.addressed(shared, request, self.by_https(shared, request));
        rule.admit(request.method, &authority, &View::few(self.host, Message::Request))
    }

    /// Whether the client came by HTTPS: by the word of the proxy in front, where that is trusted.
    pub(super) fn by_https(&self, shared: &Shared, request: &Request<'_>) -> bool {
        let told = || self.header("x-forwarded-proto").map(|scheme| scheme == "https");
        let told = if shared.gateway.trust_forwarded { told() } else { None };
        told.unwrap_or(request.https)
    }

    /// Host and authority that the client asked for: by the word of the proxy in front, where that is trusted.
    fn addressed<'r>(
        &self,
        shared: &Shared,
        request: &'r Request<'_>,
        https: bool,
    ) -> (Cow<'r, str>, Cow<'r, str>) {
        if shared.gateway.trust_forwarded
            && let Some(told) = self.header("x-forwarded-host")
            && let Ok(own) = host::canonical(&told)
        {
            let authority = host::authority(&told, &own, https).into_owned();
            return (own.into_owned().into(), authority.into());
        }
        (Cow::Borrowed(&request.host), Cow::Borrowed(&request.authority))
    }
}

impl<H: Host> Caller for Facts<'_, '_, H> {
    fn address(&self) -> Option<IpAddr> {
        key::Facts::address(self)
    }
    fn header(&self, name: &str) -> Option<String> {
        key::Facts::header(self, name).map(|value| value.into_owned())
    }
    fn secret(&self, name: &str) -> Option<String> {
        self.exchange.host.secret(name)
    }
}
