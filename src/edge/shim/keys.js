// @ts-check
// Signatures by Web Crypto. Imported keys are kept, so that a key is parsed once.
import { ENDED } from "./tables.js";

/** @type {Record<string, any>} */
const ALGORITHMS = { EdDSA: "Ed25519" };
for (const bits of [256, 384, 512]) {
  const hash = `SHA-${bits}`;
  ALGORITHMS[`HS${bits}`] = { name: "HMAC", hash };
  ALGORITHMS[`RS${bits}`] = { name: "RSASSA-PKCS1-v1_5", hash };
  ALGORITHMS[`PS${bits}`] = { name: "RSA-PSS", hash, saltLength: bits / 8 };
  ALGORITHMS[`ES${bits}`] = { name: "ECDSA", hash, namedCurve: `P-${bits}` };
}
const KEYS_KEPT = 256;
const keys = /** @type {Map<string, CryptoKey>} */ (new Map());
const encoder = new TextEncoder();

/** @param {string} text base64url */
const unbase64 = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

/** @param {string[]} fields @returns {Promise<import("./call.js").Ended>} */
export async function verify([algorithm, jwk, input, signature]) {
  const name = algorithm + jwk, parameters = ALGORITHMS[algorithm];
  let key = keys.get(name);
  if (!key) {
    const { kty, crv, n, e, x, y, k } = JSON.parse(jwk);
    key = await crypto.subtle.importKey("jwk", { kty, crv, n, e, x, y, k }, parameters, false, ["verify"]);
    if (keys.size >= KEYS_KEPT) keys.clear();
    keys.set(name, key);
  }
  const valid = await crypto.subtle.verify(parameters, key, unbase64(signature), encoder.encode(input));
  return { how: ENDED.OK, argument: valid ? 1 : 0 };
}
