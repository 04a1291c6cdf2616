// The bench: one workerd with the gateway (1,000 routes) and its floors, an nginx as origin, wrk as client. Every
// figure is the median of paired rounds: gateway and floor one after the other, in alternating order.
//   node tests/bench/run.mjs [--json] [--rounds N] [SCENARIO…]
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { TOP, Workerd, compilePlan, freePort, gatewayWorker, request, scratch, sleep } from "../worker/harness.mjs";
import * as floors from "./floors.mjs";
import { PATHS, routeFiles } from "./routes.mjs";
import { BODY, FIELDS, fastOrigin, jwk, sent } from "./scene.mjs";

const BARS = /** @type {Record<string, number>} */ ({ open: 0.93, token: 0.9, exact_limit: 0.93, not_found: 0.95, unauthorized: 0.95, limited: 0.95, cache_hit: 0.93 });
const CONNECTIONS = 16, SECONDS = 1, STARTS = 20;
/** Rounds that are not counted: V8 compiles what is called often for some seconds more, beside the requests. */
const WARMING = 4;
const SCENARIOS = Object.keys(PATHS);

const argv = process.argv.slice(2), json = argv.includes("--json");
/** Two at least: one in each order. */
const rounds = Math.max(2, Number(argv[argv.indexOf("--rounds") + 1] && argv.includes("--rounds") ? argv[argv.indexOf("--rounds") + 1] : 16));
const named = argv.filter((a, i) => !a.startsWith("--") && argv[i - 1] !== "--rounds");
for (const name of named) if (!SCENARIOS.includes(name)) {
  console.error(`no scenario ${name}; there are: ${SCENARIOS.join(" ")}`);
  process.exit(2);
}
const scenarios = named.length ? SCENARIOS.filter((name) => named.includes(name)) : SCENARIOS;
const say = (/** @type {string} */ line) => console.error(line);

const median = (/** @type {number[]} */ list) => {
  const sorted = [...list].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

const originPort = await freePort(), origin = `http://127.0.0.1:${originPort}`;
const plan = compilePlan(routeFiles(originPort, jwk));

/** An origin that remembers what it got, for observing. */
function recorder() {
  const seen = /** @type {{ url: string, fields: floors.Fields }[]} */ ([]);
  const server = createServer((incoming, response) => {
    const fields = /** @type {floors.Fields} */ ([]);
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) fields.push([incoming.rawHeaders[i].toLowerCase(), incoming.rawHeaders[i + 1]]);
    seen.push({ url: `${origin}${incoming.url}`, fields });
    response.writeHead(200, { server: "nginx", ...FIELDS, "content-length": BODY.length }).end(BODY);
  });
  return new Promise((go) => server.listen(originPort, "127.0.0.1", () => go({ seen, stop: () => new Promise((done) => (server.close(done), server.closeAllConnections())) })));
}

// --- Observing. ---
const folder = scratch("bench");
/** @param {string} name @param {string} source */
function file(name, source) {
  const path = join(folder, `${name}.js`);
  writeFileSync(path, source);
  return path;
}
/** @param {string} name @param {string} source @param {{ classes?: string[], bindings?: string[] }} [more] */
const floorWorker = async (name, source, more = {}) => ({ name, port: await freePort(), modules: { "floor.js": file(name, source) }, ...more });

/** Fields that the transport makes, and that a worker cannot set. */
const TRANSPORT = new Set(["connection", "transfer-encoding", "content-length", "date", "keep-alive", "host"]);
/** @param {string[]} raw @returns {floors.Fields} */
function fieldsOf(raw) {
  const fields = /** @type {floors.Fields} */ ([]);
  for (let i = 0; i < raw.length; i += 2) if (!TRANSPORT.has(raw[i].toLowerCase())) fields.push([raw[i].toLowerCase(), raw[i + 1]]);
  return fields;
}
const own = (/** @type {floors.Fields} */ fields) => fields.filter(([name]) => !TRANSPORT.has(name));
const call = (/** @type {number} */ port, /** @type {string} */ scenario) => request(port, "GET", PATHS[/** @type {keyof typeof PATHS} */ (scenario)], { headers: sent(scenario) });

// The client's address comes as in production, in a header that only the network in front may set.
const gateway = gatewayWorker({ port: await freePort(), plan, vars: { TOLLGATE_CLIENT_ADDRESS: "CF-Connecting-IP" } });
const bare = await floorWorker("bare", floors.bare(origin));

/** Sends each scenario's request and makes its floor from what is seen. */
async function observe() {
  const record = await recorder(), probe = await new Workerd([gateway, bare]).start();
  const made = /** @type {Record<string, Awaited<ReturnType<typeof floorWorker>>>} */ ({});
  const local = /** @type {Record<string, true>} */ ({ not_found: true, unauthorized: true, limited: true });
  try {
    for (const scenario of scenarios) {
      // The second answer is the steady state: keys imported, tokens known, the quota spent, the cache filled.
      await call(gateway.port, scenario);
      await sleep(50);
      record.seen.length = 0;
      const answer = await call(gateway.port, scenario);
      const got = record.seen.splice(0), plain = await call(bare.port, scenario), through = record.seen.splice(0)[0];
      const expected = { not_found: 404, unauthorized: 401, limited: 429 }[scenario] ?? 200;
      if (answer.status !== expected) throw new Error(`${scenario}: the gateway answers ${answer.status} instead of ${expected}: ${answer.text}\n${probe.log}`);
      const fields = fieldsOf(answer.rawHeaders);
      if (local[scenario]) {
        if (got.length) throw new Error(`${scenario}: the origin was asked`);
        made[scenario] = await floorWorker(scenario, floors.local(answer.status, fields, answer.text));
      } else if (scenario === "cache_hit") {
        if (got.length) throw new Error("cache_hit: the origin was asked");
        const stored = /** @type {floors.Fields} */ ([...Object.entries(FIELDS).filter(([name]) => name !== "cache-control"), ["cache-control", FIELDS["cache-control"]], ["server", "nginx"], ["vary", "Origin"]]);
        const hit = /** @type {floors.Fields} */ ([...stored, ["age", ""], ["cf-cache-status", "HIT"]]);
        made[scenario] = await floorWorker(scenario, floors.cacheHit(stored, answer.text, floors.difference(hit, fields)));
      } else if (scenario === "combined") {
        const names = Object.keys(answer.json);
        if (got.length !== names.length) throw new Error(`combined: ${got.length} upstream calls for ${names.length} parts`);
        const calls = got.map(({ url, fields: f }) => ({ name: names.find((name) => url.includes(`/${name}/`)) ?? "", url, fields: own(f) }));
        made[scenario] = await floorWorker(scenario, floors.combined(calls, fields));
      } else {
        if (got.length !== 1) throw new Error(`${scenario}: ${got.length} upstream calls`);
        if (got[0].url !== through.url) throw new Error(`${scenario}: the upstream URL ${got[0].url} is not ${through.url}`);
        const edits = /** @type {[string, floors.Edits, floors.Edits]} */ ([origin, floors.difference(own(through.fields), own(got[0].fields)), floors.difference(fieldsOf(plain.rawHeaders), fields)]);
        made[scenario] = scenario === "exact_limit"
          ? await floorWorker(scenario, floors.equalWorkWithObject(...edits), { classes: ["FloorObject"], bindings: ['(name = "FLOOR", durableObjectNamespace = "FloorObject")'] })
          : await floorWorker(scenario, floors.equalWork(...edits));
        if (scenario === "open") say(`edits of an open route: to the origin ${describe(edits[1])}; to the client ${describe(edits[2])}`);
      }
    }
    return made;
  } finally {
    await probe.stop();
    await record.stop();
  }
}
/** @param {floors.Edits} edits */
const describe = ({ set, remove }) => [...set.map(([name]) => `set ${name}`), ...remove.map((name) => `remove ${name}`)].join(", ") || "none";

/** Answers with 200. @param {string} name @param {number} port */
async function works(name, port) {
  const answer = await call(port, "open");
  if (answer.status !== 200) throw new Error(`${name} answers ${answer.status}: ${answer.text}\n${bench.log}`);
}

/** Floor and gateway must give the same answer, but for values that change. @param {string} scenario @param {number} port */
async function verify(scenario, port) {
  await call(gateway.port, scenario);
  await call(port, scenario);
  const [a, b] = [await call(gateway.port, scenario), await call(port, scenario)];
  const names = (/** @type {import("../worker/harness.mjs").Answer} */ answer) => [...new Set(fieldsOf(answer.rawHeaders).map(([name]) => name))].sort().join(" ");
  const size = (/** @type {number} */ n) => Math.round(n / 16);
  if (a.status !== b.status || names(a) !== names(b) || size(a.bytes.length) !== size(b.bytes.length)) {
    throw new Error(`${scenario}: the floor's answer differs from the gateway's:\n  ${a.status} ${names(a)} (${a.bytes.length} bytes)\n  ${b.status} ${names(b)} (${b.bytes.length} bytes)`);
  }
}

// --- Measuring. ---
/** Requests per second. @param {number} port @param {string} scenario */
function load(port, scenario) {
  const headers = Object.entries(sent(scenario)).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const { stdout, error } = spawnSync("wrk", ["-t1", `-c${CONNECTIONS}`, `-d${SECONDS}s`, ...headers, `http://127.0.0.1:${port}${PATHS[/** @type {keyof typeof PATHS} */ (scenario)]}`], { encoding: "utf8" });
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout ?? "")?.[1]);
  if (!rate) throw new Error(`wrk: ${error ?? stdout}`);
  const failed = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1];
  if (failed && !["not_found", "unauthorized", "limited"].includes(scenario)) throw new Error(`${scenario}, port ${port}: ${failed} answers were no 200:\n${bench.log.slice(-2000)}`);
  return rate;
}

/** Paired rounds in alternating order. @param {[string, number, number][]} pairs name, floor's port, port @param {string} scenario */
function paired(pairs, scenario) {
  const results = pairs.map(() => ({ floor: /** @type {number[]} */ ([]), own: /** @type {number[]} */ ([]), ratio: /** @type {number[]} */ ([]) }));
  for (let round = -WARMING; round < rounds; round++) pairs.forEach(([, floor, port], i) => {
    const floorFirst = round % 2 === 0;
    const [one, two] = [load(floorFirst ? floor : port, scenario), load(floorFirst ? port : floor, scenario)];
    if (round < 0) return;
    const [below, mine] = floorFirst ? [one, two] : [two, one];
    results[i].floor.push(below);
    results[i].own.push(mine);
    results[i].ratio.push(mine / below);
  });
  // Whoever comes second in a round is the slower for it. The median of an odd number of rounds would lie on one side:
  // an identical worker had 0.92 of itself. So each order has its median, and the ratio is their geometric mean.
  const ordered = (/** @type {number[]} */ ratio, /** @type {number} */ first) => median(ratio.filter((_, round) => round % 2 === first));
  return results.map(({ floor, own: mine, ratio }) => ({ floor: median(floor), rps: median(mine), ratio: Math.sqrt(ordered(ratio, 0) * ordered(ratio, 1)), spread: [Math.min(...ratio), Math.max(...ratio)] }));
}

/**
 * Milliseconds from a fresh instance to its first answer, timed inside the first request of a fresh process. V8 compiles
 * functions of the wasm when they are first called, and shares the code between instances of a module: so a twin of the
 * shim serves the same request before. `start` is then the instance, the plan, the router and the request without
 * compiling; `cold` is the twin's time, with it.
 */
async function startTime() {
  const path = file("start", `
import app from "./index.js";
import twin from "./twin.js";
export * from "./index.js";
async function timed(worker, request, env, ctx) {
  const before = performance.now();
  const answer = await worker.fetch(request, env, ctx);
  return [performance.now() - before, answer.status];
}
export default { async fetch(request, env, ctx) {
  return Response.json({ cold: await timed(twin, request, env, ctx), start: await timed(app, request, env, ctx) });
} };`);
  const start = [], cold = [];
  for (let i = 0; i < STARTS; i++) {
    const worker = { ...gateway, port: await freePort(), modules: { "start.js": path, "twin.js": gateway.modules["index.js"], ...gateway.modules } };
    const process = await new Workerd([worker]).start();
    const times = (await call(worker.port, "unauthorized")).json;
    if (times.start[1] !== 401 || times.cold[1] !== 401) throw new Error(`start: ${JSON.stringify(times)}`);
    start.push(times.start[0]);
    cold.push(times.cold[0]);
    await process.stop();
  }
  return { start: median(start), cold: median(cold) };
}

const started = Date.now();
const made = await observe();
const stopOrigin = await fastOrigin(originPort);
const honoWorker = await floorWorker("hono", floors.hono(origin));
buildSync({ entryPoints: [honoWorker.modules["floor.js"]], outfile: honoWorker.modules["floor.js"], allowOverwrite: true, bundle: true, format: "esm", nodePaths: [join(TOP, "node_modules")], logLevel: "error" });
// Each has a floor of its own beside it: one that is called oftener than what it is compared with has the warmer isolate.
const source = made.open ? readFileSync(made.open.modules["floor.js"], "utf8") : floors.bare(origin);
const others = await Promise.all(Object.entries({ same: null, bare, hono: honoWorker }).map(async ([name, worker]) => {
  return { name, floor: await floorWorker(`${name}-floor`, source), worker: worker ?? (await floorWorker(name, source)) };
}));
const bench = await new Workerd([gateway, ...others.flatMap(({ floor, worker }) => [floor, worker]), ...Object.values(made)]).start();

const round3 = (/** @type {number} */ n) => Math.round(n * 1000) / 1000;
/** @type {any} */
const report = { floor: { bare_rps: null, equal_work_rps: null, local_rps: null, same_ratio: null }, scenarios: {}, hono: null, gzip_bytes: 0, start_ms: null, cold_ms: null };
for (const scenario of scenarios) {
  const floor = made[scenario];
  await verify(scenario, floor.port);
  const pairs = /** @type {[string, number, number][]} */ ([[scenario, floor.port, gateway.port]]);
  if (scenario === "open") for (const { name, floor: beside, worker } of others) {
    await works(name, worker.port);
    pairs.push([name, beside.port, worker.port]);
  }
  const [result, ...beside] = paired(pairs, scenario);
  report.scenarios[scenario] = { rps: Math.round(result.rps), ratio: round3(result.ratio), floor_rps: Math.round(result.floor), spread: result.spread.map(round3) };
  if (scenario === "open") {
    Object.assign(report.floor, { equal_work_rps: Math.round(result.floor), same_ratio: round3(beside[0].ratio), bare_rps: Math.round(beside[1].rps) });
    report.hono = { rps: Math.round(beside[2].rps), ratio: round3(beside[2].ratio) };
  }
  if (scenario === "not_found") report.floor.local_rps = Math.round(result.floor);
  say(`${scenario.padEnd(13)} ${result.ratio.toFixed(3)} of ${Math.round(result.floor)}/s  (${result.spread.map((n) => n.toFixed(2)).join("–")})`);
}
await bench.stop();
stopOrigin();
if (!named.length) {
  const { start, cold } = await startTime();
  Object.assign(report, { start_ms: round3(start), cold_ms: round3(cold) });
}
report.gzip_bytes = gzipSync(Buffer.concat(["tollgate.wasm", "index.js"].map((name) => readFileSync(join(TOP, "build", name)))), { level: 9 }).length;

if (json) console.log(JSON.stringify(report));
else {
  console.log(`\nscenario       requests/s     floor   ratio   rounds from–to   bar    met   (${rounds} paired rounds, ${CONNECTIONS} connections)`);
  for (const [name, { rps, ratio, floor_rps, spread }] of Object.entries(report.scenarios)) {
    const bar = BARS[name], met = bar === undefined ? "" : ratio >= bar - 0.02 ? "yes" : "NO";
    console.log(`${name.padEnd(13)} ${String(rps).padStart(11)} ${String(floor_rps).padStart(9)}   ${ratio.toFixed(3)}   ${spread[0].toFixed(2)}–${spread[1].toFixed(2)}        ${bar === undefined ? "    " : bar.toFixed(2)}   ${met}`);
  }
  const { floor } = report;
  if (floor.equal_work_rps) console.log(`\nequal-work floor against itself ${floor.same_ratio}; bare pass-through ${floor.bare_rps}/s; Hono, 1,000 routes and CORS, ${report.hono.rps}/s = ${report.hono.ratio} of the equal-work floor`);
  console.log(`wasm and JavaScript, gzip: ${report.gzip_bytes} bytes${report.gzip_bytes <= 614_400 ? "" : " — above 600 KiB"}`);
  if (report.start_ms !== null) console.log(`isolate start with 1,000 routes: ${report.start_ms} ms (median of ${STARTS} processes)${report.start_ms <= 15 ? "" : " — above 15 ms"}; with compiling ${report.cold_ms} ms`);
  console.log(`took ${Math.round((Date.now() - started) / 1000)} s`);
}
process.exit(0);
