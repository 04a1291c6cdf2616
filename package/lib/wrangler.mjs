// Runs wrangler: the project's, or the one that this package depends on.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Wrangler's script. */
function script() {
  for (const base of [join(process.cwd(), "package.json"), fileURLToPath(import.meta.url)]) {
    try {
      const file = createRequire(base).resolve("wrangler/package.json");
      return join(dirname(file), JSON.parse(readFileSync(file, "utf8")).bin.wrangler);
    } catch {
      // Not there.
    }
  }
  throw new Error("wrangler is not installed: npm install");
}

/** What wrangler and the build that it runs are told by the environment. */
export function environment() {
  // The build command is `tollgate`, and by this same Node.
  const path = [join(process.cwd(), "node_modules/.bin"), dirname(process.execPath), process.env.PATH].join(delimiter);
  return {
    WRANGLER_SEND_METRICS: "false", WRANGLER_SEND_ERROR_REPORTS: "false", WRANGLER_HIDE_BANNER: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false", NO_UPDATE_NOTIFIER: "1",
    ...process.env, PATH: path,
  };
}

/** Starts it. @param {string[]} args @param {import("node:child_process").StdioOptions} stdio */
export const wrangler = (args, stdio) => spawn(process.execPath, [script(), ...args], { stdio, env: environment() });

/** Waits for its end: its exit code. @param {import("node:child_process").ChildProcess} child @returns {Promise<number>} */
export const ended = (child) => new Promise((done, fail) => {
  child.on("error", fail);
  child.on("exit", (code, signal) => done(code ?? (signal === "SIGINT" ? 130 : 143)));
});
