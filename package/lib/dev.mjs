// `tollgate dev`: secrets for development, a first build, then `wrangler dev`, which builds again at every save.
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { command } from "./command.mjs";
import { demo } from "./demo.mjs";
import { secrets } from "./secrets.mjs";
import { ended, wrangler } from "./wrangler.mjs";

const say = (/** @type {string} */ text) => console.error(`[tollgate] ${text}`);

/** Whether a port can be listened on; says so if not. @param {string} what @param {number} port @param {string} [other] */
const free = (what, port, other) => new Promise((done) => {
  const server = createServer();
  server.once("error", (/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code === "EADDRINUSE") say(`port ${port} is taken by another program, and ${what} needs it\n   to fix: stop that program${other ? `, or ${other}` : ""}`);
    else say(`${what} cannot listen on port ${port}: ${error.code}`);
    done(false);
  });
  server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
});

/** @param {{ port: number, fresh: boolean, demo: number | null }} what */
export async function run(what) {
  if (what.fresh) {
    rmSync(".wrangler/state", { recursive: true, force: true });
    say("local state cleared");
  }
  secrets();
  if (!(await free("the gateway", what.port, "npx tollgate dev --port N"))) return 1;
  if (what.demo && !(await free("the demo origin", what.demo))) return 1;
  const built = await command(["build"]);
  if (built.code !== 0) return built.code;
  const origin = what.demo ? await demo(what.demo) : null;
  if (origin) say(`the demo origin: http://127.0.0.1:${what.demo}`);
  say(`the gateway: http://127.0.0.1:${what.port}   (Ctrl-C stops it)`);
  say("why an answer: npx tollgate why REQUEST_ID   what would be: npx tollgate explain GET /path   the admin token: .dev.vars");
  // Without a terminal wrangler would read hot keys from whatever stands on its input.
  const gateway = wrangler(["dev", "--port", String(what.port), "--ip", "127.0.0.1", "--persist-to", ".wrangler/state", "--show-interactive-dev-session=false"], ["ignore", "inherit", "inherit"]);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, () => gateway.kill(signal));
  const code = await ended(gateway);
  origin?.close();
  origin?.closeAllConnections();
  return code;
}
