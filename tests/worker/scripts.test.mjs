// The scripts for development, where a port that they need is somebody else's; in a copy of the clone with ports of its own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { TOP, freePort, request, scratch } from "./harness.mjs";

const stranger = createServer((socket) => void socket.end());
const taken = await new Promise((go) => stranger.listen(0, "127.0.0.1", () => go(/** @type {import("node:net").AddressInfo} */ (stranger.address()).port)));
const free = await freePort();

const copy = scratch("scripts");
for (const name of ["src", "routes", "scripts", "package", "tests/origins", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json"]) cpSync(join(TOP, name), join(copy, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
const script = join(copy, "scripts/origin");
writeFileSync(script, readFileSync(script, "utf8").replaceAll("9101", String(taken)).replaceAll("9102", String(free)));

/** @param {string} command @param {string[]} args */
function run(command, ...args) {
  // Nothing here may come as far as a build.
  const env = { ...process.env, RUSTC_WRAPPER: "false" };
  const { status, stdout, stderr } = spawnSync(join(copy, command), args, { cwd: copy, env, encoding: "utf8", timeout: 60_000 });
  return { status, said: stdout + stderr };
}
after(() => {
  run("scripts/origin", "stop", "b");
  stranger.close();
});

test("an origin whose port is taken does not start, and the port and a remedy are said", () => {
  const { status, said } = run("scripts/origin", "start", "a");
  assert.equal(status, 1, said);
  assert.match(said, new RegExp(`port ${taken} is taken .* origin a needs it`));
  assert.match(said, /to fix: stop that program/);
  assert.doesNotMatch(said, /origin a on/);
  assert.ok(!existsSync(join(copy, ".dev/origin-a.pid")));
  assert.equal(run("scripts/origin", "status", "a").status, 1);
});

test("an origin whose port is free starts, answers and stops", async () => {
  const { status, said } = run("scripts/origin", "start", "b");
  assert.equal(status, 0, said);
  assert.match(said, new RegExp(`origin b on http://127\\.0\\.0\\.1:${free}`));
  assert.equal((await request(free, "GET", "/health")).json.origin, "b");
  assert.match(run("scripts/origin", "start", "b").said, /already runs/);
  assert.match(run("scripts/origin", "stop", "b").said, /origin b stopped/);
});

test("development does not begin on a port that is taken, nor with a stranger as origin", async () => {
  const gateway = run("scripts/dev", "--port", String(taken));
  assert.equal(gateway.status, 1, gateway.said);
  assert.match(gateway.said, new RegExp(`port ${taken} is taken .* the gateway needs it`));
  assert.match(gateway.said, /or scripts\/dev --port N/);

  const origin = run("scripts/dev", "--port", String(await freePort()));
  assert.equal(origin.status, 1, origin.said);
  assert.match(origin.said, new RegExp(`port ${taken} is taken .* origin a needs it`));
  for (const { said } of [gateway, origin]) assert.doesNotMatch(said, /the gateway: http|compiling/);
});

test("what is no port is said to be none", () => {
  const { status, said } = run("scripts/dev", "--port", "99999");
  assert.equal(status, 1, said);
  assert.match(said, /the gateway cannot listen on port 99999: ERR_SOCKET_BAD_PORT/);
});
