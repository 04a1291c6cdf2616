// Large bodies pass in bounded memory, whichever side is slow and whatever is said of their length.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { sleep } from "./harness.mjs";
import { api, scene } from "./scene.mjs";
import { wild } from "./wild.mjs";

const MIB = 1024 * 1024, SIZE = 64 * MIB, MOST = 32 * MIB;
const piece = (/** @type {number} */ i) => Buffer.alloc(MIB / 4, `piece ${i} `);
function* pieces() {
  for (let i = 0; i < (SIZE / MIB) * 4; i++) yield piece(i);
}
const whole = createHash("sha256");
for (const part of pieces()) whole.update(part);
const SUM = whole.digest("hex");

/** Takes a stream in, slowly if asked to: backpressure reaches whoever sends. @param {AsyncIterable<Buffer>} stream @param {boolean} slow */
async function take(stream, slow) {
  const hash = createHash("sha256");
  let size = 0, pause = 0;
  for await (const part of stream) {
    hash.update(part);
    size += part.length;
    if (slow && (pause += part.length) > 2 * MIB) (pause = 0), await sleep(10);
  }
  return { size, sum: hash.digest("hex") };
}
const origin = await wild(async (request, response) => {
  const { searchParams } = new URL(String(request.url), "http://o");
  const slow = searchParams.has("slow");
  if (request.method === "POST") return void response.end(JSON.stringify(await take(request, slow)));
  response.writeHead(200, { "content-type": "application/octet-stream", ...(searchParams.has("length") ? { "content-length": SIZE } : {}) });
  Readable.from(pieces()).pipe(response);
});
const place = await scene({
  files: () => ({
    "s/v1.yaml": api("s", `
upstream: { url: "${origin.url}" }
defaults: { timeout: { headers: 60s, total: 60s } }
routes:
  cached: { match: "GET /cached", cache: { ttl: 60s, max: 1MiB } }
  any: { match: "ANY /{path}" }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  await origin.stop();
});

/** The process's growth while something happens, in bytes. @param {() => Promise<void>} work */
async function growth(work) {
  const before = gateway.process.rss();
  gateway.process.resetPeak();
  await work();
  return gateway.process.peak() - before;
}
const down = async (/** @type {string} */ path, /** @type {boolean} */ slow) => {
  const answer = await gateway.get(path, { stream: true, timeout: 60_000 });
  assert.equal(answer.status, 200);
  assert.deepEqual(await take(answer.message, slow), { size: SIZE, sum: SUM });
};
const up = async (/** @type {string} */ path, /** @type {Record<string, string>} */ headers) => {
  const answer = await gateway.request("POST", path, { body: Readable.from(pieces()), headers, timeout: 60_000 });
  assert.deepEqual(answer.json, { size: SIZE, sum: SUM });
};
const ways = /** @type {[string, () => Promise<void>][]} */ ([
  ["down, length told", () => down("/s/x?length", false)],
  ["down, length unknown", () => down("/s/x", false)],
  ["down, to a slow reader", () => down("/s/x", true)],
  ["down, through a route that caches, to a slow reader", () => down("/s/cached", true)],
  ["up, length told", () => up("/s/x", { "content-length": String(SIZE) })],
  ["up, length unknown", () => up("/s/x", { "transfer-encoding": "chunked" })],
  ["up, to a slow origin", () => up("/s/x?slow", { "content-length": String(SIZE) })],
]);
// Once before anything is measured: the process has its instance and its buffers.
await down("/s/x?length", false);
for (const [what, work] of ways) test(`64 MB ${what}: whole, in bounded memory`, async () => {
  const grown = await growth(work);
  assert.ok(grown < MOST, `the process grew by ${Math.round(grown / MIB)} MiB`);
});
