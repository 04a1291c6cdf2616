// Plain HTTP, refused or sent to HTTPS: raw workerd listens to nothing else, and a proxy in front says what clients use.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startGateway } from "./harness.mjs";
import { wild } from "./wild.mjs";

const origin = await wild((request, response) => void response.end(`${request.headers["x-forwarded-proto"]}`));
const gateway = await startGateway({
  environment: "production",
  routes: {
    "gateway.yaml": "tollgate: 2\nenvironments: [dev, production]\ntrust_forwarded: true\n",
    "h/v1.yaml": `
tollgate: 2
api: h
owner: tests
version: { name: v1 }
base: /h
upstream: { url: "${origin.url}" }
issuers:
  people: { issuer: "https://people.test", audience: tests, algorithms: [ES256], keys: { jwks: "${origin.url}/keys" } }
defaults: { auth: none, https: redirect, security: default }
routes:
  page: { match: "ANY /page/{id}" }
  mine: { match: GET /mine, auth: { jwt: people } }
  strict: { match: GET /strict, https: true }
`,
  },
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

for (const [method, path] of [["GET", "/h/page/a%20b?x=1&y=%2F"], ["POST", "/h/page/1"], ["GET", "/h/mine"]]) test(`${method} ${path} over plain HTTP is sent to HTTPS`, async () => {
  const body = method === "POST" ? "body" : undefined;
  const answer = await gateway.request(method, path, { body, headers: { host: "api.test:8080" } });
  assert.deepEqual([answer.status, answer.headers.location, answer.text], [308, `https://api.test${path}`, ""]);
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(answer.headers["strict-transport-security"], undefined);
  assert.equal(origin.seen.length, 0);
});

test("or refused, where the route wants that", async () => {
  const answer = await gateway.get("/h/strict");
  assert.deepEqual([answer.status, answer.problem], [403, "https-required"]);
});

test("what came to the proxy in front by HTTPS is served, and told to stay there", async () => {
  for (const path of ["/h/page/1", "/h/strict"]) {
    const answer = await gateway.get(path, { headers: { "x-forwarded-proto": "https" } });
    assert.deepEqual([answer.status, answer.text], [200, "https"]);
    assert.match(String(answer.headers["strict-transport-security"]), /^max-age=/);
  }
});

test("security fields are on the API's own answers too", async () => {
  for (const [method, path, status] of /** @type {[string, string, number][]} */ ([["GET", "/h/none", 404], ["POST", "/h/mine", 405], ["OPTIONS", "/h/mine", 204]])) {
    const answer = await gateway.request(method, path, { headers: { "x-forwarded-proto": "https" } });
    assert.equal(answer.status, status);
    assert.equal(answer.headers["x-content-type-options"], "nosniff");
    assert.match(String(answer.headers["strict-transport-security"]), /^max-age=/);
  }
  assert.equal((await gateway.get("/elsewhere")).headers["x-content-type-options"], undefined);
});
