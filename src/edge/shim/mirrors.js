// @ts-check
// Copies of requests that nobody waits for. Whatever goes wrong with one is silence, and what an isolate holds of them
// is bounded.
import { edit } from "./fields.js";
import { take } from "./instance.js";
import { BASE } from "./tables.js";

/** Copies under way at once, bytes of their bodies, and how long a body may take: the platform ends what goes on for
 * longer after the answer. */
const MOST = 256, MOST_BYTES = 8 << 20, PATIENCE = 30_000;

/** A copy under way, until when it may be, and the body that it waits for. @typedef {{ until: number, shared: Mirrored | null }} Copy */
const copies = /** @type {Set<Copy>} */ (new Set());
/** Bytes of all bodies. */
let held = 0;

/** @param {Copy} copy */
function end(copy) {
  if (!copies.delete(copy) || !copy.shared || --copy.shared.users) return;
  held -= copy.shared.bytes;
  copy.shared.bytes = 0;
}

/** Whether there is room. A context that the platform ended did not come to its end here. @param {number} now */
function room(now) {
  if (copies.size >= MOST || held >= MOST_BYTES) for (const copy of copies) if (copy.until < now) end(copy);
  return copies.size < MOST && held < MOST_BYTES;
}

/** What a request's mirrors share: the body, read once, and what is left of it for the request itself. */
export class Mirrored {
  /** What the upstream is sent of the body. @type {ReadableStream | null} */
  own = null;
  /** Most bytes that some mirror takes. */
  most = 0;
  /** Copies that wait for it or send it, and bytes of it. */
  users = 0;
  bytes = 0;
  /** @type {Promise<ArrayBuffer | undefined> | null} */
  body = null;
}

/** @param {import("./call.js").Call} call @param {number} timeout ms @param {number} fields */
export function mirror(call, timeout, fields) {
  const base = take(), method = take(), url = take(), via = take(), most = +take(), { request } = call;
  const headers = edit(new Headers(request.headers), fields - 5);
  // Without room nothing of it is done; the frame is read all the same.
  if (!room(call.now)) return;
  const copy = /** @type {Copy} */ ({ until: call.now + PATIENCE + timeout, shared: null }), shared = (call.mirrored ??= new Mirrored());
  copies.add(copy);
  let body = /** @type {Promise<ArrayBuffer | undefined> | null} */ (null);
  if (base === BASE.WHOLE && request.body) {
    copy.shared = shared;
    shared.users++;
    shared.most = Math.max(shared.most, most);
    body = shared.body ??= read(shared, request.body);
  }
  const sent = send(body, most, (bytes) => {
    const init = { method, headers, redirect: /** @type {const} */ ("manual"), body: bytes, signal: AbortSignal.timeout(timeout) };
    return via === "" ? fetch(url, init) : call.env[via].fetch(url, init);
  });
  call.ctx.waitUntil(sent.catch(() => {}).finally(() => end(copy)));
}

/** @param {Promise<ArrayBuffer | undefined> | null} body @param {number} most @param {(body?: ArrayBuffer) => Promise<Response>} leave */
async function send(body, most, leave) {
  // The request itself goes first: it needs a connection too. It leaves in the same turn.
  const bytes = body ? await body : await undefined;
  if (body && (!bytes || bytes.byteLength > most)) return;
  const answer = await leave(bytes);
  await answer.body?.cancel();
}

/** Reads a copy of a body as it comes, `undefined` where it is too long; the other half goes on to the upstream.
 * @param {Mirrored} shared @param {ReadableStream} whole */
function read(shared, whole) {
  const [own, other] = whole.tee();
  shared.own = own;
  return collect(shared, other.getReader());
}

/** @param {Mirrored} shared @param {ReadableStreamDefaultReader<Uint8Array>} reader */
async function collect(shared, reader) {
  const parts = /** @type {Uint8Array[]} */ ([]);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    // All who waited for it may have been given up.
    if (!shared.users) return void (await reader.cancel());
    shared.bytes += value.byteLength;
    held += value.byteLength;
    if (shared.bytes > shared.most || held > MOST_BYTES) return void (await reader.cancel());
    parts.push(value);
  }
}
