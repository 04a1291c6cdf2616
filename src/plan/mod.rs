//! The plan: route files checked, resolved and compiled into tables that the request's way reads.
//!
//! `compile` (native) writes it, [`Plan::load`] reads it. Shared tables are decoded once; a route is decoded when it
//! is first matched. See [`mod@format`] for the bytes.

use crate::{cache, limit, policy, token, upstream};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::rc::Rc;

#[cfg(feature = "cli")]
pub mod compile;
pub mod format;
pub mod rule;
pub mod table;

/// Plans for the tests of every module.
#[cfg(test)]
#[path = "../../tests/support/plans.rs"]
pub(crate) mod samples;
#[cfg(test)]
use crate as tollgate;

/// A loaded plan.
#[derive(Debug)]
pub struct Plan {
    bytes: Vec<u8>,
    shared: Shared,
    tables: format::List,
    rules: format::List,
    routes: format::List,
    /// Routes decoded so far.
    decoded: Vec<OnceCell<Rc<Route>>>,
    hash: String,
}

impl Plan {
    /// Reads a plan that [`format::write`] wrote.
    ///
    /// # Errors
    /// A plan that is cut short, corrupt or of another format; see [`format::LoadError`]. No bytes make it panic.
    pub fn load(bytes: Vec<u8>) -> Result<Plan, format::LoadError> {
        format::load(bytes)
    }

    /// What all routes share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Content hash, 32 lower-case hexadecimal digits: the plan's identity in events, health and explain.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.decoded.len()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.decoded.is_empty()
    }

    /// A route by its index; decoded at the first call.
    ///
    /// # Errors
    /// An index that the plan does not have, or a route that does not decode.
    pub fn route(&self, index: u32) -> Result<Rc<Route>, format::LoadError> {
        let missing = || format::LoadError::Missing("route of this index");
        let cell = usize::try_from(index).ok().and_then(|i| self.decoded.get(i)).ok_or_else(missing)?;
        if let Some(route) = cell.get() {
            return Ok(Rc::clone(route));
        }
        let route = Rc::new(self.routes.get(&self.bytes, index)?);
        Ok(Rc::clone(cell.get_or_init(|| route)))
    }

    /// The rules of an API, an index into [`Shared::apis`], as a tree.
    ///
    /// # Errors
    /// An index that the plan does not have, or a table that does not decode.
    pub fn table(&self, api: u32) -> Result<table::Table, format::LoadError> {
        self.tables.get(&self.bytes, api)
    }

    /// Number of rules.
    pub fn rules(&self) -> usize {
        self.rules.length
    }

    /// A rule by its index; decoded at each call.
    ///
    /// # Errors
    /// An index that the plan does not have, or a rule that does not decode.
    pub fn rule(&self, index: u32) -> Result<rule::Rule, format::LoadError> {
        self.rules.get(&self.bytes, index)
    }
}

/// A place in the route files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Index into [`Shared::files`].
    pub file: u16,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u16,
}

/// What all routes share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// The environment that the plan was compiled for, e.g. `dev`.
    pub environment: String,
    /// Route files, relative to the routes folder's parent, e.g. `routes/orders/v2.yaml`.
    pub files: Vec<String>,
    /// API versions.
    pub apis: Vec<Api>,
    /// Issuers.
    pub issuers: Vec<token::Issuer>,
    /// Limits and quotas.
    pub limits: Vec<limit::Limit>,
    /// Upstreams.
    pub upstreams: Vec<upstream::Upstream>,
    /// CORS settings.
    pub cors: Vec<policy::cors::Cors>,
    /// Header fields by which any route tells origins a claim: no client's copy passes on any route, for origins
    /// are shared. Lower case.
    pub claim_headers: Vec<String>,
    /// Names of the secrets that some route needs.
    pub secrets: Vec<String>,
    /// Settings of the gateway itself.
    pub gateway: Gateway,
}

/// Settings of the gateway itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// Host that alone serves `/_tollgate`; `None`: every host.
    pub admin_host: Option<String>,
    /// Whether inbound `Forwarded`/`X-Forwarded-*` are believed (set where another proxy stands in front).
    pub trust_forwarded: bool,
    /// Pseudonym in `Via`, `Cache-Status` and `Proxy-Status`.
    pub name: String,
    /// Share of the successful requests' events that are kept, for journal and analytics sink alike, in thousandths.
    /// Refusals and errors are kept up to so many a second.
    pub sample: u16,
    /// Events that the journal keeps, and up to a batch more in each of its objects.
    pub history: u32,
    /// Repeated slashes in a path count as one; otherwise such a path is refused.
    pub merge_slashes: bool,
}

impl Gateway {
    /// Whether `/_tollgate` is served on a canonical host.
    pub fn serves_admin(&self, host: &str) -> bool {
        self.admin_host.as_deref().is_none_or(|own| own == host)
    }
}

impl Shared {
    /// A place as people write it: `file:line:column`.
    pub fn place(&self, source: &Source) -> String {
        let file = self.files.get(usize::from(source.file)).map_or("?", String::as_str);
        format!("{file}:{}:{}", source.line, source.column)
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Gateway {
            admin_host: None,
            trust_forwarded: false,
            name: "tollgate".into(),
            sample: 100,
            history: 10_000,
            merge_slashes: false,
        }
    }
}

/// One version of one API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// Name of the API, e.g. `orders`.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// Version, e.g. `v2`.
    pub version: String,
    /// Lifecycle.
    pub status: policy::lifecycle::Lifecycle,
    /// Host patterns, lower case: exact, `{label}.` and a suffix, or `*.` and a suffix. Empty: every host.
    pub hosts: Vec<String>,
    /// Base path, canonical, without a trailing slash; empty for the root.
    pub base: String,
    /// What its paths and methods may look like.
    pub matching: Matching,
    /// Which requests mean this version, where not the base path alone says so. Every rule of the API has it too.
    pub selector: Option<rule::Condition>,
    /// CORS of answers that belong to the API but to no route (404, 405); index into [`Shared::cors`].
    pub cors: Option<u32>,
    /// Header edits of such answers.
    pub headers: policy::headers::Headers,
    /// `Strict-Transport-Security` of such answers over HTTPS.
    pub hsts: Option<String>,
    /// Request fields for `Vary` of such answers.
    pub vary: Vec<String>,
    /// Where it was declared.
    pub source: Source,
}

/// What the paths and methods of an API may look like beside what its rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matching {
    /// A slash at the end.
    pub slash: Slash,
    /// The base path itself.
    pub base: BaseForm,
    /// GET's rules answer HEAD.
    pub head: bool,
    /// OPTIONS is answered where no rule takes it.
    pub options: bool,
}

impl Default for Matching {
    fn default() -> Self {
        Matching { slash: Slash::Significant, base: BaseForm::Either, head: true, options: true }
    }
}

/// What a slash at the end of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slash {
    /// `/a` and `/a/` are two paths.
    Significant,
    /// They are one; templates of the plan have none at the end.
    Ignored,
    /// They are two; where only the other one has a route, the answer is 308 with that path.
    Redirected,
}

/// How the base path itself may be written, which the template `/` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BaseForm {
    /// With a slash at the end or without.
    Either,
    /// Without.
    Bare,
    /// With.
    Slash,
}

/// One route with everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Operation name within its API version, e.g. `getOrder`.
    pub name: String,
    /// Index into [`Shared::apis`].
    pub api: u32,
    /// Where it was declared.
    pub source: Source,
    /// Template with its base as written, e.g. `/orders/v2/{id}`: for events and explain, never a client's path.
    pub template: String,
    /// What becomes of requests over plain HTTP.
    pub https: policy::https::Https,
    /// Paths that are refused elsewhere and pass here.
    pub paths: crate::routing::path::Leniency,
    /// Who may call.
    pub auth: Option<policy::auth::Auth>,
    /// Limits and quotas, indexes into [`Shared::limits`], in the order in which they are asked.
    pub limits: Vec<u32>,
    /// Bounds on the request body.
    pub body: Option<policy::body::Body>,
    /// CORS, index into [`Shared::cors`].
    pub cors: Option<u32>,
    /// Caching.
    pub cache: Option<cache::Rule>,
    /// Header edits.
    pub headers: policy::headers::Headers,
    /// What answers.
    pub action: Action,
    /// Timeouts.
    pub timeout: policy::timeout::Timeout,
    /// Names of the secrets without which the route answers 503.
    pub secrets: Vec<String>,
    /// What pages of other sites make browsers send is refused.
    pub csrf: Option<policy::csrf::Csrf>,
    /// `Strict-Transport-Security` of answers over HTTPS.
    pub hsts: Option<String>,
    /// It is under maintenance.
    pub maintenance: Option<policy::maintenance::Maintenance>,
    /// Request fields by which it is decided that this route answers, and by which of its backends: for `Vary`.
    pub vary: Vec<String>,
}

impl Route {
    /// Whether some header edit of its holds captured parameters.
    pub fn captures(&self) -> bool {
        let of = |headers: &policy::headers::Headers| !headers.fills.is_empty();
        let (split, mirrors) = match &self.action {
            Action::Forward(forward) => (forward.split.as_ref(), forward.mirrors.as_slice()),
            _ => (None, [].as_slice()),
        };
        of(&self.headers)
            || split.is_some_and(|split| split.backends.iter().any(|own| of(&own.headers)))
            || mirrors.iter().any(|mirror| of(&mirror.headers))
    }
}

/// What answers a request that passed every check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// One upstream, its answer passed through.
    Forward(Forward),
    /// Several upstream calls merged into one JSON answer.
    Combine(policy::combine::Combine),
    /// Another URL.
    Redirect(policy::redirect::Redirect),
    /// An answer that stands in the route file.
    Respond(policy::respond::Respond),
}

/// Passing a request on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forward {
    /// Index into [`Shared::upstreams`].
    pub upstream: u32,
    /// The path sent; `None`: the client's path, with the API's base.
    pub rewrite: Option<policy::rewrite::Path>,
    /// Further targets tried when one cannot be reached (0: none). Only for requests that are safe to send again.
    pub failover: u8,
    /// The host that the origin is told in place of the client's.
    pub told_host: Option<String>,
    /// Backends among which one is chosen, in place of `upstream`. Boxed: most routes have none.
    pub split: Option<Box<policy::split::Split>>,
    /// Where copies of the requests go.
    pub mirrors: Vec<policy::mirror::Mirror>,
}
