// Several backends: callers stay where they are, in every process; a canary by its header. Mirrors: whatever they do, no
// client notices.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { Readable } from "node:stream";
import { startGateway, until } from "./harness.mjs";
import { api, scene } from "./scene.mjs";
import { bodyOf, bytes, fieldsOf, wild } from "./wild.mjs";

/** What good mirrors got. @type {{ request: import("node:http").IncomingMessage, body: Buffer }[]} */
const copies = [];
const good = await wild(async (request, response) => {
  copies.push({ request, body: await bodyOf(request) });
  response.end("copied");
});
let closed = 0;
const mute = await wild((request, response) => void (request.resume(), response.on("close", () => closed++)));
const huge = await wild((_, response) => {
  response.writeHead(200, { "content-type": "text/plain" });
  const more = () => { while (response.write(Buffer.alloc(65536))); };
  response.on("drain", more).on("close", () => closed++);
  more();
});
const garbage = await bytes((_, socket) => void socket.end("\x16\x03\x01 not HTTP at all\r\n\r\n"));
const stalling = await wild((_, response) => void response.on("close", () => closed++));
const gone = await wild(() => {});
await gone.stop();

const place = await scene({
  files: ({ a, b }) => ({
    "s/v1.yaml": api("s", `
routes:
  lane: { match: "GET /lane/{*rest}", backends: { stable: { upstream: a, weight: 3 }, next: { upstream: b, headers: { response: { set: { x-lane: next } } } } }, sticky: { by: header.x-tenant } }
  cookie: { match: "GET /cookie/{*rest}", backends: { stable: { upstream: a }, next: { upstream: b } }, sticky: { by: cookie.lane, set: { max_age: 1h } } }
  canary: { match: "GET /canary/{*rest}", backends: { stable: { upstream: a }, next: { upstream: b } }, canary: { backend: next, from: 2020-01-01, start: 0%, to: 0.01%, over: 1h, header: X-Canary } }
`),
    "m/v1.yaml": api("m", `
upstream: a
routes:
  good: { match: "ANY /good/{*rest}", mirror: [{ upstream: { url: "${good.url}/in" } }, { upstream: { url: "${good.url}/too" }, max: 10B, keep_credentials: true }] }
  bad: { match: "ANY /bad/{*rest}", mirror: [{ upstream: { url: "${gone.url}" } }, { upstream: { url: "${garbage.url}" } }, { upstream: { url: "${huge.url}" } }] }
  mute: { match: "ANY /mute/{*rest}", mirror: [{ upstream: { url: "${mute.url}" }, timeout: 1500ms }], timeout: { headers: 20s, total: 20s } }
  stalled: { match: "GET /stalled", upstream: { url: "${stalling.url}" }, timeout: { headers: 300ms, total: 300ms }, mirror: [{ upstream: { url: "${good.url}" } }] }
  socket: { match: "GET /ws", mirror: [{ upstream: { url: "${good.url}" } }] }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  await Promise.all([good, mute, huge, garbage, stalling].map((one) => one.stop()));
});

test("a caller stays with a backend in every process and after a restart", async () => {
  const other = await startGateway({ routes: place.routes });
  try {
    const of = async (/** @type {import("./harness.mjs").Gateway} */ at, /** @type {number} */ n) => (await at.get("/s/lane/items/lamp", { headers: { "x-tenant": `tenant ${n}` } }));
    const lanes = [];
    for (let n = 0; n < 60; n++) lanes.push((await of(gateway, n)).headers["x-origin"]);
    assert.deepEqual(new Set(lanes), new Set(["a", "b"]));
    assert.ok(lanes.filter((lane) => lane === "a").length > 30, `${lanes}`);
    await gateway.restart();
    for (const at of [gateway, other]) for (let n = 0; n < 60; n++) {
      const answer = await of(at, n);
      assert.equal(answer.headers["x-origin"], lanes[n], `tenant ${n}`);
      assert.equal(answer.headers["x-lane"], lanes[n] === "b" ? "next" : undefined);
    }
    const answer = await of(gateway, 0);
    assert.equal((await gateway.event(answer)).backend, lanes[0] === "a" ? "stable" : "next");
  } finally {
    await other.stop();
  }
});

test("a cookie keeps whom chance has sent", async () => {
  const lanes = new Set();
  for (let n = 0; n < 24; n++) {
    const first = await gateway.get("/s/cookie/items/lamp");
    const [field] = first.headers["set-cookie"] ?? [];
    assert.match(field, /^lane=[0-9a-f]{16}; Path=\/s; Max-Age=3600; SameSite=Lax; Secure; HttpOnly$/);
    assert.match(String(first.headers["cache-control"]), /private/);
    const again = await gateway.get("/s/cookie/items", { headers: { cookie: field.split(";")[0] } });
    assert.deepEqual([again.headers["x-origin"], again.headers["set-cookie"]], [first.headers["x-origin"], undefined]);
    lanes.add(first.headers["x-origin"]);
  }
  assert.equal(lanes.size, 2);
});

test("a caller chooses the canary by its header, which origins do not get", async () => {
  for (const [word, lane] of [["always", "b"], ["never", "a"]]) {
    const answer = await gateway.get("/s/canary/echo/x", { headers: { "X-Canary": word } });
    assert.equal(answer.json.origin, lane);
    assert.ok(!answer.json.rawHeaders.some((/** @type {string} */ text) => /canary/i.test(text)), answer.text);
  }
});

test("a mirror gets a copy, marked and without credentials", async () => {
  copies.length = 0;
  const headers = { authorization: "Bearer x", cookie: "a=b", "tollgate-mirror": "7", "x-own": "1" };
  const answer = await gateway.get("/m/good/echo/x?q=1", { headers });
  assert.equal(answer.status, 200);
  assert.deepEqual(fieldsOf(answer.json, "tollgate-mirror"), []);
  await until(() => copies.length === 2, "two copies");
  const [first, second] = copies.sort((one, other) => String(one.request.url).localeCompare(String(other.request.url))).map(({ request }) => request);
  assert.deepEqual([first.method, first.url, second.url], ["GET", "/in/m/good/echo/x?q=1", "/too/m/good/echo/x?q=1"]);
  for (const copy of [first, second]) {
    assert.deepEqual([copy.headers["tollgate-mirror"], copy.headers["x-own"], copy.headers["x-request-id"]], ["1", "1", answer.headers["x-request-id"]]);
  }
  assert.deepEqual([first.headers.authorization, first.headers.cookie], [undefined, undefined]);
  assert.deepEqual([second.headers.authorization, second.headers.cookie], ["Bearer x", "a=b"]);
  assert.deepEqual((await gateway.event(answer)).mirrors, ["m/v1:good.mirror1", "m/v1:good.mirror2"]);
});

for (const streamed of [false, true]) test(`a body is copied up to the bound and passes whole${streamed ? ", also without a declared length" : ""}`, async () => {
  for (const [size, expected] of [[5, 2], [200_000, 1], [300_000, 0], [5_000_000, 0]]) {
    copies.length = 0;
    const body = randomBytes(size);
    const answer = await gateway.request("POST", "/m/good/upload", { body: streamed ? Readable.from([body.subarray(0, 3), body.subarray(3)]) : body });
    assert.deepEqual([answer.status, answer.json.length, answer.json.sha256], [200, size, createHash("sha256").update(body).digest("hex")]);
    const { rawHeaders } = place.a.seen.at(-1) ?? { rawHeaders: [] };
    assert.deepEqual(fieldsOf({ rawHeaders }, "content-length"), streamed ? [] : [String(size)]);
    await until(() => copies.length >= expected, `${expected} copies of ${size} bytes`);
    // A later copy comes after those of this request, if there were more.
    await gateway.get("/m/good/echo/last");
    await until(() => copies.filter(({ request }) => request.url?.endsWith("/last")).length === 2, "the last copies");
    const uploads = copies.filter(({ request }) => request.method === "POST");
    assert.equal(uploads.length, expected, `${size} bytes`);
    for (const copy of uploads) assert.ok(copy.body.equals(body));
  }
});

test("mirrors that are dead, talk nonsense or do not end are not noticed", async () => {
  const before = closed;
  for (let n = 0; n < 10; n++) {
    const answer = await gateway.request(n % 2 ? "GET" : "PUT", "/m/bad/echo/x", { body: n % 2 ? undefined : "body" });
    assert.deepEqual([answer.status, answer.json.body], [200, n % 2 ? "" : "body"]);
  }
  await until(() => closed >= before + 10, "the ends of the answers without end");
  assert.doesNotMatch(gateway.process.log, /trapped|Uncaught|unhandled/i);
});

test("mirrors that say nothing hold up nobody, however many requests come, and are ended", async () => {
  const before = closed, seen = mute.seen.length;
  const answers = await Promise.all(Array.from({ length: 400 }, (_, n) => gateway.request("POST", "/m/mute/echo/x", { body: `${n}` })));
  for (const [n, answer] of answers.entries()) assert.deepEqual([answer.status, answer.json.body], [200, `${n}`]);
  assert.ok(mute.seen.length - seen <= 256, `${mute.seen.length - seen} copies at once`);
  await until(() => closed >= before + (mute.seen.length - seen) && mute.seen.length > seen, "the ends of the copies");
  // And there is room for new ones.
  const now = mute.seen.length;
  assert.equal((await gateway.get("/m/mute/echo/y")).status, 200);
  await until(() => mute.seen.length > now, "another copy");
});

test("a client that goes away in the middle of its body costs nothing", async () => {
  for (let n = 0; n < 8; n++) {
    const body = Readable.from((async function* () {
      yield Buffer.alloc(1000);
      throw new Error("gone");
    })());
    await assert.rejects(gateway.request("POST", "/m/good/upload", { body: body.on("error", () => {}), timeout: 100 }));
  }
  assert.equal((await gateway.request("POST", "/m/good/upload", { body: "x" })).json.length, 1);
});

test("an upstream that stalls on a mirrored route is given up, and its connection is closed", async () => {
  const before = closed;
  const answer = await gateway.get("/m/stalled");
  assert.deepEqual([answer.status, answer.problem], [504, "upstream-timeout"]);
  await until(() => closed > before, "the end of the stalled connection");
});
