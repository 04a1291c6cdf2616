// An origin for the demo and the end-to-end tests: small JSON APIs, streams, and every way of going wrong. It matches
// the end of the path, so that it does not matter under which base the gateway forwards.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { acceptWebSocket } from "./websocket.mjs";

const ITEMS = {
  kettle: { id: "kettle", name: "Kettle", price: 1999, stock: 12, tags: ["kitchen", "steel"] },
  lamp: { id: "lamp", name: "Desk lamp", price: 3450, stock: 3, tags: ["office", "light"] },
  chair: { id: "chair", name: "Chair", price: 12900, stock: 0, tags: ["office"] },
};
const ORDERS = [
  { id: "1001", item: "kettle", quantity: 1, state: "shipped" },
  { id: "1002", item: "lamp", quantity: 2, state: "open" },
];
/** A PNG of one transparent pixel. */
const PICTURE = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");
const CHUNK = Buffer.alloc(64 * 1024, "tollgate");

/** Who the gateway says is calling, and every other header that arrived. */
const caller = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-consumer")));

function json(response, status, body, headers = {}) {
  const text = JSON.stringify(body) + "\n";
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text), ...headers });
  response.end(response.req.method === "HEAD" ? undefined : text);
}

/** Reads a whole body. @returns {Promise<Buffer>} */
async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** `size` bytes in pieces. @param {number} size */
function* pieces(size) {
  for (let left = size; left > 0; left -= CHUNK.length) yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
}

/** Sends `size` bytes as fast as the reader takes them. */
async function download(response, size) {
  response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": size });
  // A reader that goes away early is no fault of the origin.
  await pipeline(Readable.from(pieces(size)), response).catch(() => {});
}

/** What a download of `size` bytes sums to, in SHA-256. @param {number} size */
export function checksum(size) {
  const hash = createHash("sha256");
  for (const piece of pieces(size)) hash.update(piece);
  return hash.digest("hex");
}

const ROUTES = [
  [/\/health$/, ({ response, state }) => json(response, 200, { ok: true, origin: state.name })],
  [/\/\.well-known\/jwks\.json$/, async ({ response, state }) => {
    state.jwksRequests++;
    const text = await state.jwks();
    response.writeHead(200, { "Content-Type": "application/jwk-set+json", "Cache-Control": "max-age=300" }).end(text);
  }],
  [/\/items$/, ({ response, state }) => json(response, 200, { items: Object.values(ITEMS), origin: state.name }, { "Cache-Control": "public, max-age=60", ETag: '"items-1"' })],
  [/\/items\/([^/]+)$/, ({ request, response, state, found }) => {
    const item = ITEMS[found[1]];
    if (!item) return json(response, 404, { error: "no such item", id: found[1] });
    const etag = `"${createHash("sha256").update(JSON.stringify(item)).digest("base64url").slice(0, 16)}"`;
    const headers = { "Cache-Control": "public, max-age=60", ETag: etag, Vary: "Accept-Language" };
    if (request.headers["if-none-match"] === etag) return response.writeHead(304, headers).end();
    return json(response, 200, { ...item, origin: state.name }, headers);
  }],
  [/\/search$/, ({ response, state, url }) => {
    const words = (url.searchParams.get("q") ?? url.searchParams.get("query") ?? "").toLowerCase();
    const found = Object.values(ITEMS).filter(({ name, tags }) => [name, ...tags].some((text) => text.toLowerCase().includes(words)));
    return json(response, 200, { found, origin: state.name }, { "Cache-Control": "no-store" });
  }],
  [/\/orders(?:\/v\d+)?\/?$/, async ({ request, response, state }) => {
    if (request.method === "POST") {
      const sent = (await body(request)).toString();
      return json(response, 201, { id: "1003", received: sent, caller: caller(request.headers), origin: state.name }, { Location: "/orders/v2/1003", "Cache-Control": "no-store" });
    }
    return json(response, 200, { orders: ORDERS, caller: caller(request.headers), origin: state.name }, { "Cache-Control": "private, no-store" });
  }],
  [/\/orders\/([^/]+)\/checkout$/, ({ request, response, state, found }) => json(response, 202, { id: found[1], state: "paid", caller: caller(request.headers), origin: state.name }, { "Cache-Control": "no-store" })],
  [/\/pictures\/[^/]+\.png$/, ({ response }) => response.writeHead(200, { "Content-Type": "image/png", "Content-Length": PICTURE.length, "Cache-Control": "public, max-age=3600" }).end(PICTURE)],
  [/\/orders\/summary$/, ({ request, response, state }) => json(response, 200, { open: 1, shipped: 1, caller: caller(request.headers), origin: state.name }, { "Cache-Control": "no-store" })],
  [/\/orders\/(?:v\d+\/)?([^/]+)$/, ({ request, response, state, found }) => {
    const order = ORDERS.find(({ id }) => id === found[1]) ?? { id: found[1], state: "unknown" };
    return json(response, 200, { ...order, caller: caller(request.headers), origin: state.name }, { "Cache-Control": "private, no-store" });
  }],
  [/\/reports(?:\/.*)?$/, ({ request, response, state }) => json(response, 200, { report: "revenue", total: 18_349, caller: caller(request.headers), origin: state.name }, { "Cache-Control": "no-store" })],
  // Server-sent events: ?count=, ?every= in milliseconds.
  [/\/(?:sse|events)$/, async ({ response, url }) => {
    const count = Number(url.searchParams.get("count") ?? 5), every = Number(url.searchParams.get("every") ?? 100);
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    for (let n = 1; n <= count && !response.destroyed; n++) {
      response.write(`id: ${n}\ndata: {"tick":${n}}\n\n`);
      await new Promise((go) => setTimeout(go, every));
    }
    response.end();
  }],
  [/\/download$/, ({ response, url }) => download(response, Number(url.searchParams.get("size") ?? 64 * 1024 * 1024))],
  [/\/upload$/, async ({ request, response }) => {
    const hash = createHash("sha256");
    let length = 0;
    for await (const part of request) {
      hash.update(part);
      length += part.length;
    }
    return json(response, 200, { length, sha256: hash.digest("hex") });
  }],
  [/\/status\/(\d+)$/, ({ response, found }) => {
    const status = Number(found[1]);
    const headers = status >= 300 && status < 400 && status !== 304 ? { Location: "/elsewhere" } : {};
    return [204, 205, 304].includes(status) ? response.writeHead(status, headers).end() : json(response, status, { status }, headers);
  }],
  [/\/cookies$/, ({ response }) => response.writeHead(200, [["Set-Cookie", "a=1; Path=/"], ["Set-Cookie", "b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT"], ["Content-Type", "text/plain"]].flat()).end("two cookies\n")],
  // Origin headers that must not pass, and one that must.
  [/\/hop-by-hop$/, ({ response }) => response.writeHead(200, ["Connection", "X-Secret", "X-Secret", "1", "Keep-Alive", "timeout=9", "Proxy-Authenticate", "Basic", "Server", "demo", "X-Kept", "1", "Content-Length", "0"]).end()],
  // Ways of going wrong.
  [/\/slow$/, async ({ response, state, url }) => {
    await new Promise((go) => setTimeout(go, Number(url.searchParams.get("ms") ?? 1000)));
    return json(response, 200, { slow: true, origin: state.name });
  }],
  [/\/stall$/, ({ request, state }) => void request.on("close", () => state.closedStalls++)],
  [/\/stall-body$/, ({ response }) => void response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 1000 }).write("half")],
  [/\/reset$/, ({ request }) => void request.socket.resetAndDestroy()],
  [/\/reset-body$/, ({ request, response }) => {
    response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 100_000 });
    response.write(Buffer.alloc(1000, "x"), () => setTimeout(() => request.socket.resetAndDestroy(), 20));
  }],
  [/\/garbage$/, ({ request }) => void request.socket.end("\x00\x01 this is not HTTP\r\n\r\n")],
  [/\/bad-json$/, ({ response }) => response.writeHead(200, { "Content-Type": "application/json" }).end('{"half":')],
  [/\/huge-json$/, ({ response, url }) => json(response, 200, { filler: "x".repeat(Number(url.searchParams.get("size") ?? 4 * 1024 * 1024)) })],
  // Everything that arrived, exactly as it did.
  [/\/echo(?:\/.*)?$/, async ({ request, response, state }) => {
    const sent = await body(request);
    return json(response, 200, { method: request.method, url: request.url, rawHeaders: request.rawHeaders, length: sent.length, body: sent.length <= 4096 ? sent.toString("latin1") : null, caller: caller(request.headers), origin: state.name }, { "Cache-Control": "no-store" });
  }],
];

/**
 * Starts an origin on 127.0.0.1.
 * @param {{ name?: string, port?: number, jwks?: () => string | Promise<string> }} [settings] port 0 = any free one
 * @returns {Promise<{ url: string, port: number, seen: { method: string, url: string, rawHeaders: string[] }[], state: any, stop: () => Promise<void> }>}
 *   `seen` holds the last 1,000 requests
 */
export async function origin({ name = "a", port = 0, jwks = () => '{"keys":[]}' } = {}) {
  const state = { name, jwks, jwksRequests: 0, closedStalls: 0 };
  const seen = [];
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    seen.push({ method: request.method, url: request.url, rawHeaders: request.rawHeaders });
    if (seen.length > 1000) seen.shift();
    response.setHeader("X-Origin", name);
    const url = new URL(request.url, "http://origin");
    for (const [pattern, serve] of ROUTES) {
      const found = pattern.exec(url.pathname);
      if (!found) continue;
      Promise.resolve(serve({ request, response, url, found, state })).catch((error) => {
        if (!response.headersSent) json(response, 500, { error: String(error) });
        else response.destroy();
      });
      return;
    }
    json(response, 404, { error: "no such path", path: url.pathname, origin: name });
  });
  server.on("upgrade", (request, socket) => {
    seen.push({ method: request.method, url: request.url, rawHeaders: request.rawHeaders });
    if (!/\/(?:socket|ws)$/.test(new URL(request.url, "http://origin").pathname)) return void socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return acceptWebSocket(request, socket);
  });
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
  });
  await new Promise((go, no) => server.once("error", no).listen(port, "127.0.0.1", go));
  const at = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
  const stop = () => new Promise((go) => {
    server.close(() => go());
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${at}`, port: at, seen, state, stop };
}
