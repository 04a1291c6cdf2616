// Which route answers, by all that `match` can ask for, over real sockets.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { api, scene } from "./scene.mjs";

const place = await scene({
  gateway: { cfBlobHeader: "x-cf" },
  files: () => ({
    "m/v1.yaml": api("m", `
upstream: a
defaults: { auth: none }
routes:
  plain: { match: GET /x, rewrite: /echo/plain }
  beta: { match: { methods: GET, path: /x, headers: { X-Beta: [on, 1] } }, priority: 1, rewrite: /echo/beta }
  searched: { match: { methods: GET, path: /x, query: { q: { regex: "[a-z]+" } } }, rewrite: /echo/searched }
  known: { match: { methods: GET, path: /x, cookies: { session: true } }, rewrite: /echo/known }
  certified: { match: { methods: GET, path: /x, certificate: true, headers: { x-mtls: true } }, rewrite: /echo/certified }
  number: { match: { methods: GET, regex: "/n/(?<n>[0-9]+)(?:/.*)?" }, rewrite: "/echo/number/{n}" }
  below: { match: [{ prefix: /n }, GET /other], rewrite: /echo/below }
`),
    "versions/v1.yaml": version("v1", "default: true"),
    "versions/v2.yaml": version("v2", "values: [v2, '2']"),
    "tenants/v1.yaml": `
tollgate: 2
api: tenants
owner: tests
version: { name: v1 }
hosts: ["{tenant}.tenants.test"]
upstream: a
defaults: { auth: none }
routes:
  any: { match: "GET /{id}", rewrite: "/echo/{tenant}/{id}" }
`,
  }),
});
const { gateway } = place;
after(() => place.stop());

/** @param {string} name @param {string} rest */
function version(name, rest) {
  return `
tollgate: 2
api: versions
owner: tests
version: { name: ${name}, from: { header: Api-Version }, ${rest} }
base: /versions
upstream: a
defaults: { auth: none }
routes:
  item: { match: GET /item, rewrite: /echo/${name} }
`;
}

/** What the origin was asked for. @param {string} path @param {Record<string, string>} [headers] @param {string} [method] */
async function target(path, headers = {}, method = "GET") {
  const answer = await gateway.request(method, path, { headers });
  return answer.status === 200 ? answer.json.url : answer.status;
}

for (const [what, path, headers, expected] of /** @type {[string, string, Record<string, string>, string | number][]} */ ([
  ["no condition", "/m/x", {}, "/echo/plain"],
  ["a header field", "/m/x", { "X-BETA": "1" }, "/echo/beta"],
  ["another value of it", "/m/x", { "x-beta": "off" }, "/echo/plain"],
  ["a query parameter", "/m/x?q=a%62c", {}, "/echo/searched?q=a%62c"],
  ["a query parameter that does not fit", "/m/x?q=1", {}, "/echo/plain?q=1"],
  ["a cookie", "/m/x", { cookie: "a=1; session=2" }, "/echo/known"],
  ["a certificate", "/m/x", { "x-mtls": "1", "x-cf": JSON.stringify({ tlsClientAuth: { certVerified: "SUCCESS", certRevoked: "0" } }) }, "/echo/certified"],
  ["a revoked certificate", "/m/x", { "x-mtls": "1", "x-cf": JSON.stringify({ tlsClientAuth: { certVerified: "SUCCESS", certRevoked: "1" } }) }, "/echo/plain"],
  ["no certificate", "/m/x", { "x-mtls": "1" }, "/echo/plain"],
  ["a regular expression", "/m/n/12/34", {}, "/echo/number/12"],
  ["a prefix", "/m/n/x", {}, "/echo/below"],
  ["a prefix itself", "/m/n", {}, "/echo/below"],
  ["whole elements", "/m/nx", {}, 404],
  ["one of a list", "/m/other", {}, "/echo/below"],
  ["the default version", "/versions/item", {}, "/echo/v1"],
  ["a version", "/versions/item", { "api-version": "2" }, "/echo/v2"],
  ["an unknown version", "/versions/item", { "api-version": "3" }, 404],
  ["a label of the host", "/7", { host: "acme.tenants.test" }, "/echo/acme/7"],
  ["two labels", "/7", { host: "a.b.tenants.test" }, 404],
])) test(`${what} chooses the route`, async () => assert.equal(await target(path, headers), expected));

test("a method that no rule takes is 405 with all that some rule would take", async () => {
  const answer = await gateway.request("DELETE", "/m/x");
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.allow, "GET, HEAD, OPTIONS");
});

for (const [path, headers, status, vary] of /** @type {[string, Record<string, string>, number, string][]} */ ([
  ["/m/x", {}, 200, "Cookie, X-Beta, X-Mtls"],
  ["/m/x", { "x-beta": "1" }, 200, "Cookie, X-Beta, X-Mtls"],
  ["/m/n/12", {}, 200, ""],
  ["/versions/item", {}, 200, "Api-Version"],
  ["/versions/item", { "api-version": "2" }, 200, "Api-Version"],
  ["/versions/item", { "api-version": "3" }, 404, "Api-Version"],
])) test(`${path} with ${JSON.stringify(headers)} says by which fields it was chosen`, async () => {
  const answer = await gateway.get(path, { headers });
  assert.deepEqual([answer.status, answer.headers.vary ?? ""], [status, vary]);
});
