// The README's tour, line by line, in a copy of the clone under `./scripts/dev`: what stands behind `#` must be in what
// the line prints. The ports are changed for free ones; nothing else is. The whole of it runs twice, as the README says
// that it can.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { TOP, freePort, request, scratch, sleep } from "./harness.mjs";

const ports = /** @type {Record<string, number>} */ ({ 8787: await freePort(), 9101: await freePort(), 9102: await freePort() });
const moved = (/** @type {string} */ text) => text.replace(/\b(8787|9101|9102)\b/g, (port) => String(ports[port]));

/** The tour as blocks of lines, and restarts between them. */
const tour = /<!-- tour -->\n([^]*)<!-- end of tour -->/.exec(readFileSync(join(TOP, "README.md"), "utf8"))?.[1] ?? "";
const blocks = [...tour.matchAll(/^```sh\n([^]*?)^```$|^<!-- restart -->$/gm)].map(([, lines]) => (lines === undefined ? null : lines.trimEnd().split("\n")));

const copy = scratch("readme");
for (const name of ["src", "routes", "scripts", "package", "tests", "build", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json"]) cpSync(join(TOP, name), join(copy, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
for (const name of ["routes/gateway.yaml", "scripts/origin", "scripts/dev"]) writeFileSync(join(copy, name), moved(readFileSync(join(copy, name), "utf8")));
const env = { ...process.env, TOLLGATE_URL: `http://127.0.0.1:${ports[8787]}` };
const run = (/** @type {string} */ command, /** @type {string[]} */ ...more) => spawnSync(command, more, { cwd: copy, env, encoding: "utf8" });
// `git checkout` takes a route file back.
run("git", "init", "--quiet");
run("git", "add", "routes");

/** @type {import("node:child_process").ChildProcess | null} */
let dev = null;
let log = "";
async function start() {
  const child = (dev = spawn("./scripts/dev", { cwd: copy, env, stdio: ["ignore", "pipe", "pipe"] }));
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (log += part));
  for (let tries = 0; tries < 600; tries++, await sleep(100)) {
    const health = await request(ports[8787], "GET", "/_tollgate/health", { timeout: 5000 }).catch(() => null);
    if (health?.status === 200) return;
    assert.equal(child.exitCode, null, `scripts/dev ended:\n${log}`);
  }
  throw new Error(`scripts/dev does not answer:\n${log}`);
}
async function stop() {
  const child = dev;
  dev = null;
  if (!child || child.exitCode !== null) return;
  await new Promise((go) => {
    child.once("exit", go);
    child.kill("SIGINT");
    // Whatever holds it up must not hold up the tests.
    setTimeout(() => child.kill("SIGKILL"), 15_000).unref();
  });
}
after(stop);

/** One shell for all lines, so that a variable that one sets is there for the next. */
function shell() {
  const child = spawn("bash", { cwd: copy, env, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (said += part));
  const MARK = "----end of line----";
  return {
    /** @param {string} line */
    async run(line) {
      said = "";
      child.stdin.write(`${line}\necho; echo ${MARK}\n`);
      for (let tries = 0; !said.includes(MARK); tries++, await sleep(20)) assert.ok(tries < 3000, `${line}\ndoes not end:\n${said}`);
      return said.slice(0, said.indexOf(MARK));
    },
    end: () => void child.kill("SIGKILL"),
  };
}

/** Runs a line, and fails unless what stands behind `#` is in what it prints. @param {ReturnType<typeof shell>} bash @param {string} line @param {string} when */
async function holds(bash, line, when) {
  const [command, expected = ""] = line.split(/ {3}# /);
  const missing = (/** @type {string} */ text) => expected.split(" · ").find((part) => part && !text.toLowerCase().includes(moved(part).toLowerCase()));
  let output = await bash.run(moved(command));
  // On a busy machine a saved file may take longer than the README says: a plain GET may be asked again.
  for (let tries = 0; missing(output) && tries < 20 && command.startsWith("curl -s http"); tries++) {
    await sleep(500);
    output = await bash.run(moved(command));
  }
  assert.equal(missing(output), undefined, `${when}: ${line}\n${output}\n${log.slice(-2000)}`);
  // Also of a line that promises nothing.
  assert.doesNotMatch(output, /command not found|curl: \(|No such file/, line);
}

test("the README's tour holds, the second time too", { timeout: 180_000 }, async () => {
  assert.ok(blocks.length > 10 && blocks.includes(null), "the tour is found");
  await start();
  const bash = shell();
  try {
    for (const round of [1, 2]) {
      for (const block of blocks) {
        for (const line of block ?? []) await holds(bash, line, `round ${round}`);
        if (block || round > 1) continue;
        await stop();
        await start();
      }
    }
  } finally {
    bash.end();
  }
  assert.match(log, /routes\/catalog\/v1\.yaml:\d+:\d+: unknown key `mtch`/, "scripts/dev prints the mistake");
  assert.doesNotMatch(log, /Compiling tollgate/, "cargo does not run for a saved route file");
});
