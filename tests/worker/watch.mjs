// Stands before the shim and tells how often the wasm was told to forget a request.
import gateway, { JournalObject, LimiterObject } from "./index.js";

export { JournalObject, LimiterObject };
let forgotten = 0;
const Instance = WebAssembly.Instance;
// The shim makes its instance at the first request, which is after this.
WebAssembly.Instance = /** @type {any} */ (function (/** @type {any} */ module, /** @type {any} */ imports) {
  const { exports } = new Instance(module, imports);
  return { exports: { ...exports, forget: (/** @type {number} */ task) => (forgotten++, /** @type {any} */ (exports).forget(task)) } };
});
export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/watch") return gateway.fetch(request, env, ctx);
    return Response.json({ forgotten });
  },
};
