// Stands before the shim and lets the limiter's objects fail: `GET /outage/throw` and `/outage/hang` begin it,
// `/outage/` ends it. The gateway itself is the built one.
import gateway, { JournalObject, LimiterObject as Real } from "./index.js";

let outage = "";
export { JournalObject };
export class LimiterObject extends Real {
  /** @param {string} message */
  async ask(message) {
    if (outage === "throw") throw new Error("the object is not there");
    if (outage === "hang") await new Promise(() => {});
    return super.ask(message);
  }
}
export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/outage/")) return gateway.fetch(request, env, ctx);
    outage = pathname.slice(8);
    return new Response(null, { status: 204 });
  },
};
