//! `tollgate why`: the event of an answer just received, from a running gateway.

use super::{misused, print};
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;
use tollgate::outside::{self, Request};

/// Shows why a gateway answered a request as it did: route, reason, file and line, caller, limits, upstream calls.
///
/// REQUEST_ID is the answer's `X-Request-Id`, or a problem's `instance`.
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
    /// Print the event as JSON in place of text.
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
        let from_file = || {
            let vars = std::fs::read_to_string(".dev.vars").ok()?;
            let mut lines = vars.lines().filter_map(|line| line.trim().split_once('='));
            lines.find(|(name, _)| *name == TOKEN).map(|(_, value)| value.trim_matches('"').to_owned())
        };
        let token = self.admin_token.clone().or_else(|| std::env::var(TOKEN).ok()).or_else(from_file);
        let Some(token) = token else {
            return misused(&format!("no administrator's token: give --admin-token, or set {TOKEN}"));
        };
        let gateway = self.gateway.clone().or_else(|| std::env::var("TOLLGATE_URL").ok());
        let gateway = gateway.as_deref().unwrap_or("http://127.0.0.1:8787").trim_end_matches('/');
        let url = format!("{gateway}/_tollgate/events/{}", self.request_id);
        match ask(&url, &token) {
            Ok(event) if self.json => {
                print(&format!("{}\n", serde_json::to_string_pretty(&event).unwrap_or_default()));
                ExitCode::SUCCESS
            }
            Ok(event) => {
                print(&text(&event));
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("tollgate: {why}");
                ExitCode::FAILURE
            }
        }
    }
}

/// The event, as soon as the journal has it.
fn ask(url: &str, token: &str) -> Result<Value, String> {
    let request = Request::new("GET", url).header("authorization", &format!("Bearer {token}"));
    for look in 1..=LOOKS {
        let answer = outside::fetch(&request).map_err(|why| why.0)?;
        let body = answer.text();
        match answer.status {
            200 => return serde_json::from_str(&body).map_err(|error| format!("{url}: {error}")),
            404 if look < LOOKS => std::thread::sleep(PAUSE),
            404 => break,
            401 => return Err(format!("{url}: the gateway does not accept this administrator's token")),
            status => return Err(format!("{url}: the gateway answers {status}: {body}")),
        }
    }
    Err("no event of this request id is kept: successes are sampled (`events.sample`), old events make room \
         (`events.history`), and this may not be the gateway that answered"
        .to_owned())
}

// Writing to a string cannot fail.
fn text(event: &Value) -> String {
    let word = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:10}{value}");
        }
    };
    let reason = word("reason");
    let answered = if reason.is_empty() { String::new() } else { format!("  {reason}") };
    line("answer", format!("{}{answered}", number("status")));
    line("detail", word("detail").to_owned());
    let route = if word("route").is_empty() { "none matched" } else { word("route") };
    line("route", format!("{} {route}", word("method")));
    line("place", word("place").to_owned());
    let owner = word("owner");
    if !owner.is_empty() {
        line("api", format!("{}/{} of {owner}", word("api"), word("version")));
    }
    if !word("consumer").is_empty() {
        line("caller", format!("{} of issuer {}", word("consumer"), word("issuer")));
    }
    if let Some(limit) = event.get("limit") {
        let part = |name: &str| limit.get(name).and_then(Value::as_str).unwrap_or_default();
        let left = limit.get("remaining").and_then(Value::as_u64).unwrap_or_default();
        let degraded = if limit.get("degraded").is_some() { "  its object was silent" } else { "" };
        line("limit", format!("{}  {left} left   {}{degraded}", part("id"), part("place")));
    }
    line("cache", word("cache").to_owned());
    for attempt in event.get("attempts").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| attempt.get(name).and_then(Value::as_str).unwrap_or_default();
        let end = match attempt.get("status").and_then(Value::as_u64) {
            Some(status) => status.to_string(),
            None => part("error").to_owned(),
        };
        let took = attempt.get("ms").and_then(Value::as_u64).unwrap_or_default();
        let call = if part("call").is_empty() { String::new() } else { format!("{}: ", part("call")) };
        line("upstream", format!("{call}{}  {end}  {took} ms", part("target")));
    }
    line(
        "time",
        format!(
            "{} ms in the gateway, {} ms waiting for upstreams",
            number("gateway_ms"),
            number("origin_ms")
        ),
    );
    line("plan", word("plan").to_owned());
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
        let text = text(&event);
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
        assert!(super::text(&json!({"status": 404})).contains("route      none matched\n"));
    }
}
