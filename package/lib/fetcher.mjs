// Asks other hosts, in a thread of its own, for the command that waits. By node:http, which adds no fields of a
// browser's, as `fetch` does.
import { request as plain } from "node:http";
import { request as secure } from "node:https";
import { parentPort, workerData } from "node:worker_threads";

const { port, signal } = workerData;

parentPort?.on("message", async (asked) => {
  /** @type {{ ok?: unknown, error?: string }} */
  let said;
  try {
    said = { ok: await ask(asked) };
  } catch (error) {
    const { message, code } = /** @type {any} */ (error);
    said = { error: message || code };
  }
  port.postMessage(said);
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
});

/** @param {{ method: string, url: string, headers: [string, string][], body: string, timeout: number, longest: number }} asked */
function ask({ method, url, headers, body, timeout, longest }) {
  return new Promise((done, fail) => {
    const target = new URL(url), sent = Buffer.from(body, "base64url");
    const fields = headers.flat();
    if (!headers.some(([name]) => name.toLowerCase() === "host")) fields.push("host", target.host);
    // Otherwise node:http would announce a body in chunks.
    if (sent.length || !["GET", "HEAD", "DELETE", "OPTIONS"].includes(method)) fields.push("content-length", String(sent.length));
    const asking = (target.protocol === "https:" ? secure : plain)(target, { method, headers: fields, agent: false, signal: AbortSignal.timeout(timeout) });
    asking.on("error", (error) => fail(error.name === "AbortError" ? new Error(`no answer within ${timeout} ms`) : error));
    asking.on("response", async (answer) => {
      try {
        const parts = [];
        let length = 0;
        for await (const part of answer) {
          length += part.length;
          if (length > longest) throw new Error(`the answer is longer than ${longest} bytes`);
          parts.push(part);
        }
        const rows = [];
        for (let at = 0; at < answer.rawHeaders.length; at += 2) rows.push([answer.rawHeaders[at].toLowerCase(), answer.rawHeaders[at + 1]]);
        done({ status: answer.statusCode, headers: rows, body: Buffer.concat(parts).toString("base64url") });
      } catch (error) {
        fail(error);
      }
    });
    asking.end(sent);
  });
}
