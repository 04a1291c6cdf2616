// @ts-check
// The instance of the wasm, and its memory. A trap poisons an instance: it is dropped, and the next call makes a new one.
import module from "./tollgate.wasm";
import plan from "./plan.bin";
import { wakeAll } from "./deadlines.js";
import { lines } from "./fields.js";
import { HEAD, LENGTH_BITS, METHODS } from "./tables.js";

/** @typedef {import("./call.js").Call} Call */

// A byte order mark counts in the lengths of fields like any other character.
const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

let wasm = /** @type {any} */ (null);
/** How many instances there were before this one. */
export let generation = 0;
/** Its memory. */
export let words = new Uint32Array(0);
let bytes = new Uint8Array(0);
/** Where texts for the wasm go. */
let input = new Uint8Array(0), inputAt = 0, inputSize = 0;
/** Header names that the wasm has given numbers to. */
let names = /** @type {string[]} */ ([]);
/** Whether the wasm is at work: what is thrown then went through its frames. */
let inside = false;
/** The request for which the wasm is working. */
let current = /** @type {Call | null} */ (null);
/** The storage of the object for which the wasm is working. */
let storage = /** @type {DurableObjectStorage | null} */ (null);

/** Growing the memory detaches the old buffer, whose views then have no length. Asking for the buffer itself is a call. */
function view() {
  if (bytes.length) return;
  bytes = new Uint8Array(wasm.memory.buffer);
  words = new Uint32Array(wasm.memory.buffer);
  input = bytes.subarray(inputAt, inputAt + inputSize);
}

/** @param {number} size */
function reserve(size) {
  inputAt = wasm.reserve((inputSize = size));
  bytes = new Uint8Array(0);
  view();
}

/** Writes text into the input buffer. @param {string} text @returns {number} its length in bytes */
export function write(text) {
  // A UTF-16 unit takes three bytes at most.
  if (text.length * 3 > inputSize) reserve(text.length * 3);
  else view();
  return encoder.encodeInto(text, input).written;
}

/** @param {number} at @param {number} length */
const read = (at, length) => (view(), decoder.decode(bytes.subarray(at, at + length)));

// --- The frame that a call returned, read from its first field to its last. ---
let text = "", position = 0, lengths = 0;

/** @param {number} at address @returns {number} index of the head's first word */
export function open(at) {
  view();
  const head = at >>> 2, length = words[head + 4];
  text = length ? decoder.decode(bytes.subarray(words[head + 3], words[head + 3] + length)) : "";
  position = 0;
  lengths = words[head + 5] >>> 2;
  return head;
}

/** The next field. */
export const take = () => text.substring(position, (position += words[lengths++] & ((1 << LENGTH_BITS) - 1)));
/** How the next field is marked. */
export const mark = () => words[lengths] >>> LENGTH_BITS;
/** The next fields. @param {number} count */
export const takeAll = (count) => Array.from({ length: count }, take);

/** @param {string | null | undefined} value */
const give = (value) => (value === null || value === undefined ? -1 : write(value));

/** The header of an answer, or the request's. @param {number} operation */
function headersOf(operation) {
  const call = /** @type {Call} */ (current);
  return operation ? call.answers[operation].headers : call.request.headers;
}

const imports = {
  /** @param {number} operation @param {number} name */
  header(operation, name) {
    const headers = headersOf(operation);
    // Looking for an absent field costs a fifth of getting it.
    return headers.has(names[name]) ? give(headers.get(names[name])) : -1;
  },
  /** @param {number} operation */
  names(operation) {
    let all = "";
    // An iterator makes an object for each name, and costs twice as much.
    headersOf(operation).forEach((_, name) => (all += name + "\n"));
    return write(all);
  },
  /** @param {number} operation */
  headers: (operation) => write(lines(headersOf(operation))),
  /** @param {number} at @param {number} length */
  name: (at, length) => void names.push(read(at, length)),
  /** @param {number} fact */
  fact: (fact) => give(current?.fact(fact)),
  /** @param {number} at @param {number} length */
  secret(at, length) {
    const value = current?.env[read(at, length)];
    return give(typeof value === "string" ? value : null);
  },
  /** @param {number} at @param {number} fields */
  sql(at, fields) {
    open(at);
    const [statement, ...parameters] = takeAll(fields);
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
  if (wasm !== null) return;
  names = [];
  wasm = new WebAssembly.Instance(module, { tollgate: imports }).exports;
  reserve(Math.max(plan.byteLength + 16, 65536));
  crypto.getRandomValues(input.subarray(0, 16));
  input.set(new Uint8Array(plan), 16);
  wasm.load(plan.byteLength + 16);
}

// --- Calls. Each returns the address of a frame, and throws when the instance traps. ---

/** A request. @param {Call} call */
export function begin(call) {
  ready();
  current = call;
  const { method, url } = call.request, known = METHODS.indexOf(method) + 1;
  const length = write(known ? url : method + " " + url);
  inside = true;
  const at = wasm.begin(known, length, call.now);
  inside = false;
  return at;
}

/** An operation of a request has ended. @param {Call} call @param {number} operation @param {number} how @param {number} argument @param {string} said */
export function resume(call, operation, how, argument, said) {
  current = call;
  const length = said === "" ? 0 : write(said);
  inside = true;
  const at = wasm.resume(call.task, operation, how, argument, length, call.now);
  inside = false;
  return at;
}

/** The rarer exports. @param {Call | null} call @param {string} name @param {string | null} said @param {...number} values */
export function enter(call, name, said, ...values) {
  ready();
  current = call;
  if (said !== null) values.push(write(said));
  inside = true;
  const at = wasm[name](...values, Date.now());
  inside = false;
  return at;
}

/** What a request left in the wasm goes: nobody will resume it. @param {import("./deadlines.js").Wait} wait */
export function forget(wait) {
  if (wait.generation !== generation || wasm === null) return;
  try {
    inside = true;
    wasm.forget(wait.task, Date.now());
    inside = false;
  } catch (trap) {
    fail(trap);
  }
}

/** An export of an object; its frame's one record. @param {DurableObjectStorage} own @param {string} name @param {number} kind @param {string | null} message */
export function enterObject(own, name, kind, message) {
  const before = storage;
  storage = own;
  try {
    const head = open(enter(null, name, message, kind));
    return { alarm: words[head + HEAD + 2] * 1000, reply: take() };
  } catch (trap) {
    fail(trap);
    throw trap;
  } finally {
    storage = before;
  }
}

/** Drops an instance that trapped, or that an error left half way; the next call makes a new one. What the platform
 * refuses outside leaves the instance whole. @param {unknown} error */
export function fail(error) {
  if (!error) return;
  if (!inside) return console.error("tollgate:", error);
  console.error("tollgate: the instance trapped and is replaced:", error);
  inside = false;
  wasm = null;
  generation++;
  wakeAll();
}
