//! `tollgate debug-token`: tokens that make a running gateway record single requests.

use super::{RoutesArgs, misused, now, print, print_json, refuse};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use tollgate::config::{Compiled, units};
use tollgate::pipeline::debug::{KEY, LONGEST, SHORTEST, Scope};

/// Makes a token that lets whoever holds it read the full record of requests that carry it.
///
/// Send it in the field `Tollgate-Debug`; the answer's `Tollgate-Record` is the id to ask for, with
/// `tollgate why ID --debug-token TOKEN`. The token is for one environment, for an hour at most, and signed with the
/// secret TOLLGATE_DEBUG_KEY, which must be bound where the gateway runs. It changes no decision. Origins never get it.
///
/// Ends with 0 and the token, or with 2 if none can be made.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate debug-token --env production --for 10m --api orders/v2
  curl -i https://api.example.com/orders/v2/1 -H \"Tollgate-Debug: $(tollgate debug-token --env production)\"")]
pub struct DebugToken {
    /// The environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    /// How long it is good, an hour at most.
    #[arg(long = "for", value_name = "DURATION", default_value = "10m")]
    lasts: String,
    /// Requests of this API alone: `api`, `api/version` or `api/version/route`.
    #[arg(long, value_name = "API", visible_alias = "route")]
    api: Option<String>,
    /// Requests to this gateway's host alone, e.g. https://api.example.com.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The key. Default: TOLLGATE_DEBUG_KEY of the environment, or of .dev.vars.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    routes: RoutesArgs,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

impl DebugToken {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        match self.make() {
            Ok((token, scope)) if self.json => {
                print_json(&json!({ "token": token, "scope": scope }));
                ExitCode::SUCCESS
            }
            Ok((token, _)) => {
                print(&format!("{token}\n"));
                ExitCode::SUCCESS
            }
            Err(code) => code,
        }
    }

    fn make(&self) -> Result<(String, Scope), ExitCode> {
        let lasts = units::Duration::parse(&self.lasts).map_err(|why| misused(&format!("--for: {why}")))?;
        if lasts == 0 || lasts > LONGEST * 1000 {
            return Err(misused("--for: a debug token is good for an hour at most"));
        }
        let host = self.gateway.as_deref().map(host).transpose().map_err(|why| misused(&why))?;
        let key = self.key.clone().or_else(|| super::secret(KEY));
        let Some(key) = key else {
            return Err(misused(&format!("no key: give --key, or set {KEY}")));
        };
        let compiled = self.routes.compile(&self.env);
        let compiled = compiled.map_err(|problems| refuse(self.json, &problems, 2))?;
        if let Some(api) = self.api.as_deref().filter(|api| !known(&compiled, api)) {
            return Err(misused(&format!(
                "--api: there is no `{api}`; write API, API/VERSION or API/VERSION/ROUTE"
            )));
        }
        let scope = Scope::new(&compiled.shared.gateway.name, &self.env, now(), lasts);
        let scope = Scope { host, api: self.api.clone(), ..scope };
        match scope.sign(&key) {
            Some(token) => Ok((token, scope)),
            None => Err(misused(&format!("the key is too short: {KEY} has {SHORTEST} bytes at least"))),
        }
    }
}

/// The canonical host of a gateway's URL.
fn host(url: &str) -> Result<String, String> {
    let target = tollgate::routing::path::split(url).map_err(|_| format!("--gateway: `{url}` is no URL"))?;
    let host = tollgate::routing::host::canonical(target.authority);
    host.map(std::borrow::Cow::into_owned).map_err(|_| format!("--gateway: `{url}` has no host"))
}

/// Whether the plan has an API, version or route of this name.
fn known(compiled: &Compiled, name: &str) -> bool {
    let apis = &compiled.shared.apis;
    let versions = apis.iter().map(|api| format!("{}/{}", api.name, api.version));
    let routes = compiled.routes.iter().filter_map(|route| {
        let api = apis.get(route.api as usize)?;
        Some(format!("{}/{}/{}", api.name, api.version, route.name))
    });
    apis.iter().any(|api| api.name == name) || versions.chain(routes).any(|own| own == name)
}
