// Where the Node that was started is too old: npm's package `node` may have put a newer one into the project.
import { spawn, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const WANTED = "22.13";

/** The binary of npm's package `node`, of the project or beside this package. */
function binary() {
  for (const base of [join(process.cwd(), "package.json"), fileURLToPath(import.meta.url)]) {
    try {
      const file = join(dirname(createRequire(base).resolve("node/package.json")), "bin", process.platform === "win32" ? "node.exe" : "node");
      const said = spawnSync(file, ["--version"], { encoding: "utf8" });
      const [, major, minor] = /^v(\d+)\.(\d+)/.exec(said.stdout ?? "")?.map(Number) ?? [];
      if (major > 22 || (major === 22 && minor >= 13)) return file;
    } catch {
      // Not there.
    }
  }
  return null;
}

/** @param {string[]} args */
export async function main(args) {
  const file = binary();
  if (file) {
    const child = spawn(file, [process.argv[1], ...args], { stdio: "inherit" });
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, () => child.kill(signal));
    child.on("exit", (code, signal) => {
      process.exitCode = code ?? (signal === "SIGINT" ? 130 : 143);
    });
    return;
  }
  // A new project is made by any Node; what it needs is then written into it.
  if (args[0] === "init") return (await import("./main.mjs")).main(args);
  console.error(`tollgate: Node ${WANTED} or newer is needed, and this is ${process.version}`);
  console.error("   to fix: install a newer Node, or give the project one of its own: npm install --save-dev --allow-scripts=node node@24");
  process.exitCode = 2;
}
