// An upgrade from one version of the package to the next, whose format of route files is newer: bump, `migrate`, `diff`.
import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { TOP, scratch } from "./harness.mjs";
import { TARBALL, project } from "./project.mjs";

const { folder, run, tollgate, rewrite, install } = project(scratch("upgrade"));
const NEXT = "99.0.0";
/** What the project has installed. */
const installed = () => JSON.parse(readFileSync(join(folder, "node_modules/tollgate/package.json"), "utf8")).version;
const git = (/** @type {string[]} */ ...args) => {
  const { status, said } = run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false", ...args]);
  assert.equal(status, 0, said);
};
const API = "routes/hello/v1.yaml", GATEWAY = "routes/gateway.yaml";
const read = (/** @type {string} */ name) => readFileSync(join(folder, name), "utf8");
/** The next version's tarball. */
let next = "";

before(() => {
  // The same package under another version.
  const stage = scratch("next");
  cpSync(join(TOP, "build/package"), stage, { recursive: true });
  const about = JSON.parse(readFileSync(join(stage, "package.json"), "utf8"));
  writeFileSync(join(stage, "package.json"), JSON.stringify({ ...about, version: NEXT }));
  const packed = run(["npm", "pack", stage, "--silent", "--pack-destination", stage]);
  assert.equal(packed.status, 0, packed.said);
  next = join(stage, packed.stdout.trim());
  // An old project, as git has it: its files are of format 1, in which braces in header values are braces.
  install(TARBALL);
  assert.equal(tollgate("init", ".").status, 0);
  rewrite(GATEWAY, (text) => text.replace("tollgate: 2", "tollgate: 1").replace("  https: true\n", `  https: true\n  headers: { response: { set: { nel: '{"max_age":60}' } } } # where to report\n`));
  rewrite(API, (text) => text.replace("tollgate: 2", "tollgate: 1").replace("expect: { route: read, ", `expect: { headers: { nel: '{"max_age":60}' }, route: read, `));
  git("init", "--quiet");
  git("add", "--all");
  git("commit", "--quiet", "--message", "before");
});

test("a bump changes nothing, and says what is old", () => {
  const before = installed();
  install(next);
  assert.notEqual(before, NEXT);
  assert.equal(installed(), NEXT);
  const check = tollgate("check");
  assert.equal(check.status, 0, check.said);
  assert.match(check.stdout, /routes\/gateway\.yaml:\d+:11: warning: this file is of format 1: braces in values of `headers` are literal text/);
  assert.match(check.stdout, /help: `tollgate migrate` writes the same in format 2/);
  const tested = tollgate("test");
  assert.equal(tested.status, 0, tested.said);
});

test("migrate rewrites what is old, and nothing changes in meaning", () => {
  const [gateway, api] = [read(GATEWAY), read(API)];
  const due = tollgate("migrate", "--check");
  assert.equal(due.status, 1, due.said);
  assert.match(due.stdout, /^routes\/gateway\.yaml: format 1 to 2\n {2}\d+:\d+ {2}\{"max_age":60\} {2}-> {2}\{\{"max_age":60\}\}\n/);
  assert.deepEqual([read(GATEWAY), read(API)], [gateway, api]);

  const done = tollgate("migrate");
  assert.deepEqual([done.status, done.stdout], [0, due.stdout.replace("to rewrite", "rewritten")]);
  assert.equal(read(GATEWAY), gateway.replace("tollgate: 1", "tollgate: 2").replace(`'{"max_age":60}'`, `'{{"max_age":60}}'`));
  assert.equal(read(API), api.replace("tollgate: 1", "tollgate: 2"));
  assert.deepEqual([readdirSync(join(folder, "routes")).sort(), readdirSync(join(folder, "routes/hello"))], [["gateway.yaml", "hello"], ["v1.yaml"]]);
  assert.deepEqual([tollgate("migrate", "--check").stdout], ["0 files to rewrite, 2 of format 2 already\n"]);

  const diff = tollgate("diff", "HEAD");
  assert.deepEqual([diff.status, diff.stdout], [0, "no change in meaning: dev, staging, production\n"], diff.said);
  assert.deepEqual(tollgate("check").said, "ok: dev, staging, production\n");
  const tested = tollgate("test");
  assert.equal(tested.status, 0, tested.said);
  // The native command says the same.
  for (const args of [["migrate", "--json"], ["migrate", "--check"]]) {
    const native = run([join(TOP, "build/bin/tollgate"), ...args]), wasm = tollgate(...args);
    assert.deepEqual([wasm.status, wasm.stdout, wasm.stderr], [native.status, native.stdout, native.stderr], args.join(" "));
  }
});

test("a format that is not known yet is refused by all, and migrate leaves everything as it is", () => {
  const [gateway, api] = [read(GATEWAY), read(API)];
  rewrite(GATEWAY, (text) => text.replace("tollgate: 2", "tollgate: 3"));
  rewrite(API, (text) => text.replace("tollgate: 2", "tollgate: 1"));
  for (const [command, status] of /** @type {const} */ ([["check", 1], ["migrate", 2], ["test", 2]])) {
    const refused = tollgate(command);
    assert.equal(refused.status, status, refused.said);
    assert.match(refused.said, /routes\/gateway\.yaml:\d+:11: .*\n[^]*a newer file needs a newer `tollgate`/);
  }
  assert.equal(read(API), api.replace("tollgate: 2", "tollgate: 1"));
  writeFileSync(join(folder, GATEWAY), gateway);
  writeFileSync(join(folder, API), api);
});
