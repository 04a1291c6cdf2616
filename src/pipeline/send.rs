//! To one target of an upstream after another, as long as the request may be sent again and the time suffices.

use super::exchange::{Calling, Exchange};
use crate::event::Attempt;
use crate::plan::Shared;
use crate::policy::headers::Edit;
use crate::policy::timeout::Timeout;
use crate::ports::{Answer, Base, Fetch, Host};
use crate::upstream::choose::Tries;
use crate::upstream::error::ProxyError;

/// What is sent, whichever target gets it.
pub struct Parcel<'a> {
    /// Index of the upstream in the plan.
    pub upstream: u32,
    /// Name of the call in a combined route.
    pub call: &'a str,
    pub method: &'a str,
    /// Path and query.
    pub target: String,
    pub base: Base,
    pub edits: Vec<Edit>,
    /// It asks to become a WebSocket.
    pub websocket: bool,
    /// Targets tried at most.
    pub tries: u32,
}

impl<H: Host> Exchange<'_, H> {
    /// Milliseconds for the next step of the request; `None` when its time is over.
    pub(super) fn patience(&self, timeout: &Timeout) -> Option<u32> {
        timeout.attempt(self.host.now().saturating_sub(self.event.at))
    }

    /// The first answer that an upstream gives, or why the last try gave none. Each is recorded in `attempts`.
    pub(super) async fn send(
        &self,
        shared: &Shared,
        timeout: &Timeout,
        parcel: Parcel<'_>,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Answer, ProxyError> {
        let upstream = shared.upstreams.get(parcel.upstream as usize).ok_or(ProxyError::Unavailable)?;
        let mut error = ProxyError::ResponseTimeout;
        let mut tries = Tries::new(self.gateway.random());
        let mut edits = parcel.edits;
        for left in (0..parcel.tries).rev() {
            let sent = self.host.now();
            let Some(patience) = self.patience(timeout) else { break };
            let index = tries.next(parcel.upstream, &upstream.targets, &self.gateway.targets.borrow(), sent);
            let target = index.and_then(|index| Some((index, upstream.targets.get(index)?)));
            let Some((index, target)) = target else { break };
            let fetch = Fetch {
                url: [target.url.as_str(), &parcel.target].concat(),
                method: parcel.method.to_owned(),
                via: target.via.clone(),
                base: parcel.base,
                edits: if left == 0 { std::mem::take(&mut edits) } else { edits.clone() },
                timeout: patience,
            };
            self.calling.set(Some(Calling { upstream: parcel.upstream, target: index as u32, since: sent }));
            let result = self.host.fetch(fetch).await;
            self.calling.set(None);
            let now = self.host.now();
            attempts.push(Attempt {
                upstream: parcel.upstream,
                target: index as u32,
                call: parcel.call.to_owned(),
                result: result.as_ref().map(|answer| answer.status).map_err(Clone::clone),
                took: now.saturating_sub(sent) as u32,
            });
            match result {
                Ok(answer) => match ProxyError::from_status(answer.status, parcel.websocket) {
                    None => {
                        self.gateway.targets.borrow_mut().answered(parcel.upstream, index);
                        return Ok(answer);
                    }
                    Some(no_answer) => error = no_answer,
                },
                Err(why) => error = ProxyError::of(&why),
            }
            let mut targets = self.gateway.targets.borrow_mut();
            match (attempts.last().map(|attempt| &attempt.result), parcel.base) {
                (Some(Err(_)), Base::Whole) => targets.doubted(parcel.upstream, index, now),
                _ => targets.failed(parcel.upstream, index, now),
            }
        }
        Err(error)
    }
}
