//! What protects people with browsers (CORS, cross-site requests, security fields), and maintenance.

use super::definitions::Kind;
use super::route::{Side, check_edit};
use super::{Compiler, Layers, Place};
use crate::config::problem::Problem;
use crate::config::settings::{
    self, CorsUse, CsrfUse, CsrfWord, HstsUse, MaintenanceUse, Referrer, SecurityUse, SecurityWord,
};
use crate::policy::cors::{Cors, check_origin};
use crate::policy::csrf::Csrf;
use crate::policy::headers::Edit;
use crate::policy::maintenance::{Key, Maintenance};
use crate::policy::security::{Frames, Hsts, Security, YEAR, names_frame_ancestors};

impl<'a> Compiler<'a> {
    pub(super) fn cors_of(&mut self, scope: usize, layers: &Layers<'a>) -> Option<u32> {
        let (cors, layer) = layers.nearest(|s| s.cors.as_ref())?;
        let at = layer.place.key("cors");
        match cors {
            CorsUse::Named(name) if name == "none" => None,
            CorsUse::Named(name) => {
                let scope = if layer.place.file == self.input.gateway.0 { 0 } else { scope };
                self.find(Kind::Cors, scope, name, &at)
            }
            CorsUse::Inline(cors) => Some(self.cors_settings(cors, &at)),
        }
    }

    /// Compiles CORS settings and returns their index.
    pub(super) fn cors_settings(&mut self, cors: &settings::Cors, place: &Place) -> u32 {
        let max_age = self.within(
            cors.max_age.as_ref(),
            600_000,
            (0, 86_400_000),
            "24h at most",
            &place.key("max_age"),
        );
        let compiled = Cors {
            origins: cors.origins.clone(),
            methods: cors.methods.clone(),
            headers: cors.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            expose: cors.expose.clone(),
            credentials: cors.credentials.unwrap_or(false),
            max_age: u32::try_from(max_age / 1_000).unwrap_or(86_400),
            private_network: cors.private_network.unwrap_or(false),
            timing: cors.timing.unwrap_or(false),
        };
        let mut sound = true;
        type Check = fn(&Cors, &str) -> Result<(), String>;
        let checks: [(&str, &Vec<String>, Check); 4] = [
            ("origins", &cors.origins, |_, origin| check_origin(origin)),
            ("methods", &cors.methods, Cors::check_method),
            ("headers", &cors.headers, Cors::check_header),
            ("expose", &cors.expose, Cors::check_exposed),
        ];
        for (key, names, check) in checks {
            for (i, name) in names.iter().enumerate() {
                let verdict = check(&compiled, name);
                sound &= verdict.is_ok();
                self.verdict("bad-cors", &place.key(key).index(i), verdict);
            }
        }
        if sound {
            self.verdict("bad-cors", place, compiled.check());
        }
        for (i, origin) in cors.origins.iter().enumerate() {
            if cors.origins.iter().take(i).any(|other| other == origin) {
                let message = format!("`{origin}` stands here twice");
                self.error("duplicate", &place.key("origins").index(i), message, "remove one");
            }
            // Any name under a wildcard can be made up on the way, also on a developer's machine.
            let plain = origin.starts_with("http://")
                && (self.input.environment != "dev" || origin.starts_with("http://*"));
            if compiled.credentials && plain {
                let message =
                    format!("credentials are allowed to `{origin}`, and whoever is on the way can be it");
                let help = "allow the origin by `https:`";
                self.warn("insecure-url", &place.key("origins").index(i), message, help);
            }
        }
        // The same settings inherited by many routes are stored once.
        let index = self.out.shared.cors.iter().position(|known| *known == compiled).unwrap_or_else(|| {
            self.out.shared.cors.push(compiled);
            self.out.shared.cors.len().saturating_sub(1)
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Warns of a route whose CORS settings keep every script from calling it: browsers ask first, and are not allowed
    /// its methods or the field with the token.
    pub(super) fn callable(
        &mut self,
        cors: Option<u32>,
        methods: &[String],
        authenticated: bool,
        layers: &Layers<'a>,
        place: &Place,
    ) {
        let cors = cors.and_then(|index| self.out.shared.cors.get(usize::try_from(index).ok()?));
        let (Some(cors), Some((_, layer))) = (cors, layers.nearest(|s| s.cors.as_ref())) else { return };
        let name = place.path.last().map_or("", String::as_str);
        let safe = ["GET", "HEAD", "POST", "OPTIONS", "*"];
        let allowed = |method: &String| safe.contains(&method.as_str()) || cors.methods.contains(method);
        let refused: Vec<String> =
            methods.iter().filter(|method| !allowed(method)).map(|method| format!("`{method}`")).collect();
        let has = |wanted: &str| cors.headers.iter().any(|name| name == wanted);
        let why = if has("*") {
            "for which `*` does not stand (Fetch §3.2.3)"
        } else {
            "which `cors` does not allow"
        };
        let mut found: Vec<(String, String, &str)> = Vec::new();
        if !refused.is_empty() {
            let message = format!("no script can call `{name}` by {}", refused.join(" or "));
            found.push((message, ", which `cors` does not list".into(), "add it to `methods`"));
        }
        if authenticated && !has("authorization") {
            let message = format!("no script can send the token that `{name}` asks for");
            found.push((message, format!(" in `authorization`, {why}"), "add it to `headers`"));
        }
        let at = layer.place.key("cors");
        for (message, end, help) in found {
            // Of many routes that inherit the settings the first is enough.
            let (file, span) = (self.input.files.get(at.file).map(|file| file.name.clone()), self.span(&at));
            let said = |known: &Problem| {
                known.span == span && known.message.ends_with(&end) && Some(&known.file) == file.as_ref()
            };
            if !self.problems.iter().any(said) {
                let help = format!("{help} of `cors`, or give the route `cors: none`");
                self.warn("rarely-applies", &at, message + &end, help);
            }
        }
    }

    /// `cors` is the index of the route's CORS settings.
    pub(super) fn csrf(
        &mut self,
        cors: Option<u32>,
        methods: &[String],
        layers: &Layers<'a>,
        place: &Place,
    ) -> Option<Csrf> {
        let (written, layer) = layers.nearest(|s| s.csrf.as_ref())?;
        let at = layer.place.key("csrf");
        let trusted = match written {
            CsrfUse::Word(CsrfWord::None) => return None,
            CsrfUse::Word(CsrfWord::SameOrigin) => &[][..],
            CsrfUse::Trusting(csrf) => &csrf.trusted,
        };
        let at_origins = at.key("trusted");
        for (i, origin) in trusted.iter().enumerate() {
            let verdict = match origin.as_str() {
                "*" => Err("a policy that trusts everybody says nothing: write `csrf: none`".into()),
                origin => check_origin(origin),
            };
            self.verdict("bad-csrf", &at_origins.index(i), verdict);
            if origin.starts_with("http://") && self.input.environment != "dev" {
                let message = format!("`{origin}` is trusted, and whoever is on the way can be it");
                self.warn("insecure-url", &at_origins.index(i), message, "trust the origin by `https:`");
            }
        }
        // Of cross-origin scripts only those with credentials can do what the caller would be taken for.
        let unsafe_methods = methods.iter().any(|m| !matches!(m.as_str(), "GET" | "HEAD" | "OPTIONS"));
        let shared = cors.and_then(|i| self.out.shared.cors.get(usize::try_from(i).ok()?));
        let allowed = shared.filter(|cors| cors.credentials && unsafe_methods).map(|cors| &cors.origins);
        let refused = allowed.into_iter().flatten().find(|origin| !trusted.contains(origin)).cloned();
        if let Some(origin) = refused {
            let message = format!("`cors` lets pages of `{origin}` send what `csrf` refuses them");
            let help = "list the origin in `csrf: { trusted: […] }`, or not in `cors`";
            let at = if layer.place == *place { &at } else { place };
            self.warn("rarely-applies", at, message, help);
        }
        Some(Csrf { trusted: trusted.to_vec() })
    }

    /// `Strict-Transport-Security`, and the edits of every answer.
    pub(super) fn security(&mut self, layers: &Layers<'a>) -> (Option<String>, Vec<Edit>) {
        let Some((written, layer)) = layers.nearest(|s| s.security.as_ref()) else {
            return (None, Vec::new());
        };
        let none = settings::Security::default();
        let written = match written {
            SecurityUse::Word(SecurityWord::None) => return (None, Vec::new()),
            SecurityUse::Word(SecurityWord::Default) => &none,
            SecurityUse::Fields(fields) => fields,
        };
        let at = layer.place.key("security");
        let usual = Security::default();
        let hsts = match &written.hsts {
            None => usual.hsts,
            Some(HstsUse::Off(_)) => None,
            Some(HstsUse::On(hsts)) => {
                // Two years: what lists of browsers recommend, and then some.
                let bounds = ((0, 4 * YEAR * 1_000), "4 years (35040h) at most");
                let place = at.key("hsts").key("max_age");
                let max_age = self.within(hsts.max_age.as_ref(), YEAR * 1_000, bounds.0, bounds.1, &place);
                Some(Hsts {
                    max_age: max_age / 1_000,
                    subdomains: hsts.subdomains.unwrap_or(false),
                    preload: hsts.preload.unwrap_or(false),
                })
            }
        };
        let csp_frames = written.csp.as_deref().is_some_and(names_frame_ancestors);
        let security = Security {
            hsts,
            nosniff: written.nosniff.unwrap_or(usual.nosniff),
            frames: match written.frames {
                Some(settings::Frames::Deny) => Frames::Deny,
                Some(settings::Frames::SameOrigin) => Frames::SameOrigin,
                Some(settings::Frames::None) => Frames::Unsaid,
                None if csp_frames => Frames::Unsaid,
                None => usual.frames,
            },
            referrer: match written.referrer {
                Some(Referrer::None) => None,
                Some(word) => Some(word.word()),
                None => usual.referrer,
            },
            csp: written.csp.clone(),
            permissions: written.permissions.clone(),
            coop: written.coop.map(settings::Opener::word),
            corp: written.corp.map(settings::Resource::word),
            coep: written.coep.map(settings::Embedder::word),
            hide_server: written.hide_server.unwrap_or(usual.hide_server),
        };
        if let Err((key, message)) = security.check() {
            self.error("bad-security", &at.key(key), message, "");
        }
        (security.hsts.map(|hsts| hsts.value()), security.edits())
    }

    pub(super) fn maintenance(&mut self, layers: &Layers<'a>) -> Option<Maintenance> {
        let (written, layer) = layers.nearest(|s| s.maintenance.as_ref())?;
        let MaintenanceUse::On(written) = written else { return None };
        let at = layer.place.key("maintenance");
        if written.until.is_some() && written.retry_after.is_some() {
            let message = "clients are told when the maintenance ends: `until` says it";
            self.error(
                "bad-maintenance",
                &at.key("retry_after"),
                message,
                "remove `retry_after`, or `until`",
            );
        }
        let retry_after = written.retry_after.as_ref().map(|time| {
            let bounds = ((1_000, 720 * 3_600_000), "from 1s to 720h");
            let time = self.within(Some(time), 0, bounds.0, bounds.1, &at.key("retry_after"));
            u32::try_from(time.div_ceil(1_000)).unwrap_or(u32::MAX)
        });
        let key = written.key.as_ref().map(|key| {
            let header = key.header.to_ascii_lowercase();
            let edit = Edit::Remove(header.clone().into());
            self.verdict("bad-header", &at.key("key").key("header"), check_edit(&edit, Side::Request));
            Key { header, secret: key.secret.0.clone() }
        });
        if written.on == Some(false) {
            return None;
        }
        if let Some(key) = key.as_ref().filter(|key| !self.out.shared.secrets.contains(&key.secret)) {
            self.out.shared.secrets.push(key.secret.clone());
        }
        Some(Maintenance {
            until: written.until.as_ref().map(|date| date.0),
            retry_after,
            message: written.message.clone().unwrap_or_default(),
            allow: written.allow.iter().map(|network| network.0).collect(),
            key,
        })
    }
}
