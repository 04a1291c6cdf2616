// What stands between a build and the network, in a copy of the clone: nothing here talks to anybody.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TOP, scratch } from "./harness.mjs";

const copy = scratch("deploy"), built = join(copy, "build/staging");
for (const name of ["src", "routes", "scripts", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "build/bin"]) cpSync(join(TOP, name), join(copy, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
mkdirSync(built, { recursive: true });

/** Runs a command of the clone, with the wasm of a build in place, taken for up to date. @param {string} build @param {string} command @param {string[]} args */
function run(build, command, args) {
  cpSync(join(TOP, build, "tollgate.wasm"), join(built, "tollgate.wasm"));
  cpSync(join(TOP, "build/.wasm-inputs"), join(built, ".wasm-inputs"));
  const { status, stdout, stderr } = spawnSync(command, [...args, "--dry-run", "--outdir", join(copy, "out")], {
    cwd: copy, encoding: "utf8", timeout: 90_000,
    // The build is up to date, or this fails at once instead of compiling it here.
    env: { ...process.env, RUSTC_WRAPPER: "false", WRANGLER_SEND_METRICS: "false" },
  });
  return { status, said: stdout + stderr };
}
/** Deploys for show. @param {string} build */
const deploy = (build) => run(build, join(copy, "scripts/deploy"), ["staging"]);
/** The same past the script. */
const bare = () => run("build", join(TOP, "node_modules/.bin/wrangler"), ["deploy", "--env", "staging"]);

/** @param {string} name @param {(text: string) => string} change */
const rewrite = (name, change) => writeFileSync(join(copy, name), change(readFileSync(join(copy, name), "utf8")));

test("a new clone's placeholders and missing routes are refused, with and without the script", () => {
  for (const { status, said } of [deploy("build"), bare()]) {
    assert.notEqual(status, 0, said);
    assert.match(said, /routes\/gateway\.yaml:\d+:\d+: `https:\/\/a\.staging\.example\.net` is a placeholder/);
    assert.match(said, /wrangler\.toml:\d+:\d+: no host leads to this worker/);
    assert.doesNotMatch(said, /Total Upload/);
  }
  // What the owner of a clone does.
  rewrite("routes/gateway.yaml", (text) => text.replace(/example\.(com|net)/g, "acme-shop.io"));
  rewrite("wrangler.toml", (text) => text.replace(/^# (routes = )/gm, "$1").replaceAll("example.com", "acme-shop.io"));
});

test("without the script, what may be deployed is", () => {
  const { status, said } = bare();
  assert.equal(status, 0, said);
  assert.match(said, /Total Upload: /);
});

test("a dry run succeeds and shows the size", () => {
  const { status, said } = deploy("build");
  assert.equal(status, 0, said);
  assert.match(said, /Total Upload: .* gzip: [\d.]+ KiB/);
});

test("a build that traps on demand is refused", () => {
  const { status, said } = deploy("build/trap");
  assert.notEqual(status, 0, said);
  assert.match(said, /built with --trap/);
  assert.doesNotMatch(said, /Total Upload/);
});
