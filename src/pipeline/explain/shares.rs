//! What a route file says of backends and mirrors: who gets how much.

use crate::plan::{Action, Forward, Route, Shared};
use crate::policy::split::{By, PARTS};

fn forward(route: &Route) -> Option<&Forward> {
    match &route.action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    }
}

fn percent(share: u16) -> f64 {
    f64::from(share) / f64::from(PARTS) * 100.0
}

/// The backends and their shares at a moment.
pub(super) fn backends(route: &Route, now: u64) -> Vec<String> {
    let Some(split) = forward(route).and_then(|forward| forward.split.as_ref()) else { return Vec::new() };
    let sum: u64 = split.backends.iter().map(|backend| u64::from(backend.weight)).sum();
    let mut says = Vec::new();
    for (index, backend) in split.backends.iter().enumerate() {
        let name = &backend.name;
        let canary = split.canary.as_ref().filter(|canary| usize::from(canary.backend) == index);
        says.push(match (canary, backend.weight) {
            (Some(canary), _) => {
                let (share, end) = (percent(canary.share(now)), percent(canary.to));
                format!("{name}: {share} % of all at this moment, {end} % in the end")
            }
            (None, 0) => format!("{name}: nothing"),
            (None, weight) => format!("{name}: {weight} of {sum}"),
        });
    }
    says.push(match split.sticky.as_ref().map(|sticky| &sticky.by) {
        None => "each request on its own".to_owned(),
        Some(By::Consumer) => "sticky by consumer".to_owned(),
        Some(By::Address) => "sticky by address".to_owned(),
        Some(By::Header(name)) => format!("sticky by the header {name}"),
        Some(By::Cookie(name)) => format!("sticky by the cookie {name}"),
    });
    let header = split.canary.as_ref().and_then(|canary| canary.header.as_ref());
    says.extend(header.map(|name| format!("`always` or `never` in the header {name} decides")));
    says
}

/// Who gets a copy of what is sent.
pub(super) fn mirrors(shared: &Shared, route: &Route) -> Vec<String> {
    let mirrors = forward(route).map(|forward| forward.mirrors.as_slice()).unwrap_or_default();
    let line = |mirror: &crate::policy::mirror::Mirror| {
        let id = shared.upstreams.get(mirror.upstream as usize).map_or("", |upstream| &upstream.id);
        let bodies = match mirror.max_body {
            0 => "requests without a body".to_owned(),
            most => format!("bodies up to {most} bytes"),
        };
        let kept = if mirror.keep_credentials { ", credentials kept" } else { "" };
        format!("mirror {id}: a copy of {} %, {bodies}{kept}", percent(mirror.share))
    };
    mirrors.iter().map(line).collect()
}
