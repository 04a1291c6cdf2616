//! Header fields seen through the host.

use crate::header::Headers;
use crate::ports::{Host, Message};
use std::borrow::Cow;

/// The fields of one message.
pub struct View<'a, H> {
    host: &'a H,
    of: Message,
    /// The names that are there, where many will be asked for: an absent field then costs no call.
    names: Option<String>,
}

impl<'a, H: Host> View<'a, H> {
    /// A view from which a few fields are read.
    pub fn few(host: &'a H, of: Message) -> Self {
        View { host, of, names: None }
    }

    /// A view from which many fields are read, most of them absent.
    pub fn many(host: &'a H, of: Message) -> Self {
        View { host, of, names: Some(host.names(of)) }
    }

    /// The names of the fields, if the view was made for many.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.as_deref().unwrap_or("").split('\n').filter(|name| !name.is_empty())
    }
}

impl<H: Host> Headers for View<'_, H> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if self.names.is_some() && !self.names().any(|own| own == name) {
            return None;
        }
        self.host.header(self.of, name)
    }

    fn has(&self, name: &str) -> bool {
        match self.names {
            Some(_) => self.names().any(|own| own == name),
            None => self.host.header(self.of, name).is_some(),
        }
    }
}
