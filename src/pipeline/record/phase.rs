//! The phases of a request in their order, as records name them.

use crate::plan::{Action, Route};
use crate::policy::https::Https;

/// A phase of [`crate::pipeline::handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Phase {
    Admit,
    Admin,
    Preflight,
    Match,
    Version,
    Cors,
    Paths,
    Https,
    Maintenance,
    Secrets,
    Csrf,
    Body,
    Auth,
    Limits,
    Backends,
    Cache,
    Upstream,
    Combine,
    Redirect,
    Respond,
    Finish,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: &[Phase] = &[
        Phase::Admit,
        Phase::Admin,
        Phase::Preflight,
        Phase::Match,
        Phase::Version,
        Phase::Cors,
        Phase::Paths,
        Phase::Https,
        Phase::Maintenance,
        Phase::Secrets,
        Phase::Csrf,
        Phase::Body,
        Phase::Auth,
        Phase::Limits,
        Phase::Backends,
        Phase::Cache,
        Phase::Upstream,
        Phase::Combine,
        Phase::Redirect,
        Phase::Respond,
        Phase::Finish,
    ];

    /// Its name: the key in route files where there is one.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Admit => "admit",
            Phase::Admin => "admin",
            Phase::Preflight => "preflight",
            Phase::Match => "match",
            Phase::Version => "version",
            Phase::Cors => "cors",
            Phase::Paths => "paths",
            Phase::Https => "https",
            Phase::Maintenance => "maintenance",
            Phase::Secrets => "secrets",
            Phase::Csrf => "csrf",
            Phase::Body => "body",
            Phase::Auth => "auth",
            Phase::Limits => "limits",
            Phase::Backends => "backends",
            Phase::Cache => "cache",
            Phase::Upstream => "upstream",
            Phase::Combine => "combine",
            Phase::Redirect => "redirect",
            Phase::Respond => "respond",
            Phase::Finish => "response",
        }
    }

    /// Whether a route has something for it to do.
    pub fn applies(self, route: &Route) -> bool {
        match self {
            Phase::Admit | Phase::Match | Phase::Version | Phase::Paths => true,
            Phase::Admin | Phase::Preflight => false,
            Phase::Cors => route.cors.is_some(),
            Phase::Https => route.https != Https::Optional,
            Phase::Maintenance => route.maintenance.is_some(),
            Phase::Secrets => !route.secrets.is_empty(),
            Phase::Csrf => route.csrf.is_some(),
            Phase::Body => route.body.is_some(),
            Phase::Auth => route.auth.is_some(),
            Phase::Limits => !route.limits.is_empty(),
            Phase::Backends => matches!(&route.action, Action::Forward(forward) if forward.split.is_some()),
            Phase::Cache => route.cache.is_some(),
            Phase::Upstream => matches!(route.action, Action::Forward(_)),
            Phase::Combine => matches!(route.action, Action::Combine(_)),
            Phase::Redirect => matches!(route.action, Action::Redirect(_)),
            Phase::Respond => matches!(route.action, Action::Respond(_)),
            Phase::Finish => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_stand_in_their_order_and_have_their_own_names() {
        assert!(Phase::ALL.is_sorted());
        let mut words: Vec<&str> = Phase::ALL.iter().map(|phase| phase.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Phase::ALL.len());
        assert_eq!(Phase::ALL.len(), Phase::Finish as usize + 1);
    }
}
