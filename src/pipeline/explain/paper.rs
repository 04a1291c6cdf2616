//! A host that does nothing: it holds a request's header fields and notes what the pipeline would have asked.

use super::Question;
use crate::header::Fields;
use crate::ports::{Answer, Ask, Fact, Fetch, FetchFault, Host, Message, Signature, Tell, Unreachable};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

/// The host of an explanation. Whatever would wait is answered at once, and in the negative.
pub struct Paper<'a> {
    question: &'a Question,
    /// Requests that would have been sent, in order.
    pub sent: RefCell<Vec<Fetch>>,
}

impl<'a> Paper<'a> {
    pub fn new(question: &'a Question) -> Self {
        Paper { question, sent: RefCell::default() }
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
        let values: Vec<&str> = self.question.headers.iter().filter(own).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| Cow::Owned(values.join(", ")))
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
                (chunked || length.is_some_and(|length| length.trim() != "0")).then(|| "1".to_owned())
            }
            Fact::Colo | Fact::Country => None,
        }
    }

    /// What is bound where the gateway runs is not known here: the names are told instead.
    fn secret(&self, _name: &str) -> Option<String> {
        Some("bound, as far as an explanation goes".to_owned())
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Answer, FetchFault> {
        self.sent.borrow_mut().push(fetch);
        Err(FetchFault::Failed("explained, not sent".to_owned()))
    }

    async fn read(&self, _answer: Answer, _max: u32, _timeout: u32) -> Result<String, FetchFault> {
        Err(FetchFault::Failed("explained, not read".to_owned()))
    }

    async fn ask(&self, _ask: Ask) -> Result<String, Unreachable> {
        Err(Unreachable("explained, not asked".to_owned()))
    }

    fn tell(&self, _tell: Tell) {}

    async fn verify(&self, _signature: Signature) -> Result<bool, String> {
        Ok(false)
    }

    async fn lookup(&self, _key: &str) -> Option<Answer> {
        None
    }

    async fn wait(&self, _milliseconds: u32) {}

    fn point(&self, _index: &str, _blobs: &[&str], _doubles: &[f64]) {}
}
