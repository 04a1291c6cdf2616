//! Answers that need no upstream.

use super::admit::Request;
use super::exchange::Exchange;
use super::outcome::{Reply, Response};
use crate::fault::Fault;
use crate::policy::redirect::{Asked, Redirect};
use crate::policy::respond::Respond;
use crate::ports::Host;
use crate::routing::Params;

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
}
