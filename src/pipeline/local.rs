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
use crate::routing::Params;
use std::net::IpAddr;

impl<H: Host> Exchange<'_, H> {
    pub(super) fn redirect(
        &self,
        redirect: &Redirect,
        request: &Request<'_>,
        params: &Params<'_, '_>,
    ) -> Result<Response, Fault> {
        let asked = Asked {
            https: request.https,
            host: &request.host,
            authority: &request.authority,
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
    pub(super) fn same_site(&self, rule: &Csrf, request: &Request<'_>) -> Result<(), Fault> {
        rule.admit(request.method, &request.authority, &View::few(self.host, Message::Request))
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
