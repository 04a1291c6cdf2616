// Runs the command itself: the wasm of this package, or in a clone of the repository the binary that TOLLGATE_COMMAND
// names.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, parse, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { outside } from "./outside.mjs";

/** What came of it, and what it hands over. @typedef {{ code: number, next: any }} Outcome */

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/** What `init` writes into package.json: how this package was installed, and whether the project needs a Node of its own. */
function self() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const old = major < 22 || (major === 22 && minor < 13);
  // npm notes where it got a package from: a file stays a file, anything else is a version.
  const modules = dirname(PACKAGE.replace(/[\\/]$/, ""));
  const from = read(join(modules, ".package-lock.json"))?.packages?.["node_modules/tollgate"]?.resolved ?? "";
  const file = from.startsWith("file:") ? resolve(modules, "..", from.slice("file:".length)) : null;
  return { ...(file && { TOLLGATE_PACKAGE: `file:${file}` }), ...(old && { TOLLGATE_OLD_NODE: "1" }) };
}

/** @type {Promise<WebAssembly.Module> | null} */
let compiled = null;

/** @param {string[]} args @returns {Promise<Outcome>} */
export const command = async (args) => (process.env.TOLLGATE_COMMAND ? native(process.env.TOLLGATE_COMMAND, args) : wasm(args));

/** @param {string} file @param {string[]} args @returns {Outcome} */
function native(file, args) {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-")), next = join(folder, "next.json");
  try {
    const { status, error } = spawnSync(file, args, { stdio: "inherit", env: { ...process.env, TOLLGATE_NEXT: next } });
    if (error) console.error(`tollgate: ${file}: ${error.message}`);
    return { code: status ?? 2, next: read(next) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} file */
function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/** @param {string[]} args @returns {Promise<Outcome>} */
async function wasm(args) {
  const { WASI } = await withoutWarning(() => import("node:wasi"));
  // The whole file system, as any command has it. Paths of the command begin at the root of the working directory.
  const { root } = parse(process.cwd());
  const within = (/** @type {string} */ path) => "/" + relative(root, path).split(sep).join("/");
  const env = { ...process.env, ...self(), PWD: within(process.cwd()), TOLLGATE_BUNDLE: within(join(PACKAGE, "build")) };
  const wasi = new WASI({ version: "preview1", args: ["tollgate", ...args], env, preopens: { "/": root }, returnOnExit: true });
  compiled ??= WebAssembly.compile(readFileSync(join(PACKAGE, "tollgate-command.wasm")));
  const host = outside();
  const instance = await WebAssembly.instantiate(await compiled, { wasi_snapshot_preview1: wasi.wasiImport, tollgate: host.imports });
  host.memory = /** @type {WebAssembly.Memory} */ (instance.exports.memory);
  try {
    return { code: wasi.start(instance), next: host.next };
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    console.error(`tollgate: the command broke (${error.message}); this is a fault of Tollgate's`);
    return { code: 101, next: null };
  } finally {
    host.end();
  }
}

/** Node calls its WASI and SQLite experimental at each first use; who uses this command cannot do anything about it. @template T @param {() => T} act @returns {T} */
export function withoutWarning(act) {
  const emit = process.emitWarning;
  // @ts-ignore: one of its forms is enough
  process.emitWarning = (warning, ...rest) => {
    if (!/^(WASI|SQLite) is an experimental feature/.test(String(warning))) /** @type {any} */ (emit).call(process, warning, ...rest);
  };
  const done = () => void (process.emitWarning = emit);
  const result = act();
  if (result instanceof Promise) result.then(done, done);
  else done();
  return result;
}
