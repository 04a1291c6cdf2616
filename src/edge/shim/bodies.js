// @ts-check
// Bodies that must be read: of combined routes, of key sets, and for the store where their length is not told.
import { ENDED } from "./tables.js";

const decoder = new TextDecoder();

/** Reads a body of at most `most` bytes; `undefined` if it is longer. @param {ReadableStream} body @param {number} most */
export async function bounded(body, most) {
  const parts = /** @type {Uint8Array[]} */ ([]), reader = body.getReader();
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    if ((size += value.byteLength) > most) return void (await reader.cancel());
  }
}

/** @param {Response} answer @param {number} most @returns {Promise<import("./call.js").Ended>} */
export async function text(answer, most) {
  const whole = answer.body ? await bounded(answer.body, most) : new ArrayBuffer(0);
  return whole ? { how: ENDED.OK, text: decoder.decode(whole) } : { how: ENDED.TOO_LARGE };
}
