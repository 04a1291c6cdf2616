// The floors: hand-written JavaScript workers that do what the gateway was seen to do, and decide nothing. What that
// is, is observed: the bench sends one request through the gateway and through a bare worker and compares what the
// origin got and what the client got. So a floor does exactly the gateway's edits, and no fewer.

/** @typedef {[string, string][]} Fields name in lower case, value */
/** @typedef {{ set: Fields, remove: string[] }} Edits */

/** What turns one list of fields into another. @param {Fields} from @param {Fields} to @returns {Edits} */
export function difference(from, to) {
  const [a, b] = [new Map(from), new Map(to)];
  return {
    set: [...b].filter(([name, value]) => a.get(name) !== value),
    remove: [...a.keys()].filter((name) => !b.has(name)),
  };
}

const text = JSON.stringify;
/** @param {Edits} edits */
const edit = ({ set, remove }) => [...remove.map((name) => `headers.delete(${text(name)});`), ...set.map(([name, value]) => `headers.set(${text(name)}, ${text(value)});`)].join("\n  ");

/** Nothing but the fetch. @param {string} origin */
export const bare = (origin) => `
export default { fetch(request) {
  const { url } = request;
  return fetch(new Request(${text(origin)} + url.slice(url.indexOf("/", 8)), request));
} };`;

/** @param {Edits} response */
const answer = (response) => `
function answer(got) {
  const response = new Response(got.body, got), { headers } = response;
  ${edit(response)}
  return response;
}`;

/** @param {Edits} request */
const forward = (request) => `
function forward(request) {
  const { url } = request, headers = new Headers(request.headers);
  ${edit(request)}
  return fetch(ORIGIN + url.slice(url.indexOf("/", 8)), { method: request.method, headers, redirect: "manual" }).then(answer);
}`;

/** The same upstream request and the same header edits both ways. @param {string} origin @param {Edits} request @param {Edits} response */
export const equalWork = (origin, request, response) => `
const ORIGIN = ${text(origin)};
${forward(request)}
${answer(response)}
export default { fetch: forward };`;

/** Before that, one call of an object that reads and writes one row, with the gateway's own SQL. */
export const equalWorkWithObject = (/** @type {string} */ origin, /** @type {Edits} */ request, /** @type {Edits} */ response) => `
import { DurableObject } from "cloudflare:workers";
const ORIGIN = ${text(origin)};
${forward(request)}
${answer(response)}
const MESSAGE = ${text(JSON.stringify({ version: 1, take: [{ limit: "bench/v1/plenty", rate: 1_000_000, period: 1000, burst: 1_000_000 }], cost: 1 }))};
export class FloorObject extends DurableObject {
  constructor(state, env) {
    super(state, env);
    state.storage.sql.exec("CREATE TABLE IF NOT EXISTS limits(id TEXT PRIMARY KEY,version INTEGER NOT NULL,state TEXT NOT NULL,lapses INTEGER NOT NULL)WITHOUT ROWID");
  }
  async ask(message) {
    const { take } = JSON.parse(message), { sql } = this.ctx.storage, now = Date.now();
    const row = [...sql.exec("SELECT id,version,state FROM limits WHERE id=?1", take[0].limit).raw()][0];
    const count = row ? Number(row[2]) + 1 : 1;
    sql.exec("INSERT INTO limits(id,version,state,lapses)VALUES(?1,?2,?3,?4)ON CONFLICT(id)DO UPDATE SET version=excluded.version,state=excluded.state,lapses=excluded.lapses", take[0].limit, 1, String(count), now + 1000);
    return JSON.stringify({ version: 1, allowed: true, remaining: count });
  }
}
export default { async fetch(request, env) {
  const object = env.FLOOR.get(env.FLOOR.idFromName("bench/v1/plenty"));
  JSON.parse(await object.ask(MESSAGE));
  return forward(request);
} };`;

/** The same answer, at once. @param {number} status @param {Fields} fields @param {string} body */
export const local = (status, fields, body) => `
const HEADERS = ${text(Object.fromEntries(fields))};
const BODY = ${text(body)};
export default { fetch: () => new Response(BODY, { status: ${status}, headers: HEADERS }) };`;

/** A look into the Cache API and the same edits of what it holds; the first request stores. @param {Fields} stored @param {string} body @param {Edits} response */
export const cacheHit = (stored, body, response) => `
const KEY = "http://cache/floor/bench/v1/cached/kettle";
${answer(response)}
export default { async fetch() {
  const hit = await caches.default.match(KEY);
  if (hit) return answer(hit);
  const kept = new Response(${text(body)}, { headers: ${text(Object.fromEntries(stored))} });
  await caches.default.put(KEY, kept);
  return new Response("stored");
} };`;

/** The same upstream requests in parallel, their JSON merged by name. @param {{ name: string, url: string, fields: Fields }[]} calls @param {Fields} response */
export const combined = (calls, response) => `
const CALLS = ${text(calls.map(({ name, url, fields }) => ({ name, url, headers: Object.fromEntries(fields) })))};
const HEADERS = ${text(Object.fromEntries(response))};
async function part({ name, url, headers }) {
  const got = await fetch(url, { headers, redirect: "manual" });
  return [name, JSON.parse(await got.text())];
}
export default { async fetch() {
  const parts = await Promise.all(CALLS.map(part));
  return new Response(JSON.stringify(Object.fromEntries(parts)), { headers: HEADERS });
} };`;

/** Hono with as many routes, CORS and its proxy helper: what one would otherwise write. @param {string} origin */
export const hono = (origin) => `
import { Hono } from "hono";
import { cors } from "hono/cors";
import { proxy } from "hono/proxy";
const app = new Hono();
app.use("*", cors({ origin: "https://app.example" }));
app.get("/bench/v1/open/:id", (c) => proxy(${text(origin)} + c.req.path, { ...c.req, raw: c.req.raw }));
for (let api = 0; api < 20; api++) for (let n = 0; n < 50; n++) app.get("/api" + api + "/v1/resource" + n + "/:id/part/:part", (c) => c.text("ok"));
export default app;`;
