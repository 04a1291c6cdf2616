// Origins that are stopped, die, stall or send garbage: another one answers, or the client is told plainly.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { origin } from "../origins/origin.mjs";
import { until } from "./harness.mjs";
import { api, scene } from "./scene.mjs";
import { bytes, wild } from "./wild.mjs";

const good = await wild((request, response) => void response.end(`good ${request.url}`));
/** What goes wrong, by the last segment of the path. */
const bad = await bytes((path, socket) => {
  const how = path.split("/").pop();
  if (how === "dies") socket.end();
  else if (how === "reset") socket.resetAndDestroy();
  else if (how === "garbage") socket.end("\x16\x03\x01 not HTTP at all\r\n\r\n");
  else if (how === "half-head") socket.end("HTTP/1.1 200 OK\r\nContent-Le");
  else if (how === "bad-length") socket.end("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello");
  else if (how === "two-lengths") socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!");
  else if (how === "bad-status") socket.end("HTTP/1.1 2000 OK\r\n\r\n");
  else if (how === "huge-head") socket.end(`HTTP/1.1 200 OK\r\nX-Huge: ${"x".repeat(1_000_000)}\r\n\r\n`);
  else if (how === "short") socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  else if (how === "bad-chunk") socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
  else if (how === "switches") socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n");
  else if (how === "mute") return;
  else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
});
let stalled = 0, uploads = 0;
const stalling = await wild((request, response) => {
  if (request.method === "POST") return void (uploads++, request.on("error", () => {}).resume().on("end", () => response.end("whole")));
  if (request.url?.endsWith("/fine")) return void response.end("fine");
  request.on("close", () => stalled++);
});
const place = await scene({
  files: () => ({
    "f/v1.yaml": api("f", `
upstream: both
routes:
  pair: { match: "ANY /pair/{*rest}" }
  once: { match: "GET /once/{*rest}", failover: 0 }
  bad: { match: "ANY /bad/{how}", upstream: { url: "${bad.url}" }, cors: web }
  mixed: { match: "ANY /mixed/{how}", upstream: { targets: [{ url: "${bad.url}", weight: 1000000 }, { url: "${good.url}", weight: 0 }] } }
  stall: { match: "ANY /stall/{how}", upstream: { targets: [{ url: "${stalling.url}", weight: 1000000 }, { url: "${good.url}", weight: 0 }] }, timeout: { headers: 300ms, total: 2s } }
  upload: { match: "ANY /upload/{how}", upstream: { targets: [{ url: "${stalling.url}", weight: 1000000 }, { url: "${good.url}", weight: 0 }] } }
  mute: { match: "GET /mute", upstream: { url: "${stalling.url}" }, timeout: { headers: 300ms, total: 300ms } }
  merged: { match: "GET /merged/{id}", timeout: { headers: 1s, total: 1s }, combine: { item: { upstream: a, path: "/items/{id}" }, orders: { upstream: b, path: "/orders", required: false } } }
  slowpart: { match: "GET /slowpart", timeout: { headers: 400ms, total: 400ms }, combine: { item: { upstream: a, path: "/items/lamp" }, slow: { upstream: b, path: "/stall", required: false }, broken: { upstream: b, path: "/bad-json", required: false }, missing: { upstream: b, path: "/status/404", required: false }, big: { upstream: b, path: "/huge-json", required: false, max: 1KiB } } }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  await Promise.all([good.stop(), bad.stop(), stalling.stop()]);
});

for (const how of ["dies", "reset", "garbage", "half-head", "bad-length", "two-lengths", "bad-status", "huge-head"]) test(`an origin that ${how} costs a 502 problem, or nothing where there is another`, async () => {
  const answer = await gateway.get(`/f/bad/${how}`, { headers: { origin: "https://app.example" } });
  if (["two-lengths", "bad-length"].includes(how) && answer.status === 200) return assert.ok(answer.bytes.length <= 6, "the runtime's parser took it for one answer");
  assert.deepEqual([answer.status, answer.problem], [502, "upstream-unreachable"]);
  assert.match(String(answer.headers["proxy-status"]), /^tollgate; error=[a-z_]+$/);
  assert.equal(answer.headers["access-control-allow-origin"], "https://app.example");
  assert.doesNotMatch(answer.text, /127\.0\.0\.1/);
  const event = await gateway.event(answer);
  assert.equal(event.attempts.length, 1);
  assert.ok(event.attempts[0].error, "the operator reads why");
  const other = await gateway.get(`/f/mixed/${how}`);
  assert.deepEqual([other.status, other.text], [200, `good /f/mixed/${how}`]);
});

test("an origin that switches protocols unasked costs a 502 problem, and one event", async () => {
  const answer = await gateway.get("/f/bad/switches");
  assert.deepEqual([answer.status, answer.problem], [502, "upstream-unreachable"]);
  assert.equal(answer.headers["proxy-status"], "tollgate; error=http_protocol_error");
  const event = await gateway.event(answer);
  assert.deepEqual([event.status, event.attempts.length, event.attempts[0].status], [502, 1, 101]);
  const { events } = (await gateway.admin("/_tollgate/events?limit=500")).json;
  assert.equal(events.filter((/** @type {any} */ other) => other.status === 101).length, 0);
  const other = await gateway.get("/f/mixed/switches");
  assert.deepEqual([other.status, other.text], [200, "good /f/mixed/switches"]);
});

for (const how of ["short", "bad-chunk"]) test(`a body that breaks off (${how}) does not look whole`, async () => {
  await assert.rejects(gateway.get(`/f/bad/${how}`), /aborted|hang up|reset|parse|invalid/i);
  assert.equal((await gateway.get("/f/bad/fine")).text, "ok");
});

test("what may not be sent twice is not", async () => {
  good.seen.length = 0;
  const answer = await gateway.request("POST", "/f/mixed/dies", { body: "pay" });
  assert.ok(answer.status === 502 || good.seen.length === 1);
  if (answer.status !== 502) assert.equal((await gateway.event(answer)).attempts.length, 1, "only where it was the first try");
});

for (const first of [false, true]) test(`an origin that stalls is left for another${first ? " by an isolate's first request" : ""}, and its connection is closed`, async () => {
  // The first request watches the clock for all, and ends its own fetches: only the stalled one.
  if (first) await gateway.restart();
  const before = stalled;
  const answer = await gateway.get("/f/stall/x");
  assert.deepEqual([answer.status, answer.text], [200, "good /f/stall/x"]);
  await until(() => stalled > before, "the end of the stalled connection");
});

test("a client that breaks off its upload chooses no target for others", async () => {
  await gateway.restart();
  for (const end of /** @type {const} */ (["end", "resetAndDestroy"])) {
    const before = uploads;
    const socket = connect(gateway.port, "127.0.0.1", () => void socket.write("POST /f/upload/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf")).on("error", () => {});
    await until(() => uploads > before, "the upload at the origin");
    socket[end]();
    await until(async () => (await gateway.admin("/_tollgate/events?limit=500")).json.events.filter((/** @type {any} */ event) => event.route === "f/v1/upload" && event.method === "POST").length > uploads - 1, "the event");
    assert.equal((await gateway.get("/f/upload/fine")).text, "fine", "not from the other target");
  }
});

test("an only origin that stalls costs a 504, and sees its connection closed", async () => {
  const before = stalled;
  const answer = await gateway.get("/f/mute");
  assert.deepEqual([answer.status, answer.problem], [504, "upstream-timeout"]);
  assert.match(String(answer.headers["proxy-status"]), /error=http_response_timeout/);
  await until(() => stalled > before, "the end of the stalled connection");
});

test("parts that are late, broken, missing or too large are named, the rest is there", async () => {
  const answer = await gateway.get("/f/slowpart");
  assert.equal(answer.status, 200, answer.text);
  const { item, slow, broken, missing, big, _partial } = answer.json;
  assert.equal(item.name, "Desk lamp");
  assert.deepEqual([slow, broken, missing, big], [null, null, null, null]);
  assert.deepEqual(_partial, [{ call: "slow", reason: "timeout" }, { call: "broken", reason: "not-json" }, { call: "missing", reason: "status" }, { call: "big", reason: "too-large" }]);
  assert.deepEqual(Object.keys(answer.json), ["item", "slow", "broken", "missing", "big", "_partial"], "in declared order");
  assert.equal(answer.headers["tollgate-partial"], "slow, broken, missing, big");
  assert.equal(answer.headers["cache-control"], "no-store");
  const event = await gateway.event(answer);
  assert.deepEqual(event.attempts.map((/** @type {any} */ attempt) => attempt.call).sort(), ["big", "broken", "item", "missing", "slow"]);
});

test("an origin by origin outage: one, both, and back", async () => {
  const [portA, portB] = [place.a.port, place.b.port];
  const origins = async () => new Set(await Promise.all(Array.from({ length: 24 }, async () => (await gateway.get("/f/pair/items/lamp")).headers["x-origin"])));
  assert.deepEqual(await origins(), new Set(["a", "b"]), "both serve");

  await place.b.stop();
  for (let i = 0; i < 12; i++) {
    const answer = await gateway.get("/f/pair/items/lamp");
    assert.deepEqual([answer.status, answer.headers["x-origin"]], [200, "a"], answer.text);
  }
  assert.equal((await gateway.request("PUT", "/f/pair/echo/x", { body: "x" })).headers["x-origin"], "a", "a body goes to the one that is up");
  const partial = await gateway.get("/f/merged/lamp");
  assert.deepEqual([partial.status, partial.json.item.name, partial.json.orders, partial.headers["tollgate-partial"]], [200, "Desk lamp", null, "orders"]);
  assert.equal(partial.json._partial[0].reason, "unreachable");

  await place.a.stop();
  const none = await gateway.get("/f/pair/items/lamp");
  assert.deepEqual([none.status, none.problem], [502, "upstream-unreachable"]);
  assert.match(String(none.headers["proxy-status"]), /error=/);
  const event = await gateway.event(none);
  assert.equal(event.attempts.length, 2, "both were tried");
  assert.equal((await gateway.get("/f/merged/lamp")).status, 502, "a required part is missing");

  const again = await Promise.all([origin({ name: "a", port: portA }), origin({ name: "b", port: portB })]);
  try {
    await until(async () => (await gateway.get("/f/pair/items/lamp")).status === 200, "an answer");
    await until(async () => (await origins()).size === 2, "both again");
  } finally {
    await Promise.all(again.map((one) => one.stop()));
  }
});

test("whoever watches the clock for all may leave: the others still run out of time", async () => {
  const before = stalled, seen = stalling.seen.length;
  // The first to wait watches for everybody; it goes away at once, by a reset.
  const watcher = connect(gateway.port, "127.0.0.1", () => void watcher.write("GET /f/mute HTTP/1.1\r\nHost: h\r\n\r\n"));
  watcher.on("error", () => {});
  await until(() => stalling.seen.length > seen, "the watcher's request at the origin");
  const others = Array.from({ length: 20 }, () => gateway.get("/f/mute"));
  watcher.resetAndDestroy();
  for (const answer of await Promise.all(others)) assert.deepEqual([answer.status, answer.problem], [504, "upstream-timeout"]);
  // And again, when nobody watches any more.
  assert.equal((await gateway.get("/f/mute")).status, 504);
  await until(() => stalled >= before + 22, "the ends of the origin's connections");
});
