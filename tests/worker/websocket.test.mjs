// WebSockets (RFC 6455) through the gateway: upgrade, messages both ways, refusals, and the end of either side.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { acceptWebSocket } from "../origins/websocket.mjs";
import { statusOf, until } from "./harness.mjs";
import { api, scene, token } from "./scene.mjs";

const seen = /** @type {import("node:http").IncomingMessage[]} */ ([]), sockets = new Set();
const server = createServer((_, response) => void response.writeHead(426).end("upgrade, please"));
server.on("upgrade", (request, socket) => {
  seen.push(request);
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket)).on("error", () => {});
  if (request.url?.endsWith("/no")) return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  return acceptWebSocket(request, socket);
});
await new Promise((go) => server.listen(0, "127.0.0.1", () => go(null)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const place = await scene({
  files: () => ({
    "ws/v1.yaml": api("ws", `
upstream: { url: "http://127.0.0.1:${port}" }
defaults: { timeout: { headers: 1s, total: 1s } }
limits:
  two: { quota: 2/day, per: route }
routes:
  mine: { match: "GET /mine", auth: { jwt: tests } }
  two: { match: "GET /two", limits: [two] }
  cached: { match: "GET /cached", cache: { ttl: 60s } }
  any: { match: "ANY /{*rest}" }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  for (const socket of sockets) socket.destroy();
  server.close();
});
/** @param {string} path @param {string[]} [protocols] */
const open = (path, protocols) => new WebSocket(`ws://127.0.0.1:${gateway.port}${path}`, protocols);
const next = (/** @type {WebSocket} */ socket, /** @type {string} */ what) => new Promise((go, no) => {
  socket.addEventListener(what, go, { once: true });
  if (what !== "error" && what !== "close") socket.addEventListener("error", no, { once: true });
});

test("messages pass both ways, in order, also large ones and bytes", async () => {
  const socket = open("/ws/chat", ["v2.chat", "v1.chat"]);
  socket.binaryType = "arraybuffer";
  await next(socket, "open");
  assert.equal(socket.protocol, "v2.chat");
  const got = /** @type {any[]} */ ([]);
  socket.addEventListener("message", ({ data }) => void got.push(data));
  const sent = ["hello", "é\u{1f600}", "x".repeat(60_000), ...Array.from({ length: 50 }, (_, i) => `n${i}`)];
  for (const text of sent) socket.send(text);
  socket.send(new Uint8Array([0, 255, 128]));
  await until(() => got.length === sent.length + 1, "every echo");
  assert.deepEqual(got.slice(0, -1), sent);
  assert.equal(createHash("sha256").update(Buffer.from(got.at(-1))).digest("hex"), createHash("sha256").update(Buffer.from([0, 255, 128])).digest("hex"));
  const fields = seen.at(-1)?.headers ?? {};
  assert.match(String(fields.via), /tollgate/);
  assert.equal(fields["x-forwarded-for"], "127.0.0.1");
  // Beyond the route's timeouts, which end with the answer's head.
  const end = Date.now() + 1200;
  await until(() => Date.now() > end, "the time");
  socket.send("still there");
  await until(() => got.at(-1) === "still there", "an echo after the timeout");
  socket.close(1000, "done");
  const closed = await next(socket, "close");
  assert.equal(closed.code, 1000);
  await until(() => sockets.size === 0, "the end at the origin");
});

test("a client that breaks off is gone at the origin too", async () => {
  const before = seen.length;
  const socket = open("/ws/chat");
  await next(socket, "open");
  assert.equal(seen.length, before + 1);
  socket.close();
  await until(() => sockets.size === 0, "the end at the origin");
});

test("an origin that breaks off ends the client's socket", async () => {
  const socket = open("/ws/chat");
  await next(socket, "open");
  const closed = next(socket, "close");
  for (const one of sockets) one.destroy();
  await closed;
});

const upgrade = (/** @type {string} */ path, more = "") => gateway.raw(`GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`);

test("an origin's refusal is the client's answer", async () => {
  assert.equal(statusOf(await upgrade("/ws/no")), 403);
});

test("policies hold for upgrades as for everything", async () => {
  const before = seen.length;
  assert.equal(statusOf(await upgrade("/ws/mine")), 401);
  assert.equal(statusOf(await upgrade("/nowhere")), 404);
  assert.equal(seen.length, before, "the origin saw none of it");
  assert.equal(statusOf(await upgrade("/ws/mine", `Authorization: Bearer ${token()}\r\n`)), 101);
  assert.equal(seen.at(-1)?.headers.authorization, undefined);
  assert.equal(seen.at(-1)?.headers["x-consumer-id"], "ann");
  assert.deepEqual([statusOf(await upgrade("/ws/two")), statusOf(await upgrade("/ws/two")), statusOf(await upgrade("/ws/two"))], [101, 101, 429]);
  assert.equal(statusOf(await upgrade("/ws/cached")), 101, "nothing of it is cached");
  assert.equal(statusOf(await upgrade("/ws/cached")), 101);
});

test("an upgrade to anything else is a plain request", async () => {
  const answer = await gateway.raw("GET /ws/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
  assert.equal(statusOf(answer), 426);
});
