// The scene of the end-to-end tests: two origins, an issuer, route files, and tokens good and bad.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { origin } from "../origins/origin.mjs";
import { startGateway } from "./harness.mjs";

export const ISSUER = "https://issuer.test.invalid", AUDIENCE = "tests", APP = "https://app.example";

const base64 = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const PUBLIC = { ...publicKey.export({ format: "jwk" }), kid: "test", alg: "ES256", use: "sig" };
export const PUBLIC_PEM = publicKey.export({ type: "spki", format: "pem" }).toString();

/** What the issuer publishes. */
export const JWKS = () => JSON.stringify({ keys: [PUBLIC] });

/** Claims of a good token. @param {object} [more] */
export function claims(more = {}) {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, aud: AUDIENCE, sub: "ann", scope: "read", iat: now, exp: now + 600, ...more };
}

/** A signed token. @param {object} [more] claims @param {object} [header] @param {import("node:crypto").KeyObject} [key] */
export function token(more = {}, header = {}, key = privateKey) {
  const input = `${base64({ alg: "ES256", typ: "JWT", kid: "test", ...header })}.${base64(claims(more))}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

/** What attackers send. */
export const forged = {
  none: () => `${base64({ alg: "none", typ: "JWT" })}.${base64(claims())}.`,
  /** HS256 whose key is the public key's text. */
  confused: () => {
    const input = `${base64({ alg: "HS256", typ: "JWT", kid: "test" })}.${base64(claims())}`;
    return `${input}.${createHmac("sha256", PUBLIC_PEM).update(input).digest("base64url")}`;
  },
  /** A good signature by a key that the issuer does not have. */
  stranger: () => token({}, {}, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
};
export const bearer = (/** @type {string} */ text) => ({ headers: { authorization: `Bearer ${text}` } });

/** The file of an API's only version. @param {string} name @param {string} text all but its head @param {string} [base] */
export const api = (name, text, base = `/${name}`) => `\ntollgate: 2\napi: ${name}\nowner: tests\nversion: { name: v1 }\nbase: ${base}\n${text.trimStart()}`;

/** Starts origins and a gateway. @param {{ files?: (urls: { a: string, b: string }) => Record<string, string>, jwks?: () => string, gateway?: Parameters<typeof startGateway>[0] }} [settings] */
export async function scene({ files, jwks = JWKS, gateway: more = {} } = {}) {
  const a = await origin({ name: "a", jwks }), b = await origin({ name: "b", jwks });
  const routes = { ...shared(a.url, b.url), ...files?.({ a: a.url, b: b.url }) };
  const gateway = await startGateway({ routes, ...more });
  return {
    a, b, gateway, routes,
    stop: async () => {
      await gateway.stop();
      await a.stop();
      await b.stop();
    },
  };
}

/** @param {string} a @param {string} b */
const shared = (a, b) => ({
  "gateway.yaml": `
tollgate: 2
events: { sample: 1 }
issuers:
  tests:
    issuer: ${ISSUER}
    audience: ${AUDIENCE}
    algorithms: [ES256]
    keys: { jwks: "${a}/.well-known/jwks.json", ttl: 10m, interval: 1s }
    development: true
cors:
  web: { origins: ["${APP}"], methods: [PUT], headers: [authorization] }
upstreams:
  a: { url: "${a}" }
  b: { url: "${b}" }
  both: { targets: [{ url: "${a}" }, { url: "${b}" }] }
defaults: { auth: none, cors: web, timeout: { headers: 2s, total: 3s } }
`,
});

