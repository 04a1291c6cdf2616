// Every answer can be asked about afterwards, by those who may.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect } from "node:net";
import { join } from "node:path";
import { ADMIN_TOKEN, TOP, startGateway, until } from "./harness.mjs";
import { bearer, scene, token } from "./scene.mjs";

const FILE = `
tollgate: 2
api: e
owner: team-events
version: { name: v1 }
base: /e
upstream: a
limits:
  one: { quota: 1/day, per: route }
routes:
  open: { match: "GET /echo/open" }
  cached: { match: "GET /items", cache: { ttl: 60s } }
  mine: { match: "GET /echo/mine", auth: { jwt: tests } }
  scoped: { match: "GET /echo/scoped", auth: { jwt: tests }, scopes: [admin] }
  one: { match: "GET /echo/one", limits: [one] }
  reset: { match: "GET /reset" }
  stall: { match: "GET /stall", timeout: { headers: 200ms, total: 200ms } }
  patient: { match: "GET /patient", rewrite: /stall, timeout: { headers: 60s, total: 60s } }
  small: { match: "POST /small", body: { max: 1KiB } }
  whole: { match: "GET /whole", combine: { item: { upstream: a, path: "/items/lamp" }, orders: { upstream: b, path: "/orders" } } }
`;
const place = await scene({ files: () => ({ "e/v1.yaml": FILE }) });
const { gateway } = place;
after(() => place.stop());
/** Where a route stands in its file. @param {string} name */
const line = (name) => FILE.split("\n").findIndex((text) => text.startsWith(`  ${name}: { match`)) + 1;

const answers = /** @type {[string, () => Promise<import("./harness.mjs").Answer>, object][]} */ ([
  ["an open route", () => gateway.get("/e/echo/open"), { status: 200, route: "e/v1/open" }],
  ["no route", () => gateway.get("/nowhere"), { status: 404, reason: "not-found" }],
  ["another method", () => gateway.request("DELETE", "/e/echo/open"), { status: 405, reason: "method-not-allowed" }],
  ["a bad path", () => gateway.get("/e/%00"), { status: 400, reason: "malformed-path" }],
  ["no token", () => gateway.get("/e/echo/mine"), { status: 401, reason: "token-missing", route: "e/v1/mine" }],
  ["a token", () => gateway.get("/e/echo/mine", bearer(token())), { status: 200, route: "e/v1/mine", consumer: "ann", issuer: "tests" }],
  ["an expired token", () => gateway.get("/e/echo/mine", bearer(token({ exp: 1 }))), { status: 401, reason: "token-expired", route: "e/v1/mine" }],
  ["a token without the scope", () => gateway.get("/e/echo/scoped", bearer(token())), { status: 403, reason: "scope-insufficient", consumer: "ann" }],
  ["the last of a quota", () => gateway.get("/e/echo/one"), { status: 200, route: "e/v1/one" }],
  ["a quota that is out", () => gateway.get("/e/echo/one"), { status: 429, reason: "quota-exhausted", route: "e/v1/one" }],
  ["an origin that resets", () => gateway.get("/e/reset"), { status: 502, reason: "upstream-unreachable", route: "e/v1/reset" }],
  ["an origin that stalls", () => gateway.get("/e/stall"), { status: 504, reason: "upstream-timeout", route: "e/v1/stall" }],
  ["a body that is too large", () => gateway.request("POST", "/e/small", { body: "x".repeat(2000) }), { status: 413, reason: "body-too-large", route: "e/v1/small", bytes_in: 2000 }],
  ["a combined answer", () => gateway.get("/e/whole"), { status: 200, route: "e/v1/whole" }],
  ["a cache miss", () => gateway.get("/e/items"), { status: 200, route: "e/v1/cached", cache: "miss" }],
]);
for (const [what, ask, expected] of answers) test(`the event of ${what}`, async () => {
  const answer = await ask();
  const event = await gateway.event(answer);
  const { status, route } = /** @type {any} */ (expected);
  assert.equal(answer.status, status, answer.text);
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(event[name], value, name);
  assert.equal(event.id, answer.headers["x-request-id"]);
  assert.ok(Math.abs(event.at - Date.now()) < 60_000);
  assert.match(event.plan, /^[0-9a-f]{32}$/);
  if (route) {
    assert.equal(event.place, `routes/e/v1.yaml:${line(route.split("/")[2])}:3`);
    assert.deepEqual([event.api, event.version, event.owner], ["e", "v1", "team-events"]);
  }
  if (answer.status >= 400 && event.reason) assert.equal(answer.problem, event.reason, "problem and event agree");
  assert.doesNotMatch(JSON.stringify(event), /eyJ/, "no token is kept");
});

test("the newest event stands first", async () => {
  const ids = [];
  for (let i = 0; i < 5; i++) ids.unshift((await gateway.get(`/e/echo/open?n=${i}`)).headers["x-request-id"]);
  await gateway.event(/** @type {any} */ ({ headers: { "x-request-id": ids[0] } }));
  const { events } = (await gateway.admin("/_tollgate/events?limit=100")).json;
  const listed = events.map((/** @type {any} */ event) => event.id).filter((/** @type {string} */ id) => ids.includes(id));
  assert.deepEqual(listed, ids);
  const times = events.map((/** @type {any} */ event) => event.at);
  assert.deepEqual(times, [...times].sort((x, y) => y - x));
  assert.equal((await gateway.admin("/_tollgate/events?limit=2")).json.events.length, 2);
});

test("events survive a kill", async () => {
  const answer = await gateway.get("/e/echo/open");
  await gateway.event(answer);
  await gateway.restart();
  assert.equal((await gateway.event(answer)).route, "e/v1/open");
});

test("an id that nobody had is not found", async () => {
  for (const id of ["none", "x".repeat(500), "%22%7D", "a'--"]) assert.equal((await gateway.admin(`/_tollgate/events/${id}`)).status, 404, id);
});

test("only the administrator reads, and only by GET", async () => {
  for (const path of ["/_tollgate/events", "/_tollgate/events/x", "/_tollgate/status", "/_tollgate/anything", "/_tollgate", "/_tollgate/"]) {
    for (const settings of [{}, bearer(`${ADMIN_TOKEN}x`), bearer(""), bearer(token()), { headers: { authorization: ADMIN_TOKEN } }]) {
      const answer = await gateway.get(path, settings);
      assert.deepEqual([answer.status, answer.problem], [401, "admin-denied"], path);
    }
  }
  assert.equal((await gateway.request("POST", "/_tollgate/events", bearer(ADMIN_TOKEN))).status, 405);
  assert.equal((await gateway.request("DELETE", "/_tollgate/health")).status, 405);
  const status = (await gateway.admin("/_tollgate/status")).json;
  assert.deepEqual([status.status, status.secrets_missing], ["ok", []]);
});

test("without an administrator's token nothing but health is served", async () => {
  const bare = await startGateway({ routes: place.routes, without: ["TOLLGATE_ADMIN_TOKEN"] });
  try {
    assert.equal((await bare.get("/_tollgate/health")).status, 200);
    const answer = await bare.get("/_tollgate/events", bearer(""));
    assert.deepEqual([answer.status, answer.problem], [503, "secret-missing"]);
  } finally {
    await bare.stop();
  }
});

test("without the journal's binding requests are answered as before", async () => {
  const bare = await startGateway({ routes: place.routes, without: ["JOURNAL"] });
  try {
    assert.equal((await bare.get("/e/echo/open")).status, 200);
    const answer = await bare.admin("/_tollgate/events");
    assert.equal(answer.status, 500);
    assert.equal(answer.problem, "gateway-fault");
    assert.equal((await bare.get("/e/echo/open")).status, 200);
    assert.doesNotMatch(bare.process.log, /trapped/);
  } finally {
    await bare.stop();
  }
});

test("the gateway's pages may be kept on a host of their own", async () => {
  const bare = await startGateway({ routes: { ...place.routes, "gateway.yaml": `${place.routes["gateway.yaml"]}\nadmin: { host: gateway.example }\n` } });
  try {
    const at = (/** @type {string} */ host) => ({ headers: { host, authorization: `Bearer ${ADMIN_TOKEN}` } });
    assert.equal((await bare.get("/_tollgate/events", at("gateway.example"))).status, 200);
    assert.equal((await bare.get("/_tollgate/events", at("api.example"))).problem, "not-found");
    assert.equal((await bare.get("/_tollgate/health", at("api.example"))).problem, "not-found");
  } finally {
    await bare.stop();
  }
});

test("many events arrive whole: none is lost, none stands twice", async () => {
  const before = new Set((await gateway.admin("/_tollgate/events?limit=500")).json.events.map((/** @type {any} */ event) => event.id));
  const sent = await Promise.all(Array.from({ length: 200 }, (_, i) => gateway.get(`/e/echo/open?many=${i}`)));
  const ids = new Set(sent.map((answer) => answer.headers["x-request-id"]));
  assert.equal(ids.size, 200);
  const found = await until(async () => {
    const list = (await gateway.admin("/_tollgate/events?limit=500")).json.events.map((/** @type {any} */ event) => event.id).filter((/** @type {string} */ id) => ids.has(id));
    return list.length >= 200 ? list : null;
  }, "200 events");
  assert.equal(new Set(found).size, found.length);
  assert.ok(![...ids].some((id) => before.has(id)));
});

test("a client that goes away leaves an event", async () => {
  // The platform drops such a request without a word: what the garbage collector finds is recorded.
  const bare = await startGateway({ routes: place.routes, entry: join(TOP, "tests/worker/watch.mjs"), v8Flags: ["--expose-gc"] });
  try {
    const before = place.a.seen.length;
    const socket = connect(bare.port, "127.0.0.1", () => void socket.write("GET /e/patient HTTP/1.1\r\nHost: h\r\n\r\n"));
    await until(() => place.a.seen.slice(before).some(({ url }) => url === "/stall"), "the request at the origin");
    socket.resetAndDestroy();
    const event = await until(async () => {
      await bare.get("/watch/gc");
      const { events } = (await bare.admin("/_tollgate/events?limit=500")).json;
      return events.find((/** @type {any} */ event) => event.reason === "client-gone");
    }, "the event");
    assert.deepEqual([event.status, event.route, event.attempts[0].target], [499, "e/v1/patient", place.a.url]);
    assert.doesNotMatch(bare.process.log, /trapped/);
  } finally {
    await bare.stop();
  }
});
