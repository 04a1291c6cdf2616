// @ts-check
// Header fields: read all at once, edited, made.
import { mark, take } from "./instance.js";
import { MARK } from "./tables.js";

/** Names and values, each on a line. @param {Headers} headers */
export function lines(headers) {
  let all = "";
  headers.forEach((value, name) => (all += name + "\n" + value + "\n"));
  return all;
}

/** Applies the edits that the next fields of the frame are: a marked name, and the value unless it is removed.
 * @param {Headers} headers @param {number} fields */
export function edit(headers, fields) {
  for (let left = fields; left > 0; left--) {
    const how = mark(), name = take();
    if (how === MARK.REMOVE) {
      headers.delete(name);
      continue;
    }
    left--;
    if (how === MARK.SET) headers.set(name, take());
    else headers.append(name, take());
  }
  return headers;
}

// Headers of replies repeat, so they are kept by their text.
const BLOCKS_KEPT = 256, LONGEST_KEPT = 2048;
const blocks = /** @type {Map<string, Headers | Record<string, string>>} */ (new Map());

/** A plain object costs a third of `Headers`; it cannot hold a field twice. @param {string} block */
function parse(block) {
  const fields = block.split("\n"), plain = /** @type {Record<string, string>} */ ({});
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (Object.hasOwn(plain, fields[i])) {
      const all = new Headers();
      for (let j = 0; j + 1 < fields.length; j += 2) all.append(fields[j], fields[j + 1]);
      return all;
    }
    plain[fields[i]] = fields[i + 1];
  }
  return plain;
}

/** The headers of a reply, for this moment: the next reply of the same kind writes its own id over this one.
 * @param {string} block names and values, each on a line @param {string} id */
export function replyHeaders(block, id) {
  let headers = blocks.get(block);
  if (!headers) {
    headers = parse(block);
    // Clients write parts of some, such as an origin that is allowed.
    if (block.length <= LONGEST_KEPT) {
      if (blocks.size >= BLOCKS_KEPT) blocks.clear();
      blocks.set(block, headers);
    }
  }
  if (headers instanceof Headers) headers.set("x-request-id", id);
  else headers["x-request-id"] = id;
  return headers;
}
