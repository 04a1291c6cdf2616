// A project that has Node and the npm package, and nothing else of ours.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { TOP } from "./harness.mjs";

export const VERSION = /^version = "(.*)"$/m.exec(readFileSync(join(TOP, "Cargo.toml"), "utf8"))?.[1];
export const TARBALL = join(TOP, "build", `tollgate-${VERSION}.tgz`);

// This Node and the system's programs: neither cargo nor anything of the clone's.
const PATH = [dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter);
export const env = Object.fromEntries(Object.entries({ ...process.env, PATH, HOME: process.env.HOME }).filter(([name]) => !/^(npm_|TOLLGATE_|NODE_|CARGO|RUST)/.test(name)));
// npm's own warnings are none of ours.
env.npm_config_loglevel = "error";

/** @param {string} folder */
export function project(folder) {
  /** @param {string[]} command @param {{ cwd?: string, env?: Record<string, string | undefined> }} [more] */
  function run([name, ...args], more = {}) {
    const { status, stdout, stderr, error } = spawnSync(name, args, { cwd: folder, env, encoding: "utf8", timeout: 120_000, ...more });
    if (error) throw error;
    return { status, stdout, stderr, said: stdout + stderr };
  }
  return {
    folder,
    run,
    /** @param {string[]} args */
    tollgate: (...args) => run(["npx", "--no-install", "tollgate", ...args]),
    /** @param {string} name @param {(text: string) => string} change */
    rewrite: (name, change) => writeFileSync(join(folder, name), change(readFileSync(join(folder, name), "utf8"))),
    /** @param {string} tarball */
    install(tarball) {
      assert.ok(existsSync(tarball), `${tarball} is missing: scripts/package makes it`);
      const { status, said } = run(["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--save-dev", tarball]);
      assert.equal(status, 0, said);
    },
  };
}
