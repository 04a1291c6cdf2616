//! One client's request in a made-up world.

use super::{Answered, CacheFault, Sent, World};
use crate::header::{Fields, Headers};
use crate::pipeline::record::Record;
use crate::pipeline::{self, Gateway, Outcome, Response};
use crate::policy::headers::apply;
use crate::ports::{Answer, Ask, Base, Fact, Fetch, FetchFault, Host, Message, Signature, Tell, Unreachable};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// A request, and the host that carries it.
pub struct Visit<'w> {
    world: &'w World,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    address: Option<String>,
    certificate: bool,
    answers: RefCell<Vec<Answered>>,
    /// Copies for mirrors that leave with the next fetch.
    copies: RefCell<Vec<Sent>>,
    /// Keys are to be fetched that the answer does not wait for.
    due: Cell<bool>,
    /// Names of the request's fields that were asked for one by one.
    pub asked: RefCell<BTreeSet<String>>,
}

/// What the client sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
    /// Whether a flush of events was promised.
    pub flush: Option<u32>,
    /// Milliseconds that the client waited.
    pub took: u64,
}

impl Seen {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The code of the problem that the body describes; empty if it describes none.
    pub fn problem(&self) -> String {
        let kind =
            self.json().get("type").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        kind.strip_prefix("/problems/").unwrap_or_default().to_owned()
    }
}

impl<'w> Visit<'w> {
    /// A request without header fields from 192.0.2.1.
    pub fn new(world: &'w World, method: &str, url: &str) -> Visit<'w> {
        Visit {
            world,
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            address: Some("192.0.2.1".to_owned()),
            certificate: false,
            answers: RefCell::default(),
            copies: RefCell::default(),
            due: Cell::new(false),
            asked: RefCell::default(),
        }
    }

    /// With a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// With a body and its length.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self.header("content-length", &body.len().to_string())
    }

    /// With a body whose length is not declared.
    #[must_use]
    pub fn stream(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// From an address.
    #[must_use]
    pub fn certified(mut self) -> Self {
        self.certificate = true;
        self
    }

    /// The same from another address.
    pub fn from(mut self, address: &str) -> Self {
        self.address = Some(address.to_owned());
        self
    }

    /// Sends it through a gateway and waits for the answer.
    pub fn send(&self, gateway: &Gateway) -> Option<Seen> {
        self.world.run(self.through(gateway))
    }

    /// Sends it through a gateway and goes away after so many milliseconds; the answer, if it came by then.
    pub fn leave(&self, gateway: &Gateway, after: u64) -> Option<Seen> {
        self.world.run_until(self.world.now() + after, self.through(gateway))
    }

    /// The answer, for running several at once.
    pub async fn through(&self, gateway: &Gateway) -> Seen {
        let began = self.world.now();
        let seen = self.seen(pipeline::handle(gateway, self, &self.method, &self.url).await, began);
        self.after(gateway).await;
        seen
    }

    /// What the answer does not wait for. Here it begins when that is there.
    async fn after(&self, gateway: &Gateway) {
        if self.due.take() {
            pipeline::refresh(gateway, self).await;
        }
    }

    /// Sends it through a gateway and waits for the answer and the full record.
    pub fn recorded(&self, gateway: &Gateway) -> Option<(Seen, Record)> {
        self.world.run(async {
            let began = self.world.now();
            let mut outcome = pipeline::recorded(gateway, self, &self.method, &self.url).await;
            let record = outcome.record.take().map(|record| *record).unwrap_or_default();
            let seen = self.seen(outcome, began);
            self.after(gateway).await;
            (seen, record)
        })
    }

    /// Sends the gateway's queued events to their sinks.
    pub fn flush(&self, gateway: &Gateway) {
        self.world.run(pipeline::flush(gateway, self));
    }

    fn answer(&self, answer: Answer) -> Answered {
        let index = (answer.id as usize).checked_sub(1);
        index.and_then(|index| self.answers.borrow().get(index).cloned()).unwrap_or_default()
    }

    fn hold(&self, answered: Answered) -> Answer {
        let status = answered.status;
        let mut answers = self.answers.borrow_mut();
        answers.push(answered);
        Answer { id: answers.len() as u32, status }
    }

    /// What an origin gets of a fetch.
    fn sent(&self, fetch: Fetch) -> Sent {
        let mut headers = match fetch.base {
            Base::Nothing | Base::Isolate => Vec::new(),
            Base::Headers | Base::Whole => self.headers.clone(),
        };
        apply(&mut headers, &fetch.edits);
        let body = if fetch.base == Base::Whole { self.body.clone() } else { None };
        Sent { method: fetch.method, url: fetch.url, via: fetch.via, headers, body }
    }

    /// What the shim makes of an outcome.
    fn seen(&self, outcome: Outcome, began: u64) -> Seen {
        let (flush, took) = (outcome.flush, self.world.now().saturating_sub(began));
        let id = (crate::pipeline::REQUEST_ID.to_owned(), outcome.id);
        match outcome.response {
            Response::Reply(reply) => {
                let headers = reply
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()));
                let headers = headers.chain([id]).collect();
                Seen { status: reply.status, headers, body: reply.body, flush, took }
            }
            Response::Relay(relay) => {
                let mut answered = self.answer(relay.answer);
                if let Some(store) = relay.store {
                    let mut copy = answered.clone();
                    apply(&mut copy.headers, &store.edits);
                    if self.world.cache_fault.get() != CacheFault::Down
                        && copy.body.len() <= store.most as usize
                    {
                        self.world.cache.borrow_mut().insert(store.key, copy);
                    }
                }
                apply(&mut answered.headers, &relay.edits);
                answered.headers.retain(|(name, _)| *name != id.0);
                answered.headers.push(id);
                let (status, body) = match relay.bodiless {
                    Some(status) => (status, String::new()),
                    None => (answered.status, answered.body),
                };
                Seen { status, headers: answered.headers, body, flush, took }
            }
        }
    }
}

impl Host for Visit<'_> {
    fn now(&self) -> u64 {
        self.world.now()
    }

    fn header(&self, of: Message, name: &str) -> Option<Cow<'_, str>> {
        let combined =
            |headers: &Vec<(String, String)>| headers.get(name).map(|value| Cow::Owned(value.into_owned()));
        match of {
            Message::Request => {
                self.asked.borrow_mut().insert(name.to_owned());
                combined(&self.headers)
            }
            Message::Answer(answer) => combined(&self.answer(answer).headers),
        }
    }

    fn names(&self, of: Message) -> String {
        self.headers(of).iter().flat_map(|(name, _)| [name, "\n"]).collect()
    }

    fn headers(&self, of: Message) -> Rc<Fields> {
        match of {
            Message::Request => Rc::new(Fields::of(&self.headers)),
            Message::Answer(answer) => Rc::new(Fields::of(&self.answer(answer).headers)),
        }
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        match fact {
            Fact::Address => self.address.clone(),
            Fact::Colo => Some("SIM".to_owned()),
            Fact::Country => Some("NL".to_owned()),
            Fact::HasBody => self.body.as_ref().map(|_| "1".to_owned()),
            Fact::Certificate => self.certificate.then(|| "1".to_owned()),
        }
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.world.secrets.borrow().get(name).cloned()
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Answer, FetchFault> {
        let timeout = u64::from(fetch.timeout);
        let sent = self.sent(fetch);
        let answered = self.world.reach(&sent);
        self.world.sent.borrow_mut().push(sent);
        // Copies leave when this is on its way. What comes of them is nobody's.
        for copy in self.copies.take() {
            self.world.reach(&copy);
            self.world.mirrored.borrow_mut().push(copy);
        }
        let began = self.world.now();
        self.world.until(began + answered.after.min(timeout)).await;
        if answered.after > timeout {
            return Err(FetchFault::Timeout);
        }
        match answered.broken {
            Some(why) => Err(FetchFault::Failed(why)),
            None => Ok(self.hold(answered)),
        }
    }

    fn mirror(&self, copy: Fetch, most: u32) {
        let sent = self.sent(copy);
        if sent.body.as_ref().is_none_or(|body| body.len() <= most as usize) {
            self.copies.borrow_mut().push(sent);
        }
    }

    async fn read(&self, answer: Answer, max: u32, _timeout: u32) -> Result<String, FetchFault> {
        let body = self.answer(answer).body;
        if body.len() > max as usize { Err(FetchFault::TooLarge) } else { Ok(body) }
    }

    async fn ask(&self, ask: Ask) -> Result<String, Unreachable> {
        let deadline = self.world.now() + u64::from(ask.deadline);
        let answer = self.world.ask(ask.class, &ask.name, &ask.message);
        match answer.filter(|(_, at)| *at <= deadline) {
            Some((reply, at)) => {
                self.world.until(at).await;
                Ok(reply)
            }
            // Nobody says that an answer will not come: the deadline does.
            None => {
                self.world.until(deadline).await;
                Err(Unreachable("no answer".to_owned()))
            }
        }
    }

    fn tell(&self, tell: Tell) {
        self.world.ask(tell.class, &tell.name, &tell.message);
    }

    async fn verify(&self, signature: Signature) -> Result<bool, String> {
        self.world.verified.set(self.world.verified.get() + 1);
        let Signature { algorithm, jwk, input, signature } = signature;
        crate::token::native::verify(algorithm, &jwk, &input, &signature).map_err(|error| error.to_string())
    }

    async fn lookup(&self, key: &str, timeout: u32) -> Result<Option<Answer>, FetchFault> {
        match self.world.cache_fault.get() {
            CacheFault::None => {}
            CacheFault::Down => return Err(FetchFault::Failed("no cache".to_owned())),
            CacheFault::Slow(milliseconds) => {
                let timeout = u64::from(timeout);
                self.world.until(self.world.now() + milliseconds.min(timeout)).await;
                if milliseconds > timeout {
                    return Err(FetchFault::Timeout);
                }
            }
            CacheFault::Garbage => return Ok(Some(self.hold(Answered::json("<html>")))),
        }
        let stored = self.world.cache.borrow().get(key).cloned();
        Ok(stored.map(|stored| self.hold(stored)))
    }

    fn refresh(&self) {
        self.due.set(true);
    }

    async fn wait(&self, milliseconds: u32) {
        self.world.until(self.world.now() + u64::from(milliseconds)).await;
    }

    fn point(&self, index: &str, blobs: &[&str], doubles: &[f64]) {
        let blobs = blobs.iter().map(|blob| (*blob).to_owned()).collect();
        self.world.points.borrow_mut().push((index.to_owned(), blobs, doubles.to_vec()));
    }
}
