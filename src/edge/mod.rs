//! The edge: what the shim calls, as plain exported functions (wasm32 only; the only unsafe code).
//!
//! A request is one future. [`begin`] polls it once; where it waits for the outside it has left a record in the
//! frame, and the shim calls [`resume`] with the result. Nothing is asynchronous that need not be: a request that
//! the gateway answers by itself is one call, a proxied one is two. There is no binding generator between the two
//! sides, so an instance that trapped is replaced by making a new one (`shim/instance.js`).
//!
//! No decision lives here: native tests never compile this module.
#![allow(unsafe_code)] // Exports and imports are the boundary; each block says why it is sound.

mod host;
mod object;
#[cfg(feature = "trap")]
mod trap;

use crate::pipeline::{self, Gateway, Outcome};
use crate::wire::{Frame, METHODS, state};
use host::{EdgeHost, Ended, Io};
use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[link(wasm_import_module = "tollgate")]
unsafe extern "C" {
    fn header(operation: u32, name: u32) -> i32;
    fn names(operation: u32) -> i32;
    fn headers(operation: u32) -> i32;
    fn name(address: *const u8, length: usize);
    fn fact(fact: u32) -> i32;
    fn secret(address: *const u8, length: usize) -> i32;
    fn sql(frame: *const u32, fields: u32) -> i32;
    fn log(address: *const u8, length: usize);
}

struct Task {
    io: Rc<Io>,
    future: Pin<Box<dyn Future<Output = Option<Outcome>>>>,
}

/// All state of the instance. One thread, so cells suffice; no borrow is held across a call to the shim.
#[derive(Default)]
struct Instance {
    gateway: OnceCell<&'static Gateway>,
    frame: RefCell<Frame>,
    input: RefCell<Vec<u8>>,
    tasks: RefCell<Vec<Option<Task>>>,
    /// Places among the tasks that hold none.
    free: RefCell<Vec<u32>>,
    /// Id of the last request that was answered.
    answered: RefCell<String>,
}

thread_local! {
    static INSTANCE: Instance = Instance::default();
}

fn with<R>(f: impl FnOnce(&Instance) -> R) -> R {
    INSTANCE.with(f)
}

/// The first `length` bytes of the input buffer, which the shim wrote before its call or in an import.
fn input(length: usize) -> Vec<u8> {
    with(|i| i.input.borrow().get(..length).unwrap_or_default().to_vec())
}

fn input_text(length: usize) -> String {
    // The shim writes with `TextEncoder`, whose output is always UTF-8.
    String::from_utf8(input(length)).unwrap_or_default()
}

/// Tells the operator.
fn say(text: &str) {
    // SAFETY: the shim reads the text during the call.
    unsafe { log(text.as_ptr(), text.len()) }
}

/// The address of an input buffer of at least `length` bytes. What it held is lost.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    with(|i| {
        let mut buffer = i.input.borrow_mut();
        if buffer.len() < length {
            buffer.clear();
            buffer.resize(length, 0);
        }
        buffer.as_mut_ptr()
    })
}

/// Loads the plan: `length` bytes of input, the first 16 of them random. Without a usable plan every request is
/// answered with 503, and the log says why.
#[unsafe(no_mangle)]
pub extern "C" fn load(length: usize) {
    std::panic::set_hook(Box::new(|panic| say(&panic.to_string())));
    let bytes = input(length);
    let (seed, plan) = bytes.split_at_checked(16).unwrap_or((&[], &bytes));
    let gateway = Gateway::new(plan.to_vec(), u128::from_le_bytes(seed.try_into().unwrap_or_default()));
    if let Some(error) = gateway.unusable() {
        say(&error);
    }
    // Futures borrow the gateway for as long as the instance lives.
    with(|i| i.gateway.set(Box::leak(Box::new(gateway))).ok());
}

/// A request: input is the URL where `method` is a number of [`METHODS`], counted from 1; else `METHOD URL`.
#[unsafe(no_mangle)]
pub extern "C" fn begin(method: usize, length: usize, now: f64) -> *const u32 {
    let line = input_text(length);
    start(now, move |gateway, host| async move {
        let (method, url) = match METHODS.get(method.wrapping_sub(1)) {
            Some(method) => (*method, line.as_str()),
            None => line.split_once(' ').unwrap_or((&line, "")),
        };
        #[cfg(feature = "trap")]
        trap::request(&host, url).await;
        Some(pipeline::handle(gateway, &host, method, url).await)
    })
}

/// A request that failed: its instance trapped, or, where `answered` is not 0, the shim could not make the answer that
/// the last call returned. Input `METHOD URL`. Answers it with 500 and records that.
#[unsafe(no_mangle)]
pub extern "C" fn lost(answered: u32, length: usize, now: f64) -> *const u32 {
    let line = input_text(length);
    let id = (answered != 0).then(|| with(|i| i.answered.take()));
    start(now, |gateway, host| async move {
        let (method, url) = line.split_once(' ').unwrap_or((&line, ""));
        Some(pipeline::lost(gateway, &host, method, url, id))
    })
}

/// Sends queued events to their sinks.
#[unsafe(no_mangle)]
pub extern "C" fn flush(now: f64) -> *const u32 {
    start(now, |gateway, host| async move {
        pipeline::flush(gateway, &host).await;
        None
    })
}

/// Fetches the keys of an issuer whose time is over.
#[unsafe(no_mangle)]
pub extern "C" fn refresh(now: f64) -> *const u32 {
    start(now, |gateway, host| async move {
        pipeline::refresh(gateway, &host).await;
        None
    })
}

/// An operation of a task has ended; `length` bytes of input say more.
#[unsafe(no_mangle)]
pub extern "C" fn resume(
    task: u32,
    operation: u32,
    how: u32,
    argument: u32,
    length: usize,
    now: f64,
) -> *const u32 {
    let text = if length == 0 { String::new() } else { input_text(length) };
    with(|i| i.frame.borrow_mut().clear());
    match take(task) {
        Some(held) => {
            held.io.end(operation, Ended { how, argument, text }, now);
            poll(held, Some(task))
        }
        // Answered before this operation ended: nothing is waiting for it.
        None => with(|i| i.frame.borrow_mut().finish(state::PENDING, task)),
    }
}

/// A task whose request ended without its answer: nobody will resume it.
#[unsafe(no_mangle)]
pub extern "C" fn forget(task: u32, now: f64) {
    if let Some(held) = take(task) {
        held.io.pass(now);
        drop(held);
        with(|i| i.free.borrow_mut().push(task));
    }
}

fn take(task: u32) -> Option<Task> {
    with(|i| i.tasks.borrow_mut().get_mut(task as usize).and_then(Option::take))
}

fn start<F: Future<Output = Option<Outcome>> + 'static>(
    now: f64,
    make: impl FnOnce(&'static Gateway, EdgeHost) -> F,
) -> *const u32 {
    with(|i| i.frame.borrow_mut().clear());
    let io = Rc::new(Io::new(now));
    let Some(gateway) = with(|i| i.gateway.get().copied()) else {
        return with(|i| i.frame.borrow_mut().finish(state::DONE, 0));
    };
    let future = Box::pin(make(gateway, EdgeHost::new(Rc::clone(&io))));
    poll(Task { io, future }, None)
}

fn poll(mut task: Task, slot: Option<u32>) -> *const u32 {
    // The shim calls `resume` when something has happened, so nobody needs waking.
    let polled = task.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    with(|i| {
        let mut frame = i.frame.borrow_mut();
        let Poll::Ready(outcome) = polled else {
            let mut tasks = i.tasks.borrow_mut();
            let slot = slot.or_else(|| i.free.borrow_mut().pop()).unwrap_or_else(|| {
                tasks.push(None);
                tasks.len() as u32 - 1
            });
            if let Some(place) = tasks.get_mut(slot as usize) {
                *place = Some(task);
            }
            return frame.finish(state::PENDING, slot);
        };
        if let Some(slot) = slot {
            i.free.borrow_mut().push(slot);
        }
        if let Some(outcome) = outcome {
            outcome.write(&mut frame);
            i.answered.replace(outcome.id);
        }
        frame.finish(state::DONE, slot.unwrap_or(0))
    })
}
