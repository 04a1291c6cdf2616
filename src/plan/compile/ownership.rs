//! Who may serve what: hosts and base paths belong to the owner of the API that declares them, unless granted.

use super::{Compiler, Place};
use crate::config::problem::nearest;
use crate::config::settings::Owner;
use crate::plan::Api;
use crate::routing::host::{Kind, kind};

impl Compiler<'_> {
    pub(super) fn ownership(&mut self) {
        self.grants();
        self.listed();
        self.intrusions();
    }

    fn api_place(&self, api: usize, key: &str) -> Place {
        let file = self.input.apis.get(api).map_or(0, |(file, _)| *file);
        Place::new(file, &[key])
    }

    /// `base` where it is written, otherwise the API's name.
    fn base_place(&self, api: usize) -> Place {
        let given = self.input.apis.get(api).is_some_and(|(_, file)| file.base.is_some());
        self.api_place(api, if given { "base" } else { "api" })
    }

    /// Grants of what the API itself does not serve, and grants that nobody uses.
    fn grants(&mut self) {
        for (number, (_, file)) in self.input.apis.iter().enumerate() {
            for (index, grant) in file.grants.iter().enumerate() {
                let place = self.api_place(number, "grants").index(index);
                let Some(api) = self.out.shared.apis.get(number) else { continue };
                if !below(trimmed(&grant.base), &api.base) {
                    let message = format!("`{}` does not lie below this API's base", grant.base);
                    let help = format!("grant a path that begins with `{}/`", api.base);
                    self.error("bad-grant", &place.key("base"), message, help);
                    continue;
                }
                let used = self.out.shared.apis.iter().enumerate().any(|(other, inner)| {
                    other != number
                        && inner.owner == grant.to
                        && below(&inner.base, trimmed(&grant.base))
                        && overlap(api, inner)
                });
                if grant.to == api.owner {
                    let message = format!("`{}` owns this API, and needs no grant", grant.to);
                    self.error("bad-grant", &place.key("to"), message, "remove the grant");
                } else if !used {
                    let message = format!("`{}` serves nothing below `{}`", grant.to, grant.base);
                    self.warn("unused", &place, message, "remove the grant, until there is something");
                }
            }
        }
    }

    /// What the gateway file's list of owners says of each API.
    fn listed(&mut self) {
        let owners = &self.input.gateway.1.owners;
        if owners.is_empty() {
            return;
        }
        for number in 0..self.out.shared.apis.len() {
            let Some(api) = self.out.shared.apis.get(number).cloned() else { continue };
            let Some(owner) = owners.get(&api.owner) else {
                let message = format!("the gateway file lists no owner `{}`", api.owner);
                let help = match nearest(&api.owner, owners.keys().map(String::as_str)) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => "add it to `owners` there".to_owned(),
                };
                self.error("unknown-owner", &self.api_place(number, "owner"), message, help);
                continue;
            };
            let help = |what: &str| {
                let contact = contact(owners.get(&api.owner));
                format!(
                    "the gateway file's `owners` say what it may serve{contact}; choose another {what}, or add it there"
                )
            };
            if !owner.bases.is_empty() && !owner.bases.iter().any(|base| below(&api.base, trimmed(base))) {
                let base = if api.base.is_empty() { "/" } else { &api.base };
                let message = format!("`{}` may not serve `{base}`", api.owner);
                self.error("not-owned", &self.base_place(number), message, help("base"));
            }
            if owner.hosts.is_empty() {
                continue;
            }
            let allowed: Vec<&str> = owner.hosts.iter().map(|host| host.0.as_str()).collect();
            let any = api.hosts.is_empty().then_some("*");
            let hosts = api.hosts.iter().map(String::as_str).chain(any);
            for host in hosts.filter(|host| !allowed.iter().any(|wide| covers(wide, host))) {
                let message = format!("`{}` may not serve the host `{host}`", api.owner);
                let key = if api.hosts.is_empty() { "api" } else { "hosts" };
                self.error("not-owned", &self.api_place(number, key), message, help("host"));
            }
        }
    }

    /// APIs that lie within, or equal, those of other owners.
    fn intrusions(&mut self) {
        let apis = self.out.shared.apis.clone();
        // Sorted by base, what lies within another follows it; the hosts are compared only then.
        for (number, inner) in apis.iter().enumerate() {
            let lies = |other: usize, outer: &Api| {
                other != number
                    && below(&inner.base, &outer.base)
                    && overlap(outer, inner)
                    // Of two in the same place the more specific host is the inner one, or the later.
                    && (outer.base != inner.base || within(outer, inner, other < number))
            };
            let around: Vec<(usize, &Api)> =
                apis.iter().enumerate().filter(|(other, outer)| lies(*other, outer)).collect();
            let intruded = around.iter().copied().filter(|(other, outer)| {
                // What lies between, for all of the hosts, has its own right to be there, or none.
                let between = around.iter().any(|(_, mid)| {
                    mid.base.len() > outer.base.len() && mid.base != inner.base && all_hosts(mid, inner)
                });
                let granted =
                    self.granted(*other, inner) || outer.base == inner.base && self.granted(number, outer);
                outer.owner != inner.owner && !between && !granted
            });
            let outer = intruded.max_by_key(|(_, outer)| outer.base.len());
            let Some((other, outer)) = outer else { continue };
            let base = |api: &Api| if api.base.is_empty() { "/".to_owned() } else { api.base.clone() };
            let message = format!(
                "`{}` of `{}` lies within `{}` of `{}`",
                base(inner),
                inner.owner,
                base(outer),
                outer.owner
            );
            let at = self.named(&self.base_place(other));
            let contact = contact(self.input.gateway.1.owners.get(&outer.owner));
            let help = format!(
                "it is {at}{contact}; there, add `grants: [{{ base: {}, to: {} }}]`, or choose another base or host here",
                base(inner),
                inner.owner
            );
            self.error("not-granted", &self.base_place(number), message, help);
        }
    }

    /// Whether an API's file grants another owner's API its place.
    fn granted(&self, outer: usize, inner: &Api) -> bool {
        let grants = self.input.apis.get(outer).map(|(_, file)| file.grants.as_slice()).unwrap_or_default();
        grants.iter().any(|grant| grant.to == inner.owner && below(&inner.base, trimmed(&grant.base)))
    }
}

fn contact(owner: Option<&Owner>) -> String {
    owner
        .and_then(|owner| owner.contact.as_ref())
        .map_or(String::new(), |contact| format!(" (ask {contact})"))
}

fn trimmed(base: &str) -> &str {
    base.strip_suffix('/').unwrap_or(base)
}

/// Whether a base path equals another, or lies below it.
fn below(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether some host is served by both.
fn overlap(one: &Api, other: &Api) -> bool {
    let any = one.hosts.is_empty() || other.hosts.is_empty();
    any || one.hosts.iter().any(|a| other.hosts.iter().any(|b| covers(a, b) || covers(b, a)))
}

/// Whether all that `narrow` serves are hosts of `wide`.
fn all_hosts(wide: &Api, narrow: &Api) -> bool {
    let known = |host: &String| wide.hosts.iter().any(|own| covers(own, host));
    wide.hosts.is_empty() || !narrow.hosts.is_empty() && narrow.hosts.iter().all(known)
}

/// Whether, in the same place, `inner` is the one that intrudes.
fn within(outer: &Api, inner: &Api, outer_first: bool) -> bool {
    match (all_hosts(outer, inner), all_hosts(inner, outer)) {
        (true, false) => true,
        (false, true) => false,
        _ => outer_first,
    }
}

/// Whether a host pattern fits every host that another fits. Of two that share a host, one always does.
fn covers(wide: &str, narrow: &str) -> bool {
    let under = |host: &str, suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    let same_or_under = |host: &str, suffix: &str| host == suffix || under(host, suffix);
    if wide == "*" {
        return true;
    }
    match (kind(wide), kind(narrow)) {
        _ if narrow == "*" => false,
        (Kind::Exact(a), Kind::Exact(b)) => a == b,
        (Kind::Exact(_), _) => false,
        (Kind::Wildcard(a), Kind::Exact(b)) => under(b, a),
        (Kind::Wildcard(a), Kind::Label(_, b) | Kind::Wildcard(b)) => same_or_under(b, a),
        (Kind::Label(_, a), Kind::Exact(b)) => b.split_once('.').is_some_and(|(_, rest)| rest == a),
        (Kind::Label(_, a), Kind::Label(_, b)) => a == b,
        (Kind::Label(..), Kind::Wildcard(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_fits() {
        for (wide, narrow, is) in [
            ("*", "a.example", true),
            ("a.example", "*", false),
            ("a.example", "a.example", true),
            ("*.example", "a.example", true),
            ("*.example", "b.a.example", true),
            ("*.example", "example", false),
            ("*.example", "an-example", false),
            ("*.example", "*.a.example", true),
            ("*.a.example", "*.example", false),
            ("{t}.example", "a.example", true),
            ("{t}.example", "b.a.example", false),
            ("{t}.example", "{u}.example", true),
            ("*.example", "{t}.example", true),
            ("{t}.example", "*.example", false),
        ] {
            assert_eq!(covers(wide, narrow), is, "{wide} {narrow}");
        }
    }

    #[test]
    fn bases_lie_below_by_whole_elements() {
        assert!(below("/a/b", "/a") && below("/a", "/a") && below("/a", "") && below("", ""));
        assert!(!below("/ab", "/a") && !below("/a", "/a/b") && !below("", "/a"));
    }
}
