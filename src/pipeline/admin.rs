//! `/_tollgate`: health for everybody, records for debug tokens, the rest for administrators.

use super::admit::Request;
use super::debug;
use super::exchange::Exchange;
use super::outcome::{Reply, Response};
use crate::event::Event;
use crate::event::journal::{self, SHARDS, Verb};
use crate::fault::{Fault, Reason};
use crate::plan::Shared;
use crate::ports::{Ask, Class, Host};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;

/// First segment of the gateway's own paths.
pub const PREFIX: &str = "/_tollgate";
/// Binding of the administrator's token.
pub const TOKEN: &str = "TOLLGATE_ADMIN_TOKEN";
/// Shortest token accepted, in bytes: a shorter one can be guessed.
const SHORTEST: usize = 16;
/// Milliseconds that the journal may take.
const DEADLINE: u32 = 5_000;
/// Events that a list shows unless asked otherwise.
const PAGE: u32 = 50;

/// Whether a canonical path is the gateway's own.
pub fn owns(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl<H: Host> Exchange<'_, H> {
    /// Answers one of the gateway's own paths.
    pub(super) async fn administer(
        &mut self,
        shared: &Shared,
        hash: &str,
        request: &Request<'_>,
    ) -> Result<Response, Fault> {
        self.event.own = true;
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
        if !matches!(request.method, "GET" | "HEAD") {
            let fault = Fault::new(Reason::MethodNotAllowed, "Only GET and HEAD are served here.");
            return Err(fault.header("allow", "GET, HEAD"));
        }
        if path == "/health" {
            return Ok(ok(&json!({"status": "ok", "plan": hash})));
        }
        // Whoever has no good debug token is told what every other path here says.
        if let Some(id) = path.strip_prefix("/records/")
            && let Some(grant) = debug::grant(self.gateway, self.host)
        {
            return self.kept(&grant, id).await;
        }
        self.authorize_administrator()?;
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["", "status"] => Ok(ok(&self.status(shared, hash))),
            ["", "events"] => {
                let limit = parameter(request.query.as_deref(), "limit")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(PAGE);
                let limit = limit.clamp(1, journal::PAGE);
                let held = self.held(shared, hash, limit as usize, |_| true);
                let mut events = self.journal(held, || Verb::List { limit }).await?;
                events.truncate(limit as usize);
                Ok(ok(&json!({ "events": events })))
            }
            ["", "events", id] => {
                let held = self.held(shared, hash, 1, |event| event.id == *id);
                let mut events = self.journal(held, || Verb::Find { id: (*id).to_owned() }).await?;
                match events.pop() {
                    Some(event) => Ok(ok(&event)),
                    None => Err(Fault::new(Reason::NotFound, "No event of this request id is kept.")),
                }
            }
            _ => Err(Fault::new(Reason::NotFound, "The gateway serves health, status and events here.")),
        }
    }

    fn authorize_administrator(&self) -> Result<(), Fault> {
        let Some(token) = self.host.secret(TOKEN).filter(|token| token.len() >= SHORTEST) else {
            return Err(Fault::new(Reason::SecretMissing, "The gateway has no administrator's token.")
                .private(format!("{TOKEN} is not bound, or shorter than {SHORTEST} bytes")));
        };
        let field = self.header("authorization");
        let given = field.as_deref().and_then(|field| crate::policy::auth::bearer(field).ok()).unwrap_or("");
        if bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
            return Ok(());
        }
        Err(Fault::new(Reason::AdminDenied, "This path needs the administrator's token.")
            .header("www-authenticate", r#"Bearer realm="tollgate-admin""#))
    }

    fn status(&self, shared: &Shared, hash: &str) -> Value {
        let missing: Vec<&String> = shared
            .secrets
            .iter()
            .filter(|name| self.host.secret(name).is_none_or(|s| s.is_empty()))
            .collect();
        json!({
            "status": if missing.is_empty() { "ok" } else { "degraded" },
            "plan": hash,
            "environment": shared.environment,
            "version": env!("CARGO_PKG_VERSION"),
            "isolate": self.gateway.isolate(),
            "apis": shared.apis.iter().map(|api| format!("{}/{}", api.name, api.version)).collect::<Vec<_>>(),
            "secrets_missing": missing,
            "events_lost": self.gateway.events.borrow().lost(),
        })
    }

    /// Events that this isolate still holds, newest first, at most so many.
    fn held(&self, shared: &Shared, hash: &str, most: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Value> {
        let events = self.gateway.events.borrow();
        let wanted = events.newest_first().filter(|weighed| wanted(&weighed.event));
        wanted.take(most).map(|weighed| weighed.event.to_json(shared, hash, weighed.weight)).collect()
    }

    /// The events `held` here and those of every shard, newest first. A batch of what is held goes to its sinks before.
    async fn journal(&self, held: Vec<Value>, verb: impl Fn() -> Verb<'static>) -> Result<Vec<Value>, Fault> {
        super::sinks::flush(self.gateway, self.host).await;
        let asks = (0..SHARDS).map(|shard| {
            self.host.ask(Ask {
                class: Class::Journal,
                name: journal::shard(shard),
                message: journal::message(verb()),
                deadline: DEADLINE,
            })
        });
        // What is held may have reached the journal all the same: in the batch just sent, or in one without an answer.
        let id = |event: &Value| event.get("id").and_then(Value::as_str).map(str::to_owned);
        let known: BTreeSet<Option<String>> = held.iter().map(id).collect();
        let mut events = held;
        for reply in join_all(asks).await {
            let text = reply.map_err(|error| unreadable(&error.0))?;
            let reply: journal::Reply =
                serde_json::from_str(&text).map_err(|e| unreadable(&e.to_string()))?;
            if let Some(error) = reply.error {
                return Err(unreadable(&error));
            }
            let read = reply.events.iter().filter_map(|event| serde_json::from_str(event.get()).ok());
            events.extend(read.filter(|event| !known.contains(&id(event))));
        }
        let at = |event: &Value| event.get("at").and_then(Value::as_u64).unwrap_or(0);
        events.sort_by_key(|event| std::cmp::Reverse(at(event)));
        Ok(events)
    }
}

fn ok(body: &Value) -> Response {
    Response::Reply(Reply::json(200, body))
}

fn unreadable(why: &str) -> Fault {
    Fault::new(Reason::GatewayFault, "The journal could not be read.").private(why)
}

fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
