// What the bench sends, with which credentials, and the origin behind the gateway.
import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Workerd, request, scratch, sleep } from "../worker/harness.mjs";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const base64 = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
function mint() {
  const now = Math.floor(Date.now() / 1000);
  const head = base64({ alg: "ES256", typ: "JWT", kid: "bench" });
  const input = `${head}.${base64({ iss: "https://issuer.bench.invalid", aud: "bench", sub: "ann", scope: "bench:read", iat: now, exp: now + 3600 })}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}
const token = mint();
/** @param {string} scenario @returns {Record<string, string>} */
export const sent = (scenario) => ({
  Host: "gateway.example", Accept: "application/json", "Accept-Encoding": "gzip", "User-Agent": "wrk/4", "CF-Connecting-IP": "192.0.2.7", Origin: "https://app.example",
  ...(scenario === "token" ? { Authorization: `Bearer ${token}` } : {}),
});
export const BODY = '{"id":"kettle","name":"Kettle","price":1999,"tags":["kitchen","steel"]}\n';
export const FIELDS = { "content-type": "application/json", "cache-control": "public, max-age=3600", etag: '"bench-1"' };

/** The issuer's public key. */
export const jwk = { ...publicKey.export({ format: "jwk" }), kid: "bench", alg: "ES256", use: "sig" };

/** nginx if there is one, else a worker in a workerd of its own. @param {number} originPort @returns {Promise<() => void>} */
export async function fastOrigin(originPort) {
  const folder = scratch("origin");
  if (spawnSync("nginx", ["-v"]).error) {
    console.error("nginx is missing (apt-get install -y nginx-light): a second workerd is the origin");
    const path = join(folder, "origin.js");
    writeFileSync(path, `const HEADERS = ${JSON.stringify(FIELDS)}; export default { fetch: () => new Response(${JSON.stringify(BODY)}, { headers: HEADERS }) };`);
    const process = await new Workerd([{ name: "origin", port: originPort, modules: { "origin.js": path } }]).start();
    return () => void process.stop();
  }
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  writeFileSync(join(folder, "nginx.conf"), `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; ${temporary}
  server { listen 127.0.0.1:${originPort}; default_type application/json; location / {
    ${Object.entries(FIELDS).slice(1).map(([name, value]) => `add_header ${name} '${value}'`).join("; ")}; return 200 '${BODY}'; } } }`);
  const child = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")], { stdio: "ignore" });
  process.on("exit", () => child.kill());
  for (let tries = 0; ; tries++) {
    if (await request(originPort, "GET", "/").catch(() => null)) return () => void child.kill();
    if (tries > 100) throw new Error(`nginx does not start: ${readFileSync(join(folder, "error.log"), "utf8")}`);
    await sleep(20);
  }
}
