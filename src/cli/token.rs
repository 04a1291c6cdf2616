//! `tollgate token`: tokens of the development issuer, and what attackers make of them.

use super::{RoutesArgs, misused, now, print, print_json, refuse};
use base64ct::{Base64UrlUnpadded, Encoding};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate::config::units;
use tollgate::token::{Algorithm, Issuer, native::DevelopmentKey};

/// Mints a token of the development issuer and prints it, and nothing else, on standard output.
///
/// The key is .dev/issuer.json, which the first start of `tollgate dev` makes; `iss` and `aud` come from the issuer that the
/// route files mark with `development: true`. An environment without such an issuer is refused.
///
/// Ends with 0 and the token, 1 if none can be made, 2 if an option is wrong.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate token --sub ann --scope \"orders:read orders:write\"
  tollgate token --expired
  tollgate token --claim tier=3 --claim team=x --json")]
pub struct Token {
    /// The subject.
    #[arg(long, value_name = "NAME", default_value = "ann")]
    sub: String,
    /// The granted scopes, separated by spaces.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    scope: String,
    /// The audience, if not the one that the issuer's tokens are for.
    #[arg(long, value_name = "AUDIENCE")]
    aud: Option<String>,
    /// The id of the development issuer, where there are several.
    #[arg(long, value_name = "ID")]
    issuer: Option<String>,
    /// How long it is valid, e.g. 10m.
    #[arg(long, value_name = "DURATION", default_value = "1h", conflicts_with = "expired")]
    expires: String,
    /// Make it a token that expired an hour ago.
    #[arg(long)]
    expired: bool,
    /// How it is signed. All but ES256 are attacks, which the gateway must refuse.
    #[arg(long, value_enum, default_value_t = Signing::Es256)]
    alg: Signing,
    /// A further claim. VALUE is JSON, or else a text.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    #[command(flatten)]
    routes: RoutesArgs,
    /// The environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    /// The private key, a JWK.
    #[arg(long, value_name = "FILE", default_value = ".dev/issuer.json")]
    key: PathBuf,
    /// Print one JSON object with the token, in place of the token alone.
    #[arg(long)]
    json: bool,
}

/// How the token is signed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signing {
    /// By the issuer's key.
    #[value(name = "ES256")]
    Es256,
    /// Not at all.
    #[value(name = "none")]
    None,
    /// By HMAC whose secret is the issuer's public key, which everybody has.
    #[value(name = "HS256-from-public")]
    Confused,
}

impl Token {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        match self.mint() {
            Ok(token) if self.json => {
                print_json(&json!({ "token": token }));
                ExitCode::SUCCESS
            }
            Ok(token) => {
                print(&format!("{token}\n"));
                ExitCode::SUCCESS
            }
            Err(code) => code,
        }
    }

    fn mint(&self) -> Result<String, ExitCode> {
        let issuer = self.development_issuer()?;
        let claims = self.claims(&issuer).map_err(|why| misused(&why))?;
        let failed = |why: &dyn std::fmt::Display| {
            eprintln!(
                "{}: {why}; the first start of `tollgate dev` (in a clone of Tollgate: scripts/dev) makes it",
                self.key.display()
            );
            ExitCode::FAILURE
        };
        let text = std::fs::read_to_string(&self.key).map_err(|error| failed(&error))?;
        let key = DevelopmentKey::from_jwk(&text).map_err(|error| failed(&error))?;
        let encode = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let body = encode(&Value::Object(claims.clone()));
        match self.alg {
            Signing::Es256 => key.sign(&claims, Some("JWT")).map_err(|error| failed(&error)),
            Signing::None => Ok(format!("{}.{body}.", encode(&json!({ "alg": "none", "typ": "JWT" })))),
            Signing::Confused => {
                let header = json!({ "alg": "HS256", "typ": "JWT", "kid": key.kid() });
                key.confuse(&format!("{}.{body}", encode(&header))).map_err(|error| failed(&error))
            }
        }
    }

    /// The issuer that a token is minted for. Minting for any other would need a key that nobody has.
    fn development_issuer(&self) -> Result<Issuer, ExitCode> {
        let compiled = self.routes.compile(&self.env);
        let compiled = compiled.map_err(|problems| refuse(self.json, &problems, 1))?;
        let known = compiled.development;
        let id = match (&self.issuer, known.as_slice()) {
            (_, []) => {
                eprintln!("tollgate: the environment {} has no issuer with `development: true`", self.env);
                return Err(ExitCode::FAILURE);
            }
            (Some(id), known) if known.contains(id) => id,
            (None, [only]) => only,
            _ => {
                return Err(misused(&format!("--issuer: the development issuers are {}", known.join(", "))));
            }
        };
        let found = compiled.shared.issuers.into_iter().find(|issuer| issuer.id == *id);
        let issuer = found.ok_or_else(|| misused(&format!("no route accepts the issuer {id}")))?;
        if !issuer.algorithms.contains(&Algorithm::ES256) {
            eprintln!("tollgate: the issuer {id} does not accept ES256, which is all that is minted here");
            return Err(ExitCode::FAILURE);
        }
        Ok(issuer)
    }

    fn claims(&self, issuer: &Issuer) -> Result<Map<String, Value>, String> {
        let lasts = units::Duration::parse(&self.expires).map_err(|why| format!("--expires: {why}"))? / 1000;
        let now = now() / 1000;
        let (issued, expires) = match self.expired {
            true => (now.saturating_sub(7200), now.saturating_sub(3600)),
            false => (now, now.saturating_add(lasts)),
        };
        let audience = self.aud.clone().or_else(|| issuer.audiences.first().cloned()).unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("iss".into(), issuer.issuer.clone().into());
        claims.insert("aud".into(), audience.into());
        claims.insert(issuer.consumer_claim.clone(), self.sub.clone().into());
        claims.insert("sub".into(), self.sub.clone().into());
        if !self.scope.is_empty() {
            claims.insert(issuer.scope_claim.clone(), self.scope.clone().into());
        }
        claims.insert("iat".into(), issued.into());
        claims.insert("exp".into(), expires.into());
        for claim in &self.claims {
            let (name, value) =
                claim.split_once('=').ok_or_else(|| format!("--claim {claim}: write NAME=VALUE"))?;
            claims.insert(name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into()));
        }
        Ok(claims)
    }
}
