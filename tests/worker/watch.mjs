// Stands before the shim and tells how large the wasm's memory is.
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
    if (new URL(request.url).pathname !== "/watch") return gateway.fetch(request, env, ctx);
    return Response.json({ memory: memory?.buffer.byteLength ?? 0 });
  },
};
