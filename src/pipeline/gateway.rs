//! What one isolate knows across requests: the plan, and memories that are only ever caches.

use super::debug;
use crate::event::queue::Queue;
use crate::plan::Plan;
use crate::ports::Host;
use crate::routing::Router;
use crate::token::keys::Source;
use crate::upstream::choose;
use crate::{header, limit, token};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

/// The gateway of one isolate. No borrow of a cell is held across an await.
pub struct Gateway {
    router: Result<Router, String>,
    isolate: String,
    next: Cell<u64>,
    random: RefCell<fastrand::Rng>,
    pub(super) tokens: RefCell<token::memory::Memory>,
    pub(super) keys: Vec<RefCell<Option<Source>>>,
    pub(super) limits: RefCell<limit::memory::Memory>,
    pub(super) targets: RefCell<choose::Failed>,
    pub(super) events: RefCell<Queue>,
    pub(super) colo: OnceCell<Option<String>>,
    /// Names of the fields of the last requests and answers.
    pub(super) names: header::Kept,
    /// Key of debug tokens: looked for once.
    debug_key: OnceCell<Option<Box<str>>>,
}

impl Gateway {
    /// A gateway over a plan. `seed` must be random and secret: hash keys of the memories and the isolate's id come
    /// from it. An unusable plan makes a gateway that answers every request with 503.
    pub fn new(plan: Vec<u8>, seed: u128) -> Gateway {
        let mut random = fastrand::Rng::with_seed(seed as u64 ^ (seed >> 64) as u64);
        let mut secret = |salt: u128| (seed ^ salt ^ u128::from(random.u64(..))).to_le_bytes();
        let (tokens, limits) = (secret(1), secret(1 << 64));
        let router = Plan::load(plan).map(|plan| Router::new(Rc::new(plan)));
        let issuers = router.as_ref().map(|router| router.plan().shared().issuers.len()).unwrap_or(0);
        Gateway {
            router: router.map_err(|error| error.to_string()),
            isolate: format!("{:012x}", random.u64(..) >> 16),
            next: Cell::new(0),
            random: RefCell::new(random),
            tokens: RefCell::new(token::memory::Memory::new(tokens)),
            keys: (0..issuers).map(|_| RefCell::default()).collect(),
            limits: RefCell::new(limit::memory::Memory::new(limits)),
            targets: RefCell::default(),
            events: RefCell::default(),
            colo: OnceCell::new(),
            names: header::Kept::default(),
            debug_key: OnceCell::new(),
        }
    }

    /// Why the plan cannot be used.
    pub fn unusable(&self) -> Option<String> {
        self.router.as_ref().err().map(|error| format!("the plan cannot be used: {error}"))
    }

    /// The router, unless the plan is unusable.
    pub fn router(&self) -> Option<&Router> {
        self.router.as_ref().ok()
    }

    /// The isolate's id: 12 hexadecimal digits.
    pub fn isolate(&self) -> &str {
        &self.isolate
    }

    /// Forgets every request: what comes next is answered as by a new isolate with these random numbers.
    #[cfg(feature = "cli")]
    pub fn forget(&self, seed: u64) {
        self.next.set(0);
        self.random.replace(fastrand::Rng::with_seed(seed));
        self.tokens.replace(token::memory::Memory::new([0; 16]));
        self.keys.iter().for_each(|keys| drop(keys.take()));
        self.limits.replace(limit::memory::Memory::new([0; 16]));
        self.targets.take();
        self.events.take();
    }

    /// The event of an answer, while it waits for its flush.
    #[cfg(feature = "cli")]
    pub fn event(&self, id: &str) -> Option<crate::event::Event> {
        let events = self.events.borrow();
        events.newest_first().find(|held| held.event.id == id).map(|held| held.event.clone())
    }

    /// The key of debug tokens, where one of sufficient length is bound.
    #[inline]
    pub(super) fn debug_key<H: Host>(&self, host: &H) -> Option<&str> {
        let bound = || host.secret(debug::KEY).filter(|key| key.len() >= debug::SHORTEST).map(Into::into);
        self.debug_key.get_or_init(bound).as_deref()
    }

    /// A new request id: the isolate's and a number, so that it costs no randomness and repeats nowhere.
    pub(super) fn request_id(&self) -> String {
        let number = self.next.get() + 1;
        self.next.set(number);
        let mut id = String::with_capacity(24);
        id.push_str(&self.isolate);
        id.push('-');
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4);
        id.extend(
            (0..digits).rev().filter_map(|digit| char::from_digit((number >> (4 * digit) & 15) as u32, 16)),
        );
        id
    }

    /// A random number, for choosing: not for secrets.
    pub(super) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }
}
