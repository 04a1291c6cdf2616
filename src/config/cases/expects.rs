//! What tests expect: that it can be, and that it is something.

use super::names::unknown;
use super::{Reader, Source, below};
use crate::config::settings::{Expect, FieldMatch, SentExpect, TextMatch, UpstreamExpect};
use crate::fault::Reason;

impl Reader<'_> {
    pub(super) fn expect(&mut self, source: &Source<'_>, path: &[String], expect: &Expect) {
        let Expect {
            route,
            outcome,
            status,
            reason,
            headers,
            body,
            upstream,
            calls,
            key_fetches,
            cache,
            mirrors,
            backend,
        } = expect;
        let nothing = route.is_none()
            && outcome.is_none()
            && status.is_none()
            && reason.is_none()
            && headers.is_empty()
            && body.is_none()
            && upstream.is_none()
            && calls.is_none()
            && key_fetches.is_none()
            && cache.is_none()
            && mirrors.is_none()
            && backend.is_none();
        if nothing {
            self.finding("bad-test", source, path, "this expects nothing".into(), "say what must come of it");
        }
        if let Some(name) = route.as_deref().filter(|name| *name != "none")
            && let Err(message) = source.names.route(name)
        {
            self.finding("unknown-name", source, &below(path, &["route"]), message, "");
        }
        if let Some(code) = reason.as_deref().filter(|code| *code != "none") {
            let at = below(path, &["reason"]);
            match Reason::ALL.iter().find(|reason| reason.code() == code) {
                None => {
                    let message = unknown("reason", code, Reason::ALL.iter().map(|reason| reason.code()));
                    self.finding("unknown-name", source, &at, message, "see docs/problems/README.md");
                }
                Some(reason) if status.is_some_and(|status| status != reason.status()) => {
                    let message = format!("`{code}` is answered with {}", reason.status());
                    self.finding("bad-test", source, &at, message, "`reason` alone says the status too");
                }
                Some(_) => {}
            }
        }
        self.matches(source, &below(path, &["headers"]), headers);
        self.text(source, &below(path, &["body"]), body.as_ref());
        for (key, expected) in [("upstream", upstream), ("mirrors", mirrors)] {
            let at = below(path, &[key]);
            match expected {
                None | Some(UpstreamExpect::Nothing(_)) => {}
                Some(UpstreamExpect::One(sent)) => self.sent(source, &at, sent),
                Some(UpstreamExpect::Many(all)) => {
                    for (index, sent) in all.iter().enumerate() {
                        self.sent(source, &below(&at, &[&index.to_string()]), sent);
                    }
                }
            }
        }
    }

    fn sent(&mut self, source: &Source<'_>, path: &[String], sent: &SentExpect) {
        let SentExpect { name, url, path: own, method, headers, body } = sent;
        let nothing = name.is_none()
            && url.is_none()
            && own.is_none()
            && method.is_none()
            && headers.is_empty()
            && body.is_none();
        if nothing {
            self.finding("bad-test", source, path, "this expects nothing".into(), "say what must be sent");
        }
        if let Some(Err(message)) = name.as_deref().map(|name| source.names.upstream(name)) {
            self.finding("unknown-name", source, &below(path, &["name"]), message, "");
        }
        self.matches(source, &below(path, &["headers"]), headers);
        self.text(source, &below(path, &["body"]), body.as_ref());
    }

    fn matches(
        &mut self,
        source: &Source<'_>,
        path: &[String],
        fields: &indexmap::IndexMap<String, FieldMatch>,
    ) {
        self.fields(source, path, fields.keys());
        for (name, field) in fields {
            let FieldMatch::Rule(rule) = field else { continue };
            let path = below(path, &[name]);
            let more = rule.contains.is_some() || rule.lacks.is_some() || rule.matches.is_some();
            if rule.present.is_none() && !more {
                self.finding("bad-test", source, &path, "this expects nothing".into(), "");
            }
            if rule.present == Some(false) && more {
                let message = "what is not there has no value".to_owned();
                self.finding("never-applies", source, &below(&path, &["present"]), message, "");
            }
            self.regex(source, &below(&path, &["matches"]), rule.matches.as_deref());
        }
    }

    fn text(&mut self, source: &Source<'_>, path: &[String], text: Option<&TextMatch>) {
        let Some(TextMatch::Rule(rule)) = text else { return };
        if rule.contains.is_none() && rule.lacks.is_none() && rule.matches.is_none() {
            self.finding("bad-test", source, path, "this expects nothing".into(), "");
        }
        self.regex(source, &below(path, &["matches"]), rule.matches.as_deref());
    }

    fn regex(&mut self, source: &Source<'_>, path: &[String], text: Option<&str>) {
        if let Some(Err(error)) = text.map(crate::routing::asked::whole) {
            self.finding("bad-test", source, path, format!("this is no regular expression: {error}"), "");
        }
    }
}
