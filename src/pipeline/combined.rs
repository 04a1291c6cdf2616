//! A combined route: its calls in parallel, under one deadline, and one merged answer.
//!
//! Nothing of the client's request is passed on but what a call lists. The answer is never stored.

use super::admit::Request;
use super::exchange::Exchange;
use super::outcome::{Reply, Response};
use super::record::Side;
use super::send::Parcel;
use super::view::View;
use crate::event::Attempt;
use crate::fault::Fault;
use crate::header::Headers;
use crate::plan::{Route, Shared};
use crate::policy::combine::{Call, Combine, Failure};
use crate::policy::headers::Edit;
use crate::ports::{Base, FetchFault, Host, Message};
use crate::routing::Params;
use crate::upstream::error::ProxyError;
use futures_util::future::join_all;

/// Targets that a call tries: all are reads.
const TRIES: u32 = 2;

/// How a call ended, and its attempts.
struct Part {
    body: Result<String, Failure>,
    attempts: Vec<Attempt>,
}

impl<H: Host> Exchange<'_, H> {
    pub(super) async fn combine(
        &mut self,
        shared: &Shared,
        route: &Route,
        combine: &Combine,
        request: &Request<'_>,
        params: &Params<'_, '_>,
    ) -> Result<Response, Fault> {
        let view = View::many(self.host, Message::Request);
        let mut edits = self.told(&view, shared, request, None)?;
        let mut mark = 0;
        self.changed(Side::Request, "gateway", &edits, &mut mark);
        edits.push(Edit::Set("accept".into(), "application/json".into()));
        if let Some(rule) = &route.auth {
            self.changed(Side::Request, "combine", &edits, &mut mark);
            self.introduce(shared, rule, &mut edits);
        }
        self.changed(Side::Request, "auth", &edits, &mut mark);
        route.headers.request_edits(&self.captured, &mut edits);
        self.changed(Side::Request, "headers", &edits, &mut mark);
        let began = self.host.now();
        let paths: Result<Vec<String>, Fault> =
            combine.calls.iter().map(|call| call.path.apply(|name| params.get(name))).collect();
        let calls = combine.calls.iter().zip(paths?).map(|(call, path)| {
            let forwarded = call.forward_headers.iter();
            let passed = forwarded
                .filter_map(|name| Some(Edit::Set(name.clone().into(), view.get(name)?.into_owned().into())));
            let edits = passed.chain(edits.iter().cloned()).collect();
            self.call(shared, route, call, path, edits)
        });
        let parts = join_all(calls).await;
        drop(view);
        self.event.origin = self.host.now().saturating_sub(began) as u32;
        let mut bodies = Vec::with_capacity(parts.len());
        for part in parts {
            self.event.attempts.extend(part.attempts);
            bodies.push(part.body);
        }
        let merged = combine.merge(&bodies, &shared.gateway.name)?;
        let headers = merged.headers().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Response::Reply(Reply { status: 200, headers, body: merged.body }))
    }

    /// One call: fetched and read, within what is left of the route's time.
    async fn call(
        &self,
        shared: &Shared,
        route: &Route,
        call: &Call,
        path: String,
        edits: Vec<Edit>,
    ) -> Part {
        let parcel = Parcel {
            upstream: call.upstream,
            call: &call.name,
            method: "GET",
            target: path,
            base: Base::Nothing,
            edits,
            websocket: false,
            tries: TRIES,
        };
        let mut attempts = Vec::with_capacity(1);
        let body = match self.send(shared, &route.timeout, parcel, &mut attempts).await {
            Ok(answer) if (200..300).contains(&answer.status) => {
                let body =
                    self.host.read(answer, call.max_bytes, self.patience(&route.timeout).unwrap_or(1)).await;
                body.map_err(|why| match why {
                    FetchFault::TooLarge => Failure::TooLarge,
                    why => Failure::Proxy(ProxyError::of(&why)),
                })
            }
            Ok(answer) => Err(Failure::Status(answer.status)),
            Err(error) => Err(Failure::Proxy(error)),
        };
        Part { body, attempts }
    }
}
