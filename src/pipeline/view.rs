//! Header fields seen through the host.

use super::gateway::Gateway;
use crate::header::{Fields, Headers, Names, Present, Table};
use crate::policy::headers::Text;
use crate::ports::{Host, Message};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

/// The fields of one message.
pub enum View<'a, H> {
    /// Read one by one, each with a call into the host.
    Few(&'a H, Message),
    /// Read at once.
    Many(Rc<Fields>),
    /// The names read at once, and the values one by one.
    Names(&'a H, Message, Rc<Names>),
    /// Of usual names read one by one; at once when an unusual one is asked for.
    Late(&'a H, Message, OnceCell<Rc<Fields>>),
}

/// What answers usually vary by.
const USUAL: &[&str] =
    &["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin", "user-agent"];

impl<'a, H: Host> View<'a, H> {
    /// A view from which a field or two are read.
    pub fn few(host: &'a H, of: Message) -> Self {
        View::Few(host, of)
    }

    /// A view from which many fields are read, most of them absent.
    pub fn many(host: &'a H, of: Message) -> Self {
        View::Many(host.headers(of))
    }

    /// A view from which it is read which fields are there, and few values.
    pub fn names(gateway: &Gateway, host: &'a H, of: Message) -> Self {
        View::Names(host, of, gateway.names.of(host.names(of)))
    }

    /// A view from which names are read that others choose, such as an answer's `Vary`: a host may keep each name that
    /// it is asked for.
    pub fn late(host: &'a H, of: Message) -> Self {
        View::Late(host, of, OnceCell::new())
    }

    /// The names that are chosen, by a choice that is the same for all messages of the gateway.
    pub fn chosen(&self, choice: impl Fn(&str) -> bool) -> Vec<Text> {
        if let View::Names(_, _, names) = self {
            return names.chosen(choice).to_vec();
        }
        let mut chosen = Vec::new();
        self.each(&mut |name| {
            if choice(name) {
                chosen.push(name.to_owned().into());
            }
        });
        chosen
    }
}

impl<H: Host> Headers for View<'_, H> {
    fn each(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            View::Names(_, _, names) => names.each(visit),
            View::Many(fields) => fields.each(visit),
            View::Few(host, of) | View::Late(host, of, _) => host.headers(*of).each(visit),
        }
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            View::Few(host, of) => host.header(*of, name),
            View::Many(fields) => fields.get(name),
            View::Names(host, of, names) => names.has(name).then(|| host.header(*of, name)).flatten(),
            View::Late(host, of, _) if USUAL.contains(&name) => host.header(*of, name),
            View::Late(host, of, fields) => fields.get_or_init(|| host.headers(*of)).get(name),
        }
    }

    fn present(&self, table: &'static Table) -> Present {
        match self {
            View::Names(_, _, names) => names.present(table),
            View::Many(fields) => fields.present(table),
            View::Few(host, of) | View::Late(host, of, _) => host.headers(*of).present(table),
        }
    }
}
