//! Where events go, after the response.

use super::gateway::Gateway;
use crate::event::journal::{self, SHARDS, Verb};
use crate::event::queue::{Batch, Weighed};
use crate::fault::Reason;
use crate::plan::Shared;
use crate::ports::{Ask, Class, Host};

/// Milliseconds that the journal may take for a batch.
const DEADLINE: u32 = 5_000;
/// Sends a batch of what is queued to the analytics sink and the journal: one, for the sink takes 250 points of one
/// request.
pub async fn flush<H: Host>(gateway: &Gateway, host: &H) {
    drain(gateway, host, 1).await;
}

/// Sends as many batches.
pub(super) async fn drain<H: Host>(gateway: &Gateway, host: &H, batches: usize) {
    let Some(router) = gateway.router() else { return };
    let (shared, hash) = (router.plan().shared(), router.plan().hash());
    for _ in 0..batches {
        let Some(batch) = gateway.events.borrow_mut().batch() else { return };
        // A batch that is sent again has had its points.
        if batch.failures == 0 {
            batch.events.iter().for_each(|weighed| point(host, shared, hash, weighed));
        }
        if !store(gateway, host, shared, hash, &batch).await {
            gateway.events.borrow_mut().restore(batch);
            return;
        }
    }
}

/// Whether the journal has the batch.
async fn store<H: Host>(gateway: &Gateway, host: &H, shared: &Shared, hash: &str, batch: &Batch) -> bool {
    let lines: Vec<String> =
        batch.events.iter().map(|w| w.event.to_json(shared, hash, w.weight).to_string()).collect();
    let verb = Verb::Put {
        batch: format!("{}-{}", gateway.isolate(), batch.number),
        // Each shard keeps its part.
        keep: shared.gateway.history.div_ceil(SHARDS as u32),
        events: lines.join("\n").into(),
        count: lines.len() as u32,
    };
    let shard = u64::from_str_radix(gateway.isolate(), 16).unwrap_or(0);
    let ask = Ask {
        class: Class::Journal,
        name: journal::shard(shard),
        message: journal::message(verb),
        deadline: DEADLINE,
    };
    let reply = host.ask(ask).await.ok();
    let reply = reply.and_then(|text| serde_json::from_str::<journal::Reply>(&text).ok());
    reply.is_some_and(|reply| reply.error.is_none())
}

/// A row of the analytics sink. The order of texts and numbers is an interface: append only.
fn point<H: Host>(host: &H, shared: &Shared, hash: &str, Weighed { event, weight }: &Weighed) {
    let api = event.api.and_then(|api| shared.apis.get(api as usize));
    let consumer = event.identity.as_ref().map_or("", |identity| &identity.consumer);
    let limit = event.limit.and_then(|state| shared.limits.get(state.limit as usize));
    let name = event.route_name(shared);
    let blobs = [
        event.id.as_str(),
        name.as_str(),
        api.map_or("", |api| &api.name),
        api.map_or("", |api| &api.version),
        hash,
        consumer,
        event.method.as_str(),
        event.reason.map_or("", Reason::code),
        event.cache.word(),
        limit.map_or("", |limit| &limit.id),
        event.colo.as_deref().unwrap_or(""),
        event.country.as_deref().unwrap_or(""),
    ];
    let doubles = [
        f64::from(*weight),
        f64::from(event.status),
        f64::from(event.took),
        f64::from(event.origin),
        event.bytes_in as f64,
        event.bytes_out as f64,
        event.attempts.len() as f64,
    ];
    host.point(&name, &blobs, &doubles);
}
