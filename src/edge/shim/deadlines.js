// @ts-check
// Deadlines. A timer and an abort signal of its own would cost each request a tenth of itself, so one request at a time
// watches the clock for all: its `waitUntil` ticks for as long as anybody waits, at most WATCH ms (the platform allows
// 30 s after the response): more than anybody waits for it, so that others take over every few seconds at most. It
// resolves the promise of a request whose time is over, which goes on in its own context.
import { forget } from "./instance.js";

/** @typedef {import("./call.js").Call} Call */

const TICK = 50, WATCH = 25_000, MOST = 20_000, SILENCE = 1_000;

/** A call that waits. It is held weakly: a request whose client has gone ends in the middle, its promises never settle,
 * and it must be free to go. */
export class Wait {
  /** @param {Call} call */
  constructor(call) {
    this.call = new WeakRef(call);
    /** Its task in the wasm; -1: none. */
    this.task = call.task;
    this.generation = call.generation;
    /** Whether the call was told to go on. */
    this.woken = false;
    /** @type {Wait | null} */
    this.before = null;
    /** @type {Wait | null} */
    this.after = null;
  }
}

/** A list, and no set, which would cost each request its garbage. */
let first = /** @type {Wait | null} */ (null);
/** The watcher's number, how long it watches, and when it was last seen to. */
let watcher = 0, watchedUntil = 0, ticked = 0;

/** What a request whose client went away left in the wasm goes when the request itself does. @type {FinalizationRegistry<Wait>} */
const abandoned = new FinalizationRegistry(drop);

/** Nobody will go on with a call. @param {Wait} wait */
export function drop(wait) {
  if (wait.task < 0) return;
  leave(wait);
  forget(wait);
  wait.task = -1;
}

/** @param {Call} call */
export function join(call) {
  const wait = new Wait(call);
  if (first) (first.before = wait).after = first;
  first = wait;
  abandoned.register(call, wait);
  return wait;
}

/** @param {Wait} wait */
export function leave(wait) {
  if (wait.after) wait.after.before = wait.before;
  if (wait.before) wait.before.after = wait.after;
  else if (first === wait) first = wait.after;
  wait.before = wait.after = null;
}

/** Sets an operation's time. @param {Call} call @param {number} operation @param {number} most ms */
export function limit(call, operation, most) {
  const at = call.now + most;
  call.dues[operation] = at;
  if (at < call.due) call.due = at;
  if (most > MOST) {
    // Longer than anybody watches for sure: its own context lives on while it waits, and so does a timer of its own.
    call.timers ??= [];
    call.timers[operation] = setTimeout(() => call.expire(operation), most);
  } else if (at > watchedUntil || call.now - ticked > SILENCE) {
    // Nobody watches for long enough, or the platform has ended who did.
    call.watches = true;
    watchedUntil = call.now + WATCH;
    ticked = call.now;
    call.ctx.waitUntil(watch(++watcher));
  }
}

/** Lets a call go on in its own context. @param {Wait} wait */
function wake(wait) {
  const call = wait.call.deref();
  wait.woken = true;
  call?.wake?.(call);
}

/** The instance that knew the waiting calls is lost. */
export function wakeAll() {
  for (let wait = first; wait; wait = wait.after) wake(wait);
}

/** @param {number} own */
async function watch(own) {
  do {
    await scheduler.wait(TICK);
    // One is enough.
    if (own !== watcher) return;
    const now = (ticked = Date.now());
    for (let wait = first; wait; ) {
      const { after } = wait;
      if (!wait.woken && (wait.call.deref()?.due ?? Infinity) <= now) wake(wait);
      wait = after;
    }
  } while (first && ticked < watchedUntil);
  watchedUntil = 0;
}
