// Makes what a project needs for development and git must not hold: .dev/issuer.json, the private key (JWK, ES256) of the development
// issuer; .dev/jwks.json, its public half, which demo origin a serves; .dev.vars, the secrets for `wrangler dev`.
import { generateKeyPairSync, randomBytes, createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** RFC 7638 thumbprint of an EC key: its key id. @param {import("node:crypto").JsonWebKey} key */
const thumbprint = ({ crv, kty, x, y }) => createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
const secret = (/** @type {string} */ path, /** @type {string} */ text) => writeFileSync(path, text, { mode: 0o600 });

/** Makes what is not there yet, in the working directory. */
export function secrets() {
  mkdirSync(".dev", { recursive: true });
  if (!existsSync(".dev/issuer.json")) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = privateKey.export({ format: "jwk" });
    secret(".dev/issuer.json", JSON.stringify({ ...jwk, kid: thumbprint(jwk), alg: "ES256", use: "sig" }, null, 2) + "\n");
    console.error("[tollgate] made the development issuer's key: .dev/issuer.json");
  }
  const { d: _private, ...open } = JSON.parse(readFileSync(".dev/issuer.json", "utf8"));
  writeFileSync(".dev/jwks.json", JSON.stringify({ keys: [open] }, null, 2) + "\n");
  for (const [name, what] of [["TOLLGATE_ADMIN_TOKEN", "admin token"], ["TOLLGATE_DEBUG_KEY", "key of debug tokens"]]) {
    const vars = existsSync(".dev.vars") ? readFileSync(".dev.vars", "utf8") : "";
    if (new RegExp(`^${name}=`, "m").test(vars)) continue;
    const line = vars === "" || vars.endsWith("\n") ? "" : "\n";
    secret(".dev.vars", `${vars}${line}${name}=${randomBytes(24).toString("base64url")}\n`);
    console.error(`[tollgate] made the ${what}: .dev.vars`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) secrets();
