//! `tollgate why`: the event of an answer just received, from a running gateway.

use super::{misused, print};
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;
use tollgate::event::line::Line;
use tollgate::outside::{self, Request};
use tollgate::pipeline::record::{Record, text::text as trace};

/// Shows why a gateway answered a request as it did: route, reason, file and line, caller, limits, upstream calls.
///
/// REQUEST_ID is the answer's `X-Request-Id`, or a problem's `instance`. With --debug-token the full record of a request
/// that carried this token: what each policy read and decided, limits, cache, each header field changed and by whom.
///
/// Ends with 0 if there is one, 1 if not or if the gateway cannot be asked, 2 for wrong usage.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate why 1f0c6f2c-6f5e-4a7b-9d3c-0a1b2c3d4e5f
  tollgate why ID --gateway https://gateway.example.com --admin-token \"$TOKEN\"")]
pub struct Why {
    /// The request's id.
    request_id: String,
    /// The gateway. Default: TOLLGATE_URL of the environment, or http://127.0.0.1:8787.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The administrator's token. Default: TOLLGATE_ADMIN_TOKEN of the environment, or of .dev.vars.
    #[arg(long, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// The debug token that the request carried (see `tollgate debug-token`).
    #[arg(long, value_name = "TOKEN", conflicts_with = "admin_token")]
    debug_token: Option<String>,
    /// Print the event or record as JSON in place of text.
    #[arg(long)]
    json: bool,
}

/// The variable and binding with the administrator's token.
const TOKEN: &str = tollgate::pipeline::ADMIN_TOKEN;
/// Events leave in batches after the answer: so often, and so long between, is asked again.
const LOOKS: u32 = 16;
const PAUSE: Duration = Duration::from_millis(200);

impl Why {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.request_id.is_empty() || !self.request_id.chars().all(plain) {
            return misused("a request id holds letters, digits and hyphens: see the answer's X-Request-Id");
        }
        let gateway = self.gateway.clone().or_else(|| std::env::var("TOLLGATE_URL").ok());
        let gateway = gateway.as_deref().unwrap_or("http://127.0.0.1:8787").trim_end_matches('/');
        let (found, kind) = match &self.debug_token {
            Some(token) => {
                let url = format!("{gateway}/_tollgate/records/{}", self.request_id);
                (
                    ask(&Request::new("GET", &url).header("tollgate-debug", token), "debug token", NO_RECORD),
                    true,
                )
            }
            None => {
                let token = self.admin_token.clone().or_else(|| super::secret(TOKEN));
                let Some(token) = token else {
                    return misused(&format!("no administrator's token: give --admin-token, or set {TOKEN}"));
                };
                let url = format!("{gateway}/_tollgate/events/{}", self.request_id);
                let request = Request::new("GET", &url).header("authorization", &format!("Bearer {token}"));
                (ask(&request, "administrator's token", NO_EVENT), false)
            }
        };
        let printed = found.and_then(|found| match (self.json, kind) {
            (true, _) => Ok(format!("{}\n", serde_json::to_string_pretty(&found).unwrap_or_default())),
            (false, full) => told(found, full),
        });
        match printed {
            Ok(text) => {
                print(&text);
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("tollgate: {why}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Why there may be no event.
const NO_EVENT: &str = "no event of this request id is kept: successes are sampled (`events.sample`), old events make room \
     (`events.history`), and this may not be the gateway that answered";
/// Why there may be no record.
const NO_RECORD: &str = "no record of this request id is kept for this debug token: the answer's `Tollgate-Record` says \
     whether there is one, and it goes when the token ends";

/// An event, or a full record, for people.
fn told(found: Value, full: bool) -> Result<String, String> {
    let wrong = |error: serde_json::Error| format!("the gateway's answer cannot be read: {error}");
    if !full {
        return serde_json::from_value::<Line>(found).map(|event| text(&event)).map_err(wrong);
    }
    let record: Record = serde_json::from_value(found).map_err(wrong)?;
    Ok(format!("{}\n{}", text(&record.event), trace(&record, |_| Vec::new())))
}

/// What the gateway has, as soon as the journal has it.
fn ask(request: &Request, credential: &str, nothing: &str) -> Result<Value, String> {
    let url = &request.url;
    for look in 1..=LOOKS {
        let answer = outside::fetch(request).map_err(|why| why.0)?;
        let body = answer.text();
        match answer.status {
            200 => return serde_json::from_str(&body).map_err(|error| format!("{url}: {error}")),
            404 if look < LOOKS => std::thread::sleep(PAUSE),
            404 => break,
            401 => return Err(format!("{url}: the gateway does not accept this {credential}")),
            status => return Err(format!("{url}: the gateway answers {status}: {body}")),
        }
    }
    Err(nothing.to_owned())
}

// Writing to a string cannot fail.
fn text(event: &Line) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:10}{value}");
        }
    };
    let reason = event.reason.as_ref().map_or(String::new(), |reason| format!("  {reason}"));
    line("answer", format!("{}{reason}", event.status));
    line("detail", event.detail.clone());
    let route = if event.route.is_empty() { "none matched" } else { &event.route };
    line("route", format!("{} {route}", event.method));
    line("place", event.place.clone().unwrap_or_default());
    if let (Some(api), Some(version), Some(owner)) = (&event.api, &event.version, &event.owner) {
        line("api", format!("{api}/{version} of {owner}"));
    }
    if let Some(consumer) = &event.consumer {
        line("caller", format!("{consumer} of issuer {}", event.issuer.as_deref().unwrap_or_default()));
    }
    if let Some(limit) = &event.limit {
        let degraded = if limit.degraded { "  its object was silent" } else { "" };
        line("limit", format!("{}  {} left   {}{degraded}", limit.id, limit.remaining, limit.place));
    }
    line("cache", event.cache.clone());
    line("backend", event.backend.clone().unwrap_or_default());
    for attempt in &event.attempts {
        let end = match (attempt.status, &attempt.error) {
            (Some(status), _) => status.to_string(),
            (None, error) => error.clone().unwrap_or_default(),
        };
        let call = if attempt.call.is_empty() { String::new() } else { format!("{}: ", attempt.call) };
        let target = attempt.target.as_deref().unwrap_or_default();
        line("upstream", format!("{call}{target}  {end}  {} ms", attempt.ms));
    }
    event.mirrors.iter().for_each(|mirror| line("mirror", mirror.clone()));
    let (gateway, origin) = (event.gateway_ms, event.origin_ms);
    line("time", format!("{gateway} ms in the gateway, {origin} ms waiting for upstreams"));
    line("plan", event.plan.clone());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_what_the_event_has() {
        let event = json!({
            "id": "a-1", "method": "GET", "route": "orders/v2/report", "place": "routes/orders/v2.yaml:41:3",
            "status": 429, "reason": "quota-exhausted", "consumer": "ann", "issuer": "customers", "owner": "team",
            "api": "orders", "version": "v2", "cache": "none", "gateway_ms": 3, "origin_ms": 0,
            "limit": {"id": "orders/v2/reports", "remaining": 0, "place": "routes/orders/v2.yaml:11:3"},
            "attempts": [{"call": "item", "upstream": "a", "target": "http://o", "error": "timeout", "ms": 7}],
        });
        let text = told(event, false).unwrap();
        for line in [
            "answer    429  quota-exhausted\n",
            "route     GET orders/v2/report\n",
            "place     routes/orders/v2.yaml:41:3\n",
            "caller    ann of issuer customers\n",
            "limit     orders/v2/reports  0 left   routes/orders/v2.yaml:11:3\n",
            "upstream  item: http://o  timeout  7 ms\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(told(json!({"status": 404}), false).unwrap().contains("route      none matched\n"));
        let record = json!({"status": 404, "steps": [{"phase": "match", "verdict": "refused", "reason": "not-found"}]});
        let told = told(record, true).unwrap();
        assert!(told.contains("match     → refused: not-found\n"), "{told}");
    }
}
