// What Node answers to the command as wasm: package/lib/outside.mjs by itself, with a memory in place of the command.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import { outside } from "../../package/lib/outside.mjs";

const host = outside(), memory = new WebAssembly.Memory({ initial: 16 });
host.memory = memory;
after(() => host.end());

/** @param {Record<string, unknown>} question */
function put(question) {
  const bytes = Buffer.from(JSON.stringify(question));
  bytes.copy(new Uint8Array(memory.buffer), 64);
  const length = host.imports.ask(64, bytes.length);
  host.imports.take(128);
  return JSON.parse(Buffer.from(memory.buffer, 128, length).toString());
}
/** @param {string} name @param {unknown} asked */
const ok = (name, asked) => {
  const said = put({ [name]: asked });
  assert.ok("ok" in said, said.error);
  return said.ok;
};
const encode = (/** @type {string} */ text) => Buffer.from(text).toString("base64url");

const CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
for (const [source, algorithm, jwk, input, signature] of /** @type {[string, string, object, string, string][]} */ ([
  ["RFC 7515 A.1", "HS256", { kty: "oct", k: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }, `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${CLAIMS}`, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
  ["RFC 7515 A.3", "ES256", { kty: "EC", crv: "P-256", x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }, `eyJhbGciOiJFUzI1NiJ9.${CLAIMS}`, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"],
  ["RFC 8037 A.4", "EdDSA", { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"],
])) test(`a signature of ${source} is right, and not over anything else`, () => {
  assert.equal(ok("verify", { algorithm, jwk, message: encode(input), signature }), true);
  assert.equal(ok("verify", { algorithm, jwk, message: encode(`${input} `), signature }), false);
  assert.equal(ok("verify", { algorithm, jwk, message: encode(input), signature: signature.slice(4) }), false);
});

test("every algorithm signs what it verifies, and none what another key has signed", () => {
  for (const algorithm of ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]) {
    const make = () => (algorithm.startsWith("HS") ? { kty: "oct", k: encode(String(Math.random()).repeat(4)) } : ok("make", { algorithm }));
    const jwk = make(), message = encode("a.b"), { d: _private, ...open } = jwk;
    const signature = ok("sign_by", { algorithm, jwk, message });
    assert.equal(ok("verify", { algorithm, jwk: open, message, signature }), true, algorithm);
    if (!/^(RS|PS)/.test(algorithm)) assert.equal(ok("verify", { algorithm, jwk: make(), message, signature }), false, algorithm);
  }
  assert.match(put({ verify: { algorithm: "ES256", jwk: { kty: "EC", crv: "P-256" }, message: "", signature: "" } }).error, /./);
});

test("SQL gives integers and texts, and its own words for mistakes; databases are apart", () => {
  const id = ok("open", {}), other = ok("open", {});
  ok("execute", { id, sql: "CREATE TABLE t (a INTEGER, b)" });
  ok("query", { id, sql: "INSERT INTO t VALUES (?1, ?2)", params: [2 ** 52, "ä"] });
  ok("query", { id, sql: "INSERT INTO t VALUES (?2, ?1)", params: [null, -3] });
  ok("query", { id, sql: "INSERT INTO t VALUES (7, 1.5)", params: [] });
  assert.deepEqual(ok("query", { id, sql: "SELECT a, b FROM t ORDER BY a", params: [] }), [[-3, null], [7, null], [2 ** 52, "ä"]]);
  assert.match(put({ query: { id, sql: "SELECT z FROM t", params: [] } }).error, /no such column: z/);
  assert.match(put({ query: { id: other, sql: "SELECT a FROM t", params: [] } }).error, /no such table: t/);
  ok("close", { id });
  assert.match(put({ query: { id, sql: "SELECT 1", params: [] } }).error, /no database/);
});

test("programs get their input and tell how they ended", () => {
  const ended = ok("run", { name: "sh", arguments: ["-c", "cat; pwd; echo no >&2; exit 3"], folder: "/", input: encode("x") });
  assert.deepEqual([ended.code, Buffer.from(ended.stdout, "base64url").toString(), Buffer.from(ended.stderr, "base64url").toString()], [3, "x/\n", "no\n"]);
  assert.match(put({ run: { name: "no-such-program-here", arguments: [], folder: null, input: "" } }).error, /no-such-program-here/);
});

test("other hosts are asked while the command waits, exactly as it asks, and no redirect is followed", async () => {
  // In a thread: this one stands still while it waits.
  const source = `const { parentPort } = require("node:worker_threads");
    const server = require("node:http").createServer((request, response) => {
      if (request.url === "/slow") return;
      response.writeHead(302, { location: "http://127.0.0.1:1/", "x-a": ["1", "2"] }).end(request.method + " " + request.url + " " + request.rawHeaders.join("|"));
    }).listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(source, { eval: true });
  after(() => worker.terminate());
  const port = await new Promise((go) => worker.once("message", go));
  const asked = { method: "PURGE", url: `http://127.0.0.1:${port}/x?y`, headers: [["Authorization", "Bearer t"]], body: "", timeout: 5000, longest: 1000 };
  const { status, headers, body } = ok("fetch", asked);
  assert.equal(status, 302);
  assert.deepEqual(headers.filter((/** @type {string[]} */ [name]) => name === "x-a"), [["x-a", "1"], ["x-a", "2"]]);
  assert.equal(Buffer.from(body, "base64url").toString(), `PURGE /x?y Authorization|Bearer t|host|127.0.0.1:${port}|content-length|0|Connection|close`);
  assert.match(put({ fetch: { ...asked, longest: 3 } }).error, /longer than 3 bytes/);
  assert.match(put({ fetch: { ...asked, url: `http://127.0.0.1:${port}/slow`, timeout: 200 } }).error, /no answer within 200 ms/);
  assert.match(put({ fetch: { ...asked, url: "http://127.0.0.1:1/" } }).error, /ECONNREFUSED/);
});

test("what nobody asks for is an error", () => {
  assert.match(put({ nothing: {} }).error, /./);
});
