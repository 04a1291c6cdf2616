// Stands before the shim: a limiter that fails as OUTAGE says, at the call after its name was set by a header-less
// switch object. The gateway itself is the built one.
import gateway, { JournalObject, LimiterObject as Real } from "./index.js";

/** How the limiter fails: "", "throw" or "hang". */
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
