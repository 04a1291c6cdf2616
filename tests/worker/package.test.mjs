// What a user does who has Node and nothing else of ours than the tarball: install, init, check, explain, dev, deploy.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TOP, freePort, request, scratch, until } from "./harness.mjs";
import { TARBALL, env, project } from "./project.mjs";

const { folder, run, tollgate, rewrite, install } = project(scratch("project"));

before(() => install(TARBALL));

test("init makes a project that holds only what is the user's, and keeps what is there", () => {
  const { status, said } = tollgate("init", ".", "--demo", "--host", "api.acme-shop.io");
  assert.equal(status, 0, said);
  assert.match(said, /made routes\/gateway\.yaml\nmade routes\/hello\/v1\.yaml\nmade wrangler\.toml\nkept package\.json/);
  assert.match(said, /next:\n {2}npm install .*\n {2}npx tollgate dev --demo /);
  assert.deepEqual(readdirSync(folder).sort(), [".gitignore", "node_modules", "package-lock.json", "package.json", "routes", "wrangler.toml"]);
  rewrite("routes/hello/v1.yaml", (text) => `${text}# mine\n`);
  const again = tollgate("init", ".");
  assert.equal(again.status, 0, again.said);
  assert.match(again.said, /kept routes\/hello\/v1\.yaml, which is there/);
  assert.match(readFileSync(join(folder, "routes/hello/v1.yaml"), "utf8"), /# mine\n$/);
});

test("a project in a folder of its own names the tarball that it came from", () => {
  const { status, said } = tollgate("init", "other", "--upstream", "https://o.acme-shop.io/base");
  assert.equal(status, 0, said);
  const made = JSON.parse(readFileSync(join(folder, "other/package.json"), "utf8"));
  assert.equal(made.devDependencies.tollgate, `file:${TARBALL}`);
  assert.equal(made.devDependencies.node, undefined);
  assert.equal(run(["npx", "--no-install", "tollgate", "check"], { cwd: join(folder, "other") }).said, "ok: dev, staging, production\n");
});

test("its tests run by Node's own SQLite and crypto, and fail where the route file is wrong", () => {
  const { status, said } = tollgate("test");
  assert.equal(status, 0, said);
  assert.match(said, /^5 passed, 0 failed/);
  const text = readFileSync(join(folder, "routes/hello/v1.yaml"), "utf8");
  rewrite("routes/hello/v1.yaml", (text) => text.replace(', scopes: ["hello:write"] }', " }"));
  const broken = tollgate("test");
  assert.equal(broken.status, 1, broken.said);
  assert.match(broken.said, /FAIL {2}nobody writes without the scope/);
  writeFileSync(join(folder, "routes/hello/v1.yaml"), text);
});

test("check and explain say what the native command says", () => {
  assert.equal(tollgate("check").said, "ok: dev, staging, production\n");
  const explained = tollgate("explain", "GET", "/hello/v1/x?y=1");
  assert.equal(explained.status, 0, explained.said);
  assert.match(explained.said, /hello\/v1\/read/);
  assert.match(explained.said, /http:\/\/127\.0\.0\.1:9101\/x/);
  for (const args of [["check"], ["check", "--deploy", "staging"], ["explain", "GET", "/hello/v1/x"], ["test", "--json"], ["no-such-command"]]) {
    const native = run([join(TOP, "build/bin/tollgate"), ...args]), wasm = tollgate(...args);
    assert.deepEqual([wasm.status, wasm.stdout, wasm.stderr], [native.status, native.stdout, native.stderr], args.join(" "));
  }
});

test("a mistake has its place and remedy, and fails", () => {
  const text = readFileSync(join(folder, "routes/hello/v1.yaml"), "utf8");
  rewrite("routes/hello/v1.yaml", (text) => text.replace("read: { match:", "read: { mtch:"));
  const { status, stdout } = tollgate("check");
  assert.equal(status, 1);
  assert.match(stdout, /routes\/hello\/v1\.yaml:\d+:11: unknown key `mtch`\n(.*\n)+.*help: did you mean `match`\?/);
  writeFileSync(join(folder, "routes/hello/v1.yaml"), text);
});

test("diff asks git, and tells loudly what gets looser", () => {
  const git = (/** @type {string[]} */ ...args) => assert.equal(run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false", ...args]).status, 0);
  git("init", "--quiet");
  git("add", "--all");
  git("commit", "--quiet", "--message", "x");
  const same = tollgate("diff", "HEAD");
  assert.equal(same.status, 0, same.said);
  const text = readFileSync(join(folder, "routes/hello/v1.yaml"), "utf8");
  rewrite("routes/hello/v1.yaml", (text) => text.replace(', scopes: ["hello:write"] }', " }"));
  const looser = tollgate("diff", "HEAD");
  assert.equal(looser.status, 3, looser.said);
  assert.match(looser.said, /auth\.scopes: .* !! fewer scopes/);
  writeFileSync(join(folder, "routes/hello/v1.yaml"), text);
  rmSync(join(folder, ".git"), { recursive: true });
});

test("an older Node says which one is needed, or goes on by the project's own", { skip: !existsSync("/usr/bin/node") && "there is no other Node" }, () => {
  const script = join(folder, "node_modules/tollgate/bin/tollgate.mjs");
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(run(["/usr/bin/node", "--version"]).stdout)?.map(Number) ?? [];
  if (major > 22 || (major === 22 && minor >= 13)) return;
  const refused = run(["/usr/bin/node", script, "check"]);
  assert.equal(refused.status, 2, refused.said);
  assert.match(refused.stderr, /Node 22\.13 or newer is needed, and this is v\d+/);
  assert.match(refused.stderr, /to fix: .*npm install/);
  const made = run(["/usr/bin/node", script, "init", "old"]);
  assert.equal(made.status, 0, made.said);
  assert.match(readFileSync(join(folder, "old/package.json"), "utf8"), /"node": "\d+\.\d+\.\d+"/);
  // What npm's package `node` is, in short.
  mkdirSync(join(folder, "old/node_modules/node/bin"), { recursive: true });
  writeFileSync(join(folder, "old/node_modules/node/package.json"), "{}");
  writeFileSync(join(folder, "old/node_modules/node/bin/node"), `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
  assert.equal(run(["/usr/bin/node", script, "check"], { cwd: join(folder, "old") }).said, "ok: dev, staging, production\n");
});

test("dev answers through workerd, follows a save, and survives a mistake", async () => {
  const [port, demo] = [await freePort(), await freePort()];
  rewrite("routes/gateway.yaml", (text) => text.replaceAll("9101", String(demo)));
  let log = "";
  const child = spawn("npx", ["--no-install", "tollgate", "dev", `--demo=${demo}`, "--port", String(port)], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const stop = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGTERM");
    } catch {
      // It has ended.
    }
  };
  after(stop);
  process.on("exit", stop);
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (log += part));
  /** @template T @param {() => T | Promise<T>} look @param {string} what @returns {Promise<NonNullable<T>>} */
  const live = (look, what) => until(() => (assert.equal(child.exitCode, null, `dev ended:\n${log}`), look()), what, 60_000).catch((error) => {
    throw new Error(`${error.message}:\n${log}`);
  });
  /** @param {string} method @param {string} path @param {any} [more] */
  const ask = (method, path, more) => request(port, method, path, { timeout: 5000, ...more }).catch(() => null);

  const first = await live(async () => {
    const answer = await ask("GET", "/hello/v1/a/b?c=1");
    return answer?.status === 200 ? answer : null;
  }, "the first answer");
  assert.deepEqual([first.json.origin, first.json.url], ["demo", "/a/b?c=1"]);
  assert.equal((await ask("POST", "/hello/v1/a"))?.status, 401);
  const token = tollgate("token", "--scope", "hello:write").stdout.trim();
  assert.equal((await ask("POST", "/hello/v1/a", { headers: { authorization: `Bearer ${token}` } }))?.status, 200);

  const text = readFileSync(join(folder, "routes/hello/v1.yaml"), "utf8");
  writeFileSync(join(folder, "routes/hello/v1.yaml"), text.replace("routes:\n", "routes:\n  added: { match: GET /added, rewrite: /new }\n"));
  await live(async () => (await ask("GET", "/hello/v1/added"))?.json?.url === "/new", "the new route");
  writeFileSync(join(folder, "routes/hello/v1.yaml"), text.replace("routes:\n", "routes:\n  added: { mtch: GET /added }\n"));
  await live(() => /v1\.yaml:\d+:12: /.test(log) && /did you mean `match`/.test(log) && /keeps running what it has/.test(log), "the mistake's place and remedy");
  assert.equal((await live(() => ask("GET", "/hello/v1/added"), "an answer in spite of the mistake")).json.url, "/new");

  const refused = await live(() => ask("POST", "/hello/v1/a"), "a refusal");
  const why = tollgate("why", String(refused.headers["x-request-id"]), "--gateway", `http://127.0.0.1:${port}`);
  assert.equal(why.status, 0, why.said);
  assert.match(why.stdout, /401 {2}token-missing/);
  writeFileSync(join(folder, "routes/hello/v1.yaml"), text);
  stop();
  await until(() => child.exitCode !== null || child.signalCode !== null, "the end of dev");
});

test("what may not be deployed is refused, with and without the command, and the rest would be", () => {
  const refused = tollgate("deploy", "staging", "--dry-run");
  assert.equal(refused.status, 1, refused.said);
  assert.match(refused.stderr, /`https:\/\/origin\.example\.net` is a placeholder/);
  assert.doesNotMatch(refused.said, /Total Upload/);
  const { why, ...told } = JSON.parse(tollgate("deploy", "staging", "--dry-run", "--json").stdout);
  assert.deepEqual(told, { ok: false, environment: "staging", dry_run: true, deployed: false, step: "check" });
  assert.ok(why.some((/** @type {any} */ problem) => problem.code === "placeholder"));
  const bare = run(["npx", "--no-install", "wrangler", "deploy", "--env", "staging", "--dry-run"]);
  assert.notEqual(bare.status, 0, bare.said);
  assert.match(bare.said, /staging cannot be deployed as it is/);

  rewrite("routes/gateway.yaml", (text) => text.replace(/example\.(com|net)/g, "acme-shop.io"));
  const { status, said } = tollgate("deploy", "staging", "--dry-run");
  assert.equal(status, 0, said);
  assert.match(said, /Total Upload: .* gzip: [\d.]+ KiB/);
  const json = tollgate("deploy", "staging", "--dry-run", "--json");
  assert.deepEqual(JSON.parse(json.stdout), { ok: true, environment: "staging", dry_run: true, deployed: false });
  assert.match(json.stderr, /Total Upload: /);
  const real = tollgate("deploy", "staging");
  assert.equal(real.status, 1, real.said);
  assert.match(real.stderr, /what is deployed must be in git/);
});
