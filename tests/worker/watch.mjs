// Stands before the shim and tells how large the wasm's memory is; `/watch/gc` collects garbage (`--expose-gc`).
import gateway, { JournalObject, LimiterObject } from "./index.js";

export { JournalObject, LimiterObject };
let memory = /** @type {any} */ (null);
const { Instance } = WebAssembly;
// The shim makes its instance at the first request, which is after this.
WebAssembly.Instance = /** @type {any} */ (function (/** @type {any} */ module, /** @type {any} */ imports) {
  const instance = new Instance(module, imports);
  memory = instance.exports.memory;
  return instance;
});
export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/watch/gc") /** @type {any} */ (globalThis).gc();
    else if (pathname !== "/watch") return gateway.fetch(request, env, ctx);
    return Response.json({ memory: memory?.buffer.byteLength ?? 0 });
  },
};
