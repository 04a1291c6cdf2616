// @ts-check
// One request. `begin` is one call of the wasm; each operation that its frame asks for (a fetch, an object's answer, a
// signature, the cache) is performed here, and its result given to `resume`.
import { bounded, text } from "./bodies.js";
import { drop, join, leave, limit } from "./deadlines.js";
import { edit, replyHeaders } from "./fields.js";
import { begin, enter, fail, generation, open, resume, take, takeAll, words } from "./instance.js";
import { verify } from "./keys.js";
import { mirror } from "./mirrors.js";
import { BASE, ENDED, HEAD, KIND, RECORD, STATE } from "./tables.js";

/** @typedef {{ how: number, argument?: number, text?: string }} Ended */

/** Milliseconds for what is no wait for others: a signature, and what a timer of our own may be late. */
const PATIENCE = 10_000;
const LAST_WORD = '{"title":"Gateway fault","status":500}';

/** What the platform waits for is an answer, or a call that was woken: that goes on here, in its own context.
 * @param {any} end */
const answered = (end) => (end instanceof Call ? end.overdue() : end);

/** Whether the client showed a certificate that the platform verified and nobody has revoked.
 * @param {any} auth `cf.tlsClientAuth` */
const verified = (auth) => auth?.certVerified === "SUCCESS" && auth.certRevoked !== "1";

/** One request, and what it holds. */
export class Call {
  /** @param {Request} request @param {any} env @param {ExecutionContext} ctx */
  constructor(request, env, ctx) {
    this.request = request;
    this.env = env;
    this.ctx = ctx;
    /** When the wasm was last called for it. */
    this.now = Date.now();
    /** The instance that knows it, and its number there while it waits. */
    this.generation = generation;
    this.task = -1;
    /** It does what nobody waits for: there is no answer. */
    this.aside = false;
    this.done = false;
    this.response = /** @type {Response | null} */ (null);
    /** Resolves the promise that the platform waits for. @type {((end: any) => void) | null} */
    this.wake = null;
    /** Answers by their operation. @type {Response[]} */
    this.answers = [];
    /** When operations are over, ms since 1970; 0: they have ended. @type {number[]} */
    this.dues = [];
    /** The earliest of these. */
    this.due = Infinity;
    /** Timers of operations that take longer than anybody watches. @type {any[] | null} */
    this.timers = null;
    /** It watches the clock for all. */
    this.watches = false;
    /** Ends the fetches of such a call, by their operation. @type {AbortController[] | null} */
    this.aborts = null;
    /** Ends what keeps the call going when its client has gone. @type {((none?: any) => void) | null} */
    this.ended = null;
    /** What its mirrors share. @type {import("./mirrors.js").Mirrored | null} */
    this.mirrored = null;
    /** Its place among the calls that wait. @type {import("./deadlines.js").Wait | null} */
    this.place = null;
  }

  /** @param {number} fact */
  fact(fact) {
    const { request, env } = this;
    if (fact === 3) return request.body ? "1" : null;
    if (fact === 0 && env.TOLLGATE_CLIENT_ADDRESS) return request.headers.get(env.TOLLGATE_CLIENT_ADDRESS);
    // Reading `cf` parses it: asked only for what no header says.
    const cf = /** @type {any} */ (request.cf);
    if (fact === 4) return verified(cf?.tlsClientAuth) ? "1" : null;
    return fact === 0 ? cf?.clientIp : fact === 1 ? cf?.colo : cf?.country;
  }

  /** The answer, or a promise of it. */
  begin() {
    try {
      this.obey(begin(this));
    } catch (trap) {
      this.lost(trap);
    }
    return this.end();
  }

  end() {
    if (this.done) return this.response;
    this.place = join(this);
    return this.wait();
  }

  /** @returns {Promise<any>} */
  wait() {
    return new Promise((resolve) => (this.wake = resolve)).then(answered);
  }

  /** An operation has ended; whether anybody waited for that. @param {number} operation @param {number} how @param {number} argument @param {string} said */
  settle(operation, how, argument, said) {
    if (this.done || this.dues[operation] === 0) return false;
    this.dues[operation] = 0;
    if (this.timers) clearTimeout(this.timers[operation]);
    try {
      if (this.generation !== generation) this.lost(null);
      else {
        this.now = Date.now();
        this.obey(resume(this, operation, how, argument, said));
      }
    } catch (trap) {
      this.lost(trap);
    }
    if (this.done) this.close();
    return true;
  }

  /** It waits no longer. */
  close() {
    if (!this.place) return;
    this.place.task = -1;
    leave(this.place);
    this.wake?.(this.response);
    this.ended?.();
  }

  /** An operation's time is over. @param {number} operation */
  expire(operation) {
    if (this.settle(operation, ENDED.TIMEOUT, 0, "")) this.aborts?.[operation]?.abort();
  }

  /** The time of some operation is over, or the instance is lost. */
  overdue() {
    const now = Date.now();
    if (!this.done && this.generation !== generation) {
      this.lost(null);
      this.close();
      this.aborts?.forEach((abort) => abort.abort());
    }
    this.dues.forEach((at, operation) => at && at <= now && this.expire(operation));
    if (this.done) return this.response;
    this.due = Math.min(...this.dues.filter((at) => at));
    if (this.place) this.place.woken = false;
    return this.wait();
  }

  /** The instance that knew this request is gone, by a trap of its own or of another; or its answer, which the wasm has
   * recorded, cannot be made. @param {unknown} error */
  lost(error) {
    const answered = +this.done;
    fail(error);
    this.done = true;
    if (this.aside) return;
    try {
      this.obey(enter(this, "lost", this.request.method + " " + this.request.url, answered));
    } catch (again) {
      fail(again);
      this.response = new Response(LAST_WORD, { status: 500, headers: { "content-type": "application/problem+json" } });
    }
  }

  /** Does what a frame says. @param {number} at */
  obey(at) {
    const head = open(at), count = words[head + 2];
    this.done = words[head] === STATE.DONE;
    this.task = words[head + 1];
    for (let i = 0, w = head + HEAD; i < count; i++, w += RECORD) {
      const kind = words[w], operation = words[w + 1], argument = words[w + 2], fields = words[w + 3];
      if (kind === KIND.FETCH) this.fetch(operation, argument, fields);
      else if (kind === KIND.RELAY) this.response = this.relay(operation, argument, fields);
      else if (kind === KIND.REPLY) this.response = this.reply(argument);
      else if (kind === KIND.FLUSH) this.ctx.waitUntil(this.beside("flush", argument));
      else if (kind === KIND.REFRESH) this.ctx.waitUntil(this.beside("refresh", 0));
      else if (kind === KIND.MIRROR) mirror(this, argument, fields);
      else if (kind === KIND.STORE) this.ctx.waitUntil(this.store(operation, argument, fields).catch((error) => console.error("tollgate: cache:", String(error))));
      else this.perform(kind, operation, argument, takeAll(fields));
    }
  }

  /** The rarer operations. @param {number} kind @param {number} operation @param {number} argument @param {string[]} fields */
  perform(kind, operation, argument, fields) {
    // Told, not asked: nobody waits for it.
    if (kind === KIND.ASK && !operation) return this.ctx.waitUntil(this.ask(fields).catch((error) => console.error("tollgate: object:", String(error))));
    if (kind === KIND.POINT) return this.point(fields[0], fields.slice(1, 1 + argument), fields.slice(1 + argument).map(Number));
    limit(this, operation, kind === KIND.ASK || kind === KIND.LOOKUP ? argument : kind === KIND.READ ? +fields[1] : kind === KIND.WAIT ? argument + PATIENCE : PATIENCE);
    const ended = kind === KIND.ASK ? this.ask(fields)
      : kind === KIND.LOOKUP ? this.lookup(operation, fields[0])
      : kind === KIND.VERIFY ? verify(fields)
      : kind === KIND.READ ? text(this.answers[+fields[0]], argument)
      : scheduler.wait(argument).then(() => /** @type {Ended} */ ({ how: ENDED.OK }));
    ended.then(({ how, argument = 0, text = "" }) => this.settle(operation, how, argument, text) || this.discard(operation), (error) => this.settle(operation, ENDED.FAILED, 0, String(error)));
  }

  /** A sink that refuses a point must not cost the journal its batch. @param {string} index @param {string[]} blobs @param {number[]} doubles */
  point(index, blobs, doubles) {
    try {
      this.env.ANALYTICS?.writeDataPoint({ indexes: [index], blobs, doubles });
    } catch (error) {
      console.error("tollgate: analytics:", String(error));
    }
  }

  /** An object's answer. A binding that is not there throws, and has failed like an object. @param {string[]} fields @returns {Promise<Ended>} */
  async ask([binding, name, message]) {
    const namespace = this.env[binding];
    return { how: ENDED.OK, text: await namespace.get(namespace.idFromName(name)).ask(message) };
  }

  /** @param {number} operation @param {string} key @returns {Promise<Ended>} */
  async lookup(operation, key) {
    const hit = await caches.default.match(key);
    if (!hit) return { how: ENDED.MISS };
    this.answers[operation] = hit;
    return { how: ENDED.OK, argument: hit.status };
  }

  /** @param {number} operation @param {number} most ms @param {number} fields */
  fetch(operation, most, fields) {
    limit(this, operation, most);
    const base = take();
    if (base === BASE.ISOLATE && !this.ended) this.ctx.waitUntil(new Promise((resolve) => (this.ended = resolve)));
    this.send(base, fields - 1, this.signal(operation, base)).then((answer) => {
      this.answers[operation] = answer;
      this.settle(operation, ENDED.OK, answer.status, "") || this.discard(operation);
    }, (error) => {
      // No failure of the upstream's: nobody is there to be answered.
      if (base !== BASE.ISOLATE && this.request.signal.aborted) this.gone();
      else this.settle(operation, ENDED.FAILED, 0, String(error));
    });
  }

  /** Nobody waited for an answer any more, and nobody will read it. @param {number} operation */
  discard(operation) {
    this.answers[operation]?.body?.cancel().catch(() => {});
  }

  /** The client has gone. */
  gone() {
    this.done = true;
    if (this.place) drop(this.place);
    this.ended?.();
  }

  /** Ends a fetch before its answer. Only contexts that outlive their answer need one: others' fetches end with them.
   * @param {number} operation @param {string} base */
  signal(operation, base) {
    if (!this.watches && !this.ended && !this.mirrored) return undefined;
    const { signal } = ((this.aborts ??= [])[operation] = new AbortController());
    return base === BASE.ISOLATE ? signal : AbortSignal.any([signal, this.request.signal]);
  }

  /** @param {string} base @param {number} fields @param {AbortSignal} [signal] @returns {Promise<Response>} */
  send(base, fields, signal) {
    const method = take(), url = take(), via = take(), { request } = this;
    try {
      const headers = edit(base === BASE.HEADERS || base === BASE.WHOLE ? new Headers(request.headers) : new Headers(), fields - 3);
      const init = { method, headers, redirect: /** @type {const} */ ("manual"), body: base === BASE.WHOLE ? (this.mirrored?.own ?? request.body) : undefined, signal };
      return via === "" ? fetch(url, init) : this.env[via].fetch(url, init);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param {number} status */
  reply(status) {
    this.release(0);
    const body = take(), id = take();
    return new Response(body === "" ? null : body, { status, headers: replyHeaders(take(), id) });
  }

  /** @param {number} operation @param {number} status @param {number} fields */
  relay(operation, status, fields) {
    this.release(operation);
    const answer = this.answers[operation];
    if (answer.webSocket) return new Response(null, { status: 101, webSocket: answer.webSocket, headers: edit(new Headers(answer.headers), fields) });
    // Fetched answers have immutable headers; a status of its own means an empty body (304).
    const response = status ? new Response(null, { status, headers: answer.headers }) : new Response(answer.body, answer);
    edit(response.headers, fields);
    return response;
  }

  /** Stores a copy of an answer, of at most so many bytes. @param {number} operation @param {number} most @param {number} fields */
  async store(operation, most, fields) {
    const key = take(), answer = this.answers[operation], copy = answer.clone();
    const headers = edit(new Headers(copy.headers), fields - 1);
    let body = /** @type {any} */ (copy.body);
    if (body && !answer.headers.has("content-length")) body = await bounded(body, most);
    if (body !== undefined) await caches.default.put(key, new Response(body, { status: copy.status, headers }));
  }

  /** Lets go of answers that nobody reads: each holds a connection. @param {number} but */
  release(but) {
    for (let operation = 1; operation < this.answers.length; operation++) {
      const answer = this.answers[operation];
      if (operation !== but && answer && !answer.bodyUsed) answer.body?.cancel().catch(() => {});
    }
  }

  /** Does what nobody waits for: sends queued events, fetches keys. @param {"flush" | "refresh"} what @param {number} after ms */
  async beside(what, after) {
    await scheduler.wait(after);
    const call = new Call(this.request, this.env, this.ctx);
    call.aside = true;
    try {
      call.obey(enter(call, what, null));
    } catch (trap) {
      call.lost(trap);
    }
    return call.end();
  }
}
