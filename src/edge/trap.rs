//! Traps on demand, for the end-to-end tests: compiled in by the feature `trap` only, and never deployed.

use crate::ports::{Ask, Class, Host};

/// The message that makes an object trap.
const MESSAGE: &str = "trap";
/// Milliseconds that the object has.
const DEADLINE: u32 = 5_000;

/// Traps at `/_tollgate/trap`, and lets the limiter's object `trap` do so at `/_tollgate/trap/object`.
pub async fn request<H: Host>(host: &H, url: &str) {
    if url.ends_with("/_tollgate/trap") {
        core::arch::wasm32::unreachable();
    }
    if url.ends_with("/_tollgate/trap/object") {
        let (name, message) = (MESSAGE.to_owned(), MESSAGE.to_owned());
        host.ask(Ask { class: Class::Limiter, name, message, deadline: DEADLINE }).await.ok();
    }
}

/// Traps if the message says so.
pub fn object(message: &str) {
    if message == MESSAGE {
        core::arch::wasm32::unreachable();
    }
}

/// Stands among the exports of such a build, where `scripts/build` looks before anything can be deployed.
#[unsafe(no_mangle)]
pub extern "C" fn traps_on_demand() {}
