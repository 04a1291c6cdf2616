//! What the pipeline asks of the outside, for one request: the edge and the simulator implement it.
//!
//! Bodies are opaque: an answer is a number that only the host can turn into bytes, so that a body never enters
//! the core unless a policy reads it.
#![allow(async_fn_in_trait)] // One thread per isolate: no future here needs `Send`.

use crate::event::journal;
use crate::header::Fields;
use crate::limit::object;
use crate::policy::headers::Edit;
use crate::sql::Sql;
use crate::token::Algorithm;
use std::borrow::Cow;
use std::rc::Rc;

/// An answer that the host holds: of an upstream or out of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The host's handle.
    pub id: u32,
    /// Its status.
    pub status: u16,
}

/// Whose header is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The client's request.
    Request,
    /// An answer.
    Answer(Answer),
}

/// A fact about the connection that no header may be believed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fact {
    /// The client's address.
    Address = 0,
    /// The edge location that serves, e.g. `AMS`.
    Colo = 1,
    /// The client's country, ISO 3166-1 alpha-2.
    Country = 2,
    /// Whether the request has a body: `1` or nothing.
    HasBody = 3,
    /// Whether the client showed a certificate that the edge verified: `1` or nothing.
    Certificate = 4,
}

/// A request to an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// Absolute URL, a fixed point of WHATWG parsing.
    pub url: String,
    /// Method, as the client sent it or as the plan says.
    pub method: String,
    /// Fetcher binding in place of the network.
    pub via: Option<String>,
    /// What is sent of the client's request.
    pub base: Base,
    /// Edits on those headers.
    pub edits: Vec<Edit>,
    /// Milliseconds until the answer's headers must be complete.
    pub timeout: u32,
}

/// What a fetch takes over from the client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Base {
    /// Nothing.
    Nothing = 0,
    /// Its headers.
    Headers = 1,
    /// Its headers and body.
    Whole = 2,
    /// Nothing, for what it brings serves other requests too: the host sees the call through when the client has gone,
    /// lest a stranger who goes away at once lets everybody wait in vain.
    Isolate = 3,
}

impl Base {
    /// As the shim reads it.
    pub const fn digit(self) -> &'static str {
        match self {
            Base::Nothing => "0",
            Base::Headers => "1",
            Base::Whole => "2",
            Base::Isolate => "3",
        }
    }
}

/// Why a fetch brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchFault {
    /// The time ran out.
    Timeout,
    /// The upstream could not be reached or broke off before its headers were complete: the host's words, for
    /// the event only.
    Failed(String),
    /// What was read is larger than allowed.
    TooLarge,
}

/// A question to a Durable Object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which class.
    pub class: Class,
    /// The object's name.
    pub name: String,
    /// The message; the object's module says what it may be.
    pub message: String,
    /// Milliseconds that the answer may take.
    pub deadline: u32,
}

/// A message to a Durable Object whose answer nobody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// Which class.
    pub class: Class,
    /// The object's name.
    pub name: String,
    /// The message; the object's module says what it may be.
    pub message: String,
}

/// Classes of Durable Objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// Counts for limits: [`crate::limit::object`].
    Limiter = 0,
    /// Keeps events: [`crate::event::journal`].
    Journal = 1,
}

impl Class {
    /// The class of a number that the shim holds; an unknown one keeps events.
    pub const fn of(number: u32) -> Class {
        if number == 0 { Class::Limiter } else { Class::Journal }
    }

    /// The binding of its namespace in `wrangler.toml`.
    pub const fn binding(self) -> &'static str {
        match self {
            Class::Limiter => "LIMITER",
            Class::Journal => "JOURNAL",
        }
    }

    /// What an object of the class answers to a message, and when it wants to be woken (ms since 1970).
    pub fn answer(self, sql: &dyn Sql, message: &str, now: u64) -> (String, Option<u64>) {
        match self {
            Class::Limiter => {
                let handled = object::handle(sql, message, now);
                (handled.reply, handled.alarm)
            }
            Class::Journal => journal::handle(sql, message, now),
        }
    }

    /// What it does when woken, and when next.
    pub fn alarm(self, sql: &dyn Sql, now: u64) -> Option<u64> {
        match self {
            Class::Limiter => object::alarm(sql, now),
            Class::Journal => journal::alarm(sql, now),
        }
    }
}

/// The object did not answer by the deadline, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable(pub String);

/// A signature to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key as JWK text (RFC 7517 §4).
    pub jwk: String,
    /// What is signed: `header.payload`.
    pub input: String,
    /// The signature's octets.
    pub signature: Vec<u8>,
}

/// The outside of one request.
pub trait Host {
    /// Milliseconds since 1970. Stands still between I/O in production.
    fn now(&self) -> u64;
    /// A field's combined value, by lower-case name (RFC 9110 §5.3). Costs a call into the host: read what can
    /// matter, once.
    fn header(&self, of: Message, name: &str) -> Option<Cow<'_, str>>;
    /// The names of a message's fields, in lower case, each followed by a line feed. Where most values do not matter
    /// this costs less than all fields do.
    fn names(&self, of: Message) -> String;
    /// All fields of a message in one call.
    fn headers(&self, of: Message) -> Rc<Fields>;
    /// A fact about the connection.
    fn fact(&self, fact: Fact) -> Option<String>;
    /// A secret or variable by the name of its binding.
    fn secret(&self, name: &str) -> Option<String>;
    /// Sends a request upstream. Redirects are not followed.
    async fn fetch(&self, fetch: Fetch) -> Result<Answer, FetchFault>;
    /// Sends a copy of the request whose answer nobody waits for, as soon as what is asked next is on its way. Its body, if it
    /// has one, is copied up to `most` bytes; with more of it, or too many copies under way, nothing is sent.
    fn mirror(&self, copy: Fetch, most: u32);
    /// Whether chance always says yes: on paper, where what may be sent is to be seen.
    fn on_paper(&self) -> bool {
        false
    }
    /// Reads an answer's body as text: at most `max` bytes, for at most `timeout` milliseconds.
    async fn read(&self, answer: Answer, max: u32, timeout: u32) -> Result<String, FetchFault>;
    /// Asks a Durable Object.
    async fn ask(&self, ask: Ask) -> Result<String, Unreachable>;
    /// Tells a Durable Object what the request need not wait for: it leaves with the answer, or with what is asked
    /// next. Whether it arrives is not known.
    fn tell(&self, tell: Tell);
    /// Checks a signature; an error means that the key cannot be used.
    async fn verify(&self, signature: Signature) -> Result<bool, String>;
    /// Looks up a stored answer by its key, for at most `timeout` milliseconds: an answer that comes later is dropped.
    async fn lookup(&self, key: &str, timeout: u32) -> Result<Option<Answer>, FetchFault>;
    /// Has keys whose time is over fetched, in a task of its own that nobody waits for and that the request's end does
    /// not end.
    fn refresh(&self);
    /// Lets time pass, in milliseconds.
    async fn wait(&self, milliseconds: u32);
    /// A row for the analytics sink, where there is one: index, texts, numbers.
    fn point(&self, index: &str, blobs: &[&str], doubles: &[f64]);
}
