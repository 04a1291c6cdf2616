// A trap inside the wasm costs the requests that were with it, and nobody else. Needs `scripts/build --trap`.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { TOP, until } from "./harness.mjs";
import { api, scene } from "./scene.mjs";
import { wild } from "./wild.mjs";

/** Answers that the origin holds back. @type {import("node:http").ServerResponse[]} */
const held = [];
const holding = await wild((_, response) => void held.push(response));
const place = await scene({
  gateway: { build: join(TOP, "build/trap"), entry: join(TOP, "tests/worker/outage.mjs") },
  files: () => ({
    "t/v1.yaml": api("t", `
upstream: a
limits:
  few: { quota: 3/day, per: route }
routes:
  hold: { match: "GET /hold/{n}", upstream: { url: "${holding.url}" }, timeout: { headers: 60s, total: 60s } }
  few: { match: "GET /echo/few", limits: [few] }
  open: { match: "GET /echo/{x}" }
  spent: { match: "GET /spent", upstream: { via: "binding:SPENT" } }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  await holding.stop();
});

/** @param {string} path */
async function trapWhileHolding(path) {
  held.length = 0;
  const flying = [1, 2, 3, 4].map((n) => gateway.get(`/t/hold/${n}`, { timeout: 15_000 }));
  await until(() => held.length === 4, "the four requests at the origin");
  const trapped = await gateway.get(path);
  // Nobody waits for the origin first.
  const answers = await Promise.all(flying);
  held.forEach((response) => response.end("late"));
  return [trapped, ...answers];
}

for (const [what, path] of [["a request", "/_tollgate/trap"], ["an object", "/_tollgate/trap/object"]]) test(`a trap in ${what} answers everybody in flight with 500, and the next request works`, async () => {
  assert.equal((await gateway.get("/t/echo/before")).status, 200);
  const answers = await trapWhileHolding(path);
  for (const answer of answers) {
    assert.deepEqual([answer.status, answer.problem], [500, "gateway-fault"]);
    assert.equal(answer.json.instance, answer.headers["x-request-id"]);
    assert.doesNotMatch(answer.text, /wasm|unreachable|trap/, "nothing leaks");
  }
  assert.equal(new Set(answers.map((answer) => answer.headers["x-request-id"])).size, 5, "each has its own id");
  assert.equal((await gateway.get("/t/echo/after")).status, 200);
  for (const answer of answers) {
    const event = await gateway.event(answer);
    assert.deepEqual([event.status, event.reason], [500, "gateway-fault"]);
  }
  assert.equal((await gateway.event(answers[1])).route, "t/v1/hold");
  assert.match(gateway.process.log, /trapped/);
});

test("an answer that cannot be passed on is 500, with one event under the id that the upstream got", async () => {
  const traps = () => gateway.process.log.split("the instance trapped").length, before = traps();
  const answer = await gateway.get("/t/spent");
  assert.deepEqual([answer.status, answer.problem], [500, "gateway-fault"]);
  const event = await gateway.event(answer);
  assert.deepEqual([event.status, event.reason, event.route, event.attempts[0].status], [500, "gateway-fault", "t/v1/spent", 200]);
  const { events } = (await gateway.admin("/_tollgate/events?limit=500")).json;
  assert.equal(events.filter((/** @type {any} */ other) => other.route === "t/v1/spent").length, 1);
  assert.equal(traps(), before, "the instance goes on");
});

test("an analytics sink that throws costs no event", async () => {
  await gateway.get("/outage/points");
  const answers = await Promise.all([1, 2, 3].map(() => gateway.get("/t/echo/nothing/here")));
  for (const answer of answers) assert.equal((await gateway.event(answer)).reason, "not-found");
  await gateway.get("/outage/");
  assert.match(gateway.process.log, /no more points/);
});

test("objects count on after a trap, in their own storage", async () => {
  assert.equal((await gateway.get("/t/echo/few")).status, 200);
  await gateway.get("/_tollgate/trap/object");
  assert.equal((await gateway.get("/t/echo/few")).status, 200);
  await gateway.get("/_tollgate/trap");
  assert.equal((await gateway.get("/t/echo/few")).status, 200);
  assert.equal((await gateway.get("/t/echo/few")).problem, "quota-exhausted");
});

test("a trap while events are on their way leaves no event of a request that nobody sent", async () => {
  const faults = async () => (await gateway.admin("/_tollgate/events?limit=500")).json.events.filter((/** @type {any} */ event) => event.reason === "gateway-fault").map((/** @type {any} */ event) => event.id);
  const before = await faults();
  await gateway.get("/outage/journal");
  await gateway.get("/t/echo/open");
  await until(async () => (await gateway.get("/outage")).json.waiting > 0, "the flush at the journal");
  const trapped = await gateway.get("/_tollgate/trap");
  await gateway.get("/outage/");
  await until(async () => (await gateway.get("/outage")).json.waiting === 0, "the journal's answer");
  await gateway.event(trapped);
  assert.deepEqual((await faults()).filter((/** @type {string} */ id) => !before.includes(id)), [trapped.headers["x-request-id"]]);
});
