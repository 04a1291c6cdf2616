//! What the client gets: an answer of the gateway's own, or one that is passed on with edits.

use super::record::Record;
use crate::fault::Fault;
use crate::policy::headers::{Edit, Text};
use crate::ports::Answer;
use crate::wire::{Frame, kind};
use serde_json::Value;

/// The end of a request's way.
#[derive(Debug)]
pub struct Outcome {
    /// The request's id, which every answer tells.
    pub id: String,
    /// What answers.
    pub response: Response,
    /// Flush the events after so many milliseconds.
    pub flush: Option<u32>,
    /// Everything about the request, where it was recorded.
    pub record: Option<Box<Record>>,
}

/// An answer.
#[derive(Debug)]
pub enum Response {
    /// The gateway's own.
    Reply(Reply),
    /// Of an upstream or out of the cache.
    Relay(Relay),
}

/// A text as JSON writes it.
fn json_string(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        return ["\"", text, "\""].concat();
    }
    serde_json::to_string(text).unwrap_or_default()
}

/// An answer of the gateway's own.
#[derive(Debug, Default, PartialEq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Header fields in order.
    pub headers: Vec<(Text, Text)>,
    /// The body; empty: none.
    pub body: String,
}

/// An answer passed on.
#[derive(Debug)]
pub struct Relay {
    /// Which.
    pub answer: Answer,
    /// Another status, without the body: 304 for a stored 200.
    pub bodiless: Option<u16>,
    /// Edits on its headers.
    pub edits: Vec<Edit>,
    /// Store a copy of it first.
    pub store: Option<Store>,
}

/// A copy for the cache.
#[derive(Debug)]
pub struct Store {
    /// Its key.
    pub key: String,
    /// Edits on the copy's headers.
    pub edits: Vec<Edit>,
    /// Largest body kept where its length is unknown, in bytes.
    pub most: u32,
}

impl Reply {
    /// A reply with a body of that type.
    pub fn new(status: u16, media_type: &'static str, body: String) -> Reply {
        let mut headers = Vec::with_capacity(12);
        headers.push(("content-type".into(), media_type.into()));
        headers.push(("cache-control".into(), "no-store".into()));
        Reply { status, headers, body }
    }

    /// JSON for administrators.
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::new(status, "application/json", body.to_string())
    }

    /// The problem of a fault (RFC 9457). Answers of the gateway's own are never stored: on some platforms a cache
    /// stands in front that stores what does not forbid it.
    pub fn problem(fault: Fault, request: &str) -> Reply {
        let Fault { reason, detail, members, headers, .. } = fault;
        // Piece by piece, in the order in which people read it: formatting would cost a refusal more than all its
        // other steps. Types and titles are the code's own and need no escapes.
        let mut body = String::with_capacity(256);
        let mut put = |pieces: &[&str]| pieces.iter().for_each(|piece| body.push_str(piece));
        put(&[
            "{\"type\":\"",
            reason.kind(),
            "\",\"title\":\"",
            reason.title(),
            "\",\"status\":",
            reason.digits(),
        ]);
        put(&[",\"detail\":", &json_string(&detail), ",\"instance\":\"", request, "\""]);
        for (name, value) in members {
            body.push_str(&format!(r#","{name}":{value}"#));
        }
        body.push('}');
        let mut reply = Reply::new(reason.status(), "application/problem+json", body);
        reply.headers.extend(headers.into_iter().map(|(name, value)| (name.into(), value.into())));
        reply
    }

    /// Applies edits as a host does to an answer's headers.
    pub fn edit(&mut self, edits: Vec<Edit>) {
        for edit in edits {
            match edit {
                Edit::Set(name, value) => {
                    self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(&name));
                    self.headers.push((name, value));
                }
                Edit::Add(name, value) => self.headers.push((name, value)),
                Edit::Remove(name) => self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(&name)),
            }
        }
    }
}

impl Outcome {
    /// The status that the client sees.
    pub fn status(&self) -> u16 {
        match &self.response {
            Response::Reply(reply) => reply.status,
            Response::Relay(relay) => relay.bodiless.unwrap_or(relay.answer.status),
        }
    }

    /// Writes the records for the shim.
    pub fn write(&self, frame: &mut Frame) {
        if let Some(after) = self.flush {
            frame.record(kind::FLUSH, 0, after);
        }
        match &self.response {
            Response::Reply(reply) => {
                frame.record(kind::REPLY, 0, u32::from(reply.status));
                frame.field(&reply.body);
                frame.field(&self.id);
                frame.lines(reply.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
            }
            Response::Relay(relay) => {
                if let Some(store) = &relay.store {
                    frame.record(kind::STORE, relay.answer.id, store.most);
                    frame.field(&store.key);
                    frame.edits(&store.edits);
                }
                frame.record(kind::RELAY, relay.answer.id, relay.bodiless.map_or(0, u32::from));
                frame.edits(&relay.edits);
                frame.set(super::REQUEST_ID, &self.id);
            }
        }
    }
}
