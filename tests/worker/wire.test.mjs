// Bytes on the wire: what must arrive exactly as it was sent, and what HTTP says of the rest.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { TOP, raw, startGateway, statusOf, until } from "./harness.mjs";
import { api, scene } from "./scene.mjs";
import { bodyOf, bytes, fieldsOf, wild } from "./wild.mjs";

const origin = await wild(() => {});
const plain = await bytes((path, socket) => {
  if (path.endsWith("/trailers")) socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
  else if (path.endsWith("/hints")) socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  else if (path.endsWith("/latin")) socket.write(Buffer.from("HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nX-Utf: caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n", "latin1"));
  else if (path.endsWith("/reason")) socket.write("HTTP/1.1 299 Odd But Fine\r\nContent-Length: 2\r\n\r\nok");
  else if (path.endsWith("/old")) socket.end("HTTP/1.0 200 OK\r\n\r\nuntil the end");
});
const place = await scene({
  files: () => ({
    "w/v1.yaml": api("w", `
upstream: { url: "${origin.url}" }
routes:
  plain: { match: "ANY /plain/{*rest}", upstream: { url: "${plain.url}" } }
  cached: { match: "GET /cached/{*rest}", cache: { ttl: 60s } }
  slashes: { match: "ANY /slashes/{*rest}", paths: { encoded_slashes: true } }
  edited: { match: "ANY /edited", headers: { request: { remove: [x-gone], set: { x-set: here }, add: { x-add: more } }, response: { remove: [x-gone], set: { x-set: there } } } }
  wide: { match: "PUT /wide", cors: { origins: ["https://*.app.example"] } }
  patient: { match: "ANY /patient", timeout: { headers: 60s, total: 60s } }
  waiting: { match: "GET /waiting", timeout: { headers: 2s, total: 2s } }
  any: { match: "ANY /{*rest}" }
`),
  }),
});
const { gateway } = place;
after(async () => {
  await place.stop();
  await origin.stop();
  await plain.stop();
});
/** The origin's next answers. @param {typeof origin.answer} answer */
const answers = (answer) => {
  origin.seen.length = 0;
  origin.answer = answer;
};
const ok = (/** @type {any} */ _, /** @type {import("node:http").ServerResponse} */ response) => void response.end("ok");

for (const method of ["PROPFIND", "PURGE", "REPORT", "LOCK"]) test(`${method} arrives as ${method}`, async () => {
  answers(ok);
  assert.equal((await gateway.request(method, "/w/x")).status, 200);
  assert.equal(origin.seen[0].method, method);
});

for (const method of ["TRACE", "CONNECT"]) test(`${method} reaches no origin`, async () => {
  answers(ok);
  await gateway.raw(`${method} http://h/w/x HTTP/1.1\r\nHost: h\r\n\r\n`);
  assert.equal(origin.seen.length, 0);
});

for (const path of ["/w/a%20b/%C3%A9/%25/x%3B%3F%23", "/w/a;b=1/c,d/(e)!*'@:$&+=", "/w/x?", "/w/x?a=1&a=2&%zz&é=%2F&q=a+b%20c&'=\"", "/w/slashes/a%2Fb", "/w/x?u=http://h/../x"]) test(`${path} arrives unchanged`, async () => {
  answers(ok);
  const sent = path.replace("é", "%C3%A9").replaceAll('"', "%22").replaceAll("'=", "%27=");
  assert.equal((await gateway.get(sent)).status, 200);
  // An empty query and none are the same to everybody.
  assert.equal(origin.seen[0].url?.replace(/\?$/, ""), sent.replace(/\?$/, ""));
});

for (const path of ["/w/../admin", "/w/%2e%2e/admin", "/w/a%2fb", "/w/a\\b", "/w/a%5cb", "/w/%00", "/w//x", "/w/%ff", "/w/%252e%252e/x", "/w/..;/x"]) test(`${path} is refused`, async () => {
  answers(ok);
  const answer = await gateway.raw(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
  assert.ok([400, 404].includes(statusOf(answer)), answer);
  assert.equal(origin.seen.length, 0);
});

test("header values that are not ASCII pass as they are, both ways", async () => {
  answers(ok);
  const answer = await gateway.raw(Buffer.from("GET /w/x HTTP/1.1\r\nHost: h\r\nX-Latin: caf\xe9\r\nX-Utf: caf\xc3\xa9\r\n\r\n", "latin1"));
  assert.equal(statusOf(answer), 200, answer);
  assert.deepEqual(fieldsOf(origin.seen[0], "x-utf"), ["caf\xc3\xa9"], "UTF-8");
  const back = await gateway.raw("GET /w/plain/latin HTTP/1.1\r\nHost: h\r\n\r\n");
  assert.equal(statusOf(back), 200, back);
  assert.match(back, /^x-utf: caf\xc3\xa9\r$/im);
});

test("fields with several lines keep their values; cookies stay apart", async () => {
  answers((_, response) => void response.writeHead(200, [["Set-Cookie", "a=1, x"], ["Set-Cookie", "b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT"], ["Link", "<a>"], ["Link", "<b>"]].flat()).end());
  const answer = await gateway.get("/w/x", { headers: { accept: ["a/b", "c/d"], cookie: "a=1; b=2" } });
  assert.deepEqual(answer.headers["set-cookie"], ["a=1, x", "b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT"]);
  assert.equal(answer.headers.link, "<a>, <b>");
  assert.equal(origin.seen[0].headers.accept, "a/b, c/d");
  assert.equal(origin.seen[0].headers.cookie, "a=1; b=2");
});

const zipped = gzipSync("hello ".repeat(1000));
for (const path of ["/w/zip", "/w/cached/zip"]) test(`a compressed answer is not touched: ${path}`, async () => {
  answers((_, response) => void response.writeHead(200, { "content-encoding": "gzip", "content-length": zipped.length, "content-type": "text/plain", vary: "accept-encoding", etag: '"zip"' }).end(zipped));
  for (let i = 0; i < 3; i++) {
    const answer = await gateway.get(path, { headers: { "accept-encoding": "gzip" } });
    assert.equal(answer.headers["content-encoding"], "gzip");
    assert.equal(answer.headers.etag, '"zip"');
    assert.equal(gunzipSync(answer.bytes).toString(), "hello ".repeat(1000));
  }
  assert.equal(origin.seen[0].headers["accept-encoding"], "gzip");
});

test("a compressed request body arrives as it was sent", async () => {
  const body = /** @type {Buffer[]} */ ([]);
  answers(async (request, response) => (body.push(await bodyOf(request)), void response.end()));
  await gateway.request("POST", "/w/x", { body: zipped, headers: { "content-encoding": "gzip" } });
  assert.deepEqual(body[0], zipped);
  assert.equal(origin.seen[0].headers["content-encoding"], "gzip");
});

test("a body of unknown length arrives whole, in pieces, before its end", async () => {
  const parts = /** @type {string[]} */ ([]);
  answers(async (request, response) => {
    for await (const part of request) parts.push(part.toString());
    response.end(parts.join(""));
  });
  let more = () => {};
  const body = new Readable({ read() {} });
  more = () => (body.push("second"), body.push(null));
  body.push("first ");
  const answer = gateway.request("POST", "/w/x", { body, headers: { "transfer-encoding": "chunked" } });
  await until(() => parts.length > 0, "the first piece, while the second is not sent yet");
  more();
  assert.equal((await answer).text, "first second");
});

test("a request's trailers do not harm its body", async () => {
  answers(async (request, response) => void response.end(await bodyOf(request)));
  const answer = await gateway.raw("POST /w/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", { until: /hello/ });
  assert.equal(statusOf(answer), 200, answer);
  assert.match(answer, /hello/);
});

test("an answer's trailers do not harm its body", async () => {
  const answer = await gateway.get("/w/plain/trailers");
  assert.deepEqual([answer.status, answer.text], [200, "hello"]);
  assert.equal(answer.headers.trailer, undefined, "what does not come is not promised");
});

test("an answer that begins with 1xx is the final one to the client", async () => {
  const answer = await gateway.get("/w/plain/hints");
  assert.ok(answer.status === 200 ? answer.text === "hello" : answer.problem === "upstream-unreachable", `${answer.status} ${answer.text}`);
});

test("unusual statuses and HTTP/1.0 origins pass", async () => {
  assert.deepEqual([(await gateway.get("/w/plain/reason")).status, (await gateway.get("/w/plain/old")).text], [299, "until the end"]);
});

test("a client that expects 100 gets its final answer", async () => {
  answers(async (request, response) => void response.end(await bodyOf(request)));
  let back = "";
  const socket = connect(gateway.port, "127.0.0.1");
  socket.on("data", (part) => (back += part));
  socket.write("POST /w/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  // Whether or not a 100 comes, RFC 9110 §10.1.1 lets the client send.
  socket.write("hello");
  await until(() => /HTTP\/1\.1 200/.test(back) && back.endsWith("hello"), "the answer");
  socket.destroy();
});

test("GET with a body and HEAD with Content-Length: 0 are no fault", async () => {
  answers(ok);
  assert.equal(statusOf(await gateway.raw("GET /w/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")), 200);
  assert.equal(statusOf(await gateway.raw("HEAD /w/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")), 200);
});

test("a POST without a body stays one", async () => {
  answers(async (request, response) => void response.end(String((await bodyOf(request)).length)));
  assert.equal((await gateway.request("POST", "/w/x", { headers: { "content-length": "0" } })).text, "0");
  assert.equal((await gateway.request("DELETE", "/w/x")).text, "0");
});

test("a HEAD answer declares the length that GET would have", async () => {
  answers((request, response) => void response.writeHead(200, { "content-length": 5, etag: '"1"' }).end(request.method === "HEAD" ? undefined : "hello"));
  const answer = await gateway.request("HEAD", "/w/x");
  assert.deepEqual([answer.status, answer.headers["content-length"], answer.headers.etag], [200, "5", '"1"']);
});

test("a part that was asked for comes as 206", async () => {
  answers((request, response) => void response.writeHead(206, { "content-range": "bytes 0-1/5", "content-length": 2 }).end("he"));
  const answer = await gateway.get("/w/x", { headers: { range: "bytes=0-1" } });
  assert.deepEqual([answer.status, answer.text, answer.headers["content-range"]], [206, "he", "bytes 0-1/5"]);
  assert.equal(origin.seen[0].headers.range, "bytes=0-1");
});

test("the route file's header edits happen, both ways", async () => {
  answers((_, response) => void response.writeHead(200, { "x-gone": "1", "x-set": "1", "x-kept": "1" }).end());
  const { headers } = await gateway.get("/w/edited", { headers: { "x-gone": "1", "x-set": "1", "x-add": "1" } });
  assert.deepEqual([headers["x-gone"], headers["x-set"], headers["x-kept"]], [undefined, "there", "1"]);
  const sent = origin.seen[0].headers;
  assert.deepEqual([sent["x-gone"], sent["x-set"], sent["x-add"]], [undefined, "here", "1, more"]);
});

test("a client that goes away is gone at the origin too", async () => {
  let closed = false;
  answers((request) => void request.on("close", () => (closed = true)));
  const socket = connect(gateway.port, "127.0.0.1", () => void socket.write("GET /w/patient HTTP/1.1\r\nHost: h\r\n\r\n"));
  await until(() => origin.seen.length === 1, "the request at the origin");
  // A reset: after a mere FIN the client may still read (RFC 9112 §9.6), and workerd lets it.
  socket.resetAndDestroy();
  await until(() => closed, "the end of the origin's connection");
});

test("a client that goes away while it reads is gone at the origin too", async () => {
  let closed = false;
  answers((request, response) => {
    response.on("close", () => (closed = true));
    const more = () => void (response.destroyed || response.write(Buffer.alloc(65536), more));
    more();
  });
  const answer = await gateway.get("/w/x", { stream: true });
  answer.message.destroy();
  await until(() => closed, "the end of the origin's connection");
});

test("what clients write into replies is not kept", async () => {
  const watched = await startGateway({ routes: place.routes, entry: join(TOP, "tests/worker/watch.mjs"), v8Flags: ["--expose-gc", "--trace-gc"] });
  // Origins of 60 KB, each allowed and repeated: 15 MB, and twice that where they are kept with the text they are kept by.
  const COUNT = 250, LENGTH = 60_000, MOST = 12;
  try {
    for (let i = 0; i < COUNT; i++) {
      const answer = String(await raw(watched.port, `OPTIONS /w/wide HTTP/1.1\r\nHost: h\r\nOrigin: https://${i}${"a".repeat(LENGTH)}.app.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n`, { until: /\r\n\r\n/ }));
      assert.ok(answer.startsWith("HTTP/1.1 204") && answer.length > LENGTH, answer.slice(0, 200));
    }
    // The collector's words come when its buffer is full.
    const live = await until(async () => {
      await watched.get("/watch/gc");
      return [...watched.process.log.matchAll(/Mark-Compact .* -> ([\d.]+) \(.*testing/g)].at(1)?.[1];
    }, "the collector's word");
    assert.ok(Number(live) < MOST, `${live} MB`);
  } finally {
    await watched.stop();
  }
});

test("clients that go away while they wait do not fill the wasm's memory", async () => {
  let closed = 0;
  answers((request) => void request.on("close", () => closed++));
  const watched = await startGateway({ routes: place.routes, entry: join(TOP, "tests/worker/watch.mjs") });
  // A request that is kept holds its URL three times: 45 KB, so 180 MB in all, where an isolate has 128.
  const AT_ONCE = 400, ROUNDS = 10, ISOLATE = 128 * 1024 * 1024;
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const sockets = Array.from({ length: AT_ONCE }, () => connect(watched.port, "127.0.0.1").on("error", () => {}));
      for (const socket of sockets) socket.write(`GET /w/waiting?${"q".repeat(15_000)} HTTP/1.1\r\nHost: h\r\n\r\n`);
      await until(() => origin.seen.length === round * AT_ONCE, "the requests at the origin");
      for (const socket of sockets) socket.resetAndDestroy();
      await until(() => closed === round * AT_ONCE, "the ends of the origin's connections");
    }
    const { memory } = (await watched.get("/watch")).json;
    assert.ok(memory > 0 && memory < ISOLATE, `${memory} bytes`);
    answers(ok);
    assert.equal((await watched.get("/w/x")).status, 200);
    assert.doesNotMatch(watched.process.log, /trapped/);
  } finally {
    await watched.stop();
  }
});

test("an upstream may be a service binding", async () => {
  answers((request, response) => void response.end(`${request.method} ${request.url}`));
  const bound = await startGateway({
    services: { ORIGIN: origin.address },
    routes: {
      "gateway.yaml": "tollgate: 2\n",
      "s/v1.yaml": "tollgate: 2\napi: s\nowner: tests\nversion: { name: v1 }\nbase: /s\nupstream: { via: \"binding:ORIGIN\" }\ndefaults: { auth: none }\nroutes:\n  any: { match: \"ANY /{*rest}\" }\n",
    },
  });
  try {
    assert.equal((await bound.request("PUT", "/s/x?y=1", { body: "b" })).text, "PUT /s/x?y=1");
    assert.deepEqual(fieldsOf(origin.seen[0], "x-forwarded-for"), ["127.0.0.1"]);
  } finally {
    await bound.stop();
  }
});

test("a service binding that is not there costs a 502 or 503, not a 500", async () => {
  const bound = await startGateway({
    services: { ORIGIN: origin.address }, without: ["ORIGIN"],
    routes: {
      "gateway.yaml": "tollgate: 2\n",
      "s/v1.yaml": "tollgate: 2\napi: s\nowner: tests\nversion: { name: v1 }\nbase: /s\nupstream: { via: \"binding:ORIGIN\" }\ndefaults: { auth: none }\nroutes:\n  any: { match: \"ANY /{*rest}\" }\n",
    },
  });
  try {
    const answer = await bound.get("/s/x");
    assert.deepEqual([answer.status, answer.problem], [502, "upstream-unreachable"]);
  } finally {
    await bound.stop();
  }
});

test("many pipelined requests are answered in order", async () => {
  answers((request, response) => void response.end(`<${request.url}>`));
  const back = await raw(gateway.port, Array.from({ length: 20 }, (_, i) => `GET /w/${i} HTTP/1.1\r\nHost: h\r\n\r\n`).join(""), { until: /<\/w\/19>/ });
  assert.deepEqual([...back.matchAll(/<\/w\/(\d+)>/g)].map(([, n]) => Number(n)), Array.from({ length: 20 }, (_, i) => i));
});
