// The harness itself, with a small worker in the gateway's place: cache, objects on disk, raw sockets, memory.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { checksum, origin } from "../origins/origin.mjs";
import { Workerd, freePort, raw, request, scratch, statusOf } from "./harness.mjs";

const folder = scratch("small");
writeFileSync(join(folder, "small.js"), `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  constructor(state, env) { super(state, env); state.storage.sql.exec("CREATE TABLE IF NOT EXISTS counts (n INTEGER)"); }
  count() {
    this.ctx.storage.sql.exec("INSERT INTO counts VALUES (1)");
    return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM counts").one().n;
  }
}
export default { async fetch(request, env) {
  const { pathname, origin } = new URL(request.url);
  if (pathname === "/count") return new Response(String(await env.COUNTER.getByName("one").count()));
  if (pathname === "/put") {
    await caches.default.put("http://cache/key", new Response("kept", { headers: { "Cache-Control": "max-age=60", "X-Kept": "1" } }));
    return new Response("put");
  }
  if (pathname === "/match") {
    const hit = await caches.default.match("http://cache/key");
    return hit ? new Response(hit.body, hit) : new Response("miss", { status: 404 });
  }
  if (pathname === "/delete") return new Response(String(await caches.default.delete("http://cache/key")));
  return fetch(new Request(env.ORIGIN + pathname, request), { redirect: "manual" });
} };`);
const port = await freePort(), back = await origin({ name: "test" });
const worker = { name: "small", port, modules: { "small.js": join(folder, "small.js") }, classes: ["Counter"], bindings: ['(name = "COUNTER", durableObjectNamespace = "Counter")', `(name = "ORIGIN", text = "${back.url}")`] };
const workerd = await new Workerd([worker]).start();
after(async () => {
  await workerd.stop();
  await back.stop();
});
const get = (/** @type {string} */ path) => request(port, "GET", path);

test("what is put in the cache is found, and is gone when deleted", async () => {
  assert.equal((await get("/match")).status, 404);
  await get("/put");
  const hit = await get("/match");
  assert.deepEqual([hit.status, hit.text, hit.headers["x-kept"], hit.headers.age], [200, "kept", "1", "0"]);
  assert.equal((await get("/delete")).text, "true");
  assert.equal((await get("/match")).status, 404);
});

test("an object's rows survive a kill", async () => {
  assert.equal((await get("/count")).text, "1");
  assert.equal((await get("/count")).text, "2");
  await workerd.restart();
  assert.equal((await get("/count")).text, "3");
});

test("the origin is reached and shows what arrived", async () => {
  const answer = await request(port, "PUT", "/echo/x", { body: "hello", headers: { "X-Consumer-Id": "ann" } });
  assert.equal(answer.json.method, "PUT");
  assert.equal(answer.json.body, "hello");
  assert.deepEqual(answer.json.caller, { "x-consumer-id": "ann" });
});

test("a body of several megabytes arrives whole, both ways", async () => {
  const size = 5 * 1024 * 1024 + 3;
  const down = await get(`/download?size=${size}`);
  assert.equal(down.bytes.length, 64 * 1024 * 1024, "the small worker drops the query, so the default size comes");
  const up = await request(port, "POST", "/upload", { body: down.bytes });
  assert.deepEqual(up.json, { length: 64 * 1024 * 1024, sha256: checksum(64 * 1024 * 1024) });
});

test("raw bytes reach it", async () => {
  assert.equal(statusOf(await raw(port, "GET /match HTTP/1.1\r\nHost: h\r\n\r\n")), 404);
  assert.equal(statusOf(await raw(port, "nonsense\r\n\r\n")), 400);
});

test("memory is measured", () => {
  assert.ok(workerd.rss() > 10 * 1024 * 1024);
  workerd.resetPeak();
  assert.ok(workerd.peak() >= workerd.rss());
});
