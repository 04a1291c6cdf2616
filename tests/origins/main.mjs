// A demo origin as a process: node tests/origins/main.mjs NAME PORT
import { readFile } from "node:fs/promises";
import { origin } from "./origin.mjs";

const [name = "a", port = "9101"] = process.argv.slice(2);
const server = await origin({ name, port: Number(port), jwks: () => readFile(".dev/jwks.json", "utf8") });
console.log(`origin ${name} on ${server.url}`);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
