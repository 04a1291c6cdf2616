//! How a route answers: exactly one of an upstream, several combined, a redirect, an answer that stands in the file.

use super::route::{Side, check_edit};
use super::split::Ground;
use super::{Compiler, Layers, Place};
use crate::config::settings::{
    self, ApiFile, HeadersUse, MirrorUse, Redirect as WrittenRedirect, Respond as WrittenRespond, RewriteUse,
    Route as Written, Scheme,
};
use crate::config::tree::{Node, Value};
use crate::plan::Action;
use crate::plan::rule::{Pattern, Rule, Subject};
use crate::policy::headers::Edit;
use crate::policy::redirect::{QUERY, Query, Redirect};
use crate::policy::respond::{Respond, check_type};
use crate::policy::rewrite::{Path, Prefix, Rewrite};

impl<'a> Compiler<'a> {
    pub(super) fn action(
        &mut self,
        scope: usize,
        api: &'a ApiFile,
        route: &'a Written,
        ground: &Ground<'_>,
        layers: &Layers<'a>,
        place: &Place,
    ) -> Action {
        self.exactly_one(route, place);
        if let Some(calls) = &route.combine {
            return self.combine(scope, api, calls, ground.template, layers, place);
        }
        if let Some(redirect) = &route.redirect {
            self.nothing_sent(route, "redirect", place);
            return Action::Redirect(self.redirect(redirect, ground, &place.key("redirect")));
        }
        if let Some(respond) = &route.respond {
            self.nothing_sent(route, "respond", place);
            return Action::Respond(self.respond(respond, &place.key("respond")));
        }
        self.forward(scope, api, route, ground, layers, place)
    }

    /// Reports what stands beside the key that answers.
    fn exactly_one(&mut self, route: &Written, place: &Place) {
        let answers = [
            ("combine", route.combine.is_some()),
            ("redirect", route.redirect.is_some()),
            ("respond", route.respond.is_some()),
        ];
        let mut given = answers.into_iter().filter(|(_, given)| *given).map(|(key, _)| key);
        let Some(first) = given.next() else { return };
        for key in given {
            let message = format!("a route answers in one way, and this one has `{first}`");
            self.error(
                "misplaced-key",
                &place.key(key),
                message,
                format!("keep one of `{first}` and `{key}`"),
            );
        }
        let mirrored = matches!(route.settings.mirror, Some(MirrorUse::Mirrors(_)));
        for (key, given) in [
            ("backends", route.backends.is_some()),
            ("sticky", route.sticky.is_some()),
            ("canary", route.canary.is_some()),
            ("mirror", mirrored),
        ] {
            if given {
                let message = format!("`{key}` is for routes that send each request to one upstream");
                let help = format!("remove it, or `{first}`");
                self.error("misplaced-key", &place.key(key), message, help);
            }
        }
        for (key, given) in [("upstream", route.upstream.is_some()), ("rewrite", route.rewrite.is_some())] {
            if given && first == "combine" {
                let message = format!("a combined route has no `{key}` of its own");
                let help = "put it into the calls, as `upstream` and `path`";
                self.error("misplaced-key", &place.key(key), message, help);
            } else if given {
                let message = format!("a route answers in one way, and this one has `{first}`");
                let help = match (key, first) {
                    ("rewrite", "redirect") => "write `path` or `prefix` in `redirect`".to_owned(),
                    _ => format!("keep one of `{first}` and `{key}`"),
                };
                self.error("misplaced-key", &place.key(key), message, help);
            }
        }
    }

    /// Reports settings of a route's own that only concern what is sent upstream.
    fn nothing_sent(&mut self, route: &Written, answer: &str, place: &Place) {
        let settings = &route.settings;
        let edits = match &settings.headers {
            Some(HeadersUse::Add { add: edits } | HeadersUse::Replace(edits)) => edits.request.is_some(),
            None => false,
        };
        for (key, given) in [
            ("timeout", settings.timeout.is_some()),
            ("failover", settings.failover.is_some()),
            ("headers", edits),
        ] {
            if given {
                let what = if key == "headers" { "headers.request" } else { key };
                let message = format!("nothing is sent upstream: the route has `{answer}`");
                self.error("never-applies", &place.key(key), message, format!("remove `{what}`"));
            }
        }
    }

    /// What a prefix stands in place of: base and prefix of what the route matches by prefix, the base of the rest.
    ///
    /// # Errors
    /// The route matches in both ways: which of them it was is not known when the path is made.
    fn replaced(&self, rules: &[Rule]) -> Result<Vec<String>, String> {
        let base = self.out.shared.apis.last().map_or("", |api| api.base.as_str());
        let prefix = |rule: &Rule| match &rule.path {
            Pattern::Prefix(prefix) => prefix.clone(),
            _ => String::new(),
        };
        let mut prefixes: Vec<String> = rules.iter().map(prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        if prefixes.len() > 1 && prefixes.iter().any(String::is_empty) {
            return Err(
                "some of the route's matches have a prefix and some have none: make two routes of it".into(),
            );
        }
        Ok(prefixes.into_iter().map(|prefix| [base, &prefix].concat()).collect())
    }

    /// The path of a rewrite or redirect: `path` or `prefix`.
    fn path(
        &mut self,
        path: Option<&String>,
        prefix: Option<&String>,
        ground: &Ground<'_>,
        place: &Place,
    ) -> Option<Path> {
        if path.is_some() && prefix.is_some() {
            let message = "`path` replaces the whole path, `prefix` its beginning";
            self.error("misplaced-key", &place.key("prefix"), message, "keep one of them");
            return None;
        }
        if let Some(path) = path {
            return self.rewrite(path, ground.template, &place.key("path")).map(Path::Template);
        }
        let prefix = prefix?;
        match self.replaced(ground.rules).and_then(|from| Prefix::parse(from, prefix)) {
            Ok(prefix) => Some(Path::Prefix(prefix)),
            Err(message) => {
                self.error("bad-rewrite", &place.key("prefix"), message, "");
                None
            }
        }
    }

    /// The path sent upstream, and the host told.
    pub(super) fn rewritten(
        &mut self,
        written: &RewriteUse,
        ground: &Ground<'_>,
        place: &Place,
    ) -> (Option<Path>, Option<String>) {
        let parts = match written {
            RewriteUse::Path(text) => {
                return (self.rewrite(text, ground.template, place).map(Path::Template), None);
            }
            RewriteUse::Parts(parts) => parts,
        };
        let settings::Rewrite { path, prefix, host } = parts;
        if path.is_none() && prefix.is_none() && host.is_none() {
            self.error("bad-rewrite", place, "this rewrites nothing", "give `path`, `prefix` or `host`");
        }
        let host = host.as_ref().and_then(|host| self.one_host(&host.0, &place.key("host")));
        (self.path(path.as_ref(), prefix.as_ref(), ground, place), host)
    }

    /// What a route sends upstream: by its own `rewrite`, or else by its file's.
    pub(super) fn sent(
        &mut self,
        route: &Written,
        ground: &Ground<'_>,
        place: &Place,
    ) -> (Option<Path>, Option<String>) {
        match &route.rewrite {
            Some(written) => self.rewritten(written, ground, &place.key("rewrite")),
            None => self.rewrite_of_file.clone(),
        }
    }

    /// What the routes of a file send in place of its base.
    pub(super) fn rewritten_base(
        &mut self,
        api: &ApiFile,
        base: &str,
        place: &Place,
    ) -> (Option<Path>, Option<String>) {
        let Some(settings::BaseRewrite { prefix, host }) = &api.rewrite else { return (None, None) };
        if prefix.is_none() && host.is_none() {
            self.error("bad-rewrite", place, "this rewrites nothing", "give `prefix` or `host`");
        }
        let prefix = prefix.as_ref().map(|to| Prefix::parse(vec![base.to_owned()], to));
        let prefix = prefix.and_then(|read| match read {
            Ok(prefix) if prefix.to == base && !self.baseless => {
                let message = "this is `base` itself, which is sent as it is";
                self.error("bad-rewrite", &place.key("prefix"), message, "remove it");
                None
            }
            Ok(prefix) => Some(Path::Prefix(prefix)),
            Err(message) => {
                self.error("bad-rewrite", &place.key("prefix"), message, "");
                None
            }
        });
        let host = host.as_ref().and_then(|host| self.one_host(&host.0, &place.key("host")));
        (prefix, host)
    }

    /// A host that is no pattern.
    fn one_host(&mut self, host: &str, place: &Place) -> Option<String> {
        if host.contains('*') {
            let message = format!("`{host}` is a pattern, and one host is needed");
            self.error("bad-value", place, message, "write one exact host");
            return None;
        }
        Some(host.to_owned())
    }

    fn redirect(&mut self, written: &WrittenRedirect, ground: &Ground<'_>, place: &Place) -> Redirect {
        let query = match written.query.as_deref() {
            None => Query::Keep,
            Some("none") => Query::Drop,
            Some(text) => match Rewrite::parse(&format!("{QUERY}{text}"), &ground.template.params) {
                Ok(template) => Query::Replace(template),
                Err(message) => {
                    self.error("bad-redirect", &place.key("query"), message, "");
                    Query::Keep
                }
            },
        };
        if written.path.as_ref().is_some_and(|path| path.contains('?')) {
            let message = "the path of a redirect holds a query";
            self.error("bad-redirect", &place.key("path"), message, "write it as `query`, without the `?`");
        }
        let redirect = Redirect {
            status: written.status.unwrap_or(302),
            https: written.scheme.map(|scheme| scheme == Scheme::Https),
            host: written.host.as_ref().and_then(|host| self.one_host(&host.0, &place.key("host"))),
            port: written.port,
            path: self.path(written.path.as_ref(), written.prefix.as_ref(), ground, place),
            query,
        };
        // What could not be read is a problem already; the rest alone would be judged wrongly.
        let unread = |given: bool, read: bool| given && !read;
        if !unread(written.path.is_some() || written.prefix.is_some(), redirect.path.is_some())
            && !unread(written.host.is_some(), redirect.host.is_some())
            && !unread(written.query.is_some(), redirect.query != Query::Keep)
        {
            if let Err(message) = redirect.check() {
                self.error("bad-redirect", place, message, "");
            } else if self.leads_back(&redirect, written, ground) {
                let (whose, help) = match redirect.https {
                    None => ("requests", "give another `host` or path"),
                    Some(true) => {
                        ("requests by HTTPS", "for plain HTTP alone, write the setting `https: redirect`")
                    }
                    Some(false) => ("requests by plain HTTP", "give another `host` or path"),
                };
                let message = format!("{whose} for this path would be led to themselves");
                self.error("bad-redirect", place, message, help);
            }
        }
        redirect
    }

    /// Whether a redirect leads some match of its route to itself, whatever the request holds.
    fn leads_back(&self, redirect: &Redirect, written: &WrittenRedirect, ground: &Ground<'_>) -> bool {
        let Some(api) = self.out.shared.apis.last() else { return false };
        let elsewhere = redirect
            .host
            .as_ref()
            .is_some_and(|host| api.hosts.iter().any(|own| own != host) || api.hosts.is_empty());
        if elsewhere || redirect.port.is_some() {
            return false;
        }
        let conditional =
            |rule: &Rule| rule.conditions.iter().any(|one| matches!(one.subject, Subject::Query(_)));
        // A query that is dropped or replaced makes a difference once.
        let query = |rule: &Rule| redirect.query == Query::Keep || !conditional(rule);
        let named = |text: &str| text.replace("{*", "{");
        let path = |rule: &Rule| match (&redirect.path, &rule.path) {
            (None, _) => true,
            (Some(Path::Template(_)), Pattern::Template(text)) => written
                .path
                .as_deref()
                .is_some_and(|path| named(path) == named(&[&api.base, text.as_str()].concat())),
            (Some(Path::Prefix(prefix)), Pattern::Prefix(text)) => {
                prefix.to == [&api.base, text.as_str()].concat()
            }
            (Some(Path::Prefix(prefix)), _) => prefix.to == api.base,
            (Some(Path::Template(_)), _) => false,
        };
        ground.rules.iter().any(|rule| query(rule) && path(rule))
    }

    fn respond(&mut self, written: &WrittenRespond, place: &Place) -> Respond {
        let mut body = written.body.clone().unwrap_or_default();
        let mut media_type = "text/plain; charset=utf-8";
        if written.json.is_some() {
            if written.body.is_some() {
                let message = "an answer has one body: `body` or `json`";
                self.error("misplaced-key", &place.key("json"), message, "keep one of them");
            }
            media_type = "application/json";
            // As written: typed values have lost the order of their keys.
            let tree = self.input.files.get(place.file).map(|file| &file.tree);
            let node = place.key("json").path.iter().try_fold(tree, |node, key| Some(node?.get(key)));
            body = node.flatten().map(json).unwrap_or_default();
        }
        let mut headers = Vec::new();
        if let Some(text) = &written.media_type {
            if body.is_empty() {
                let message = "an answer without a body has no type";
                self.error(
                    "never-applies",
                    &place.key("type"),
                    message,
                    "give `body` or `json`, or remove `type`",
                );
            }
            self.verdict("bad-respond", &place.key("type"), check_type(text));
        }
        if !body.is_empty() {
            let media_type = written.media_type.clone().map_or(media_type.into(), Into::into);
            headers.push(("content-type".into(), media_type));
        }
        let mut names: Vec<String> = Vec::new();
        for (name, values) in &written.headers {
            let at = place.key("headers").key(name);
            let lower = name.to_ascii_lowercase();
            if lower == "content-type" {
                self.error("bad-header", &at, "the body's type is a key of its own", "write it as `type`");
            }
            if names.contains(&lower) {
                let message = format!("`{name}` stands here twice");
                self.error("duplicate", &at, message, "header names ignore case; several values are a list");
            }
            for value in values.as_slice() {
                let edit = Edit::Add(lower.clone().into(), value.clone().into());
                if let Err(message) = check_edit(&edit, Side::Response) {
                    self.error("bad-header", &at, message, "");
                }
                headers.push((lower.clone().into(), value.clone().into()));
            }
            names.push(lower);
        }
        if !names.iter().any(|name| name == "cache-control") {
            headers.push(("cache-control".into(), "no-store".into()));
        }
        let status = written.status.unwrap_or(if body.is_empty() { 204 } else { 200 });
        let respond = Respond { status, headers, body };
        self.verdict("bad-respond", place, respond.check());
        respond
    }
}

/// A node as JSON, keys in their order.
fn json(node: &Node) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => serde_json::Number::from_f64(*value).map_or("null".into(), |n| n.to_string()),
        Value::Text(value) => text(value),
        Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let members = entries.iter().map(|(key, node)| format!("{}:{}", text(&key.name), json(node)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}
