// Limits and quotas: exact under concurrency, told by the standard's fields, kept through kills, and what happens
// when the object that counts is not there.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { after, test } from "node:test";
import { startGateway, until } from "./harness.mjs";
import { api, bearer, scene, token } from "./scene.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const routes = () => ({
  "l/v1.yaml": api("l", `
upstream: a
limits:
  fifty: { quota: 50/day, per: route }
  two: { rate: 2/min, burst: 2, per: address }
  five: { quota: 5/day, per: address }
  keyed: { rate: 2/min, per: header.x-team }
  whole: { quota: 5/day, per: route }
  team: { rate: 1/min, per: header.x-team }
  sliding: { sliding: 3/min, per: consumer }
  brief: { rate: 1/s, per: route }
  degraded: { rate: 3/min, burst: 3, per: route, unreachable: degrade, deadline: 200ms }
  shut: { quota: 100/day, per: route, deadline: 200ms }
  late: { quota: 3/day, per: consumer, deadline: 200ms }
  mine: { rate: 3/min, burst: 3, per: address }
  opened: { rate: 1/min, per: route, unreachable: open, deadline: 200ms }
routes:
  fifty: { match: "GET /echo/fifty", limits: [fifty] }
  both: { match: "GET /echo/both", limits: [two, five] }
  more: { match: "GET /echo/more", limits: [five] }
  keyed: { match: "GET /echo/keyed", limits: [keyed] }
  mixed: { match: "GET /echo/mixed", limits: [whole, team] }
  sliding: { match: "GET /echo/sliding", auth: { jwt: tests }, limits: [sliding] }
  brief: { match: "GET /echo/brief", limits: [brief] }
  degraded: { match: "GET /echo/degraded", limits: [degraded] }
  shut: { match: "GET /echo/shut", limits: [shut] }
  late: { match: "GET /echo/late", auth: { jwt: tests }, limits: [late] }
  mine: { match: "GET /echo/mine", auth: { jwt: tests }, limits: [mine] }
  opened: { match: "GET /echo/opened", limits: [opened] }
  free: { match: "GET /echo/free" }
`),
});
const place = await scene({ files: routes, gateway: { entry: join(here, "outage.mjs") } });
const { gateway } = place;
after(() => place.stop());
const statuses = async (/** @type {string} */ path, /** @type {number} */ count, settings = {}) => {
  const all = [];
  for (let i = 0; i < count; i++) all.push((await gateway.get(path, settings)).status);
  return all;
};

test("200 concurrent requests on a limit of 50 a day admit exactly 50, and a kill gives none back", async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, () => gateway.get("/l/echo/fifty")));
  assert.equal(answers.filter((answer) => answer.status === 200).length, 50);
  assert.equal(answers.filter((answer) => answer.status === 429 && answer.problem === "quota-exhausted").length, 150);
  await gateway.restart();
  assert.deepEqual(await statuses("/l/echo/fifty", 5), [429, 429, 429, 429, 429]);
});

test("an answer tells how the limit stands; a refusal, when to come back", async () => {
  const first = await gateway.get("/l/echo/both");
  assert.equal(first.status, 200, first.text);
  assert.match(String(first.headers["ratelimit"]), /"l\/v1\/two";r=1/);
  assert.match(String(first.headers["ratelimit-policy"]), /"l\/v1\/two";q=2;w=60.*"l\/v1\/five";q=5;w=\d+/);
  await gateway.get("/l/echo/both");
  const refused = await gateway.get("/l/echo/both");
  assert.deepEqual([refused.status, refused.problem], [429, "rate-limited"]);
  const wait = Number(refused.headers["retry-after"]);
  assert.ok(wait >= 1 && wait <= 60, `Retry-After: ${wait}`);
  assert.match(String(refused.headers["ratelimit"]), /"l\/v1\/two";r=0;t=\d+/);
  assert.ok(refused.headers["ratelimit-policy"]);
});

test("what one limit refuses is charged to none: the quota beside it still has three", async () => {
  await statuses("/l/echo/both", 10);
  assert.deepEqual(await statuses("/l/echo/more", 4), [200, 200, 200, 429]);
});

test("a header makes keys; requests without it are counted together", async () => {
  const team = (/** @type {string} */ name) => ({ headers: { "x-team": name } });
  assert.deepEqual(await statuses("/l/echo/keyed", 3, team("red")), [200, 200, 429]);
  assert.deepEqual(await statuses("/l/echo/keyed", 3, team("blue")), [200, 200, 429]);
  assert.deepEqual(await statuses("/l/echo/keyed", 3), [200, 200, 429]);
});

test("a refusal gives back what other objects have charged", async () => {
  const team = (/** @type {string} */ name) => ({ headers: { "x-team": name } });
  // The team's limit refuses five times after the quota's object was asked; remembered denials are the first's.
  assert.deepEqual(await statuses("/l/echo/mixed", 6, team("a")), [200, 429, 429, 429, 429, 429]);
  const others = [];
  for (const name of ["b", "c", "d", "e", "f"]) others.push((await gateway.get("/l/echo/mixed", team(name))).status);
  assert.deepEqual(others, [200, 200, 200, 200, 429]);
  assert.equal((await gateway.get("/l/echo/mixed", team("g"))).problem, "quota-exhausted");
});

test("a sliding window counts each consumer apart, also at once", async () => {
  for (const sub of ["sue", "tom"]) {
    const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.get("/l/echo/sliding", bearer(token({ sub })))));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 3, sub);
  }
});

test("a refusal ends when it said that it would", async () => {
  assert.deepEqual(await statuses("/l/echo/brief", 2), [200, 429]);
  const wait = Number((await gateway.get("/l/echo/brief")).headers["retry-after"]);
  assert.equal(wait, 1);
  await until(async () => (await gateway.get("/l/echo/brief")).status === 200, "the next permission");
});

test("an object that counts has set the alarm by which it deletes itself", async () => {
  assert.ok([200, 429].includes((await gateway.get("/l/echo/brief")).status));
  const folder = join(gateway.process.state, "gateway-LimiterObject");
  const objects = readdirSync(folder).filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file));
  const base = new DatabaseSync(join(folder, "metadata.sqlite"), { readOnly: true });
  try {
    const all = base.prepare("SELECT * FROM _cf_ALARM");
    all.setReadBigInts(true);
    const alarms = await until(() => {
      const rows = all.all();
      return rows.length >= objects.length ? rows : null;
    }, "an alarm for each object");
    for (const row of alarms) {
      const at = Object.values(row).find((value) => typeof value === "bigint") / 1_000_000n;
      assert.ok(at > BigInt(Date.now()) && at < BigInt(Date.now() + 3 * 86_400_000), `${at}`);
    }
  } finally {
    base.close();
  }
});

for (const how of ["throw", "hang"]) test(`when the object does ${how}, each limit does what its file says`, async () => {
  await gateway.get(`/outage/${how}`);
  try {
    // Counted in this isolate alone: no flood passes.
    const degraded = await statuses("/l/echo/degraded", 8);
    assert.ok(degraded.filter((status) => status === 200).length <= 3 && degraded.includes(429), degraded.join());
    const shut = await gateway.get("/l/echo/shut");
    assert.deepEqual([shut.status, shut.problem], [503, "limit-unavailable"]);
    assert.match(String(shut.headers["retry-after"]), /^[1-9]\d*$/);
    assert.deepEqual(await statuses("/l/echo/opened", 3), [200, 200, 200]);
    assert.equal((await gateway.get("/l/echo/free")).status, 200);
    const event = await gateway.event(shut);
    assert.deepEqual([event.reason, event.limit?.id ?? "l/v1/shut"], ["limit-unavailable", "l/v1/shut"]);
  } finally {
    await gateway.get("/outage/");
  }
  assert.equal((await gateway.get("/l/echo/shut")).status, 200, "as soon as it is back");
});

test("what a closed limit is charged after its deadline is given back", async () => {
  const caller = bearer(token({ sub: "lou" }));
  await gateway.get("/outage/late");
  try {
    assert.deepEqual(await statuses("/l/echo/late", 5, caller), [503, 503, 503, 503, 503]);
  } finally {
    await gateway.get("/outage/");
  }
  assert.deepEqual(await statuses("/l/echo/late", 4, caller), [200, 200, 200, 429]);
});

test("a flood of forged tokens runs into the limit of its address before their signatures are checked", async () => {
  const forged = (/** @type {number} */ number) => bearer(token({ sub: `nobody-${number}` }).replace(/[^.]{4}$/, "AAAA"));
  const problems = [];
  for (let number = 0; number < 5; number++) problems.push((await gateway.get("/l/echo/mine", forged(number))).problem);
  assert.deepEqual(problems, ["token-signature", "token-signature", "token-signature", "rate-limited", "rate-limited"]);
});

test("without the namespace's binding the routes that need it say so, and others work", async () => {
  const bare = await startGateway({ routes: place.routes, without: ["LIMITER"] });
  try {
    const shut = await bare.get("/l/echo/shut");
    assert.deepEqual([shut.status, shut.problem], [503, "limit-unavailable"]);
    assert.equal((await bare.get("/l/echo/degraded")).status, 200);
    assert.equal((await bare.get("/l/echo/free")).status, 200);
  } finally {
    await bare.stop();
  }
});

test("a refused caller is refused from memory: the object is not asked", async () => {
  const caller = bearer(token({ sub: "eve" }));
  while ((await gateway.get("/l/echo/sliding", caller)).status === 200);
  await gateway.get("/outage/throw");
  try {
    const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.get("/l/echo/sliding", caller)));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([429]));
    const event = await gateway.event(answers[0]);
    assert.equal(event.limit?.degraded, undefined, JSON.stringify(event.limit));
  } finally {
    await gateway.get("/outage/");
  }
});
