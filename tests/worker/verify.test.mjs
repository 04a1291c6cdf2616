// `tollgate verify` against a gateway that runs: the demo's own tests, over a real socket, with its origins.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { origin } from "../origins/origin.mjs";
import { TOP, freePort, scratch, startGateway } from "./harness.mjs";
import { AUDIENCE, ISSUER, JWKS, token } from "./scene.mjs";

const a = await origin({ name: "a", jwks: JWKS }), b = await origin({ name: "b", jwks: JWKS });

/** The demo's route files with these origins, this issuer, and something of one file written otherwise. @param {string} [name] @param {string} [from] @param {string} [to] */
function demo(name = "gateway.yaml", from = "", to = "") {
  const folder = join(scratch("demo"), "routes");
  cpSync(join(TOP, "routes"), folder, { recursive: true });
  const rewrite = (/** @type {string} */ file, /** @type {[string, string][]} */ ...pairs) => {
    let text = readFileSync(join(folder, file), "utf8");
    for (const [old, now] of pairs) {
      assert.ok(text.includes(old), `${file} has ${old}`);
      text = text.replaceAll(old, now);
    }
    writeFileSync(join(folder, file), text);
  };
  rewrite("gateway.yaml", ["http://127.0.0.1:9101", a.url], ["http://127.0.0.1:9102", b.url], ["https://issuer.dev.invalid", ISSUER], ["tollgate-demo", AUDIENCE]);
  if (from) rewrite(name, [from, to]);
  return folder;
}

const routes = demo();
const gateway = await startGateway({ routes });
after(async () => {
  await gateway.stop();
  await a.stop();
  await b.stop();
});

/** Not synchronous: the origins are this process. @param {...string} more @returns {Promise<{ code: number, out: string, error: string }>} */
function verify(...more) {
  const child = spawn(join(TOP, "build/bin/tollgate"), ["verify", ...more], { cwd: TOP, env: { ...process.env, TOLLGATE_ROUTES: routes } });
  let out = "", error = "";
  child.stdout.on("data", (part) => (out += part));
  child.stderr.on("data", (part) => (error += part));
  return new Promise((go) => child.on("close", (code) => go({ code: code ?? -1, out, error })));
}
const ann = `ann=${token({ scope: "catalog:read orders:read" })}`, writer = `writer=${token({ sub: "writer", scope: "orders:read orders:write" })}`;

test("what can be replayed holds, and of the rest it is said why not", async () => {
  const { code, out, error } = await verify(gateway.url, "--token", ann, "--token", writer, "--json");
  const { ok, failed, tests } = JSON.parse(out);
  assert.deepEqual([code, error, ok, failed], [0, "", true, 0], out);
  const named = (/** @type {string} */ name) => tests.find((/** @type {{ name: string }} */ test) => test.name === name);
  // Answers of the gateway's own, and what it adds to those of origins: redirects, refusals, CORS, header fields.
  for (const name of ["what is not there is not found", "old addresses lead to the new ones", "nobody gets in without a token", "every answer tells when this version ends, and what follows", "the web application may call"]) {
    assert.ok(named(name).requests > 0 && named(name).skipped === null, JSON.stringify(named(name)));
  }
  for (const [name, why] of [
    ["keys are kept for five minutes", "only the simulator's issuers sign"],
    ["the list is cached for ten seconds, with its whole query", "virtual clock"],
    ["a hundred at once and fifty a second", "use up limits"],
    ["when counters are silent, each isolate counts by itself", "counters that do as they are told"],
  ]) assert.match(named(name).skipped, new RegExp(why), name);
  assert.ok(tests.every((/** @type {{ requests: number, skipped: string | null }} */ test) => test.requests > 0 || test.skipped), out);
  const asked = tests.reduce((/** @type {number} */ sum, /** @type {{ requests: number }} */ test) => sum + test.requests, 0);
  assert.ok(asked > 100, `${asked} requests`);
  const text = (await verify(gateway.url, "--token", ann, "--skipped")).out;
  assert.match(text, /it needs a token of `writer`: --token writer=/);
  assert.match(text, /\d+ passed, 0 failed, \d+ not replayed  \(\d+ requests\)\n$/);
});

test("where the deployed answer differs, it says which and where, and ends with 1", async () => {
  for (const [file, from, to, name, what] of [
    ["orders/v2.yaml", "  health:\n    match: GET /health\n", "  health:\n    match: GET /healthy\n", "scripts of the web application", "reason: expected none, got token-missing \\(401\\)"],
    ["gateway.yaml", "x-content-type-options: nosniff", "x-content-type-options: sniff", "every answer says what limits hold", "header `x-content-type-options`: expected `nosniff`, got `sniff`"],
    ["web/v1.yaml", "status: 308", "status: 302", "old addresses lead to the new ones", "status: expected 308, got 302"],
  ]) {
    await gateway.restart(demo(file, from, to));
    const { code, out } = await verify(gateway.url, "--token", ann, "--token", writer);
    assert.equal(code, 1, out);
    assert.match(out, new RegExp(`^FAIL  ${name}.*\\(routes/${file === "gateway.yaml" ? "orders/v2.yaml" : file}:\\d+:3\\)$`, "m"));
    assert.match(out, new RegExp(what));
  }
});

test("what does not answer is no difference", async () => {
  const { code, error } = await verify(`http://127.0.0.1:${await freePort()}`);
  assert.equal(code, 2);
  assert.match(error, /nobody answers: .*refused/);
});
