// What the gateway answers by itself, and what protects browsers, over sockets: redirects, answers of the route file,
// private networks, cross-site requests, maintenance.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { raw } from "./harness.mjs";
import { APP, api, scene } from "./scene.mjs";

const place = await scene({
  files: () => ({
    "filters/v1.yaml": api("filters", `
upstream: a
routes:
  away: { match: "GET /away/{id}", redirect: { status: 308, scheme: https, host: www.example.com, path: "/v2/{id}", query: "from={id}" } }
  moved: { match: "ANY /moved/{*rest}", redirect: { prefix: /new } }
  mock: { match: "ANY /mock", respond: { json: { a: "é" }, headers: { x-tag: [a, b] } } }
  empty: { match: "GET /empty", respond: { status: 204 } }
  reset: { match: "GET /reset", respond: { status: 205 } }
  teapot: { match: "GET /teapot", respond: { status: 418, body: "short and stout" } }
  prefixed: { match: { prefix: /p }, rewrite: { prefix: /echo, host: told.example } }
  form: { match: "ANY /form", rewrite: /echo/form, csrf: { trusted: ["${APP}"] }, security: default, cors: { origins: ["${APP}"], methods: [PUT], private_network: true } }
  public: { match: "GET /public", rewrite: /echo/public }
  named: { match: "GET /named/{id}", rewrite: "/echo/{id}", headers: { request: { set: { x-item: "i-{id}" } }, response: { set: { x-item: "{id}" } } } }
  closed: { match: "GET /closed", maintenance: { retry_after: 2m, key: { header: x-preview, secret: PREVIEW } }, rewrite: /echo/closed }
`, "/f"),
  }),
  gateway: { vars: { PREVIEW: "let-me-see" } },
});
const { gateway } = place;
after(() => place.stop());
/** A field as the origin got it. @param {import("./harness.mjs").Answer} answer @param {string} name */
function got({ json: { rawHeaders } }, name) {
  const at = rawHeaders.findIndex((/** @type {string} */ own, /** @type {number} */ i) => i % 2 === 0 && own.toLowerCase() === name);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

test("redirects name the whole URL, with the request's own port", async () => {
  const away = await gateway.get("/f/away/7?x=1");
  assert.deepEqual([away.status, away.headers.location, away.text], [308, "https://www.example.com/v2/7?from=7", ""]);
  const moved = await gateway.request("POST", "/f/moved/a/b?c=d", { body: "abc" });
  assert.deepEqual([moved.status, moved.headers.location], [302, `${gateway.url}/new/moved/a/b?c=d`]);
  const event = await gateway.event(moved);
  assert.deepEqual([event.route, event.status, event.reason], ["filters/v1/moved", 302, undefined]);
});

test("nothing that a client writes makes another host or another field of a redirect", async () => {
  for (const path of ["/f/moved//evil.example", "/f/moved/%0d%0aset-cookie:%20a=b", "/f/moved/..//evil.example", "/f/moved/\\evil.example", "/f/away/%2e%2e"]) {
    const text = await raw(gateway.port, `GET ${path} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n`);
    const location = /^location: (.*)\r$/im.exec(text)?.[1];
    assert.ok(location === undefined || new URL(location).host === "api.test", `${path}: ${text}`);
    assert.doesNotMatch(text, /^set-cookie:/im);
  }
});

test("an answer of the route file arrives as it stands", async () => {
  const mock = await gateway.get("/f/mock");
  assert.deepEqual([mock.status, mock.headers["content-type"], mock.text], [200, "application/json", '{"a":"é"}']);
  assert.deepEqual([mock.headers["x-tag"], mock.headers["cache-control"]], ["a, b", "no-store"]);
  const head = await gateway.request("HEAD", "/f/mock");
  assert.deepEqual([head.status, head.headers["content-length"], head.text], [200, String(Buffer.byteLength(mock.text)), ""]);
  assert.deepEqual([(await gateway.get("/f/empty")).status, (await gateway.get("/f/reset")).status], [204, 205]);
  const teapot = await gateway.get("/f/teapot");
  assert.deepEqual([teapot.status, teapot.text, teapot.headers["content-type"]], [418, "short and stout", "text/plain; charset=utf-8"]);
});

test("origins get the rewritten URL, the told host, and captured values", async () => {
  const echo = await gateway.get("/f/p/a/b?c");
  assert.deepEqual([echo.json.url, got(echo, "x-forwarded-host")], ["/echo/a/b?c", "told.example"]);
  const named = await gateway.get("/f/named/a%20b");
  assert.deepEqual([named.headers["x-item"], got(named, "x-item")], ["a%20b", "i-a%20b"]);
});

test("a private network is opened to listed origins, where the route says so", async () => {
  const ask = async (/** @type {string} */ path, /** @type {string} */ origin) => {
    const answer = await gateway.request("OPTIONS", path, { headers: { origin, "access-control-request-method": "PUT", "access-control-request-private-network": "true" } });
    assert.equal(answer.status, 204);
    return [answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-private-network"]];
  };
  assert.deepEqual(await ask("/f/form", APP), [APP, "true"]);
  assert.deepEqual(await ask("/f/form", "https://evil.example"), [undefined, undefined]);
  assert.equal((await ask("/f/public", APP))[1], undefined);
});

test("what another site makes a browser send is refused, readably for whom CORS allows", async () => {
  const post = (/** @type {Record<string, string>} */ headers) => gateway.request("POST", "/f/form", { headers, body: "x" });
  const refused = await post({ "sec-fetch-site": "cross-site", origin: "https://evil.example" });
  assert.deepEqual([refused.status, refused.json.type], [403, "/problems/cross-site"]);
  assert.equal((await post({ origin: "https://evil.example" })).status, 403);
  assert.equal((await post({ origin: gateway.url })).status, 200);
  assert.equal((await post({ "sec-fetch-site": "cross-site", origin: APP })).status, 200);
  assert.equal((await post({})).status, 200);
  const read = await gateway.get("/f/form", { headers: { "sec-fetch-site": "cross-site" } });
  assert.equal(read.status, 200);
  for (const answer of [refused, read]) {
    assert.equal(answer.headers["x-frame-options"], "DENY");
    assert.equal(answer.headers["strict-transport-security"], undefined, "not over plain HTTP");
  }
});

test("under maintenance only those who check it are served", async () => {
  const closed = await gateway.get("/f/closed");
  assert.deepEqual([closed.status, closed.json.type, closed.headers["retry-after"]], [503, "/problems/maintenance", "120"]);
  assert.equal((await gateway.get("/f/closed", { headers: { "x-preview": "guess" } })).status, 503);
  const seen = await gateway.get("/f/closed", { headers: { "x-preview": "let-me-see" } });
  assert.deepEqual([seen.status, got(seen, "x-preview")], [200, undefined]);
});
