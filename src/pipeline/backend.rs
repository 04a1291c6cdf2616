//! Which of a route's backends gets the request: the phase around [`crate::policy::split`].

use super::exchange::Exchange;
use super::limits::Facts;
use crate::limit::key::{self, Facts as _};
use crate::plan::{Action, Route, Shared};
use crate::policy::canary::Word;
use crate::policy::split::{self, Backend, By, NewCookie, Split, Sticky};
use crate::ports::Host;

impl<H: Host> Exchange<'_, H> {
    /// Chooses the backend; before the cache is asked, which keeps the answers of backends apart.
    pub(super) fn choose(&mut self, shared: &Shared, split: &Split) {
        let before = self.edits.len();
        let value = split.sticky.as_ref().and_then(|sticky| self.sticky_value(shared, sticky));
        let header = split.canary.as_ref().and_then(|canary| canary.header.as_ref());
        let word = header.and_then(|name| self.header(name)).and_then(|text| Word::parse(&text));
        let by = match &value {
            _ if word.is_some() => "the caller's own word on the canary",
            None => "chance",
            Some(_) if self.edits.len() > before => "chance, and a cookie keeps the caller there",
            Some(_) => "what the caller sticks by",
        };
        let point = value.map_or_else(|| self.gateway.random(), |value| split.point(&value));
        let Some((index, backend)) =
            split.choose(point, self.event.at, word).and_then(|i| Some((i, split.backends.get(i)?)))
        else {
            return;
        };
        self.event.backend = u16::try_from(index).ok();
        self.note_backend(&backend.name, by);
        backend.headers.response_edits(&self.captured, &mut self.edits);
    }

    /// What the caller sticks by; a cookie may be made for that. `None`: chance decides.
    fn sticky_value(&mut self, shared: &Shared, sticky: &Sticky) -> Option<String> {
        if let Some(value) = self.value(shared, &sticky.by) {
            return Some(value);
        }
        let (By::Cookie(name), Some(set)) = (&sticky.by, &sticky.set) else { return None };
        let value = NewCookie::value(self.gateway.random());
        self.edits.extend(set.edits(name, &value));
        Some(value)
    }

    /// What the request has of it.
    fn value(&self, shared: &Shared, by: &By) -> Option<String> {
        let facts = Facts { exchange: self, shared };
        match by {
            By::Consumer => facts.consumer().map(|(issuer, consumer)| split::of_consumer(issuer, consumer)),
            By::Address => facts.address().map(key::network),
            By::Header(name) => facts.header(name).map(|value| value.into_owned()),
            By::Cookie(name) => split::cookie(&facts.header("cookie")?, name).map(str::to_owned),
        }
    }

    /// The field by which callers speak of the route's canary: it is not for origins.
    pub(super) fn canary_header<'r>(&self, route: &'r Route) -> Option<&'r String> {
        self.event.backend?;
        match &route.action {
            Action::Forward(forward) => forward.split.as_ref()?.canary.as_ref()?.header.as_ref(),
            _ => None,
        }
    }

    /// The backend chosen for the request, where its route has several.
    pub(super) fn backend<'r>(&self, route: &'r Route) -> Option<&'r Backend> {
        let index = self.event.backend?;
        match &route.action {
            Action::Forward(forward) => forward.split.as_ref()?.backends.get(usize::from(index)),
            _ => None,
        }
    }
}
