// @ts-check
// The shim: it does what the wasm decides, and decides nothing. Bundled into one module by scripts/build.
import { Call } from "./call.js";

export { JournalObject, LimiterObject } from "./objects.js";

export default {
  /** @param {Request} request @param {any} env @param {ExecutionContext} ctx */
  fetch: (request, env, ctx) => new Call(request, env, ctx).begin(),
};
