//! Header fields seen through the host.

use crate::header::Headers;
use crate::ports::{Host, Message};
use std::borrow::Cow;
use std::cell::OnceCell;

/// The fields of one message.
pub enum View<'a, H> {
    /// Read one by one, each with a call into the host.
    Few(&'a H, Message),
    /// Read at once.
    Many(Fields),
    /// Of usual names read one by one; at once when an unusual one is asked for.
    Late(&'a H, Message, OnceCell<Fields>),
}

/// What answers usually vary by.
const USUAL: &[&str] =
    &["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin", "user-agent"];

/// Names and values in turn, one on each line, and where each line ends: a field is looked for dozens of times.
pub struct Fields {
    all: String,
    ends: Vec<(usize, usize)>,
}

impl Fields {
    fn new(all: String) -> Fields {
        let mut ends = Vec::with_capacity(16);
        let mut breaks = all.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        while let (Some(name), Some(value)) = (breaks.next(), breaks.next()) {
            ends.push((name, value));
        }
        Fields { all, ends }
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| Cow::Borrowed(value))
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut from = 0;
        self.ends.iter().filter_map(move |(name, value)| {
            let begin = std::mem::replace(&mut from, value + 1);
            Some((self.all.get(begin..*name)?, self.all.get(name + 1..*value)?))
        })
    }
}

impl<'a, H: Host> View<'a, H> {
    /// A view from which a field or two are read.
    pub fn few(host: &'a H, of: Message) -> Self {
        View::Few(host, of)
    }

    /// A view from which many fields are read, most of them absent.
    pub fn many(host: &'a H, of: Message) -> Self {
        View::Many(Fields::new(host.headers(of)))
    }

    /// A view from which names are read that others choose, such as an answer's `Vary`: a host may keep each name that
    /// it is asked for.
    pub fn late(host: &'a H, of: Message) -> Self {
        View::Late(host, of, OnceCell::new())
    }

    /// The names of the fields, if the view was made for many.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let fields = match self {
            View::Many(fields) => Some(fields),
            View::Few(..) | View::Late(..) => None,
        };
        fields.into_iter().flat_map(Fields::iter).map(|(name, _)| name)
    }
}

impl<H: Host> Headers for View<'_, H> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            View::Few(host, of) => host.header(*of, name),
            View::Many(fields) => fields.get(name),
            View::Late(host, of, _) if USUAL.contains(&name) => host.header(*of, name),
            View::Late(host, of, fields) => fields.get_or_init(|| Fields::new(host.headers(*of))).get(name),
        }
    }
}
