//! The outside of the gateway, made up: a virtual clock, origins as functions, objects over SQLite in memory, and
//! faults on demand. Native only; for tests and for trying route files without deploying them.
//!
//! Time passes only when everybody waits: [`World::run`] then moves the clock to the next moment at which something
//! happens. The same seed and inputs give the same run.

mod sqlite;
mod visit;

pub use sqlite::Sqlite;
pub use visit::{Seen, Visit};

use crate::ports::Class;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What an origin gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Fetcher binding, if any.
    pub via: Option<String>,
    /// Header fields after all edits, lower case.
    pub headers: Vec<(String, String)>,
    /// The client's body, if it is passed on.
    pub body: Option<String>,
}

impl Sent {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// What an origin does.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// Status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
    /// Milliseconds until its headers are complete.
    pub after: u64,
    /// Instead of an answer: the host's words for why there is none.
    pub broken: Option<String>,
}

impl Answered {
    /// 200 with a JSON body.
    pub fn json(body: &str) -> Answered {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-length".to_owned(), body.len().to_string()),
        ];
        Answered { status: 200, headers, body: body.to_owned(), ..Answered::default() }
    }

    /// An answer of that status without a body.
    pub fn status(status: u16) -> Answered {
        Answered { status, ..Answered::default() }
    }

    /// A connection that fails.
    pub fn broken(why: &str) -> Answered {
        Answered { broken: Some(why.to_owned()), ..Answered::default() }
    }

    /// With a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Answered {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// After so many milliseconds.
    #[must_use]
    pub fn after(mut self, milliseconds: u64) -> Answered {
        self.after = milliseconds;
        self
    }
}

/// How the objects of a class behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// As they should.
    #[default]
    None,
    /// They do not get the message.
    Lost,
    /// They act on the message, and their answer is lost.
    AnswerLost,
    /// They act on the message, and their answer comes after so many milliseconds.
    Late(u64),
    /// The message reaches them only after so many milliseconds; nobody waits for the answer any more.
    Delayed(u64),
    /// They answer with what is no answer.
    Garbage,
}

/// How the cache behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheFault {
    /// As it should.
    #[default]
    None,
    /// It fails, and keeps nothing.
    Down,
    /// It answers after so many milliseconds.
    Slow(u64),
    /// It finds what nobody has stored.
    Garbage,
}

/// A row of the analytics sink: index, texts, numbers.
pub type Point = (String, Vec<String>, Vec<f64>);

type Origin = Box<dyn Fn(&Sent) -> Answered>;
type Faults = Box<dyn FnMut(&str, &str) -> Fault>;

/// The outside.
#[derive(Default)]
pub struct World {
    now: Cell<u64>,
    timers: RefCell<Vec<u64>>,
    origins: RefCell<HashMap<String, Origin>>,
    /// Answers where no origin is put.
    elsewhere: RefCell<Option<Origin>>,
    /// Every request that an origin got, in order.
    pub sent: RefCell<Vec<Sent>>,
    /// Every copy of a request that a mirror got, in order.
    pub mirrored: RefCell<Vec<Sent>>,
    objects: RefCell<HashMap<(u32, String), Object>>,
    /// Calls of objects, by class and name.
    pub asked: RefCell<Vec<(Class, String)>>,
    faults: RefCell<HashMap<u32, Faults>>,
    /// Messages under way: when each arrives, and where.
    delayed: RefCell<Vec<(u64, Class, String, String)>>,
    cache: RefCell<HashMap<String, Answered>>,
    /// How the cache behaves.
    pub cache_fault: Cell<CacheFault>,
    secrets: RefCell<HashMap<String, String>>,
    /// Signatures checked so far.
    pub verified: Cell<u32>,
    /// Rows of the analytics sink.
    pub points: RefCell<Vec<Point>>,
}

#[derive(Default)]
struct Object {
    sql: Sqlite,
    alarm: Option<u64>,
}

impl World {
    /// A world at a moment, in milliseconds since 1970.
    pub fn at(now: u64) -> World {
        let world = World::default();
        world.now.set(now);
        world
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Lets time pass; alarms go off on the way.
    pub fn pass(&self, milliseconds: u64) {
        let until = self.now.get() + milliseconds;
        self.arrive(until);
        loop {
            let objects = self.objects.borrow();
            let due = objects.iter().filter_map(|(key, object)| Some((object.alarm?, key.clone())));
            let Some((at, key)) = due.filter(|(at, _)| *at <= until).min() else { break };
            drop(objects);
            self.now.set(self.now.get().max(at));
            let mut objects = self.objects.borrow_mut();
            if let Some(object) = objects.get_mut(&key) {
                object.alarm = Class::of(key.0).alarm(&object.sql, at);
            }
        }
        self.now.set(until);
    }

    /// Puts an origin at a host and port, e.g. `orders.internal` or `127.0.0.1:9101`.
    pub fn origin(&self, authority: &str, answer: impl Fn(&Sent) -> Answered + 'static) {
        self.origins.borrow_mut().insert(authority.to_owned(), Box::new(answer));
    }

    /// Answers for every host and port that no origin is put at.
    pub fn elsewhere(&self, answer: impl Fn(&Sent) -> Answered + 'static) {
        self.elsewhere.replace(Some(Box::new(answer)));
    }

    /// What an origin does with a request.
    fn reach(&self, sent: &Sent) -> Answered {
        let authority = sent.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        let (origins, elsewhere) = (self.origins.borrow(), self.elsewhere.borrow());
        let origin = origins.get(authority).or(elsewhere.as_ref());
        origin.map_or_else(|| Answered::broken("connection refused"), |origin| origin(sent))
    }

    /// Binds a secret.
    pub fn secret(&self, name: &str, value: &str) {
        self.secrets.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// Sets how a class of objects behaves from now on.
    pub fn fault(&self, class: Class, fault: Fault) {
        self.faults(class, move |_, _| fault);
    }

    /// Decides for each message how the object that gets it behaves: by the object's name and the message.
    pub fn faults(&self, class: Class, decide: impl FnMut(&str, &str) -> Fault + 'static) {
        self.faults.borrow_mut().insert(class as u32, Box::new(decide));
    }

    /// Turns the clock, back as well as forth; nothing happens on the way.
    pub fn turn(&self, now: u64) {
        self.now.set(now);
    }

    /// Alarms that are set.
    pub fn alarms(&self) -> usize {
        self.objects.borrow().values().filter(|object| object.alarm.is_some()).count()
    }

    /// Runs a future to its end, moving the clock whenever it waits. `None` if it waits for nothing.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.run_until(u64::MAX, future)
    }

    /// The same, up to a moment: what has not ended by then is dropped, as what a client asked for that went away.
    pub fn run_until<T>(&self, end: u64, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(result);
            }
            let next = self.timers.borrow().iter().copied().min()?;
            if next > end {
                self.now.set(self.now.get().max(end));
                return None;
            }
            self.timers.borrow_mut().retain(|timer| *timer != next);
            self.now.set(self.now.get().max(next));
        }
    }

    /// Waits until a moment.
    async fn until(&self, at: u64) {
        std::future::poll_fn(|_| {
            if self.now.get() >= at {
                return Poll::Ready(());
            }
            let mut timers = self.timers.borrow_mut();
            if !timers.contains(&at) {
                timers.push(at);
            }
            Poll::Pending
        })
        .await;
    }

    /// The answer, and the moment at which it arrives; `None`: never.
    fn ask(&self, class: Class, name: &str, message: &str) -> Option<(String, u64)> {
        self.asked.borrow_mut().push((class, name.to_owned()));
        let fault = self.faults.borrow_mut().get_mut(&(class as u32)).map(|decide| decide(name, message));
        let now = self.now.get();
        self.arrive(now);
        match fault {
            Some(Fault::Lost) => return None,
            Some(Fault::Delayed(milliseconds)) => {
                let message = (now + milliseconds, class, name.to_owned(), message.to_owned());
                self.delayed.borrow_mut().push(message);
                return None;
            }
            _ => {}
        }
        let reply = self.answer(class, name, message, now);
        match fault.unwrap_or_default() {
            Fault::Late(milliseconds) => Some((reply, now + milliseconds)),
            Fault::AnswerLost => None,
            Fault::Garbage => Some(("<html>".to_owned(), now)),
            _ => Some((reply, now)),
        }
    }

    fn answer(&self, class: Class, name: &str, message: &str, now: u64) -> String {
        let mut objects = self.objects.borrow_mut();
        let object = objects.entry((class as u32, name.to_owned())).or_default();
        let (reply, alarm) = class.answer(&object.sql, message, now);
        object.alarm = alarm.into_iter().chain(object.alarm).min();
        reply
    }

    /// Delivers the messages whose time has come.
    fn arrive(&self, until: u64) {
        let all = self.delayed.take();
        let (due, later) = all.into_iter().partition(|(at, ..)| *at <= until);
        self.delayed.replace(later);
        let due: Vec<(u64, Class, String, String)> = due;
        due.iter().for_each(|(at, class, name, message)| drop(self.answer(*class, name, message, *at)));
    }
}
