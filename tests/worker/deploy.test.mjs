// What stands between a build and the network, in a copy of the clone: nothing here talks to anybody.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TOP, scratch } from "./harness.mjs";

const copy = scratch("deploy"), built = join(copy, "build/staging");
for (const name of ["src", "routes", "scripts", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "build/bin"]) cpSync(join(TOP, name), join(copy, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
mkdirSync(built, { recursive: true });

/** Deploys for show, with the wasm of a build in place, taken for up to date. @param {string} build */
function deploy(build) {
  cpSync(join(TOP, build, "tollgate.wasm"), join(built, "tollgate.wasm"));
  cpSync(join(TOP, "build/.wasm-inputs"), join(built, ".wasm-inputs"));
  const { status, stdout, stderr } = spawnSync(join(copy, "scripts/deploy"), ["staging", "--dry-run", "--outdir", join(copy, "out")], {
    encoding: "utf8", timeout: 90_000,
    // The build is up to date, or this fails at once instead of compiling it here.
    env: { ...process.env, RUSTC_WRAPPER: "false" },
  });
  return { status, said: stdout + stderr };
}

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
