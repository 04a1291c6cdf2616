// What passes through, both ways, and what an upstream may do wrong.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { checksum } from "../origins/origin.mjs";
import { raw, sleep, statusOf, until } from "./harness.mjs";
import { APP, api, scene } from "./scene.mjs";

const place = await scene({
  files: () => ({
    "pass/v1.yaml": api("pass", `
upstream: a
routes:
  small: { match: "POST /small/upload", body: { max: 1KiB }, rewrite: /upload }
  patient: { match: "ANY /long/{*rest}", rewrite: "/{rest}", timeout: { headers: 30s, total: 60s } }
  any: { match: "ANY /{*rest}" }
`, "/p"),
  }),
});
const { gateway, a } = place;
after(() => place.stop());
const MIB = 1024 * 1024;

for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) test(`${method} arrives as ${method}`, async () => {
  a.seen.length = 0;
  const answer = await gateway.request(method, "/p/echo/x?b=2&a=1%20", method === "POST" ? { body: "hello" } : {});
  assert.equal(answer.status, 200);
  assert.equal(a.seen.at(-1)?.method, method);
  assert.equal(a.seen.at(-1)?.url, "/p/echo/x?b=2&a=1%20");
  if (method === "POST") assert.equal(answer.json.body, "hello");
});

for (const status of [200, 201, 204, 205, 301, 304, 307, 400, 404, 418, 500, 503]) test(`status ${status} passes through`, async () => {
  const answer = await gateway.get(`/p/status/${status}`);
  assert.equal(answer.status, status);
  if (status > 300 && status < 308 && status !== 304) assert.equal(answer.headers.location, "/elsewhere", "redirects are the client's");
});

test("HEAD keeps the length and sends no body", async () => {
  const [get, head] = [await gateway.get("/p/items/lamp"), await gateway.request("HEAD", "/p/items/lamp")];
  assert.equal(head.bytes.length, 0);
  assert.equal(head.headers["content-length"] ?? String(get.bytes.length), String(get.bytes.length));
  assert.equal(head.headers.etag, get.headers.etag);
});

test("a conditional request gets the origin's 304", async () => {
  const { headers } = await gateway.get("/p/items/lamp");
  assert.equal((await gateway.get("/p/items/lamp", { headers: { "if-none-match": String(headers.etag) } })).status, 304);
});

test("two cookies stay two", async () => {
  assert.equal((await gateway.get("/p/cookies")).headers["set-cookie"]?.length, 2);
});

test("what belongs to a connection ends there, both ways", async () => {
  a.seen.length = 0;
  const request = "GET /p/hop-by-hop HTTP/1.1\r\nHost: h\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\nTE: trailers\r\nX-Kept: 1\r\nMax-Forwards: 5\r\n\r\n";
  const answer = await gateway.raw(request);
  assert.equal(statusOf(answer), 200);
  assert.doesNotMatch(answer, /x-secret|proxy-authenticate|keep-alive: timeout=9/i);
  assert.match(answer, /x-kept: 1/i);
  const names = a.seen[0].rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  for (const gone of ["x-private", "proxy-authorization", "proxy-connection"]) assert.ok(!names.includes(gone), gone);
  for (const there of ["x-kept", "via", "x-request-id"]) assert.ok(names.includes(there), there);
});

test("inbound Forwarded and X-Forwarded fields are not believed", async () => {
  const { json } = await gateway.get("/p/echo/x", { headers: { "x-forwarded-for": "6.6.6.6", "x-forwarded-host": "evil", "x-forwarded-proto": "ftp", forwarded: "for=6.6.6.6" } });
  assert.doesNotMatch(JSON.stringify(json.rawHeaders), /6\.6\.6\.6|evil|ftp/);
});

test("the client's address goes on without its port", async () => {
  const { json } = await gateway.get("/p/echo/x");
  const fields = new Map(json.rawHeaders.flatMap((/** @type {string} */ name, /** @type {number} */ i, /** @type {string[]} */ all) => (i % 2 ? [] : [[name.toLowerCase(), all[i + 1]]])));
  assert.equal(fields.get("x-forwarded-for"), "127.0.0.1");
  assert.equal(fields.get("x-forwarded-proto"), "http");
  assert.match(String(fields.get("forwarded")), /^for=127\.0\.0\.1;host="127\.0\.0\.1:\d+";proto=http$/);
  assert.match(String(fields.get("via")), /^1\.1 tollgate$/);
});

test("Max-Forwards is counted down for OPTIONS, which ends here at 0; for others it says nothing", async () => {
  const ask = async (/** @type {string} */ method, /** @type {string} */ hops) => {
    a.seen.length = 0;
    const answer = await gateway.request(method, "/p/echo/x", { headers: { "max-forwards": hops } });
    const names = a.seen.at(-1)?.rawHeaders ?? [];
    return [answer.status, a.seen.length, names[names.findIndex((name) => name.toLowerCase() === "max-forwards") + 1]];
  };
  assert.deepEqual(await ask("OPTIONS", "3"), [200, 1, "2"]);
  assert.deepEqual((await ask("OPTIONS", "0")).slice(0, 2), [204, 0]);
  assert.deepEqual(await ask("GET", "0"), [200, 1, "0"]);
});

test("a GET with Content-Length: 0 is no fault", async () => {
  assert.equal(statusOf(await gateway.raw("GET /p/echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")), 200);
});

test("server-sent events arrive one by one", async () => {
  const answer = await gateway.get("/p/long/events?count=3&every=150", { stream: true });
  const arrivals = /** @type {number[]} */ ([]);
  for await (const part of answer.message) for (const _ of part.toString().matchAll(/data:/g)) arrivals.push(Date.now());
  assert.equal(arrivals.length, 3);
  assert.ok(arrivals[2] > arrivals[0], "not held back to the end");
});

test("a WebSocket passes", async () => {
  const key = randomBytes(16).toString("base64");
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(`GET /p/long/socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
  let held = Buffer.alloc(0);
  socket.on("data", (part) => (held = Buffer.concat([held, part])));
  await until(() => held.includes("\r\n\r\n"), "the handshake's answer");
  assert.match(held.toString("latin1"), /^HTTP\/1\.1 101/);
  assert.ok(held.toString("latin1").includes(createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")));
  held = Buffer.alloc(0);
  const mask = Buffer.from([1, 2, 3, 4]), text = Buffer.from("hello");
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, Buffer.from(text.map((byte, i) => byte ^ mask[i & 3]))]));
  await until(() => held.length >= 7, "the echo");
  assert.equal(held.subarray(2).toString(), "hello");
  socket.destroy();
});

const failures = /** @type {[string, string, number, string][]} */ ([
  ["refuses with a reset", "/p/reset", 502, "upstream-unreachable"],
  ["sends garbage", "/p/garbage", 502, "upstream-unreachable"],
  ["never answers", "/p/stall", 504, "upstream-timeout"],
]);
for (const [what, path, status, problem] of failures) test(`an origin that ${what} costs a ${status}, readable by browsers`, async () => {
  const answer = await gateway.get(path, { headers: { origin: APP } });
  assert.deepEqual([answer.status, answer.problem], [status, problem]);
  assert.equal(answer.headers["access-control-allow-origin"], APP);
  assert.match(String(answer.headers["proxy-status"]), /error=/);
  assert.doesNotMatch(answer.text, /127\.0\.0\.1/);
  assert.equal((await gateway.get("/p/health")).status, 200, "the next request works");
});

test("a timed-out upstream request is aborted", async () => {
  await until(() => place.a.state.closedStalls > 0, "the end of the stalled request");
});

test("an origin that breaks off its body breaks off ours", async () => {
  await assert.rejects(gateway.get("/p/reset-body"), "a cut body must not look whole");
  assert.equal((await gateway.get("/p/health")).status, 200);
});

test("a body over the route's bound is refused, and so is one of unknown length", async () => {
  assert.equal((await gateway.request("POST", "/p/small/upload", { body: "x".repeat(1024) })).status, 200);
  const large = await gateway.request("POST", "/p/small/upload", { body: "x".repeat(1025) });
  assert.deepEqual([large.status, large.problem], [413, "body-too-large"]);
  const unknown = await gateway.request("POST", "/p/small/upload", { body: Readable.from(["x"]), headers: { "transfer-encoding": "chunked" } });
  assert.deepEqual([unknown.status, unknown.problem], [411, "length-required"]);
});

test("64 MB pass both ways in bounded memory, also to a slow reader", async () => {
  const size = 64 * MIB, most = 32 * MIB, { process } = gateway;
  // Warm: the process has its buffers and its instance.
  await gateway.get("/p/long/download?size=1000000");
  const before = process.rss();
  process.resetPeak();
  const hash = createHash("sha256");
  const down = await gateway.get(`/p/long/download?size=${size}`, { stream: true });
  for await (const part of down.message) hash.update(part);
  assert.equal(hash.digest("hex"), checksum(size));
  const up = await gateway.request("POST", "/p/long/upload", { body: Readable.from((function* () { for (let i = 0; i < 1024; i++) yield Buffer.alloc(64 * 1024, "tollgate"); })()), headers: { "content-length": String(size) } });
  assert.deepEqual(up.json, { length: size, sha256: checksum(size) });
  const slow = await gateway.get(`/p/long/download?size=${size}`, { stream: true });
  let got = 0;
  for await (const part of slow.message) {
    got += part.length;
    if (got % (4 * MIB) < part.length) await sleep(20);
  }
  assert.equal(got, size);
  const grown = process.peak() - before;
  assert.ok(grown < most, `the process grew by ${Math.round(grown / MIB)} MiB`);
});

test("raw requests on one connection are answered in order", async () => {
  const one = (/** @type {string} */ path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;
  const back = await raw(gateway.port, one("/p/status/201") + one("/nowhere") + one("/p/status/202"), { until: /HTTP\/1\.1 202/ });
  assert.deepEqual([...back.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status), ["201", "404", "202"]);
});
