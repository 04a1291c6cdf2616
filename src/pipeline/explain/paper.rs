//! A host that does nothing: it holds a request, notes what the pipeline asks of the outside, and answers what only the
//! outside knows with what is usual: keys are published, signatures verify, limits have room, nothing is stored, origins
//! answer 200 without a body.

use super::Question;
use crate::event::journal;
use crate::header::Fields;
use crate::limit::message;
use crate::policy::auth::bearer;
use crate::ports::{
    Answer, Ask, Base, Class, Fact, Fetch, FetchFault, Host, Message, Signature, Tell, Unreachable,
};
use crate::token::{Algorithm, parse};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

/// The answer that is a key set.
const KEYS: u32 = u32::MAX;
/// A secret that is as good as any: long enough for each use.
const SECRET: &str = "bound, as far as an explanation goes: 64 bytes, which is the longest needed";

/// The host of an explanation.
pub struct Paper<'a> {
    question: &'a Question,
    /// Requests that would have been sent, in order.
    pub sent: RefCell<Vec<Fetch>>,
    /// Copies that mirrors would have got, in order.
    pub mirrored: RefCell<Vec<Fetch>>,
}

impl<'a> Paper<'a> {
    pub fn new(question: &'a Question) -> Self {
        Paper { question, sent: RefCell::default(), mirrored: RefCell::default() }
    }

    /// A key set with the key that the request's token names.
    fn keys(&self) -> Option<Value> {
        let field = self.header(Message::Request, "authorization")?;
        let token = parse::jws(bearer(&field).ok()?).ok()?;
        // None of these is a real key, and none has to be: nobody computes with them.
        let bytes = |count: usize| Base64UrlUnpadded::encode_string(&vec![0xff; count]);
        let mut key = match token.algorithm {
            Algorithm::ES256 => json!({ "kty": "EC", "crv": "P-256", "x": bytes(32), "y": bytes(32) }),
            Algorithm::ES384 => json!({ "kty": "EC", "crv": "P-384", "x": bytes(48), "y": bytes(48) }),
            Algorithm::EdDSA => json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(32) }),
            _ => json!({ "kty": "RSA", "n": bytes(256), "e": "AQAB" }),
        };
        if let (Some(kid), Value::Object(members)) = (&token.kid, &mut key) {
            members.insert("kid".into(), json!(kid));
        }
        Some(json!({ "keys": [key] }))
    }
}

impl Host for Paper<'_> {
    fn now(&self) -> u64 {
        self.question.now
    }

    fn header(&self, of: Message, name: &str) -> Option<Cow<'_, str>> {
        if of != Message::Request {
            return None;
        }
        let own = |(field, _): &&(String, String)| field.eq_ignore_ascii_case(name);
        let mut values = self.question.headers.iter().filter(own).map(|(_, value)| value.as_str());
        let first = values.next()?;
        let mut all = Cow::Borrowed(first);
        for more in values {
            let all = all.to_mut();
            all.push_str(", ");
            all.push_str(more);
        }
        Some(all)
    }

    fn names(&self, of: Message) -> String {
        self.headers(of).iter().flat_map(|(name, _)| [name, "\n"]).collect()
    }

    fn headers(&self, of: Message) -> Rc<Fields> {
        match of {
            Message::Request => Rc::new(Fields::of(&self.question.headers)),
            Message::Answer(_) => Rc::default(),
        }
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        match fact {
            Fact::Address => Some(self.question.address.clone()),
            Fact::HasBody => {
                let length = self.header(Message::Request, "content-length");
                let chunked = self.header(Message::Request, "transfer-encoding").is_some();
                let declared = length.is_some_and(|length| length.trim() != "0");
                (self.question.body || chunked || declared).then(|| "1".to_owned())
            }
            Fact::Certificate => self.question.certificate.then(|| "1".to_owned()),
            Fact::Colo | Fact::Country => None,
        }
    }

    /// What is bound where the gateway runs is not known here.
    fn secret(&self, _name: &str) -> Option<String> {
        Some(SECRET.to_owned())
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Answer, FetchFault> {
        let id = if fetch.base == Base::Isolate { KEYS } else { 1 };
        self.sent.borrow_mut().push(fetch);
        Ok(Answer { id, status: 200 })
    }

    fn mirror(&self, copy: Fetch, _most: u32) {
        self.mirrored.borrow_mut().push(copy);
    }

    fn on_paper(&self) -> bool {
        true
    }

    async fn read(&self, answer: Answer, _max: u32, _timeout: u32) -> Result<String, FetchFault> {
        match answer.id {
            KEYS => Ok(self.keys().unwrap_or_default().to_string()),
            _ => Ok("{}".to_owned()),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<String, Unreachable> {
        if ask.class == Class::Journal {
            return Ok(serde_json::to_string(&journal::Reply::default()).unwrap_or_default());
        }
        let Ok(message::Message::Charge { limits, .. }) = message::Message::decode(&ask.message) else {
            return Ok(message::Reply::Refunded(true).encode());
        };
        let unused = |ask: &message::Ask<'_>| ask.algorithm.judge(None, ask.cost, self.question.now).0;
        Ok(message::Reply::Verdicts(limits.iter().map(unused).collect()).encode())
    }

    fn tell(&self, _tell: Tell) {}

    async fn verify(&self, _signature: Signature) -> Result<bool, String> {
        Ok(true)
    }

    async fn lookup(&self, _key: &str, _timeout: u32) -> Result<Option<Answer>, FetchFault> {
        Ok(None)
    }

    fn refresh(&self) {}

    async fn wait(&self, _milliseconds: u32) {}

    fn point(&self, _index: &str, _blobs: &[&str], _doubles: &[f64]) {}
}
