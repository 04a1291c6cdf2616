// @ts-check
// The shim: it does what the wasm decides, and decides nothing. A request is one call of `begin`; each operation
// that the answer asks for (a fetch, an object's answer, a signature, the cache) is performed here and its result
// given to `resume`. The tables below are those of src/wire.rs, and a test compares them.
import { DurableObject } from "cloudflare:workers";
import module from "./tollgate.wasm";
import plan from "./plan.bin";

const STATE = Object.freeze({ PENDING: 0, DONE: 1 });
const KIND = Object.freeze({ REPLY: 1, RELAY: 2, FETCH: 3, ASK: 4, VERIFY: 5, LOOKUP: 6, READ: 7, STORE: 8, FLUSH: 9, POINT: 10, OBJECT: 11, SQL: 12, WAIT: 13 });
const ENDED = Object.freeze({ OK: 0, TIMEOUT: 1, FAILED: 2, TOO_LARGE: 3, MISS: 4 });
const HEAD = 5, RECORD = 4;

/** @typedef {{ kind: number, operation: number, argument: number, fields: string[] }} Sent */
/** @typedef {{ how: number, argument?: number, text?: string }} Ended */

const encoder = new TextEncoder(), decoder = new TextDecoder();
const NO_FIELDS = /** @type {string[]} */ ([]);

// --- The instance. A trap poisons it: it is dropped, and the next call makes a new one. ---
let wasm = /** @type {any} */ (null);
let generation = 0;
let names = /** @type {string[]} */ ([]);
let bytes = new Uint8Array(0), words = new Uint32Array(0);
let inputAt = 0, inputSize = 0;
/** The request for which the wasm is working. */
let current = /** @type {Call | null} */ (null);
/** The storage of the object for which the wasm is working. */
let storage = /** @type {DurableObjectStorage | null} */ (null);

function view() {
  // Growing the memory detaches the old buffer.
  if (bytes.buffer !== wasm.memory.buffer) {
    bytes = new Uint8Array(wasm.memory.buffer);
    words = new Uint32Array(wasm.memory.buffer);
  }
}

/** @param {number} size */
function reserve(size) {
  inputAt = wasm.reserve(size);
  inputSize = size;
  view();
}

/** Writes text into the input buffer. @param {string} text @returns {number} its length in bytes */
function write(text) {
  // A UTF-16 unit takes three bytes at most.
  if (text.length * 3 > inputSize) reserve(text.length * 3);
  else view();
  return encoder.encodeInto(text, bytes.subarray(inputAt, inputAt + inputSize)).written;
}

/** @param {number} at @param {number} length */
function read(at, length) {
  view();
  return decoder.decode(bytes.subarray(at, at + length));
}

/** @param {number} at @returns {Sent[]} */
function records(at) {
  view();
  const head = at >>> 2, count = words[head + 2], length = words[head + 4];
  const fields = length ? read(words[head + 3], length).split("\0") : NO_FIELDS;
  const list = new Array(count);
  for (let i = 0, w = head + HEAD, f = 0; i < count; i++, w += RECORD) {
    const taken = words[w + 3];
    list[i] = { kind: words[w], operation: words[w + 1], argument: words[w + 2], fields: taken === fields.length ? fields : fields.slice(f, f + taken) };
    f += taken;
  }
  return list;
}

/** @param {string | null | undefined} text */
const give = (text) => (text === null || text === undefined ? -1 : write(text));

const imports = {
  /** @param {number} of @param {number} name */
  header(of, name) {
    const headers = /** @type {Call} */ (current).headers(of);
    // Looking for an absent field costs a fifth of getting it.
    return headers.has(names[name]) ? give(headers.get(names[name])) : -1;
  },
  /** @param {number} of */
  names(of) {
    let all = "";
    /** @type {Call} */ (current).headers(of).forEach((_, name) => (all += name + "\n"));
    return write(all);
  },
  /** @param {number} at @param {number} length */
  name: (at, length) => void names.push(read(at, length)),
  /** @param {number} fact */
  fact: (fact) => give(current?.fact(fact)),
  /** @param {number} at @param {number} length */
  secret(at, length) {
    const value = current?.env[read(at, length)];
    return give(typeof value === "string" ? value : null);
  },
  /** @param {number} at */
  sql(at) {
    const [statement, ...parameters] = records(at)[0].fields;
    try {
      if (statement === "") return void storage?.deleteAll(), 0;
      const values = parameters.map((p) => (p[0] === "i" ? Number(p.slice(1)) : p[0] === "t" ? p.slice(1) : null));
      const rows = [...(storage?.sql.exec(statement, ...values).raw() ?? [])];
      const cells = rows.flat().map((v) => (v === null ? "n" : (typeof v === "number" ? "i" : "t") + v));
      return write([rows[0]?.length ?? 0, ...cells].join("\0"));
    } catch (error) {
      return -Math.max(write(String(error)), 1);
    }
  },
  /** @param {number} at @param {number} length */
  log: (at, length) => console.error("tollgate:", read(at, length)),
};

function ready() {
  if (wasm) return;
  names = [];
  wasm = new WebAssembly.Instance(module, { tollgate: imports }).exports;
  reserve(Math.max(plan.byteLength + 16, 65536));
  crypto.getRandomValues(bytes.subarray(inputAt, inputAt + 16));
  bytes.set(new Uint8Array(plan), inputAt + 16);
  wasm.load(plan.byteLength + 16);
  view();
}

/** Calls into the wasm; a trap drops the instance. @template T @param {() => T} call @returns {T} */
function enter(call) {
  try {
    ready();
    return call();
  } catch (trap) {
    wasm = null;
    generation++;
    console.error("tollgate: the instance trapped and is replaced:", trap);
    throw trap;
  }
}

// --- Edits. ---
/** @param {Headers} headers @param {string[]} fields @param {number} from */
function edit(headers, fields, from) {
  for (let i = from; i < fields.length; i += 2) {
    const name = fields[i].slice(1);
    if (fields[i][0] === "=") headers.set(name, fields[i + 1]);
    else if (fields[i][0] === "-") headers.delete(name);
    else headers.append(name, fields[i + 1]);
  }
  return headers;
}

// --- Web Crypto. Imported keys are kept, so that a key is parsed once. ---
/** @type {Record<string, any>} */
const ALGORITHMS = { EdDSA: "Ed25519" };
for (const bits of [256, 384, 512]) {
  const hash = `SHA-${bits}`;
  ALGORITHMS[`HS${bits}`] = { name: "HMAC", hash };
  ALGORITHMS[`RS${bits}`] = { name: "RSASSA-PKCS1-v1_5", hash };
  ALGORITHMS[`PS${bits}`] = { name: "RSA-PSS", hash, saltLength: bits / 8 };
  ALGORITHMS[`ES${bits}`] = { name: "ECDSA", hash, namedCurve: `P-${bits}` };
}
const KEYS_KEPT = 256;
const keys = /** @type {Map<string, CryptoKey>} */ (new Map());

/** @param {string} text base64url */
const unbase64 = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

/** @param {string[]} fields @returns {Promise<Ended>} */
async function verify([algorithm, jwk, input, signature]) {
  const name = algorithm + jwk, parameters = ALGORITHMS[algorithm];
  let key = keys.get(name);
  if (!key) {
    const { kty, crv, n, e, x, y, k } = JSON.parse(jwk);
    key = await crypto.subtle.importKey("jwk", { kty, crv, n, e, x, y, k }, parameters, false, ["verify"]);
    if (keys.size >= KEYS_KEPT) keys.clear();
    keys.set(name, key);
  }
  const valid = await crypto.subtle.verify(parameters, key, unbase64(signature), encoder.encode(input));
  return { how: ENDED.OK, argument: valid ? 1 : 0 };
}

/** Reads a body of at most `most` bytes; `undefined` if it is longer. @param {ReadableStream} body @param {number} most */
async function bounded(body, most) {
  const parts = /** @type {Uint8Array[]} */ ([]), reader = body.getReader();
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    if ((size += value.byteLength) > most) return void (await reader.cancel());
  }
}

/** @param {Response} answer @param {number} most @returns {Promise<Ended>} */
async function text(answer, most) {
  const whole = answer.body ? await bounded(answer.body, most) : new ArrayBuffer(0);
  return whole ? { how: ENDED.OK, text: decoder.decode(whole) } : { how: ENDED.TOO_LARGE };
}

/** Races a promise against a clock. @param {Promise<Ended>} promise @param {number} most ms @param {() => void} [late] @returns {Promise<Ended>} */
function within(promise, most, late) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => (late?.(), resolve({ how: ENDED.TIMEOUT })), most);
    promise.then((ended) => (clearTimeout(timer), resolve(ended)), (error) => (clearTimeout(timer), resolve({ how: ENDED.FAILED, text: String(error) })));
  });
}

/** A request whose client went away ends in the middle: its promises never settle. What it left in the wasm goes when
 * the request itself does. @type {FinalizationRegistry<{ task: number, generation: number }>} */
const abandoned = new FinalizationRegistry((left) => {
  if (left.generation === generation && wasm) wasm.forget(left.task);
});

/** One request, and what it holds. */
class Call {
  /** @param {Request} request @param {any} env @param {ExecutionContext} ctx */
  constructor(request, env, ctx) {
    this.request = request;
    this.env = env;
    this.ctx = ctx;
    this.generation = generation;
    /** Answers by their operation. @type {Response[]} */
    this.answers = [];
    /** What is left of it in the wasm while it waits. */
    this.left = { task: -1, generation: -1 };
    /** @type {((response: any) => void) | null} */
    this.resolve = null;
    this.done = false;
    /** @type {Promise<Response> | null} */
    this.promise = null;
  }

  /** @param {number} of @returns {Headers} */
  headers(of) {
    return of === 0 ? this.request.headers : this.answers[of].headers;
  }

  /** @param {number} fact */
  fact(fact) {
    const { request, env } = this;
    if (fact === 3) return request.body ? "1" : null;
    if (fact === 0 && env.TOLLGATE_CLIENT_ADDRESS) return request.headers.get(env.TOLLGATE_CLIENT_ADDRESS);
    // Reading `cf` parses it: asked only for what no header says.
    const cf = /** @type {any} */ (request.cf);
    return fact === 0 ? cf?.clientIp : fact === 1 ? cf?.colo : cf?.country;
  }

  /** Enters the wasm for this request and does what it says. @param {() => number} call @returns {Response | Promise<Response> | undefined} */
  go(call) {
    try {
      return this.obey(enter(() => ((current = this), call())));
    } catch {
      return this.lost();
    }
  }

  /** The instance that knew this request is gone. @returns {Response | undefined} */
  lost() {
    this.done = true;
    this.left.generation = -1;
    let response;
    try {
      const { method, url } = this.request;
      this.generation = generation;
      response = this.obey(enter(() => ((current = this), wasm.lost(write(`${method} ${url}`), Date.now()))));
    } catch {
      response = new Response('{"title":"Gateway fault","status":500}', { status: 500, headers: { "content-type": "application/problem+json" } });
    }
    this.resolve?.(response);
    return /** @type {Response} */ (response);
  }

  /** @param {number} at @returns {any} */
  obey(at) {
    view();
    const done = words[at >>> 2] === STATE.DONE, task = words[(at >>> 2) + 1];
    let response, storing;
    for (const sent of records(at)) {
      const { kind, operation, argument, fields } = sent;
      if (kind === KIND.REPLY) response = this.reply(argument, fields);
      else if (kind === KIND.RELAY) response = this.relay(operation, argument, fields);
      else if (kind === KIND.STORE) this.ctx.waitUntil(this.store(operation, argument, fields).catch((error) => console.error("tollgate: cache:", String(error))));
      else if (kind === KIND.FLUSH) this.ctx.waitUntil(this.flush(argument));
      else if (kind === KIND.POINT) this.env.ANALYTICS?.writeDataPoint({ indexes: [fields[0]], blobs: fields.slice(1, 1 + argument), doubles: fields.slice(1 + argument).map(Number) });
      else this.perform(sent).then((ended) => this.settle(task, operation, ended), (error) => this.settle(task, operation, { how: ENDED.FAILED, text: String(error) }));
    }
    if (!done) {
      if (this.promise) return this.promise;
      this.left = { task, generation };
      abandoned.register(this, this.left);
      return (this.promise = new Promise((resolve) => (this.resolve = resolve)));
    }
    this.done = true;
    this.left.generation = -1;
    this.resolve?.(response);
    return response;
  }

  /** @param {number} task @param {number} operation @param {Ended} ended */
  settle(task, operation, { how, argument = 0, text = "" }) {
    if (this.done) return;
    if (this.generation !== generation) return void this.lost();
    this.go(() => wasm.resume(task, operation, how, argument, text && write(text), Date.now()));
  }

  /** What throws at once (a binding that is not there) has failed like the rest. @param {Sent} sent @returns {Promise<Ended>} */
  async perform({ kind, operation, argument, fields }) {
    if (kind === KIND.FETCH) return this.fetch(operation, argument, fields);
    if (kind === KIND.VERIFY) return verify(fields);
    if (kind === KIND.WAIT) return scheduler.wait(argument).then(() => ({ how: ENDED.OK }));
    if (kind === KIND.READ) return within(text(this.answers[+fields[0]], argument), +fields[1]);
    if (kind === KIND.ASK) {
      const namespace = this.env[fields[0]];
      return within(namespace.get(namespace.idFromName(fields[1])).ask(fields[2]).then((/** @type {string} */ text) => ({ how: ENDED.OK, text })), argument);
    }
    return caches.default.match(fields[0]).then((hit) => {
      if (!hit) return { how: ENDED.MISS };
      this.answers[operation] = hit;
      return { how: ENDED.OK, argument: hit.status };
    });
  }

  /** @param {number} operation @param {number} most @param {string[]} fields @returns {Promise<Ended>} */
  fetch(operation, most, fields) {
    const [base, method, url, via] = fields, { request } = this, abort = new AbortController();
    const headers = edit(base === "0" ? new Headers() : new Headers(request.headers), fields, 4);
    const init = { method, headers, redirect: /** @type {const} */ ("manual"), body: base === "2" ? request.body : null, signal: abort.signal };
    const answer = via ? this.env[via].fetch(url, init) : fetch(url, init);
    return within(answer.then((/** @type {Response} */ got) => {
      if (abort.signal.aborted) throw abort.signal.reason;
      this.answers[operation] = got;
      return { how: ENDED.OK, argument: got.status };
    }), most, () => abort.abort());
  }

  /** @param {number} status @param {string[]} fields */
  reply(status, fields) {
    this.release(0);
    // A plain object costs a third of a list of pairs; it cannot hold a field twice.
    let headers = /** @type {any} */ ({});
    for (let i = 1; i < fields.length; i += 2) {
      if (headers instanceof Headers || fields[i] in headers) (headers = new Headers(headers)).append(fields[i], fields[i + 1]);
      else headers[fields[i]] = fields[i + 1];
    }
    return new Response(fields[0] === "" ? null : fields[0], { status, headers });
  }

  /** @param {number} operation @param {number} status @param {string[]} fields */
  relay(operation, status, fields) {
    this.release(operation);
    const answer = this.answers[operation];
    if (answer.webSocket) return new Response(null, { status: 101, webSocket: answer.webSocket, headers: edit(new Headers(answer.headers), fields, 0) });
    // Fetched answers have immutable headers; a status of its own means an empty body (304, HEAD).
    const response = new Response(status ? null : answer.body, status ? { status, headers: answer.headers } : answer);
    edit(response.headers, fields, 0);
    return response;
  }

  /** Stores a copy of an answer, of at most so many bytes. @param {number} operation @param {number} most @param {string[]} fields */
  async store(operation, most, fields) {
    const answer = this.answers[operation], copy = answer.clone();
    let body = /** @type {any} */ (copy.body);
    if (body && !answer.headers.has("content-length")) body = await bounded(body, most);
    if (body === undefined) return;
    await caches.default.put(fields[0], new Response(body, { status: copy.status, headers: edit(new Headers(copy.headers), fields, 1) }));
  }

  /** Lets go of answers that nobody reads: each holds a connection. @param {number} but */
  release(but) {
    this.answers.forEach((answer, operation) => {
      if (operation !== but && !answer.bodyUsed) answer.body?.cancel().catch(() => {});
    });
  }

  /** @param {number} after ms */
  async flush(after) {
    await scheduler.wait(after);
    await new Call(this.request, this.env, this.ctx).go(() => wasm.flush(Date.now()));
  }
}

export default {
  /** @param {Request} request @param {any} env @param {ExecutionContext} ctx */
  fetch: (request, env, ctx) => new Call(request, env, ctx).go(() => wasm.begin(write(`${request.method} ${request.url}`), Date.now())),
};

/** A Durable Object: a shell around the wasm and its own SQLite. */
class Shell extends DurableObject {
  /** @param {(at: typeof wasm) => number} call */
  enter(call) {
    const before = storage;
    storage = this.ctx.storage;
    try {
      const [{ argument, fields }] = records(enter(() => call(wasm)));
      return { alarm: argument * 1000, reply: fields[0] };
    } finally {
      storage = before;
    }
  }

  /** @param {string} message */
  async ask(message) {
    const { alarm, reply } = this.enter((wasm) => wasm.object(this.class, write(message), Date.now()));
    if (alarm && alarm !== this.alarmAt) await this.ctx.storage.setAlarm((this.alarmAt = alarm));
    return reply;
  }

  async alarm() {
    this.alarmAt = this.enter((wasm) => wasm.alarm(this.class, Date.now())).alarm;
    if (this.alarmAt) await this.ctx.storage.setAlarm(this.alarmAt);
  }
}

export class LimiterObject extends Shell {
  class = 0;
  alarmAt = 0;
}

export class JournalObject extends Shell {
  class = 1;
  alarmAt = 0;
}
