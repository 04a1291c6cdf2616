// What stands behind `caches` when the tests and the bench run raw workerd: a memory cache. workerd sends a match as
// GET with `Cache-Control: only-if-cached`, a put as PUT whose body is a whole HTTP response, a delete as PURGE, and
// reads `CF-Cache-Status: HIT` from the answer.
const MOST_ENTRIES = 10_000;
/** @type {Map<string, { status: number, headers: [string, string][], body: ArrayBuffer, stored: number, fresh: number }>} */
const entries = new Map();

/** @param {string | null} control @returns {number} seconds for which a shared cache may keep it */
function lifetime(control) {
  if (!control || /(?:^|[,\s])(?:no-store|private)\b/i.test(control)) return 0;
  const found = /s-maxage\s*=\s*"?(\d+)/i.exec(control) ?? /max-age\s*=\s*"?(\d+)/i.exec(control);
  return found ? Number(found[1]) : 0;
}

/** @param {Uint8Array} bytes @returns {number} where the head of the message ends */
function headEnd(bytes) {
  for (let i = 0; i + 3 < bytes.length; i++) if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i;
  return -1;
}

export default {
  /** @param {Request} request */
  async fetch(request) {
    const key = `${request.headers.get("cf-cache-namespace") ?? ""} ${request.url}`;
    if (request.method === "PUT") {
      const bytes = new Uint8Array(await request.arrayBuffer()), end = headEnd(bytes);
      if (end < 0) return new Response(null, { status: 400 });
      const [first, ...lines] = new TextDecoder().decode(bytes.subarray(0, end)).split("\r\n");
      const headers = lines.map((line) => /** @type {[string, string]} */ ([line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
      const fresh = lifetime(new Headers(headers).get("cache-control"));
      if (fresh === 0 || headers.some(([name]) => name.toLowerCase() === "set-cookie")) return new Response(null, { status: 413 });
      const kept = headers.filter(([name]) => !/^(?:transfer-encoding|content-length|connection)$/i.test(name));
      if (entries.size >= MOST_ENTRIES) entries.delete(/** @type {string} */ (entries.keys().next().value));
      entries.set(key, { status: Number(first.split(" ")[1]), headers: kept, body: bytes.slice(end + 4).buffer, stored: Date.now(), fresh });
      return new Response(null, { status: 204 });
    }
    if (request.method === "PURGE") return new Response(null, { status: entries.delete(key) ? 200 : 404 });
    const entry = entries.get(key), age = entry ? Math.floor((Date.now() - entry.stored) / 1000) : 0;
    if (!entry || age >= entry.fresh) return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
    const headers = new Headers(entry.headers);
    headers.set("CF-Cache-Status", "HIT");
    headers.set("Age", String(age));
    // The body is kept as it came: compressed, if it was.
    return new Response(entry.body, { status: entry.status, headers, encodeBody: "manual" });
  },
};
