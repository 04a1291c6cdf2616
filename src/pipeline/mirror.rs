//! Copies of a request to mirrors: the phase around [`crate::policy::mirror`].

use super::exchange::Exchange;
use super::send::Parcel;
use crate::plan::Shared;
use crate::policy::mirror::Mirror;
use crate::ports::{Base, Fetch, Host};
use crate::upstream::choose::Tries;

impl<H: Host> Exchange<'_, H> {
    /// Leaves copies of what is about to be sent. Nothing here waits, and nothing that goes wrong is told.
    #[cold]
    pub(super) fn mirror(&mut self, shared: &Shared, mirrors: &[Mirror], parcel: &Parcel<'_>) {
        let has_body = parcel.base == Base::Whole;
        for mirror in mirrors {
            let lot = self.gateway.random();
            // On paper whatever may be sent is.
            let taken = mirror.takes(lot) || (self.host.on_paper() && mirror.share > 0);
            if !taken || (has_body && !mirror.fits(self.event.bytes_in)) {
                continue;
            }
            let Some(upstream) = shared.upstreams.get(mirror.upstream as usize) else { continue };
            let mut tries = Tries::new(lot.rotate_left(32));
            let failed = self.gateway.targets.borrow();
            let index = tries.next(mirror.upstream, &upstream.targets, &failed, self.host.now());
            let Some(target) = index.and_then(|index| upstream.targets.get(index)) else { continue };
            let copy = Fetch {
                url: [target.url.as_str(), &parcel.target].concat(),
                method: parcel.method.to_owned(),
                via: target.via.clone(),
                base: parcel.base,
                edits: mirror.edits(&parcel.edits, &self.captured),
                timeout: mirror.timeout,
            };
            drop(failed);
            self.host.mirror(copy, mirror.max_body);
            self.event.mirrors.push(mirror.upstream);
        }
    }
}
