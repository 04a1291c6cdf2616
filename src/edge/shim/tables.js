// @ts-check
// What wasm and shim say to each other: the tables of src/wire.rs, and a test compares them.
export const STATE = Object.freeze({ PENDING: 0, DONE: 1 });
export const KIND = Object.freeze({ REPLY: 1, RELAY: 2, FETCH: 3, ASK: 4, VERIFY: 5, LOOKUP: 6, READ: 7, STORE: 8, FLUSH: 9, POINT: 10, OBJECT: 11, SQL: 12, WAIT: 13, MIRROR: 14, REFRESH: 15 });
export const ENDED = Object.freeze({ OK: 0, TIMEOUT: 1, FAILED: 2, TOO_LARGE: 3, MISS: 4 });
export const MARK = Object.freeze({ PLAIN: 0, SET: 1, ADD: 2, REMOVE: 3 });
export const BASE = Object.freeze({ NOTHING: "0", HEADERS: "1", WHOLE: "2", ISOLATE: "3" });
export const METHODS = Object.freeze(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** Words of a frame's head and of a record; bits of a field's word that are its length. */
export const HEAD = 6, RECORD = 4, LENGTH_BITS = 30;
