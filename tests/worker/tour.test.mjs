// What the README's tour shows, against the built wasm in raw workerd.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ADMIN_TOKEN, until } from "./harness.mjs";
import { APP, api, bearer, forged, scene, token } from "./scene.mjs";

const shop = await scene({
  files: () => ({
    "shop/v1.yaml": api("shop", `
upstream: both
limits:
  strict: { rate: 1/min, burst: 2, per: consumer }
  few: { quota: 3/day, per: consumer }
  fifty: { quota: 50/day, per: route }
routes:
  items: { match: "GET /items", cache: { ttl: 60s } }
  item: { match: "GET /items/{id}" }
  mine: { match: "GET /echo/mine", auth: { jwt: tests } }
  reports: { match: "GET /reports", auth: { jwt: tests }, scopes: [reports] }
  limited: { match: "GET /echo/limited", auth: { jwt: tests }, limits: [strict] }
  few: { match: "GET /echo/few", auth: { jwt: tests }, limits: [few] }
  fifty: { match: "GET /echo/fifty", limits: [fifty] }
  overview: { match: "GET /overview/{id}", combine: { item: { upstream: a, path: "/items/{id}" }, orders: { upstream: b, path: "/orders", required: false } } }
`),
  }),
});
const { gateway } = shop;
after(() => shop.stop());

test("an open route is proxied, and the second answer comes from the cache", async () => {
  const first = await gateway.get("/shop/items");
  assert.equal(first.status, 200, first.text);
  assert.equal(first.json.items.length, 3);
  // It is stored after the answer.
  const second = await until(async () => {
    const answer = await gateway.get("/shop/items");
    return /; hit/.test(String(answer.headers["cache-status"])) ? answer : null;
  }, "a hit");
  assert.equal(second.text, first.text);
  assert.match(String(second.headers["cache-status"]), /; hit/);
  assert.match(String(second.headers.age), /^\d+$/);
  assert.doesNotMatch(String(first.headers["cache-status"]), /; hit/);
});

test("a protected route wants a token, and the origin learns who calls", async () => {
  const refused = await gateway.get("/shop/echo/mine");
  assert.equal(refused.status, 401);
  assert.equal(refused.problem, "token-missing");
  assert.match(String(refused.headers["www-authenticate"]), /^Bearer/);
  const answer = await gateway.get("/shop/echo/mine", { headers: { authorization: `Bearer ${token()}`, "x-consumer-id": "mallory", "X-Consumer-Scopes": "all" } });
  assert.equal(answer.status, 200, answer.text);
  const values = Object.values(answer.json.caller);
  assert.ok(values.includes("ann"), `the origin sees ann: ${JSON.stringify(answer.json.caller)}`);
  assert.ok(!values.some((value) => /mallory|all/.test(String(value))), "what the client claims is gone");
  assert.ok(!answer.json.rawHeaders.some((/** @type {string} */ name) => name.toLowerCase() === "authorization"), "the token stays here");
});

const refusals = /** @type {[string, () => string, number, string][]} */ ([
  ["without the scope", () => token(), 403, "scope-insufficient"],
  ["expired", () => token({ exp: Math.floor(Date.now() / 1000) - 3600, scope: "reports" }), 401, "token-expired"],
  ["for another audience", () => token({ aud: "others", scope: "reports" }), 401, "token-audience"],
  ["from another issuer", () => token({ iss: "https://evil.invalid", scope: "reports" }), 401, "token-issuer"],
  ["not yet valid", () => token({ nbf: Math.floor(Date.now() / 1000) + 3600, scope: "reports" }), 401, "token-not-yet-valid"],
  ["with alg none", forged.none, 401, "token-unsigned"],
  ["with HS256 made from the public key", forged.confused, 401, "token-algorithm"],
  ["signed by a stranger", forged.stranger, 401, "token-signature"],
  ["that is no token", () => "abc", 401, "token-malformed"],
]);
for (const [what, make, status, problem] of refusals) test(`a token ${what} is refused`, async () => {
  const answer = await gateway.get("/shop/reports", bearer(make()));
  assert.deepEqual([answer.status, answer.problem], [status, problem]);
  assert.doesNotMatch(answer.text, /127\.0\.0\.1|issuer\.test|kid|ann/, "nothing leaks");
});

test("a token with the scope passes", async () => {
  assert.equal((await gateway.get("/shop/reports", bearer(token({ scope: "read reports" })))).status, 200);
});

test("a loop runs into the rate limit and is told when to come back", async () => {
  const statuses = [];
  let last;
  for (let i = 0; i < 3; i++) statuses.push((last = await gateway.get("/shop/echo/limited", bearer(token()))).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  assert.equal(last?.problem, "rate-limited");
  assert.match(String(last?.headers["retry-after"]), /^[1-9]\d*$/);
  assert.ok(last?.headers.ratelimit && last.headers["ratelimit-policy"]);
  assert.equal((await gateway.get("/shop/echo/limited", bearer(token({ sub: "bob" })))).status, 200, "another consumer is not held up");
});

test("a quota that runs out stays out after a restart", async () => {
  const caller = bearer(token({ sub: "carl" }));
  for (let i = 0; i < 3; i++) assert.equal((await gateway.get("/shop/echo/few", caller)).status, 200);
  assert.equal((await gateway.get("/shop/echo/few", caller)).problem, "quota-exhausted");
  await gateway.restart();
  const after = await gateway.get("/shop/echo/few", caller);
  assert.deepEqual([after.status, after.problem], [429, "quota-exhausted"]);
});

test("200 concurrent requests on a quota of 50 admit exactly 50", async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, () => gateway.get("/shop/echo/fifty")));
  const count = (/** @type {number} */ status) => answers.filter((answer) => answer.status === status).length;
  assert.deepEqual([count(200), count(429)], [50, 150]);
});

test("one request becomes two upstream calls and one answer", async () => {
  const answer = await gateway.get("/shop/overview/kettle");
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.item.name, "Kettle");
  assert.equal(answer.json.orders.orders.length, 2);
});

test("with one origin down the route keeps answering, and the combined answer is marked partial", async () => {
  await shop.b.stop();
  for (let i = 0; i < 6; i++) {
    const answer = await gateway.get("/shop/items/lamp");
    assert.deepEqual([answer.status, answer.headers["x-origin"]], [200, "a"], answer.text);
  }
  const partial = await gateway.get("/shop/overview/kettle");
  assert.equal(partial.status, 200, partial.text);
  assert.equal(partial.json.item.name, "Kettle");
  assert.ok(!partial.json.orders?.orders, "the missing part is missing");
  const whole = await gateway.get("/shop/overview/none-such");
  assert.equal(whole.status, 502, "a required part must be there");
});

test("health is public and says little; events need the admin token", async () => {
  const health = await gateway.get("/_tollgate/health");
  assert.equal(health.status, 200);
  assert.deepEqual(Object.keys(health.json).sort(), ["plan", "status"]);
  const refused = await gateway.get("/_tollgate/events");
  assert.deepEqual([refused.status, refused.problem], [401, "admin-denied"]);
  assert.equal((await gateway.get("/_tollgate/events", bearer(ADMIN_TOKEN.slice(0, -1)))).status, 401);
});

test("an answer's event can be read back by its request id", async () => {
  const refused = await gateway.get("/shop/reports", bearer(token()));
  assert.match(JSON.stringify(await gateway.event(refused)), /scope-insufficient/);
  const list = await gateway.admin("/_tollgate/events?limit=5");
  assert.equal(list.status, 200);
  assert.ok(list.json.events.length > 0);
});

test("browsers may read answers and refusals alike", async () => {
  for (const path of ["/shop/items/lamp", "/shop/echo/mine", "/shop/nowhere"]) {
    // The one origin that is allowed is told to all: the browser compares.
    for (const origin of [APP, "https://evil.example"]) {
      const answer = await gateway.get(path, { headers: { origin } });
      assert.equal(answer.headers["access-control-allow-origin"], APP, path);
    }
  }
  const preflight = await gateway.request("OPTIONS", "/shop/echo/mine", { headers: { origin: APP, "access-control-request-method": "GET", "access-control-request-headers": "authorization" } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers["access-control-allow-origin"], APP);
});
