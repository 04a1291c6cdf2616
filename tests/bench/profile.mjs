// Where the time goes: µs per request by function, from V8's inspector, while wrk calls one scenario.
//   node tests/bench/profile.mjs SCENARIO [BUILD]     BUILD: a build whose wasm kept its names (scripts/build --names)
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { TOP, Workerd, compilePlan, freePort, gatewayWorker, request, sleep } from "../worker/harness.mjs";
import { PATHS, routeFiles } from "./routes.mjs";
import { fastOrigin, jwk, sent } from "./scene.mjs";

const [scenario = "open", build = join(TOP, "build/names")] = process.argv.slice(2);
const path = PATHS[/** @type {keyof typeof PATHS} */ (scenario)];
const SHOWN = 45, SECONDS = 4;
const originPort = await freePort(), inspectorPort = await freePort();
await fastOrigin(originPort);
const worker = gatewayWorker({ port: await freePort(), plan: compilePlan(routeFiles(originPort, jwk)), build });
await new Workerd([worker], { quiet: false, more: [`--inspector-addr=127.0.0.1:${inspectorPort}`] }).start();
const headers = Object.entries(sent(scenario)).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
const wrk = (/** @type {number} */ seconds) => ["-t1", "-c16", `-d${seconds}s`, ...headers, `http://127.0.0.1:${worker.port}${path}`];

/** @returns {Promise<string>} */
async function debuggerUrl() {
  for (let tries = 0; tries < 100; tries++, await sleep(50)) {
    const answer = await request(inspectorPort, "GET", "/json/list").catch(() => null);
    const target = answer?.json.find((/** @type {{ id: string }} */ { id }) => id.includes("gateway"));
    if (target) return target.webSocketDebuggerUrl;
  }
  throw new Error("workerd's inspector does not answer");
}
const socket = new WebSocket(await debuggerUrl());
await new Promise((go) => socket.addEventListener("open", go));
const waiting = new Map();
socket.addEventListener("message", ({ data }) => {
  const { id, result } = JSON.parse(data);
  waiting.get(id)?.(result);
});
/** @param {string} method @param {object} [params] @returns {Promise<any>} */
const command = (method, params = {}) => new Promise((go) => {
  waiting.set(waiting.size + 1, go);
  socket.send(JSON.stringify({ id: waiting.size, method, params }));
});
await command("Profiler.enable");
await command("Profiler.setSamplingInterval", { interval: 200 });
spawnSync("wrk", wrk(2));
await command("Profiler.start");
const load = spawn("wrk", wrk(SECONDS));
let said = "";
load.stdout.on("data", (part) => (said += part));
await new Promise((go) => load.on("exit", go));
const { profile } = await command("Profiler.stop");

const nodes = new Map(profile.nodes.map((/** @type {any} */ node) => [node.id, node.callFrame]));
const self = /** @type {Map<string, number>} */ (new Map());
profile.samples.forEach((/** @type {number} */ id, /** @type {number} */ i) => {
  const { functionName, url, lineNumber } = nodes.get(id), where = url.endsWith(".js") ? ` ${url.split("/").pop()}:${lineNumber + 1}` : "";
  const name = `${functionName || "(anonymous)"}${where}`;
  self.set(name, (self.get(name) ?? 0) + profile.timeDeltas[i]);
});
const requests = Number(/(\d+) requests in/.exec(said)?.[1]);
console.log(`${scenario}: ${requests / SECONDS}/s; µs of self time per request:`);
for (const [name, time] of [...self].sort(([, a], [, b]) => b - a).slice(0, SHOWN)) console.log((time / requests).toFixed(2).padStart(8), name.slice(0, 130));
process.exit(0);
