//! The outside of one request at the edge: each port is a record for the shim and a wait for its end.

use super::{input_text, with};
use crate::header::{Fields, Headers};
use crate::ports::{
    Answer, Ask, Class, Fact, Fetch, FetchFault, Host, Message, Signature, Tell, Unreachable,
};
use crate::wire::{Frame, ended, kind};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// How an operation ended.
pub struct Ended {
    pub how: u32,
    pub argument: u32,
    pub text: String,
}

/// A task's dealings with the shim.
pub struct Io {
    now: Cell<u64>,
    next: Cell<u32>,
    inbox: RefCell<Vec<(u32, Ended)>>,
    /// The request's fields, once somebody has asked for all of them.
    request: OnceCell<Rc<Fields>>,
}

impl Io {
    pub fn new(now: f64) -> Self {
        Io {
            now: Cell::new(now as u64),
            next: Cell::new(1),
            inbox: RefCell::default(),
            request: OnceCell::new(),
        }
    }

    pub fn pass(&self, now: f64) {
        self.now.set(now as u64);
    }

    pub fn end(&self, operation: u32, ended: Ended, now: f64) {
        self.pass(now);
        self.inbox.borrow_mut().push((operation, ended));
    }
}

/// [`Host`] by the shim.
pub struct EdgeHost {
    io: Rc<Io>,
}

impl EdgeHost {
    pub fn new(io: Rc<Io>) -> Self {
        EdgeHost { io }
    }

    /// Leaves a record and waits for its end. Operation 0 is the request itself.
    async fn operation(&self, kind: u32, argument: u32, fields: impl Fn(&mut Frame)) -> (u32, Ended) {
        let mut left = None;
        poll_fn(|_| match left {
            None => {
                let operation = self.io.next.get();
                self.io.next.set(operation + 1);
                let room = with(|i| {
                    let mut frame = i.frame.borrow_mut();
                    let room = frame.record(kind, operation, argument);
                    if room {
                        fields(&mut frame);
                    }
                    room
                });
                if !room {
                    let text = "too many operations at once".to_owned();
                    return Poll::Ready((operation, Ended { how: ended::FAILED, argument: 0, text }));
                }
                left = Some(operation);
                Poll::Pending
            }
            Some(operation) => {
                let mut inbox = self.io.inbox.borrow_mut();
                match inbox.iter().position(|(of, _)| *of == operation) {
                    Some(place) => Poll::Ready(inbox.swap_remove(place)),
                    None => Poll::Pending,
                }
            }
        })
        .await
    }
}

thread_local! {
    /// Header names known to the shim; their places are their numbers there. All come from the code and the plan, so
    /// the table is bounded, and it is short: looking through it costs less than hashing.
    static NAMES: RefCell<Vec<Box<str>>> = RefCell::default();
}

fn name_number(name: &str) -> u32 {
    NAMES.with_borrow_mut(|names| {
        let number = names.iter().position(|known| **known == *name).unwrap_or_else(|| {
            // SAFETY: the shim reads the text during the call.
            unsafe { super::name(name.as_ptr(), name.len()) };
            names.push(name.into());
            names.len() - 1
        });
        number as u32
    })
}

/// The fields of a message to an object.
fn letter(frame: &mut Frame, class: Class, name: &str, message: &str) {
    [class.binding(), name, message].iter().for_each(|field| frame.field(field));
}

/// The operation whose message it is; 0: the request.
fn operation(of: Message) -> u32 {
    match of {
        Message::Request => 0,
        Message::Answer(answer) => answer.id,
    }
}

fn text(length: i32) -> Option<String> {
    usize::try_from(length).ok().map(input_text)
}

impl Host for EdgeHost {
    fn now(&self) -> u64 {
        self.io.now.get()
    }

    fn header(&self, of: Message, name: &str) -> Option<Cow<'_, str>> {
        if let (Message::Request, Some(fields)) = (of, self.io.request.get()) {
            return fields.get(name);
        }
        // SAFETY: the shim writes into the input buffer, which no borrow holds here.
        text(unsafe { super::header(operation(of), name_number(name)) }).map(Cow::Owned)
    }

    fn names(&self, of: Message) -> String {
        // SAFETY: as in `header`.
        text(unsafe { super::names(operation(of)) }).unwrap_or_default()
    }

    fn headers(&self, of: Message) -> Rc<Fields> {
        // SAFETY: as in `header`.
        let read =
            || Rc::new(Fields::new(text(unsafe { super::headers(operation(of)) }).unwrap_or_default()));
        match of {
            Message::Request => Rc::clone(self.io.request.get_or_init(read)),
            Message::Answer(_) => read(),
        }
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        // SAFETY: as in `header`.
        text(unsafe { super::fact(fact as u32) })
    }

    fn secret(&self, name: &str) -> Option<String> {
        // SAFETY: the shim reads the name during the call and writes as in `header`.
        text(unsafe { super::secret(name.as_ptr(), name.len()) })
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Answer, FetchFault> {
        let (id, ended) = self
            .operation(kind::FETCH, fetch.timeout, |frame| {
                frame.field(fetch.base.digit());
                frame.field(&fetch.method);
                frame.field(&fetch.url);
                frame.field(fetch.via.as_deref().unwrap_or(""));
                frame.edits(&fetch.edits);
            })
            .await;
        match ended.how {
            ended::OK => Ok(Answer { id, status: ended.argument as u16 }),
            ended::TIMEOUT => Err(FetchFault::Timeout),
            _ => Err(FetchFault::Failed(ended.text)),
        }
    }

    fn mirror(&self, copy: Fetch, most: u32) {
        with(|i| {
            let mut frame = i.frame.borrow_mut();
            // Operation 0: nobody waits for its end.
            if frame.record(kind::MIRROR, 0, copy.timeout) {
                frame.field(copy.base.digit());
                frame.field(&copy.method);
                frame.field(&copy.url);
                frame.field(copy.via.as_deref().unwrap_or(""));
                frame.field(&most.to_string());
                frame.edits(&copy.edits);
            }
        });
    }

    async fn read(&self, answer: Answer, max: u32, timeout: u32) -> Result<String, FetchFault> {
        let (_, ended) = self
            .operation(kind::READ, max, |frame| {
                frame.field(&answer.id.to_string());
                frame.field(&timeout.to_string());
            })
            .await;
        match ended.how {
            ended::OK => Ok(ended.text),
            ended::TIMEOUT => Err(FetchFault::Timeout),
            ended::TOO_LARGE => Err(FetchFault::TooLarge),
            _ => Err(FetchFault::Failed(ended.text)),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<String, Unreachable> {
        let (_, ended) = self
            .operation(kind::ASK, ask.deadline, |frame| letter(frame, ask.class, &ask.name, &ask.message))
            .await;
        match ended.how {
            ended::OK => Ok(ended.text),
            ended::TIMEOUT => Err(Unreachable("deadline".into())),
            _ => Err(Unreachable(ended.text)),
        }
    }

    fn tell(&self, tell: Tell) {
        with(|i| {
            let mut frame = i.frame.borrow_mut();
            // Operation 0: nobody waits for its end.
            if frame.record(kind::ASK, 0, 0) {
                letter(&mut frame, tell.class, &tell.name, &tell.message);
            }
        });
    }

    async fn verify(&self, signature: Signature) -> Result<bool, String> {
        let (_, ended) = self
            .operation(kind::VERIFY, 0, |frame| {
                frame.field(signature.algorithm.name());
                frame.field(&signature.jwk);
                frame.field(&signature.input);
                frame.field(&Base64UrlUnpadded::encode_string(&signature.signature));
            })
            .await;
        match ended.how {
            ended::OK => Ok(ended.argument == 1),
            _ => Err(ended.text),
        }
    }

    async fn lookup(&self, key: &str, timeout: u32) -> Result<Option<Answer>, FetchFault> {
        let (id, ended) = self.operation(kind::LOOKUP, timeout, |frame| frame.field(key)).await;
        match ended.how {
            ended::OK => Ok(Some(Answer { id, status: ended.argument as u16 })),
            ended::MISS => Ok(None),
            ended::TIMEOUT => Err(FetchFault::Timeout),
            _ => Err(FetchFault::Failed(ended.text)),
        }
    }

    fn refresh(&self) {
        with(|i| i.frame.borrow_mut().record(kind::REFRESH, 0, 0));
    }

    async fn wait(&self, milliseconds: u32) {
        self.operation(kind::WAIT, milliseconds, |_| ()).await;
    }

    fn point(&self, index: &str, blobs: &[&str], doubles: &[f64]) {
        with(|i| {
            let mut frame = i.frame.borrow_mut();
            if frame.record(kind::POINT, 0, blobs.len() as u32) {
                frame.field(index);
                blobs.iter().for_each(|blob| frame.field(blob));
                doubles.iter().for_each(|double| frame.field(&double.to_string()));
            }
        });
    }
}
