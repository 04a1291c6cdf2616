// Tokens through Web Crypto: every algorithm, every way of being wrong, and keys that change or cannot be had.
import assert from "node:assert/strict";
import { constants, createHmac, generateKeyPairSync, sign } from "node:crypto";
import { connect } from "node:net";
import { after, test } from "node:test";
import { startGateway, until } from "./harness.mjs";
import { bearer } from "./scene.mjs";
import { wild } from "./wild.mjs";

const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const pair = { rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }), p256: generateKeyPairSync("ec", { namedCurve: "P-256" }), p384: generateKeyPairSync("ec", { namedCurve: "P-384" }), ed: generateKeyPairSync("ed25519") };
const SECRET = "a-shared-secret-of-sixty-four-bytes-or-more-for-the-HS512-tokens-of-the-tests";

/** @typedef {import("node:crypto").KeyObject} KeyObject */
/** @type {Record<string, (input: Buffer, key: KeyObject) => Buffer>} */
const SIGN = {};
for (const bits of [256, 384, 512]) {
  const hash = `sha${bits}`;
  SIGN[`RS${bits}`] = (input, key) => sign(hash, input, key);
  SIGN[`PS${bits}`] = (input, key) => sign(hash, input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 });
  SIGN[`HS${bits}`] = (input) => createHmac(hash, SECRET).update(input).digest();
}
SIGN.ES256 = (input, key) => sign("sha256", input, { key, dsaEncoding: "ieee-p1363" });
SIGN.ES384 = (input, key) => sign("sha384", input, { key, dsaEncoding: "ieee-p1363" });
SIGN.EdDSA = (input, key) => sign(null, input, key);
const keyOf = (/** @type {string} */ alg) => ({ R: pair.rsa, P: pair.rsa, H: pair.rsa, E: alg === "ES256" ? pair.p256 : alg === "ES384" ? pair.p384 : pair.ed })[alg[0]];

/** @param {string} issuer @param {string} alg @param {{ claims?: object, header?: object, key?: KeyObject }} [more] */
function mint(issuer, alg, { claims = {}, header = {}, key = keyOf(alg)?.privateKey } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const input = `${part({ alg, typ: "JWT", kid: "k1", ...header })}.${part({ iss: issuer, aud: "tests", sub: "ann", exp: now + 600, ...claims })}`;
  return `${input}.${SIGN[alg](Buffer.from(input), /** @type {KeyObject} */ (key)).toString("base64url")}`;
}
const jwk = (/** @type {KeyObject} */ key, /** @type {object} */ more = {}) => ({ ...key.export({ format: "jwk" }), kid: "k1", use: "sig", ...more });

/** What the issuers' pages hold now; a status in place of a set makes them fail. @type {Record<string, { keys: object[] } | number>} */
const pages = {
  "/rsa": { keys: [jwk(pair.rsa.publicKey)] },
  "/ec": { keys: [jwk(pair.p256.publicKey), jwk(pair.p384.publicKey, { kid: "k2" }), jwk(pair.ed.publicKey, { kid: "k3" })] },
  "/rotating": { keys: [jwk(pair.p256.publicKey)] },
  "/down": 503,
  "/flaky": { keys: [jwk(pair.p256.publicKey)] },
  "/garbage": { keys: [] },
  "/aging": { keys: [jwk(pair.p256.publicKey)] },
};
const asked = /** @type {Record<string, number>} */ ({});
/** Answers of the page `/held`, of `/aging` once it is slow, and of `/waiting`. @type {import("node:http").ServerResponse[]} */
const heldKeys = [], agingKeys = /** @type {import("node:http").ServerResponse[]} */ ([]), heldBack = /** @type {import("node:http").ServerResponse[]} */ ([]);
let slow = false;
const origin = await wild((request, response) => {
  const path = String(request.url);
  if (path === "/waiting") return void heldBack.push(response);
  if (path === "/held") return void ((asked[path] = (asked[path] ?? 0) + 1), heldKeys.push(response));
  if (!(path in pages)) return void response.end(JSON.stringify(request.headers));
  asked[path] = (asked[path] ?? 0) + 1;
  if (path === "/aging" && slow) return void agingKeys.push(response);
  const page = pages[path];
  if (typeof page === "number") return void response.writeHead(page).end();
  response.writeHead(200, { "content-type": "application/jwk-set+json" }).end(path === "/garbage" ? "<html>" : JSON.stringify(page));
});

const issuer = (/** @type {string} */ name, /** @type {string} */ algorithms, /** @type {string} */ keys) => `  ${name}: { issuer: "https://${name}.test", audience: tests, algorithms: [${algorithms}], keys: ${keys}, leeway: 5s }\n`;
const jwks = (/** @type {string} */ path, more = "") => `{ jwks: "${origin.url}${path}", ttl: 10m, interval: 1s${more} }`;
const gateway = await startGateway({
  vars: { SHARED_KEY: SECRET },
  routes: {
    "gateway.yaml": `tollgate: 2
events: { sample: 1 }
issuers:
${issuer("rsa", "RS256, RS384, RS512, PS256, PS384, PS512", jwks("/rsa"))}${issuer("ec", "ES256, ES384, EdDSA", jwks("/ec"))}${issuer("hs", "HS256, HS384, HS512", "{ secret: SHARED_KEY }")}${issuer("rotating", "ES256", jwks("/rotating"))}${issuer("down", "ES256", jwks("/down"))}${issuer("flaky", "ES256", `{ jwks: "${origin.url}/flaky", ttl: 10s, interval: 1s }`)}${issuer("garbage", "ES256", jwks("/garbage"))}${issuer("held", "ES256", `{ jwks: "${origin.url}/held", ttl: 10m, interval: 30s }`)}${issuer("aging", "ES256", `{ jwks: "${origin.url}/aging", ttl: 10s, interval: 1s }`)}${issuer("unset", "HS256", "{ secret: NOT_BOUND }")}
`,
    "t/v1.yaml": `tollgate: 2
api: t
owner: tests
version: { name: v1 }
base: /t
upstream: { url: "${origin.url}" }
defaults: { auth: { jwt: [rsa, ec, hs, rotating, down, flaky, garbage, held, aging] } }
routes:
  any: { match: "ANY /any/{*rest}" }
  named: { match: "GET /named", auth: { jwt: rsa, claims: { x-tenant: tenant } } }
  kept: { match: "GET /kept", auth: { jwt: rsa, keep_credentials: true } }
  waiting: { match: "GET /waiting", auth: none, rewrite: /waiting }
  unset: { match: "GET /unset", auth: { jwt: unset } }
`,
  },
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});
const call = (/** @type {string} */ token, path = "/t/any/x") => gateway.get(path, bearer(token));
const refused = async (/** @type {string} */ token, path = "/t/any/x") => {
  const answer = await call(token, path);
  return [answer.status, answer.problem];
};

for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"]) test(`${alg} is verified, and a changed byte is seen`, async () => {
  const name = alg[0] === "H" ? "hs" : alg[0] === "E" ? "ec" : "rsa";
  const header = alg === "ES384" ? { kid: "k2" } : alg === "EdDSA" ? { kid: "k3" } : {};
  const good = mint(`https://${name}.test`, alg, { header });
  assert.equal((await call(good)).status, 200);
  assert.equal((await call(good)).status, 200, "out of memory too");
  const [head, , signature] = good.split(".");
  const claims = part({ iss: `https://${name}.test`, aud: "tests", sub: "mallory", exp: 9_999_999_999 });
  assert.deepEqual(await refused(`${head}.${claims}.${signature}`), [401, "token-signature"]);
  const bytes = Buffer.from(signature, "base64url");
  bytes[3] ^= 1;
  assert.deepEqual(await refused(`${good.slice(0, good.lastIndexOf("."))}.${bytes.toString("base64url")}`), [401, "token-signature"]);
});

const RSA = "https://rsa.test", now = () => Math.floor(Date.now() / 1000);
const pem = pair.rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
const confused = (/** @type {string | Buffer} */ key) => {
  const input = `${part({ alg: "HS256", typ: "JWT", kid: "k1" })}.${part({ iss: RSA, aud: "tests", sub: "mallory", exp: now() + 600 })}`;
  return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
};
const raw = (/** @type {string} */ header, claims = JSON.stringify({ iss: RSA, aud: "tests", sub: "x", exp: now() + 600 })) => {
  const input = `${Buffer.from(header).toString("base64url")}.${Buffer.from(claims).toString("base64url")}`;
  return `${input}.${SIGN.RS256(Buffer.from(input), pair.rsa.privateKey).toString("base64url")}`;
};
const wrong = /** @type {[string, () => string, string][]} */ ([
  ["expired", () => mint(RSA, "RS256", { claims: { exp: now() - 60 } }), "token-expired"],
  ["without exp", () => mint(RSA, "RS256", { claims: { exp: undefined } }), "token-claims"],
  ["with exp as a text", () => mint(RSA, "RS256", { claims: { exp: "9999999999" } }), "token-claims"],
  ["not valid yet", () => mint(RSA, "RS256", { claims: { nbf: now() + 60 } }), "token-not-yet-valid"],
  ["for another audience", () => mint(RSA, "RS256", { claims: { aud: ["a", "b"] } }), "token-audience"],
  ["without an audience", () => mint(RSA, "RS256", { claims: { aud: undefined } }), "token-audience"],
  ["of an unknown issuer", () => mint("https://evil.test", "RS256"), "token-issuer"],
  ["of another issuer's key", () => mint("https://ec.test", "RS256"), "token-algorithm"],
  ["without an issuer", () => mint(RSA, "RS256", { claims: { iss: undefined } }), "token-issuer"],
  ["with alg none", () => `${part({ alg: "none" })}.${part({ iss: RSA, aud: "tests", sub: "x", exp: now() + 600 })}.`, "token-unsigned"],
  ["with alg nOnE", () => `${part({ alg: "nOnE" })}.${part({ iss: RSA, aud: "tests", sub: "x", exp: now() + 600 })}.`, "token-unsigned"],
  ["HS256 with the public key as PEM", () => confused(pem), "token-algorithm"],
  ["HS256 with the public key as DER", () => confused(pair.rsa.publicKey.export({ type: "spki", format: "der" })), "token-algorithm"],
  ["HS256 with the modulus", () => confused(Buffer.from(String(jwk(pair.rsa.publicKey).n), "base64url")), "token-algorithm"],
  ["that brings its own key", () => mint(RSA, "RS256", { key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey, header: { jwk: jwk(pair.rsa.publicKey) } }), "token-signature"],
  ["with an unknown key id", () => mint(RSA, "RS256", { header: { kid: "nobody" } }), "token-key-unknown"],
  ["with crit", () => raw('{"alg":"RS256","kid":"k1","crit":["exp"]}'), "token-malformed"],
  ["with a member twice in its header", () => raw('{"alg":"RS256","kid":"k1","kid":"k1"}'), "token-malformed"],
  ["with a member twice in its claims", () => raw('{"alg":"RS256","kid":"k1"}', `{"iss":"${RSA}","aud":"tests","sub":"a","sub":"b","exp":${now() + 600}}`), "token-malformed"],
  ["with two parts", () => mint(RSA, "RS256").split(".").slice(0, 2).join("."), "token-malformed"],
  ["with padding", () => `${mint(RSA, "RS256")}==`, "token-malformed"],
]);
for (const [what, make, problem] of wrong) test(`a token ${what} is refused`, async () => {
  const answer = await call(make());
  assert.deepEqual([answer.status, answer.problem], [401, problem]);
  assert.match(String(answer.headers["www-authenticate"]), /^Bearer .*error="invalid_token"/);
  assert.doesNotMatch(answer.text, /127\.0\.0\.1|rsa\.test|k1|mallory/, "nothing leaks");
});

test("credentials that are none at all are told apart from bad ones", async () => {
  const answer = await gateway.get("/t/any/x");
  assert.deepEqual([answer.status, answer.problem], [401, "token-missing"]);
  assert.doesNotMatch(String(answer.headers["www-authenticate"]), /error=/, "RFC 6750 §3.1: no error where there were no credentials");
  assert.equal((await gateway.get("/t/any/x", { headers: { authorization: "Basic YTpi" } })).problem, "token-missing");
});

test("claims go to the origin, the token only where the route says so", async () => {
  const told = (await call(mint(RSA, "RS256", { claims: { tenant: "acme" } }), "/t/named")).json;
  assert.equal(told["x-tenant"], "acme");
  assert.equal(told.authorization, undefined);
  assert.match((await call(mint(RSA, "RS256"), "/t/kept")).json.authorization, /^Bearer /);
  const forged = await gateway.get("/t/named", { headers: { authorization: `Bearer ${mint(RSA, "RS256")}`, "x-tenant": "evil" } });
  assert.equal(forged.json["x-tenant"], undefined, "what the client claims is gone, also where the token is silent");
});

test("a secret that is not bound costs a 503 and lets nobody in", async () => {
  const answer = await call(mint("https://unset.test", "HS256"), "/t/unset");
  assert.deepEqual([answer.status, answer.problem], [503, "secret-missing"]);
  assert.doesNotMatch(answer.text, /NOT_BOUND/);
});

test("a new key is fetched when a token names it, and the old one ends with the set", async () => {
  const old = mint("https://rotating.test", "ES256");
  assert.equal((await call(old)).status, 200);
  const next = generateKeyPairSync("ec", { namedCurve: "P-256" });
  pages["/rotating"] = { keys: [jwk(next.publicKey, { kid: "k9" })] };
  const fresh = mint("https://rotating.test", "ES256", { key: next.privateKey, header: { kid: "k9" } });
  // At most one fetch in each interval of a second.
  await until(async () => (await call(fresh)).status === 200, "the new key");
  assert.deepEqual(await refused(mint("https://rotating.test", "ES256", { claims: { sub: "bob" } })), [401, "token-key-unknown"]);
  assert.deepEqual(await refused(old), [401, "token-key-unknown"], "also what had been verified");
});

test("tokens with unknown key ids cost few fetches", async () => {
  const before = asked["/rotating"];
  const began = Date.now();
  for (let i = 0; i < 30; i++) assert.equal((await call(mint("https://rotating.test", "ES256", { header: { kid: `no-${i}` } }))).problem, "token-key-unknown");
  assert.ok(asked["/rotating"] - before <= 1 + Math.ceil((Date.now() - began) / 1000), `${asked["/rotating"] - before} fetches`);
});

test("many first callers at once cost one fetch", async () => {
  await gateway.restart();
  asked["/ec"] = 0;
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => call(mint("https://ec.test", "ES256", { claims: { sub: `s${i}` } }))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
  assert.equal(asked["/ec"], 1);
});

test("a stranger who goes away while keys are fetched lets nobody wait", async () => {
  // The first request of an isolate watches the clock for all and lives on; so somebody else is first.
  for (const first of [true, false]) {
    await gateway.restart();
    const waiting = first ? null : gateway.get("/t/waiting");
    if (waiting) await until(() => heldBack.length, "the request that waits");
    const before = asked["/held"] ?? 0, forged = mint("https://held.test", "ES256", { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey });
    const socket = connect(gateway.port, "127.0.0.1", () => void socket.write(`GET /t/any/held HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${forged}\r\n\r\n`)).on("error", () => {});
    await until(() => (asked["/held"] ?? 0) > before, "the fetch of the keys");
    const honest = call(mint("https://held.test", "ES256"));
    socket.resetAndDestroy();
    await new Promise((go) => socket.on("close", go));
    heldKeys.splice(0).forEach((response) => response.end(JSON.stringify({ keys: [jwk(pair.p256.publicKey)] })));
    assert.equal((await honest).status, 200);
    assert.equal(asked["/held"] - before, 1, "by the stranger's own fetch");
    heldBack.splice(0).forEach((response) => response.end());
    await waiting;
  }
});

for (const name of ["down", "garbage"]) test(`an issuer whose key set is ${name} costs a 503 with Retry-After`, async () => {
  const answer = await call(mint(`https://${name}.test`, "ES256"));
  assert.deepEqual([answer.status, answer.problem], [503, "issuer-unavailable"]);
  assert.match(String(answer.headers["retry-after"]), /^[1-9]\d*$/);
  assert.equal((await call(mint(RSA, "RS256"))).status, 200, "other issuers are not touched");
});

test("known keys serve on while their set cannot be fetched", async () => {
  assert.equal((await call(mint("https://flaky.test", "ES256"))).status, 200);
  pages["/flaky"] = 500;
  // An unknown key id asks for a fetch, which fails: it costs that token a refusal, and nobody else anything.
  await until(async () => (await call(mint("https://flaky.test", "ES256", { header: { kid: "x" } })), asked["/flaky"] > 1), "a failing fetch");
  assert.equal((await call(mint("https://flaky.test", "ES256", { claims: { sub: "new" } }))).status, 200);
});

test("keys past their time serve at once, while one fetch brings new ones", async () => {
  let callers = 0;
  const timed = async () => {
    const began = Date.now(), { status } = await call(mint("https://aging.test", "ES256", { claims: { sub: `caller-${callers++}` } }));
    return [status, Date.now() - began];
  };
  assert.equal((await timed())[0], 200);
  slow = true;
  await until(async () => {
    const [status, took] = await timed();
    assert.equal(status, 200);
    assert.ok(took < 1_000, `${took} ms`);
    return agingKeys.length;
  }, "the fetch of new keys");
  for (const [status, took] of await Promise.all(Array.from({ length: 10 }, timed))) assert.ok(status === 200 && took < 1_000, `${status} ${took}`);
  assert.deepEqual([asked["/aging"], agingKeys.length], [2, 1], "one at a time");
  // Nobody's request waits for it, and yet it is read.
  const added = [jwk(pair.p256.publicKey), jwk(pair.p256.publicKey, { kid: "added" })];
  agingKeys.pop()?.writeHead(200, { "content-type": "application/jwk-set+json" }).end(JSON.stringify({ keys: added }));
  await until(async () => (await call(mint("https://aging.test", "ES256", { header: { kid: "added" } }))).status === 200, "the added key");
  assert.equal(asked["/aging"], 2, "by that fetch");
});
