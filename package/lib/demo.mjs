// The demo origin of a new project: it answers with what it received, and serves the development issuer's public key.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

/** @param {number} port @returns {Promise<import("node:http").Server>} */
export const demo = (port) => new Promise((done, fail) => {
  const server = createServer(async (request, response) => {
    if (request.url === "/.well-known/jwks.json") {
      response.writeHead(200, { "content-type": "application/jwk-set+json" }).end(readFileSync(".dev/jwks.json"));
      return;
    }
    const parts = [];
    for await (const part of request) parts.push(part);
    const { method, url, headers } = request;
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(`${JSON.stringify({ origin: "demo", method, url, headers, body: Buffer.concat(parts).toString() }, null, 2)}\n`);
  });
  server.once("error", fail);
  server.listen(port, "127.0.0.1", () => done(server));
});
