// What stands between a build and the network, in a copy of the clone: nothing here talks to anybody.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TOP, scratch } from "./harness.mjs";

const copy = scratch("deploy"), built = join(copy, "build/staging");
for (const name of ["src", "routes", "scripts", "package", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", ".gitignore", "build/bin"]) cpSync(join(TOP, name), join(copy, name), { recursive: true, preserveTimestamps: true });
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

test("arguments that would change what was checked are refused, with what to do instead", () => {
  for (const [args, remedy] of /** @type {[string[], RegExp][]} */ ([
    [["--var", "TOLLGATE_CLIENT_ADDRESS:X-Real-IP"], /--var is refused: write it under \[env\.staging\] in wrangler\.toml/],
    [["--var=TOLLGATE_CLIENT_ADDRESS:X-Real-IP"], /--var is refused: write it under/],
    [["--routes=other.acme-shop.io/*"], /--routes is refused: write it under/],
    [["--name", "other"], /unexpected argument '--name'/],
    [["-e", "production"], /unexpected argument '-e'/],
    [["src/other.js"], /unexpected argument 'src\/other\.js'/],
    [["--message", "--var=A:B"], /a value is required for '--message <TEXT>'/],
    [["--tag"], /a value is required for '--tag <TEXT>'/],
  ])) {
    const { status, said } = run("build", join(copy, "scripts/deploy"), ["staging", ...args]);
    assert.equal(status, 2, said);
    assert.match(said, remedy);
    assert.doesNotMatch(said, /checking staging|Total Upload/);
  }
});

test("only what git has is deployed, and what the arguments say arrives", () => {
  // A wrangler that says how it was called, so that nothing leaves this machine.
  unlinkSync(join(copy, "node_modules"));
  mkdirSync(join(copy, "node_modules/.bin"), { recursive: true });
  cpSync(join(TOP, "node_modules/.tollgate-stamp"), join(copy, "node_modules/.tollgate-stamp"));
  symlinkSync(process.execPath, join(copy, "node_modules/.bin/node"));
  mkdirSync(join(copy, "node_modules/wrangler"));
  writeFileSync(join(copy, "node_modules/wrangler/package.json"), '{ "bin": { "wrangler": "said.js" } }');
  writeFileSync(join(copy, "node_modules/wrangler/said.js"), 'console.log(process.argv.slice(2).map((said) => `<${said}>`).join(""));');
  /** @param {string} command @param {string[]} args */
  const go = (command, ...args) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: copy, encoding: "utf8", timeout: 90_000, env: { ...process.env, RUSTC_WRAPPER: "false", GIT_CEILING_DIRECTORIES: join(copy, "..") } });
    return { status, said: stdout + stderr };
  };
  const real = (/** @type {string[]} */ ...args) => go(join(copy, "scripts/deploy"), "staging", ...args);
  const commit = () => {
    assert.equal(go("git", "add", "--all").status, 0);
    const { status, said } = go("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "x");
    assert.equal(status, 0, said);
  };
  assert.match(real().said, /this is no clone/);
  assert.notEqual(real().status, 0);

  go("git", "init", "--quiet");
  rmSync(join(copy, "out"), { recursive: true, force: true });
  commit();
  const clean = real("--message", "two words", "--tag=v1", "--outdir", "build/x");
  assert.equal(clean.status, 0, clean.said);
  assert.match(clean.said, /<deploy><--env><staging><--outdir=build\/x><--message=two words><--tag=v1>/);

  for (const name of ["scripts/build", "package.json", "new.txt"]) {
    if (name === "new.txt") writeFileSync(join(copy, name), "");
    else rewrite(name, (text) => `${text}\n`);
    const { status, said } = real();
    assert.equal(status, 1, said);
    assert.match(said, /uncommitted changes: .*\n[ M?]+ (scripts\/build|package\.json|new\.txt)\n/);
    assert.ok(said.includes(name), said);
    assert.doesNotMatch(said, /<deploy>/);
    go("git", "checkout", "--", ".");
  }
});
