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

/** The fields of a frame. @param {number} head */
const fieldsOf = (head) => (words[head + 4] ? read(words[head + 3], words[head + 4]).split("\0") : NO_FIELDS);

/** @param {string | null | undefined} text */
const give = (text) => (text === null || text === undefined ? -1 : write(text));

const imports = {
  /** @param {number} name */
  header(name) {
    const { headers } = /** @type {Call} */ (current).request;
    // Looking for an absent field costs a fifth of getting it.
    return headers.has(names[name]) ? give(headers.get(names[name])) : -1;
  },
  headers: () => write(lines(/** @type {Call} */ (current).request.headers)),
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
    view();
    const [statement, ...parameters] = fieldsOf(at >>> 2);
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

/** Whether the wasm is at work: what is thrown then went through its frames. */
let inside = false;

/** Calls the wasm, where it need not be fast. @param {string} name @param {...number} values @returns {number} */
function call(name, ...values) {
  inside = true;
  const at = wasm[name](...values);
  inside = false;
  return at;
}

/** Drops an instance that trapped, or that an error left half way; the next call makes a new one. What the platform
 * refuses outside leaves the instance whole. @param {unknown} error */
function fail(error) {
  if (!error) return;
  if (!inside) return console.error("tollgate:", error);
  console.error("tollgate: the instance trapped and is replaced:", error);
  inside = false;
  wasm = null;
  generation++;
}

/** Names and values, each on a line. @param {Headers} headers */
function lines(headers) {
  let all = "";
  headers.forEach((value, name) => (all += name + "\n" + value + "\n"));
  return all;
}

/** Applies edits: `=name` sets, `-name` removes, `+name` adds. @param {Headers} headers @param {string[]} fields @param {number} from @param {number} to */
function edit(headers, fields, from, to) {
  for (let i = from; i < to; i += 2) {
    const mark = fields[i].charCodeAt(0), name = fields[i].slice(1);
    if (mark === 61) headers.set(name, fields[i + 1]);
    else if (mark === 45) headers.delete(name);
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

// --- Headers of replies: they repeat, so they are kept by their text. ---
const BLOCKS_KEPT = 256;
const blocks = /** @type {Map<string, Headers | Record<string, string>>} */ (new Map());

/** A plain object costs a third of `Headers`; it cannot hold a field twice. @param {string} block */
function parse(block) {
  const fields = block.split("\n"), plain = /** @type {Record<string, string>} */ ({});
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (Object.hasOwn(plain, fields[i])) {
      const all = new Headers();
      for (let j = 0; j + 1 < fields.length; j += 2) all.append(fields[j], fields[j + 1]);
      return all;
    }
    plain[fields[i]] = fields[i + 1];
  }
  return plain;
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

// --- Deadlines. A timer and an abort signal of its own would cost each request a tenth of itself, so one request at
// a time watches the clock for all: its `waitUntil` ticks for as long as anybody waits, at most WATCH ms (the platform
// allows 30 s after the response). What the watcher resolves is a promise of the waiting request, which goes on in its
// own context. A fetch that is given up, or whose client has gone, ends with its request's context; only the watcher's
// context lives on, so only the watcher's fetch needs a signal. ---
const TICK = 50, WATCH = 20_000;
/** Weak: a request whose client has gone must be free to go. @typedef {{ at: number, call: WeakRef<Call>, operation: number, watches: boolean, timer?: any }} Deadline */
const deadlines = /** @type {Set<Deadline>} */ (new Set());
let watchedUntil = 0;

/** @param {Call} call @param {number} operation @param {number} most ms @param {() => void} late @returns {Deadline} */
function deadline(call, operation, most, late) {
  const now = Date.now(), at = now + most, weak = (call.weak ??= new WeakRef(call));
  /** @type {Deadline} */
  const entry = { at, call: weak, operation, watches: at > watchedUntil };
  if (most > WATCH) {
    // Longer than anybody may watch: its own context lives on while it waits, and so does a timer of its own.
    entry.timer = setTimeout(late, most);
    return entry;
  }
  new Promise((resolve) => (call.expire[operation] = resolve)).then(late);
  deadlines.add(entry);
  if (entry.watches) call.ctx.waitUntil(watch((watchedUntil = Math.max(now + WATCH, at))));
  return entry;
}

/** What was waited for has come. @param {Deadline} entry */
function lift(entry) {
  deadlines.delete(entry);
  if (entry.timer !== undefined) clearTimeout(entry.timer);
}

/** @param {number} until */
async function watch(until) {
  while (deadlines.size && Date.now() < until) {
    await scheduler.wait(TICK);
    const now = Date.now();
    for (const entry of deadlines) if (entry.at <= now) deadlines.delete(entry), entry.call.deref()?.expire[entry.operation](null);
  }
  if (watchedUntil === until) watchedUntil = 0;
}

/** Races an operation against its deadline. @param {Call} call @param {number} operation @param {Promise<Ended>} promise @param {number} most ms @returns {Promise<Ended>} */
function within(call, operation, promise, most) {
  return new Promise((resolve, reject) => {
    const entry = deadline(call, operation, most, () => resolve({ how: ENDED.TIMEOUT }));
    promise.then(resolve, reject).finally(() => lift(entry));
  });
}

/** A request whose client went away ends in the middle: its promises never settle. What it left in the wasm goes when
 * the request itself does. @type {FinalizationRegistry<{ task: number, generation: number }>} */
const abandoned = new FinalizationRegistry((left) => {
  if (left.generation !== generation || !wasm) return;
  try {
    call("forget", left.task);
  } catch (trap) {
    fail(trap);
  }
});

/** One request, and what it holds. */
class Call {
  /** @param {Request} request @param {any} env @param {ExecutionContext} ctx */
  constructor(request, env, ctx) {
    this.request = request;
    this.env = env;
    this.ctx = ctx;
    this.generation = generation;
    /** It sends events, and nobody waits for an answer. */
    this.flushes = false;
    /** What is left of it in the wasm while it waits. */
    this.left = { task: -1, generation: -1 };
    this.done = false;
    /** Answers by their operation. @type {Response[]} */
    this.answers = [];
    /** Ends an operation's time. @type {((none: any) => void)[]} */
    this.expire = [];
    /** @type {WeakRef<Call> | null} */
    this.weak = null;
    /** @type {((response: any) => void) | null} */
    this.resolve = null;
    /** @type {Promise<Response> | null} */
    this.promise = null;
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

  begin() {
    const { method, url } = this.request;
    try {
      ready();
      current = this;
      const length = write(method + " " + url);
      inside = true;
      const at = wasm.begin(length, Date.now());
      inside = false;
      return this.obey(at);
    } catch (trap) {
      return this.lost(trap);
    }
  }

  /** An operation has ended. @param {number} operation @param {number} how @param {number} argument @param {string} text */
  settle(operation, how, argument, text) {
    if (this.done) return;
    if (this.generation !== generation) return void this.lost(null);
    try {
      current = this;
      const length = text === "" ? 0 : write(text);
      inside = true;
      const at = wasm.resume(this.left.task, operation, how, argument, length, Date.now());
      inside = false;
      this.obey(at);
    } catch (trap) {
      this.lost(trap);
    }
  }

  /** The instance that knew this request is gone, by a trap of its own or of another. @param {unknown} trap @returns {any} */
  lost(trap) {
    fail(trap);
    this.left.generation = -1;
    if (this.flushes) {
      this.done = true;
      return this.resolve?.(null);
    }
    let response;
    try {
      ready();
      current = this;
      this.generation = generation;
      response = this.obey(call("lost", write(this.request.method + " " + this.request.url), Date.now()));
    } catch (again) {
      fail(again);
      response = new Response('{"title":"Gateway fault","status":500}', { status: 500, headers: { "content-type": "application/problem+json" } });
      this.done = true;
      this.resolve?.(response);
    }
    return response;
  }

  /** Does what a frame says. @param {number} at @returns {any} */
  obey(at) {
    view();
    const head = at >>> 2, done = words[head] === STATE.DONE, count = words[head + 2];
    const task = words[head + 1];
    const fields = fieldsOf(head);
    let response;
    for (let i = 0, w = head + HEAD, from = 0; i < count; i++, w += RECORD) {
      // Read before anything is done: an operation may call into the wasm and move its memory.
      const kind = words[w], operation = words[w + 1], argument = words[w + 2], to = from + words[w + 3];
      if (kind === KIND.FETCH) this.fetch(operation, argument, fields, from, to);
      else if (kind === KIND.RELAY) response = this.relay(operation, argument, fields, from, to);
      else if (kind === KIND.REPLY) response = this.reply(argument, fields[from], fields[from + 1], fields[from + 2]);
      else if (kind === KIND.FLUSH) this.ctx.waitUntil(this.flush(argument));
      else this.perform(kind, operation, argument, fields.slice(from, to));
      from = to;
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

  /** The rarer operations. @param {number} kind @param {number} operation @param {number} argument @param {string[]} fields */
  perform(kind, operation, argument, fields) {
    if (kind === KIND.STORE) return this.ctx.waitUntil(this.store(operation, argument, fields).catch((error) => console.error("tollgate: cache:", String(error))));
    // Told, not asked: nobody waits for it.
    if (kind === KIND.ASK && !operation) return this.ctx.waitUntil(this.object(fields).catch((error) => console.error("tollgate: object:", String(error))));
    if (kind === KIND.POINT) return this.env.ANALYTICS?.writeDataPoint({ indexes: [fields[0]], blobs: fields.slice(1, 1 + argument), doubles: fields.slice(1 + argument).map(Number) });
    const ended = kind === KIND.ASK ? this.ask(operation, argument, fields)
      : kind === KIND.LOOKUP ? this.lookup(operation, fields[0])
      : kind === KIND.VERIFY ? verify(fields)
      : kind === KIND.READ ? within(this, operation, text(this.answers[+fields[0]], argument), +fields[1])
      : scheduler.wait(argument).then(() => /** @type {Ended} */ ({ how: ENDED.OK }));
    ended.then(({ how, argument = 0, text = "" }) => this.settle(operation, how, argument, text), (error) => this.settle(operation, ENDED.FAILED, 0, String(error)));
  }

  /** An object's answer. A binding that is not there throws, and has failed like an object. @param {string[]} fields @returns {Promise<string>} */
  async object([binding, name, message]) {
    const namespace = this.env[binding];
    return namespace.get(namespace.idFromName(name)).ask(message);
  }

  /** @param {number} operation @param {number} most ms @param {string[]} fields @returns {Promise<Ended>} */
  ask(operation, most, fields) {
    return within(this, operation, this.object(fields).then((text) => ({ how: ENDED.OK, text })), most);
  }

  /** @param {number} operation @param {string} key @returns {Promise<Ended>} */
  async lookup(operation, key) {
    const hit = await caches.default.match(key);
    if (!hit) return { how: ENDED.MISS };
    this.answers[operation] = hit;
    return { how: ENDED.OK, argument: hit.status, text: lines(hit.headers) };
  }

  /** @param {number} operation @param {number} most ms @param {string[]} fields @param {number} from @param {number} to */
  fetch(operation, most, fields, from, to) {
    let late = false;
    const entry = deadline(this, operation, most, () => {
      late = true;
      this.settle(operation, ENDED.TIMEOUT, 0, "");
      abort?.abort();
    });
    const abort = entry.watches ? new AbortController() : null;
    const signal = abort ? AbortSignal.any([abort.signal, this.request.signal]) : undefined;
    this.send(fields, from, to, signal).then((answer) => {
      lift(entry);
      if (this.done || late) return void answer.body?.cancel().catch(() => {});
      this.answers[operation] = answer;
      this.settle(operation, ENDED.OK, answer.status, lines(answer.headers));
    }, (error) => {
      lift(entry);
      if (!late) this.settle(operation, ENDED.FAILED, 0, String(error));
    });
  }

  /** @param {string[]} fields @param {number} from @param {number} to @param {AbortSignal} [signal] @returns {Promise<Response>} */
  send(fields, from, to, signal) {
    const base = fields[from], url = fields[from + 2], via = fields[from + 3], { request } = this;
    try {
      const headers = edit(base === "0" ? new Headers() : new Headers(request.headers), fields, from + 4, to);
      const body = base === "2" ? request.body : undefined;
      const init = { method: fields[from + 1], headers, redirect: /** @type {const} */ ("manual"), body, signal };
      return via === "" ? fetch(url, init) : this.env[via].fetch(url, init);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param {number} status @param {string} body @param {string} id @param {string} block */
  reply(status, body, id, block) {
    this.release(0);
    let headers = blocks.get(block);
    if (!headers) {
      headers = parse(block);
      if (blocks.size >= BLOCKS_KEPT) blocks.clear();
      blocks.set(block, headers);
    }
    // What is kept is copied by the response at once, so that the next one may write over it.
    if (headers instanceof Headers) headers.set("x-request-id", id);
    else headers["x-request-id"] = id;
    return new Response(body === "" ? null : body, { status, headers });
  }

  /** @param {number} operation @param {number} status @param {string[]} fields @param {number} from @param {number} to */
  relay(operation, status, fields, from, to) {
    this.release(operation);
    const answer = this.answers[operation];
    if (answer.webSocket) return new Response(null, { status: 101, webSocket: answer.webSocket, headers: edit(new Headers(answer.headers), fields, from, to) });
    // Fetched answers have immutable headers; a status of its own means an empty body (304).
    const response = status ? new Response(null, { status, headers: answer.headers }) : new Response(answer.body, answer);
    edit(response.headers, fields, from, to);
    return response;
  }

  /** Stores a copy of an answer, of at most so many bytes. @param {number} operation @param {number} most @param {string[]} fields */
  async store(operation, most, fields) {
    const answer = this.answers[operation], copy = answer.clone();
    let body = /** @type {any} */ (copy.body);
    if (body && !answer.headers.has("content-length")) body = await bounded(body, most);
    if (body === undefined) return;
    const headers = edit(new Headers(copy.headers), fields, 1, fields.length);
    await caches.default.put(fields[0], new Response(body, { status: copy.status, headers }));
  }

  /** Lets go of answers that nobody reads: each holds a connection. @param {number} but */
  release(but) {
    for (const [operation, answer] of this.answers.entries()) {
      if (operation !== but && answer && !answer.bodyUsed) answer.body?.cancel().catch(() => {});
    }
  }

  /** @param {number} after ms */
  async flush(after) {
    await scheduler.wait(after);
    const flushing = new Call(this.request, this.env, this.ctx);
    flushing.flushes = true;
    try {
      ready();
      current = flushing;
      await flushing.obey(call("flush", Date.now()));
    } catch (trap) {
      fail(trap);
    }
  }
}

export default {
  /** @param {Request} request @param {any} env @param {ExecutionContext} ctx */
  fetch: (request, env, ctx) => new Call(request, env, ctx).begin(),
};

/** A Durable Object: a shell around the wasm and its own SQLite. */
class Shell extends DurableObject {
  /** The class's number in the wasm. */
  class = 0;
  /** When the alarm goes off, as far as this instance of the object knows. @type {number} */
  alarmAt = 0;

  /** @param {() => number} ask */
  enter(ask) {
    const before = storage;
    storage = this.ctx.storage;
    try {
      ready();
      const head = ask() >>> 2;
      view();
      return { alarm: words[head + HEAD + 2] * 1000, reply: fieldsOf(head)[0] };
    } catch (trap) {
      fail(trap);
      throw trap;
    } finally {
      storage = before;
    }
  }

  /** @param {string} message */
  async ask(message) {
    const { alarm, reply } = this.enter(() => call("object", this.class, write(message), Date.now()));
    // A later one can wait: the alarm looks anew and sets the next. One set before an eviction stands: moved on by each
    // message, it would never go off.
    if (alarm && (this.alarmAt ||= (await this.ctx.storage.getAlarm()) ?? Infinity) > alarm) await this.ctx.storage.setAlarm((this.alarmAt = alarm));
    return reply;
  }

  async alarm() {
    this.alarmAt = this.enter(() => call("alarm", this.class, Date.now())).alarm;
    if (this.alarmAt) await this.ctx.storage.setAlarm(this.alarmAt);
  }
}

export class LimiterObject extends Shell {}

export class JournalObject extends Shell {
  class = 1;
}
