//! A host that is looked over its shoulder: what the pipeline reads of the request, of the connection and of secrets
//! goes into the record. Without a recorder it is the host itself, and a branch.

use super::recorder::Recorder;
use super::shown::Subject;
use crate::header::Fields;
use crate::ports::{Answer, Ask, Fact, Fetch, FetchFault, Host, Message, Signature, Tell, Unreachable};
use std::borrow::Cow;
use std::rc::Rc;

/// A host and who takes notes.
pub struct Watched<'a, H> {
    host: &'a H,
    recorder: Option<&'a Recorder>,
}

impl<'a, H: Host> Watched<'a, H> {
    /// The host, with notes where there is a recorder.
    pub fn new(host: &'a H, recorder: Option<&'a Recorder>) -> Self {
        Watched { host, recorder }
    }
}

impl<H: Host> Host for Watched<'_, H> {
    #[inline]
    fn now(&self) -> u64 {
        self.host.now()
    }

    #[inline]
    fn header(&self, of: Message, name: &str) -> Option<Cow<'_, str>> {
        let value = self.host.header(of, name);
        if let (Some(recorder), Message::Request) = (self.recorder, of) {
            recorder.read(Subject::Header(name), value.as_deref());
        }
        value
    }

    #[inline]
    fn names(&self, of: Message) -> String {
        self.host.names(of)
    }

    #[inline]
    fn headers(&self, of: Message) -> Rc<Fields> {
        self.host.headers(of)
    }

    #[inline]
    fn fact(&self, fact: Fact) -> Option<String> {
        let value = self.host.fact(fact);
        if let Some(recorder) = self.recorder {
            recorder.read(Subject::Fact(fact), value.as_deref());
        }
        value
    }

    #[inline]
    fn secret(&self, name: &str) -> Option<String> {
        let value = self.host.secret(name);
        if let Some(recorder) = self.recorder {
            recorder.read(Subject::Secret(name), value.as_deref());
        }
        value
    }

    #[inline]
    fn fetch(&self, fetch: Fetch) -> impl Future<Output = Result<Answer, FetchFault>> {
        self.host.fetch(fetch)
    }

    #[inline]
    fn mirror(&self, copy: Fetch, most: u32) {
        self.host.mirror(copy, most);
    }

    #[inline]
    fn on_paper(&self) -> bool {
        self.host.on_paper()
    }

    #[inline]
    fn read(
        &self,
        answer: Answer,
        max: u32,
        timeout: u32,
    ) -> impl Future<Output = Result<String, FetchFault>> {
        self.host.read(answer, max, timeout)
    }

    #[inline]
    fn ask(&self, ask: Ask) -> impl Future<Output = Result<String, Unreachable>> {
        self.host.ask(ask)
    }

    #[inline]
    fn tell(&self, tell: Tell) {
        self.host.tell(tell);
    }

    #[inline]
    fn verify(&self, signature: Signature) -> impl Future<Output = Result<bool, String>> {
        self.host.verify(signature)
    }

    #[inline]
    fn lookup(&self, key: &str, timeout: u32) -> impl Future<Output = Result<Option<Answer>, FetchFault>> {
        self.host.lookup(key, timeout)
    }

    #[inline]
    fn refresh(&self) {
        self.host.refresh();
    }

    #[inline]
    fn wait(&self, milliseconds: u32) -> impl Future<Output = ()> {
        self.host.wait(milliseconds)
    }

    #[inline]
    fn point(&self, index: &str, blobs: &[&str], doubles: &[f64]) {
        self.host.point(index, blobs, doubles);
    }
}
