// Hot reload under `wrangler dev`, in a copy of the clone: a saved route file goes live without cargo, and a mistake
// says where it is and leaves the last good plan in service.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { TOP, freePort, request, scratch, until } from "./harness.mjs";

const copy = scratch("dev"), port = await freePort();
for (const name of ["src", "routes", "scripts", "package", "build", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json"]) cpSync(join(TOP, name), join(copy, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
writeFileSync(join(copy, ".dev.vars"), "TOLLGATE_ADMIN_TOKEN=an-admin-token-for-this-test\n");

let log = "";
const child = spawn(join(TOP, "node_modules/.bin/wrangler"), ["dev", "--port", String(port), "--ip", "127.0.0.1", "--inspector-port", "0", "--persist-to", join(copy, "state"), "--show-interactive-dev-session=false"], {
  cwd: copy, stdio: ["ignore", "pipe", "pipe"],
  env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false" },
});
for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (log += part));
after(() => void child.kill());

/** Waits for what must come, at most a minute, and says what wrangler printed where it does not. @template T @param {() => T | Promise<T>} look @param {string} what @returns {Promise<NonNullable<T>>} */
async function live(look, what) {
  const alive = async () => {
    assert.equal(child.exitCode, null, `wrangler ended:\n${log}`);
    return look();
  };
  return until(alive, what, 60_000).catch((error) => {
    throw new Error(`${error.message}:\n${log}`);
  });
}
/** The hash of the plan in service. @returns {Promise<string | null>} */
const plan = () => request(port, "GET", "/_tollgate/health", { timeout: 5000 }).then((answer) => (answer.status === 200 ? answer.json.plan : null), () => null);

test("a saved route file goes live, a mistake does not", async () => {
  const first = await live(plan, "the first answer");
  const path = join(copy, "routes/catalog/v1.yaml"), text = readFileSync(path, "utf8");
  assert.match(text, /^routes:\n/m);

  writeFileSync(path, text.replace(/^routes:\n/m, "routes:\n  added: { match: GET /added }\n"));
  const second = await live(async () => ((await plan()) !== first ? plan() : null), "the new plan");
  assert.doesNotMatch(log, /Compiling|Finished/, "cargo did not run");

  const line = text.slice(0, text.search(/^routes:\n/m)).split("\n").length + 1;
  writeFileSync(path, text.replace(/^routes:\n/m, "routes:\n  added: { mtch: GET /added }\n"));
  await live(() => log.includes(`routes/catalog/v1.yaml:${line}:12: `), "the mistake's place");
  await live(() => /help: did you mean `match`/.test(log), "the remedy");
  assert.equal(await live(plan, "an answer in spite of the mistake"), second);

  writeFileSync(path, text);
  await live(async () => (await plan()) === first, "the first plan again");
});
