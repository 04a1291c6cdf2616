//! Debug tokens: whoever carries one in `Tollgate-Debug` may read the full record of that request, and nothing else
//! follows from it. Whether a token is good changes no decision; one that is not changes nothing at all.
//!
//! A token is `tgd1.PAYLOAD.MAC`: base64url of a [`Scope`] as JSON, and of HMAC-SHA-256 over [`DOMAIN`] and the payload
//! under the secret [`KEY`]. It is for one gateway and environment, perhaps for one host and API, and for an hour at
//! most. The answer says the record's id in `Tollgate-Record`; the journal keeps the record until the token ends, and
//! gives it to that token alone.

use super::exchange::Exchange;
use super::gateway::Gateway;
use super::outcome::{Outcome, Reply, Response};
use super::record::{Record, Recorder};
use crate::event::journal::{self, Verb};
use crate::fault::{Fault, Reason};
use crate::plan::Shared;
use crate::policy::headers::Edit;
use crate::ports::{Ask, Class, Host, Message, Tell};
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Binding of the secret under which tokens are signed. Without it there are no records.
pub const KEY: &str = "TOLLGATE_DEBUG_KEY";
/// Field of the request that carries a token. It reaches no origin.
pub const FIELD: &str = "tollgate-debug";
/// Field of the answer that says that a record is kept; its value is the request's id.
pub const KEPT: &str = "tollgate-record";
/// Seconds that a token may last at most.
pub const LONGEST: u64 = 3600;
/// Shortest key, in bytes: a shorter one counts as not bound.
pub const SHORTEST: usize = 32;
/// Keeps these signatures apart from all others under the same key.
const DOMAIN: &[u8] = b"tollgate debug token 1\0";
const PREFIX: &str = "tgd1.";
/// Longest token, in bytes: what is longer is not looked at.
const MAX_TOKEN: usize = 768;
/// Longest record kept, in bytes.
const MAX_RECORD: usize = 48 * 1024;
/// Milliseconds that the journal may take.
const DEADLINE: u32 = 5_000;

/// What a token is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The gateway's name.
    pub gateway: String,
    /// The environment of its plan.
    pub environment: String,
    /// The host that alone is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `api`, `api/version` or `api/version/route`, to which alone requests may belong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// When it was made, milliseconds since 1970.
    pub issued: u64,
    /// When it ends, milliseconds since 1970.
    pub until: u64,
}

impl Scope {
    /// Of a token for all that a gateway does in an environment, made at `issued` and good for `lasts` milliseconds.
    pub fn new(gateway: &str, environment: &str, issued: u64, lasts: u64) -> Scope {
        Scope {
            gateway: gateway.to_owned(),
            environment: environment.to_owned(),
            issued,
            until: issued.saturating_add(lasts),
            ..Scope::default()
        }
    }

    /// The token; `None` if the key is too short.
    pub fn sign(&self, key: &str) -> Option<String> {
        let payload = serde_json::to_string(self).ok()?;
        let payload = Base64UrlUnpadded::encode_string(payload.as_bytes());
        let mac = mac(key, &payload)?.finalize().into_bytes();
        Some([PREFIX, &payload, ".", &Base64UrlUnpadded::encode_string(&mac)].concat())
    }

    /// What a token is for, if it is good for this gateway at this moment. The signature is compared in constant time,
    /// and nothing of the token is looked into before.
    fn read(token: &str, key: &str, shared: &Shared, now: u64) -> Option<Scope> {
        let (payload, signature) =
            token.strip_prefix(PREFIX).filter(|_| token.len() <= MAX_TOKEN)?.split_once('.')?;
        let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
        mac(key, payload)?.verify_slice(&signature).ok()?;
        let scope: Scope = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()?;
        let here = scope.gateway == shared.gateway.name && scope.environment == shared.environment;
        // Not longer from now on, and not longer from when it was made: no token is made for later.
        let soon = |from: u64| scope.until.saturating_sub(from) <= LONGEST * 1000;
        let lasts = scope.until > now && soon(now) && soon(scope.issued);
        (here && lasts).then_some(scope)
    }

    /// Whether a request's record may be read.
    fn covers(&self, record: &Record) -> bool {
        let event = &record.event;
        let api = |scope: &String| {
            let version = event.api.as_ref().zip(event.version.as_ref());
            let name = match (version, event.route.as_str()) {
                (Some((api, version)), "") => format!("{api}/{version}"),
                (_, route) => route.to_owned(),
            };
            name == *scope || name.strip_prefix(scope.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let host = |host: &String| record.request.as_ref().is_some_and(|request| request.host == *host);
        event.route != "_tollgate" && self.api.as_ref().is_none_or(api) && self.host.as_ref().is_none_or(host)
    }
}

fn mac(key: &str, payload: &str) -> Option<Hmac<Sha256>> {
    let key = Some(key).filter(|key| key.len() >= SHORTEST)?;
    Some(Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?.chain_update(DOMAIN).chain_update(payload))
}

/// A request that carries a good token.
pub struct Grant {
    scope: Scope,
    /// Names the token without telling it.
    owner: String,
    /// Takes the notes.
    pub recorder: Recorder,
}

/// What a request's debug token grants. Without the secret nothing is read of the request.
#[inline]
pub fn grant<H: Host>(gateway: &Gateway, host: &H) -> Option<Box<Grant>> {
    let key = gateway.debug_key(host)?;
    let token = host.header(Message::Request, FIELD)?;
    granted(gateway, key, &token, host.now())
}

#[cold]
fn granted(gateway: &Gateway, key: &str, token: &str, now: u64) -> Option<Box<Grant>> {
    let scope = Scope::read(token, key, gateway.router()?.plan().shared(), now)?;
    let owner = Sha256::digest(token.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Some(Box::new(Grant { scope, owner, recorder: Recorder::new(key.as_bytes()) }))
}

impl Grant {
    /// Keeps the record of a request that the token covers, and says so in the answer.
    #[cold]
    pub fn keep<H: Host>(&self, gateway: &Gateway, host: &H, outcome: &mut Outcome) {
        let Some(record) = outcome.record.take().filter(|record| self.scope.covers(record)) else { return };
        let verb = Verb::Keep {
            id: outcome.id.clone(),
            owner: self.owner.clone(),
            until: self.scope.until,
            record: bounded(*record).into(),
        };
        host.tell(Tell {
            class: Class::Journal,
            name: shard(gateway.isolate()),
            message: journal::message(verb),
        });
        let id = outcome.id.clone();
        match &mut outcome.response {
            Response::Reply(reply) => reply.headers.push((KEPT.into(), id.into())),
            Response::Relay(relay) => relay.edits.push(Edit::Set(KEPT.into(), id.into())),
        }
    }
}

/// A record as text of bounded length: what explains least goes first.
fn bounded(mut record: Record) -> String {
    let text = |record: &Record| serde_json::to_string(record).unwrap_or_default();
    let cuts: [fn(&mut Record); 3] = [
        |record| record.steps.iter_mut().for_each(|step| step.inputs.truncate(8)),
        |record| {
            record.request_headers.truncate(24);
            record.response_headers.truncate(24);
            record.steps.iter_mut().for_each(|step| step.inputs.clear());
        },
        |record| *record = Record { event: std::mem::take(&mut record.event), ..Record::default() },
    ];
    let mut written = text(&record);
    for cut in cuts {
        if written.len() <= MAX_RECORD {
            break;
        }
        cut(&mut record);
        written = text(&record);
    }
    written
}

/// The object that keeps an isolate's records.
fn shard(isolate: &str) -> String {
    journal::shard(u64::from_str_radix(isolate, 16).unwrap_or(0))
}

impl<H: Host> Exchange<'_, H> {
    /// The record of a request, for the token under which it was kept.
    pub(super) async fn kept(&self, grant: &Grant, id: &str) -> Result<Response, Fault> {
        let isolate = id.split_once('-').map_or(id, |(isolate, _)| isolate);
        let verb = Verb::Kept { id: id.to_owned(), owner: grant.owner.clone() };
        let ask = Ask {
            class: Class::Journal,
            name: shard(isolate),
            message: journal::message(verb),
            deadline: DEADLINE,
        };
        let unreadable =
            |why: String| Fault::new(Reason::GatewayFault, "The record could not be read.").private(why);
        let text = self.host.ask(ask).await.map_err(|error| unreadable(error.0))?;
        let reply: journal::Reply =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if let Some(error) = reply.error {
            return Err(unreadable(error));
        }
        match reply.events.first() {
            Some(record) => Ok(Response::Reply(Reply::new(200, "application/json", record.get().to_owned()))),
            None => {
                Err(Fault::new(Reason::NotFound, "No record of this request is kept for this debug token."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "a debug key of thirty-two bytes or more";
    const NOW: u64 = 1_773_144_000_000;

    fn scope() -> Scope {
        Scope::new("tollgate", "dev", NOW, 600_000)
    }

    fn shared() -> Shared {
        Shared { environment: "dev".into(), ..Shared::default() }
    }

    #[test]
    fn a_token_is_good_for_its_gateway_environment_and_time() {
        let read =
            |scope: &Scope, now: u64| Scope::read(&scope.sign(SECRET).unwrap(), SECRET, &shared(), now);
        assert_eq!(read(&scope(), NOW), Some(scope()));
        assert_eq!(read(&scope(), NOW + 600_000), None);
        assert_eq!(read(&Scope { until: NOW + 3_600_001, ..scope() }, NOW), None);
        assert!(read(&Scope { until: NOW + 3_600_000, ..scope() }, NOW).is_some());
        let month = Scope { issued: NOW - 30 * 86_400_000, ..scope() };
        assert_eq!(read(&month, NOW), None, "the last hour of a month is no hour");
        let later = Scope { issued: NOW + 86_400_000, until: NOW + 88_000_000, ..scope() };
        assert_eq!(read(&later, NOW), None);
        assert_eq!(read(&Scope { environment: "production".into(), ..scope() }, NOW), None);
        assert_eq!(read(&Scope { gateway: "other".into(), ..scope() }, NOW), None);
    }

    #[test]
    fn keys_are_long_and_their_own() {
        assert_eq!(scope().sign("short"), None);
        let token = scope().sign(SECRET).unwrap();
        assert_eq!(Scope::read(&token, "another debug key of thirty-two bytes", &shared(), NOW), None);
        assert_eq!(Scope::read(&token, "", &shared(), NOW), None);
        // The same payload signed for another purpose is no token.
        let (payload, _) = token.strip_prefix(PREFIX).unwrap().split_once('.').unwrap();
        let other = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(payload);
        let other = Base64UrlUnpadded::encode_string(&other.finalize().into_bytes());
        assert_eq!(Scope::read(&format!("{PREFIX}{payload}.{other}"), SECRET, &shared(), NOW), None);
    }

    #[test]
    fn scopes_cover_whole_names() {
        let mut record = Record::default();
        "orders/v2/getOrder".clone_into(&mut record.event.route);
        let covers = |record: &Record, api: Option<&str>| {
            Scope { api: api.map(str::to_owned), ..scope() }.covers(record)
        };
        for (api, covered) in [
            (None, true),
            (Some("orders"), true),
            (Some("orders/v2"), true),
            (Some("orders/v2/getOrder"), true),
            (Some("order"), false),
            (Some("orders/v"), false),
            (Some("orders/v2/getOrders"), false),
            (Some(""), false),
        ] {
            assert_eq!(covers(&record, api), covered, "{api:?}");
        }
        "_tollgate".clone_into(&mut record.event.route);
        assert!(!covers(&record, None));
        let mut missed = Record::default();
        assert!(!covers(&missed, Some("orders")) && covers(&missed, None));
        (missed.event.api, missed.event.version) = (Some("orders".into()), Some("v2".into()));
        assert!(covers(&missed, Some("orders")) && !covers(&missed, Some("orders/v1")));
    }

    #[test]
    fn long_records_are_cut() {
        let mut record = Record::default();
        "a-1".clone_into(&mut record.event.id);
        for _ in 0..4000 {
            record
                .near_misses
                .push(crate::pipeline::record::NearMiss { why: "x".repeat(99), ..Default::default() });
        }
        let text = bounded(record);
        assert!(text.len() <= MAX_RECORD && text.contains("a-1"));
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_token(text in "\\PC{0,200}|tgd1\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,60}") {
            prop_assert_eq!(Scope::read(&text, SECRET, &shared(), NOW), None);
        }

        #[test]
        fn no_byte_may_change(place in 0usize..300, to in "[A-Za-z0-9._-]") {
            let token = scope().sign(SECRET).unwrap();
            let place = place % token.len();
            let changed = format!("{}{to}{}", &token[..place], &token[place + 1..]);
            prop_assume!(changed != token);
            prop_assert_eq!(Scope::read(&changed, SECRET, &shared(), NOW), None);
        }
    }
}
