// Origins whose every answer a test writes by hand: by node:http, or as raw bytes.
import { createServer } from "node:http";
import { createServer as createTcp } from "node:net";

/** @param {import("node:net").Server} server @param {number} port */
async function listen(server, port) {
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
  });
  await new Promise((go, no) => server.once("error", no).listen(port, "127.0.0.1", () => go(null)));
  const at = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
  const stop = () => new Promise((go) => {
    server.close(() => go(null));
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${at}`, address: `127.0.0.1:${at}`, port: at, stop };
}

/**
 * An origin that answers by a function, which may be replaced, and remembers its requests.
 * @param {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void} answer
 * @param {{ port?: number }} [settings]
 */
export async function wild(answer, { port = 0 } = {}) {
  const self = { answer, seen: /** @type {import("node:http").IncomingMessage[]} */ ([]) };
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    self.seen.push(request);
    self.answer(request, response);
  });
  return Object.assign(self, await listen(server, port));
}

/** An origin of raw bytes: what it sends is chosen by each request's path. Requests must have no body. @param {(path: string, socket: import("node:net").Socket) => void} answer */
export async function bytes(answer) {
  return listen(createTcp((socket) => {
    let held = "";
    socket.on("data", (part) => {
      const heads = (held + part.toString("latin1")).split("\r\n\r\n");
      held = heads.pop() ?? "";
      for (const head of heads) answer(head.split(" ")[1], socket);
    });
  }), 0);
}

/** The whole body of a request. @param {import("node:http").IncomingMessage} request */
export async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** A field of an origin's request by its raw bytes. @param {{ rawHeaders: string[] }} request @param {string} name */
export const fieldsOf = (request, name) => request.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1].toLowerCase() === name);
