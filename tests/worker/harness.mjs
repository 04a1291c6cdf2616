// Runs the built gateway in raw `workerd serve`: no development server in between, so that what a client sends is what
// the gateway gets. Each gateway is a process of its own on a free port, with its objects' SQLite on disk.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import workerdPackage from "workerd";

/** The workerd binary. */
export const WORKERD = workerdPackage.default;
export const TOP = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const ADMIN_TOKEN = "admin-token-of-the-tests";
/** Compatibility date and flags stand in wrangler.toml alone. */
const wrangler = readFileSync(join(TOP, "wrangler.toml"), "utf8");
const COMPATIBILITY_DATE = /^compatibility_date = "(.*)"/m.exec(wrangler)?.[1];
const COMPATIBILITY_FLAGS = /^compatibility_flags = (\[.*\])/m.exec(wrangler)?.[1] ?? "[]";

const text = (/** @type {unknown} */ value) => JSON.stringify(String(value));
export const sleep = (/** @type {number} */ ms) => new Promise((go) => setTimeout(go, ms));

/** Looks again and again for what must come, without a fixed wait. @template T @param {() => T | Promise<T>} look @param {string} what @param {number} [most] ms @returns {Promise<NonNullable<T>>} */
export async function until(look, what, most = 15_000) {
  for (const end = Date.now() + most; Date.now() < end; await sleep(20)) {
    const found = await look();
    if (found) return /** @type {NonNullable<T>} */ (found);
  }
  throw new Error(`${what} did not come in ${most} ms`);
}

/** Folders to remove and processes to end when the tests end. */
const leftovers = new Set();
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of leftovers) rmSync(folder, { recursive: true, force: true });
});

/** A folder that goes when the process ends. */
export function scratch(name = "tollgate") {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  leftovers.add(folder);
  return folder;
}

/** A TCP port that was free a moment ago. */
export function freePort() {
  return new Promise((go, no) => {
    const server = createServer().once("error", no);
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => go(port));
    });
  });
}

/** Whether something listens. @param {number} port */
const listening = (port) => new Promise((go) => {
  const socket = connect(port, "127.0.0.1", () => (socket.destroy(), go(true)));
  socket.on("error", () => go(false));
});

/**
 * Compiles route files to a plan with the `tollgate` command.
 * @param {Record<string, string> | string} routes a folder, or file name → text
 * @param {string} [environment]
 * @returns {string} path of the plan
 */
export function compilePlan(routes, environment = "dev") {
  const folder = scratch("plan");
  let from = routes;
  if (typeof routes !== "string") {
    from = join(folder, "routes");
    for (const [name, content] of Object.entries(routes)) {
      mkdirSync(dirname(join(from, name)), { recursive: true });
      writeFileSync(join(from, name), content);
    }
  }
  const out = join(folder, "plan.bin");
  const done = spawnSync(join(TOP, "build/bin/tollgate"), ["compile", "--routes", /** @type {string} */ (from), "--env", environment, "--out", out], { cwd: TOP, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`tollgate compile: ${done.error ?? ""}${done.stdout}${done.stderr}`);
  return out;
}

/**
 * The configuration of workerd (Cap'n Proto text) for workers, each on a port of its own.
 * @param {{ name: string, port: number, modules: Record<string, string>, classes?: string[], bindings?: string[], cfBlobHeader?: string }[]} workers
 *   modules: name in the worker → path, the first being the entry
 * @param {{ state: string, external?: Record<string, string>, v8Flags?: string[] }} settings external: service → address
 */
export function configure(workers, { state, external = {}, v8Flags = [] }) {
  const services = [
    '(name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true)))',
    `(name = "cache", worker = (modules = [(name = "cache.js", esModule = embed "cache.js")], compatibilityDate = ${text(COMPATIBILITY_DATE)}))`,
    `(name = "disk", disk = (path = ${text(state)}, writable = true))`,
    ...Object.entries(external).map(([name, address]) => `(name = ${text(name)}, external = (address = ${text(address)}, http = ()))`),
  ];
  const kinds = /** @type {Record<string, string>} */ ({ js: "esModule", mjs: "esModule", wasm: "wasm", bin: "data", json: "json" });
  for (const { name, modules, classes = [], bindings = [] } of workers) {
    const list = Object.keys(modules).map((module) => `(name = ${text(module)}, ${kinds[module.split(".").pop() ?? ""]} = embed ${text(`${name}/${module}`)})`);
    services.push(`(name = ${text(name)}, worker = (
      modules = [${list.join(", ")}],
      compatibilityDate = ${text(COMPATIBILITY_DATE)}, compatibilityFlags = ${COMPATIBILITY_FLAGS},
      bindings = [${bindings.join(", ")}],
      durableObjectNamespaces = [${classes.map((c) => `(className = ${text(c)}, uniqueKey = ${text(`${name}-${c}`)}, enableSql = true)`).join(", ")}],
      durableObjectStorage = (localDisk = "disk"),
      cacheApiOutbound = "cache"))`);
  }
  const sockets = workers.map(({ name, port, cfBlobHeader }) => `(name = ${text(name)}, address = "127.0.0.1:${port}", service = ${text(name)}, http = (${cfBlobHeader ? `cfBlobHeader = ${text(cfBlobHeader)}` : ""}))`);
  return `using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = (\n  services = [\n    ${services.join(",\n    ")}\n  ],\n  sockets = [${sockets.join(", ")}],\n  v8Flags = [${v8Flags.map(text).join(", ")}]\n);\n`;
}

/** One workerd process. */
export class Workerd {
  /** @param {Parameters<typeof configure>[0]} workers @param {{ state?: string, external?: Record<string, string>, quiet?: boolean, more?: string[], v8Flags?: string[] }} [settings] more: arguments for workerd */
  constructor(workers, { state = scratch("state"), external = {}, quiet = true, more = [], v8Flags = [] } = {}) {
    this.more = more;
    this.v8Flags = v8Flags;
    this.workers = workers;
    this.state = state;
    this.external = external;
    this.quiet = quiet;
    this.log = "";
    this.folder = scratch("workerd");
    /** @type {import("node:child_process").ChildProcess | null} */
    this.child = null;
  }

  /** Starts and waits until every port answers. */
  async start() {
    cpSync(join(TOP, "tests/worker/cache.js"), join(this.folder, "cache.js"));
    for (const { name, modules } of this.workers) for (const [module, path] of Object.entries(modules)) {
      mkdirSync(join(this.folder, name), { recursive: true });
      cpSync(path, join(this.folder, name, module));
    }
    const config = join(this.folder, "config.capnp");
    writeFileSync(config, configure(this.workers, this));
    mkdirSync(this.state, { recursive: true });
    const child = spawn(WORKERD, ["serve", config, ...this.more], { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    running.add(child);
    child.on("exit", () => running.delete(child));
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part) => {
      this.log = (this.log + part).slice(-1_000_000);
      if (!this.quiet) process.stderr.write(part);
    });
    for (const { port } of this.workers) for (let tries = 0; !(await listening(port)); tries++) {
      if (child.exitCode !== null || tries > 400) throw new Error(`workerd does not start:\n${this.log}`);
      await sleep(10);
    }
    return this;
  }

  get pid() {
    return /** @type {number} */ (this.child?.pid);
  }

  /** Ends it at once, as a machine would; state on disk stays. */
  async kill() {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode) return;
    const gone = new Promise((go) => child.once("exit", go));
    child.kill("SIGKILL");
    await gone;
  }

  async stop() {
    await this.kill();
  }

  /** The same process anew, with its state. */
  async restart() {
    await this.kill();
    return this.start();
  }

  /** @param {string} field of /proc/PID/status, in KiB @returns {number} bytes */
  #memory(field) {
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1]) * 1024;
  }

  /** Resident memory now, in bytes. */
  rss() {
    return this.#memory("VmRSS");
  }

  /** The most resident memory since `resetPeak`, in bytes. */
  peak() {
    return this.#memory("VmHWM");
  }

  resetPeak() {
    writeFileSync(`/proc/${this.pid}/clear_refs`, "5");
  }
}

/** The gateway as a worker of a `Workerd`. entry: a module that stands before the shim; without: bindings left out. @param {{ name?: string, build?: string, plan?: string, port: number, vars?: Record<string, string>, services?: string[], cfBlobHeader?: string, entry?: string, without?: string[] }} settings */
export function gatewayWorker({ name = "gateway", build = join(TOP, "build"), plan = join(build, "plan.bin"), port, vars = {}, services = [], cfBlobHeader, entry, without = [] }) {
  for (const file of [join(build, "index.js"), join(build, "tollgate.wasm"), plan]) if (!existsSync(file)) throw new Error(`${file} is missing: run scripts/build first`);
  const all = { TOLLGATE_ADMIN_TOKEN: ADMIN_TOKEN, ...vars };
  return {
    name, port, cfBlobHeader,
    modules: { ...(entry ? { "entry.js": entry } : {}), "index.js": join(build, "index.js"), "tollgate.wasm": join(build, "tollgate.wasm"), "plan.bin": plan },
    classes: ["LimiterObject", "JournalObject"],
    bindings: [
      '(name = "LIMITER", durableObjectNamespace = "LimiterObject")',
      '(name = "JOURNAL", durableObjectNamespace = "JournalObject")',
      ...Object.entries(all).map(([key, value]) => `(name = ${text(key)}, text = ${text(value)})`),
      ...services.map((service) => `(name = ${text(service)}, service = ${text(service)})`),
    ].filter((binding) => !without.some((gone) => binding.startsWith(`(name = ${text(gone)}`))),
  };
}

/**
 * Starts one gateway.
 * @param {{ routes?: Record<string, string> | string, plan?: string, environment?: string, build?: string, state?: string,
 *   vars?: Record<string, string>, services?: Record<string, string>, cfBlobHeader?: string, quiet?: boolean, entry?: string, without?: string[], v8Flags?: string[] }} [settings]
 *   routes: compiled first; plan: used as it is; services: binding name → address of an origin; build: folder of the build
 */
export async function startGateway({ routes, plan, environment, services = {}, state, quiet, v8Flags, ...rest } = {}) {
  const port = await freePort();
  const worker = gatewayWorker({ port, plan: plan ?? (routes ? compilePlan(routes, environment) : undefined), services: Object.keys(services), ...rest });
  const process = await new Workerd([worker], { state, external: services, quiet, v8Flags }).start();
  return new Gateway(process, port);
}

/** A running gateway, as a client sees it. */
export class Gateway {
  /** @param {Workerd} process @param {number} port */
  constructor(process, port) {
    this.process = process;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.agent = new Agent({ keepAlive: true, maxSockets: 512 });
  }

  /** @param {string} method @param {string} path @param {RequestSettings} [settings] */
  request(method, path, settings) {
    return request(this.port, method, path, { agent: this.agent, ...settings });
  }

  /** @param {string} path @param {RequestSettings} [settings] */
  get(path, settings) {
    return this.request("GET", path, settings);
  }

  /** @param {string} path @param {RequestSettings} [settings] */
  admin(path, settings) {
    return this.get(path, { ...settings, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...settings?.headers } });
  }

  /** @param {string | Buffer} bytes @param {Parameters<typeof raw>[2]} [settings] */
  raw(bytes, settings) {
    return raw(this.port, bytes, settings);
  }

  /** The event of an answer, as soon as it can be read. @param {Answer} answer @returns {Promise<any>} */
  async event(answer) {
    const id = answer.headers["x-request-id"];
    return until(async () => {
      const found = await this.admin(`/_tollgate/events/${id}`);
      return found.status === 200 ? found.json : null;
    }, `the event of ${id}`);
  }

  /** Replaces the plan and starts anew, state kept. @param {Record<string, string> | string} [routes] */
  async restart(routes) {
    this.agent.destroy();
    this.agent = new Agent({ keepAlive: true, maxSockets: 512 });
    if (routes) this.process.workers[0].modules["plan.bin"] = compilePlan(routes);
    await this.process.restart();
  }

  async stop() {
    this.agent.destroy();
    await this.process.stop();
  }
}

/** @typedef {{ headers?: Record<string, string | string[]>, body?: string | Buffer | import("node:stream").Readable, agent?: Agent, timeout?: number, stream?: boolean }} RequestSettings */

/**
 * One request by node:http, which sends method, path and headers as given, and follows nothing.
 * @param {number} port @param {string} method @param {string} path @param {RequestSettings} [settings]
 *   agent: default none, a connection of its own; timeout in ms (default 20,000); stream: resolve with the unread `message`
 * @returns {Promise<Answer>}
 */
export function request(port, method, path, { headers = {}, body, agent, timeout = 20_000, stream = false } = {}) {
  return new Promise((go, no) => {
    const sent = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: agent ?? false, timeout, setHost: !("host" in headers || "Host" in headers) });
    sent.on("timeout", () => sent.destroy(new Error(`no answer in ${timeout} ms: ${method} ${path}`)));
    sent.on("error", no);
    sent.on("response", (message) => {
      if (stream) return go(new Answer(message, Buffer.alloc(0)));
      const parts = /** @type {Buffer[]} */ ([]);
      message.on("data", (part) => parts.push(part));
      message.on("error", no);
      message.on("end", () => go(new Answer(message, Buffer.concat(parts))));
    });
    if (body && typeof body === "object" && "pipe" in body) body.pipe(sent);
    else sent.end(body);
  });
}

export class Answer {
  /** @param {import("node:http").IncomingMessage} message @param {Buffer} bytes */
  constructor(message, bytes) {
    this.message = message;
    this.status = /** @type {number} */ (message.statusCode);
    this.headers = message.headers;
    this.rawHeaders = message.rawHeaders;
    this.bytes = bytes;
  }

  get text() {
    return this.bytes.toString("utf8");
  }

  get json() {
    return JSON.parse(this.text);
  }

  /** The reason of a problem body: the last segment of its `type`. */
  get problem() {
    if (this.headers["content-type"] !== "application/problem+json") throw new Error(`not a problem body: ${this.status} ${this.headers["content-type"]} ${this.text.slice(0, 200)}`);
    return this.json.type.split("/").pop();
  }
}

/**
 * Raw bytes over a socket. Resolves with all that came back when the peer closes, when `until` matches, or after
 * `idle` ms of silence.
 * @param {number} port @param {string | Buffer} bytes @param {{ idle?: number, until?: RegExp, end?: boolean }} [settings]
 * @returns {Promise<string>} latin1
 */
export function raw(port, bytes, { idle = 1000, until = /\r\n\r\n/, end = false } = {}) {
  return new Promise((go) => {
    let back = "";
    const socket = connect(port, "127.0.0.1", () => {
      const all = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
      if (end) socket.end(all);
      else socket.write(all);
    });
    const done = () => (socket.destroy(), go(back));
    socket.setTimeout(idle, done);
    socket.on("data", (part) => {
      back += part.toString("latin1");
      if (until.test(back)) done();
    });
    socket.on("error", done).on("close", done);
  });
}

/** The status of a raw answer; 0 when the connection closed without one. @param {string} answer */
export const statusOf = (answer) => Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0);
