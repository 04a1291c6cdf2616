// Stored answers (RFC 9111): served with Cache-Status and Age, never to those whom they are not for.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { sleep, TOP, until } from "./harness.mjs";
import { api, bearer, scene, token } from "./scene.mjs";
import { wild } from "./wild.mjs";

let served = 0;
/** Answers by path: status, headers, body. @type {Record<string, [number, Record<string, string | string[]>, (string | Buffer)?]>} */
const answers = {
  "/c/plain": [200, {}],
  "/c/public": [200, { "cache-control": "public, max-age=60", etag: '"v1"', "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }],
  "/c/cookie": [200, { "set-cookie": "session=1" }],
  "/c/private": [200, { "cache-control": "private, max-age=60" }],
  "/c/no-store": [200, { "cache-control": "no-store" }],
  "/c/no-cache": [200, { "cache-control": "no-cache" }],
  "/c/zero": [200, { "cache-control": "max-age=0" }],
  "/c/star": [200, { vary: "*" }],
  "/c/error": [500, {}],
  "/c/missing": [404, {}],
  "/c/moved": [302, { location: "/elsewhere" }],
  "/c/gone": [410, {}],
  "/c/vary": [200, { vary: "accept-language" }],
  "/c/mine": [200, {}],
  "/c/mine-public": [200, { "cache-control": "public, max-age=60" }],
  "/c/consumer": [200, {}],
  "/c/large": [200, {}, Buffer.alloc(3 * 1024 * 1024, "large ")],
  "/c/chunked": [200, {}, Buffer.alloc(300_000, "chunk ")],
  "/c/chunked-large": [200, {}, Buffer.alloc(2 * 1024 * 1024, "chunk ")],
  "/c/empty": [204, {}],
  "/c/web": [200, { "access-control-allow-origin": "*", "access-control-allow-credentials": "true" }],
  "/c/steered": [200, { "cache-control": "max-age=60" }],
  "/c/gzip": [200, { "content-encoding": "gzip" }, gzipSync("compressed")],
  "/c/half": [200, {}, Buffer.alloc(900_000, "half ")],
  "/c/slow": [200, {}],
  "/c/old": [200, { "cache-control": "public, max-age=60", age: "50" }],
};
const origin = await wild(async (request, response) => {
  const path = String(request.url).split("?")[0];
  const [status, headers, body] = answers[path] ?? [404, {}];
  served++;
  const bytes = body ?? `${path} ${served} ${request.headers["x-consumer-id"] ?? ""} ${request.headers["accept-language"] ?? ""}`;
  if (path === "/c/slow") await sleep(1_000);
  response.writeHead(status, { ...headers, "x-served": String(served), ...(path.includes("chunked") || status === 204 ? {} : { "content-length": Buffer.byteLength(bytes) }) });
  response.end(request.method === "HEAD" || status === 204 ? undefined : bytes);
});
const place = await scene({
  gateway: { entry: join(TOP, "tests/worker/outage.mjs") },
  files: () => ({
    "c/v1.yaml": api("c", `
upstream: { url: "${origin.url}" }
defaults: { cache: { ttl: 60s, max: 1MiB } }
limits:
  few: { quota: 4/day, per: route }
routes:
  mine: { match: "GET /mine", auth: { jwt: tests } }
  minePublic: { match: "GET /mine-public", auth: { jwt: tests } }
  consumer: { match: "GET /consumer", auth: { jwt: tests }, cache: { ttl: 60s, key: [consumer] } }
  keyed: { match: "GET /keyed", rewrite: /c/plain, cache: { ttl: 60s, key: [query.page, header.x-tenant] } }
  counted: { match: "GET /counted", rewrite: /c/public, limits: [few], cors: web }
  web: { match: "GET /web", cors: web }
  any: { match: "ANY /{path}" }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  await origin.stop();
});
const said = (/** @type {any} */ answer) => String(answer.headers["cache-status"]);
const isHit = (/** @type {any} */ answer) => /^tollgate; hit/.test(said(answer));
/** Asks until the answer comes out of the cache: storing goes on after the response. @param {string} path @param {any} [settings] */
const hit = (path, settings) => until(async () => {
  const answer = await gateway.get(path, settings);
  return isHit(answer) ? answer : null;
}, `a hit for ${path}`);

for (const path of ["/c/plain", "/c/public", "/c/gone", "/c/chunked", "/c/empty"]) test(`${path} is stored and served, with Cache-Status and Age`, async () => {
  const first = await gateway.get(path);
  assert.match(said(first), /^tollgate; fwd=uri-miss;.*stored/);
  const second = await hit(path);
  assert.equal(second.status, first.status);
  assert.deepEqual(second.bytes.equals(first.bytes) || second.bytes.length, true, "byte for byte");
  assert.equal(second.headers["x-served"], first.headers["x-served"], "the origin was not asked");
  assert.match(String(second.headers.age), /^\d+$/);
  assert.equal(second.headers["cache-control"], first.headers["cache-control"], "the origin's word, not the store's");
  assert.equal(second.headers.etag, first.headers.etag);
  assert.doesNotMatch(JSON.stringify(second.headers), /tollgate-stored|tollgate-vary|cf-cache-status/, "metadata stays inside");
});

for (const [path, why] of [["cookie", "set-cookie"], ["private", "private"], ["no-store", "no-store"], ["no-cache", "no-cache"], ["zero", "stale"], ["star", "vary"], ["error", "status"], ["missing", "status"], ["moved", "status"], ["large", "too-large"], ["chunked-large", ""]]) test(`/c/${path} is never served from the store`, async () => {
  const first = await gateway.get(`/c/${path}`);
  if (why) assert.doesNotMatch(said(first), /stored(?!=\?0)/, said(first));
  // One answer that must be stored says that storing is over.
  await hit("/c/plain");
  for (let i = 0; i < 3; i++) {
    const answer = await gateway.get(`/c/${path}`);
    assert.ok(!isHit(answer), said(answer));
    assert.equal(answer.status, first.status);
  }
});

test("answers vary by what the origin names", async () => {
  const lang = (/** @type {string} */ value) => ({ headers: { "accept-language": value } });
  await gateway.get("/c/vary", lang("de"));
  assert.match((await hit("/c/vary", lang("de"))).text, / de$/);
  const english = await gateway.get("/c/vary", lang("en"));
  assert.ok(!isHit(english));
  assert.match(english.text, / en$/, "nobody reads another's language");
});

test("who has a token shares nothing unless the origin or the key says so", async () => {
  const [ann, bob] = [bearer(token()), bearer(token({ sub: "bob" }))];
  for (let i = 0; i < 3; i++) assert.ok(!isHit(await gateway.get("/c/mine", ann)));
  await gateway.get("/c/mine-public", ann);
  assert.ok(isHit(await hit("/c/mine-public", bob)));
  await gateway.get("/c/consumer", ann);
  assert.match((await hit("/c/consumer", ann)).text, / ann /);
  const other = await gateway.get("/c/consumer", bob);
  assert.ok(!isHit(other));
  assert.match(other.text, / bob /);
  assert.match((await hit("/c/consumer", bob)).text, / bob /);
  assert.equal((await gateway.get("/c/mine-public")).problem, "token-missing", "a stored answer needs the token too");
  assert.equal((await gateway.get("/c/mine-public", bearer(token({ exp: 1 })))).problem, "token-expired");
});

test("two tokens of one consumer share nothing that the origin may tell apart", async () => {
  const [ann, more] = [bearer(token({ sub: "cat" })), bearer(token({ sub: "cat", scope: "more" }))];
  const first = await gateway.get("/c/consumer", ann);
  assert.equal((await hit("/c/consumer", ann)).text, first.text);
  assert.ok(!isHit(await gateway.get("/c/consumer", more)));
});

test("what one request spoils is not served to others", async () => {
  const steered = await gateway.get("/c/steered", { headers: { "x-http-method-override": "DELETE" } });
  assert.match(said(steered), /detail=steered/);
  await gateway.get("/c/steered");
  assert.notEqual((await hit("/c/steered")).text, steered.text);
  const gzip = { headers: { "accept-encoding": "gzip" } };
  await gateway.get("/c/gzip", gzip);
  await hit("/c/gzip", gzip);
  assert.match(said(await gateway.get("/c/gzip")), /fwd=vary-miss/, "a coding for whoever reads it");
});

test("an upstream's CORS fields are neither passed on nor stored where the gateway speaks CORS", async () => {
  const cors = (/** @type {any} */ answer) => Object.entries(answer.headers).filter(([name]) => name.startsWith("access-control-"));
  const ours = [["access-control-allow-origin", "https://app.example"]];
  assert.deepEqual(cors(await gateway.get("/c/web")), ours);
  assert.deepEqual(cors(await hit("/c/web")), ours);
  assert.deepEqual(cors(await hit("/c/web", { headers: { origin: "https://evil.example" } })), ours);
});

test("the key holds what the route file names, and nothing else", async () => {
  const tenant = (/** @type {string} */ name) => ({ headers: { "x-tenant": name } });
  const first = await gateway.get("/c/keyed?page=1&utm=a", tenant("red"));
  assert.equal((await hit("/c/keyed?utm=b&page=1", tenant("red"))).text, first.text);
  assert.ok(!isHit(await gateway.get("/c/keyed?page=2", tenant("red"))));
  assert.ok(!isHit(await gateway.get("/c/keyed?page=1", tenant("blue"))));
});

test("hits are counted by limits, edited by CORS and recorded", async () => {
  await gateway.get("/c/counted");
  const stored = await until(async () => {
    const answer = await gateway.get("/c/counted", { headers: { origin: "https://app.example" } });
    return isHit(answer) || answer.status === 429 ? answer : null;
  }, "a hit");
  assert.equal(stored.status, 200);
  assert.equal(stored.headers["access-control-allow-origin"], "https://app.example");
  assert.ok(stored.headers.ratelimit);
  assert.equal((await gateway.event(stored)).cache, "hit");
});

test("conditions are answered from the store", async () => {
  await gateway.get("/c/public");
  const { headers } = await hit("/c/public");
  const same = await gateway.get("/c/public", { headers: { "if-none-match": `W/"v0", ${headers.etag}` } });
  assert.deepEqual([same.status, same.bytes.length, same.headers.etag], [304, 0, headers.etag]);
  const other = await gateway.get("/c/public", { headers: { "if-none-match": '"v0"' } });
  assert.equal(other.status, 200);
});

test("HEAD is answered from the store, without a body", async () => {
  await gateway.get("/c/public");
  await hit("/c/public");
  const head = await gateway.request("HEAD", "/c/public");
  assert.deepEqual([head.status, head.bytes.length, isHit(head)], [200, 0, true]);
});

test("no-cache and only-if-cached are heeded", async () => {
  await gateway.get("/c/public");
  await hit("/c/public");
  assert.ok(!isHit(await gateway.get("/c/public", { headers: { "cache-control": "no-cache" } })));
  assert.ok(isHit(await gateway.get("/c/public", { headers: { "cache-control": "only-if-cached" } })));
  const none = await gateway.get("/c/never-asked", { headers: { "cache-control": "only-if-cached" } });
  assert.deepEqual([none.status, none.problem], [504, "not-cached"]);
});

test("an answer that is old when it comes is told to be", async () => {
  await gateway.get("/c/old");
  assert.ok(Number((await hit("/c/old")).headers.age) >= 50);
});

test("other methods pass by", async () => {
  const before = served;
  const answer = await gateway.request("POST", "/c/public", { body: "x" });
  assert.ok(!isHit(answer) && served > before);
});

test("a cache that does not answer is a miss after a moment, and nothing is stored", async () => {
  await gateway.get("/outage/match");
  try {
    const began = Date.now(), answer = await gateway.get("/c/plain?hanging"), took = Date.now() - began;
    assert.deepEqual([answer.status, said(answer)], [200, "tollgate; fwd=miss; detail=timeout"]);
    assert.ok(took >= 290 && took < 2_000, `${took} ms`);
    const refused = await gateway.get("/c/plain?hanging", { headers: { "cache-control": "only-if-cached" } });
    assert.deepEqual([refused.status, refused.problem], [504, "not-cached"]);
  } finally {
    await gateway.get("/outage/");
  }
  assert.match(said(await gateway.get("/c/plain?hanging")), /^tollgate; fwd=uri-miss; stored/);
});

test("what the cache finds too late is dropped, and its body cancelled", async () => {
  await gateway.get("/outage/tardy");
  try {
    const answer = await gateway.get("/c/slow");
    assert.deepEqual([answer.status, said(answer)], [200, "tollgate; fwd=miss; detail=timeout"]);
    assert.match(answer.text, /^\/c\/slow/, "the origin's answer");
    assert.equal((await gateway.get("/outage")).json.cancelled, 1);
  } finally {
    await gateway.get("/outage/");
  }
});

test("a cache that does not take what it is given holds nobody up", async () => {
  await gateway.get("/outage/put");
  try {
    for (const path of ["/c/half", "/c/chunked"]) {
      const began = Date.now(), answer = await gateway.get(`${path}?hanging`), took = Date.now() - began;
      assert.match(said(answer), /^tollgate; fwd=uri-miss; stored/);
      assert.equal(answer.bytes.length, path === "/c/half" ? 900_000 : 300_000);
      assert.ok(took < 2_000, `${path}: ${took} ms`);
    }
  } finally {
    await gateway.get("/outage/");
  }
});
