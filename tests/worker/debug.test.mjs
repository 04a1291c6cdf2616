// Debug tokens in real workerd: the record of a request for whoever may read it, and nothing for anybody else.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, test } from "node:test";
import { startGateway, until } from "./harness.mjs";
import { scene } from "./scene.mjs";

const FILE = `
tollgate: 2
api: d
owner: team-debug
version: { name: v1 }
base: /d
upstream: a
routes:
  open: { match: "GET /echo/open" }
  mine: { match: "GET /echo/mine", auth: { jwt: tests } }
`;
const KEY = "the-debug-key-of-the-tests-in-workerd";
const place = await scene({ files: () => ({ "d/v1.yaml": FILE }) });
const gateway = await startGateway({ routes: place.routes, vars: { TOLLGATE_DEBUG_KEY: KEY } });
after(async () => {
  await gateway.stop();
  await place.stop();
});

/** @param {object} [scope] @param {string} [key] */
function debugToken(scope, key = KEY) {
  const now = Date.now();
  const payload = Buffer.from(JSON.stringify({ gateway: "tollgate", environment: "dev", issued: now, until: now + 600_000, ...scope })).toString("base64url");
  return `tgd1.${payload}.${createHmac("sha256", key).update(`tollgate debug token 1\0${payload}`).digest("base64url")}`;
}
/** @param {string} token */
const carrying = (token) => ({ headers: { "Tollgate-Debug": token } });

for (const [path, status, verdict] of /** @type {[string, number, string]} */ (/** @type {unknown} */ ([
  ["/d/echo/open", 200, "answered"],
  ["/d/echo/mine", 401, "refused"],
]))) test(`the record of ${path}`, async () => {
  const token = debugToken();
  const answer = await gateway.get(path, carrying(token));
  assert.equal(answer.status, status, answer.text);
  const id = answer.headers["tollgate-record"];
  assert.equal(id, answer.headers["x-request-id"]);
  const record = await until(async () => {
    const found = await gateway.get(`/_tollgate/records/${id}`, carrying(token));
    return found.status === 200 ? found.json : null;
  }, `the record of ${id}`);
  assert.equal(record.status, status);
  assert.ok(record.steps.some((/** @type {any} */ step) => step.verdict === verdict), JSON.stringify(record));
  // Another token of the same scope does not read it.
  assert.equal((await gateway.get(`/_tollgate/records/${id}`, carrying(debugToken({ issued: Date.now() - 1000 })))).status, 404);
  assert.equal((await gateway.get(`/_tollgate/records/${id}`)).status, 401);
});

test("tokens that are not good change nothing, and no token reaches an origin", async () => {
  for (const token of [debugToken({}, `${KEY}x`), debugToken({ until: 1 }), debugToken({ issued: Date.now() - 30 * 86_400_000 }), debugToken({ environment: "other" }), "tgd1.x.y", "x"]) {
    const answer = await gateway.get("/d/echo/open", carrying(token));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["tollgate-record"], undefined);
    assert.ok(!JSON.stringify(answer.json).toLowerCase().includes("tollgate-debug"), answer.text);
  }
  const told = await gateway.get("/d/echo/open", carrying(debugToken()));
  assert.ok(!told.text.includes("tgd1"), told.text);
});
