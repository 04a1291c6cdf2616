//! Where events go, after the response.

use super::gateway::Gateway;
use crate::event::journal::{self, SHARDS, Verb};
use crate::event::queue::{Batch, Weighed};
use crate::fault::Reason;
use crate::plan::Shared;
use crate::ports::{Ask, Class, Host};

/// Milliseconds that the journal may take for a batch.
const DEADLINE: u32 = 5_000;
/// Longest index that the analytics sink takes, in bytes.
const INDEX: usize = 96;
/// Longest text of a point in bytes: with all of them it stays below the 5 KB that the sink took of a point at first.
const BLOB: usize = 400;

/// Sends a batch of what is queued to the analytics sink and the journal: one, for the sink takes so many points of
/// one invocation.
pub async fn flush<H: Host>(gateway: &Gateway, host: &H) {
    let Some(router) = gateway.router() else { return };
    let (shared, hash) = (router.plan().shared(), router.plan().hash());
    let Some(batch) = gateway.events.borrow_mut().batch() else { return };
    // A batch that is sent again has had its points.
    if batch.failures == 0 {
        batch.events.iter().for_each(|weighed| point(host, shared, hash, weighed));
    }
    let mut leaving = Leaving { gateway, batch: Some(batch) };
    if let Some(batch) = &leaving.batch
        && store(gateway, host, shared, hash, batch).await
    {
        leaving.batch = None;
    }
}

/// A batch on its way to the journal. Whatever ends the way, the platform's own limits too, it is not lost.
struct Leaving<'a> {
    gateway: &'a Gateway,
    batch: Option<Batch>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.gateway.events.borrow_mut().restore(batch);
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

/// A row of the analytics sink, as `docs/events.md` describes it. The order of texts and numbers is an interface:
/// append only.
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
        cut(event.backend_name().unwrap_or(""), INDEX),
    ];
    let blobs = blobs.map(|blob| cut(blob, BLOB));
    let known = |bytes: Option<u64>| if bytes.is_some() { 1.0 } else { 0.0 };
    let doubles = [
        *weight,
        f64::from(event.status),
        f64::from(event.took),
        f64::from(event.origin),
        event.bytes_in.unwrap_or(0) as f64,
        event.bytes_out.unwrap_or(0) as f64,
        event.attempts.len() as f64,
        known(event.bytes_in),
        known(event.bytes_out),
    ];
    host.point(cut(&name, INDEX), &blobs, &doubles);
}

/// The beginning of a text: so many bytes at most, and no half character.
fn cut(text: &str, most: usize) -> &str {
    (0..=most.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, most, cut_off) in
            [("abc", 3, "abc"), ("abc", 2, "ab"), ("aé", 2, "a"), ("", 0, ""), ("é", 1, "")]
        {
            assert_eq!(cut(text, most), cut_off, "{text}");
        }
    }
}
