#!/usr/bin/env node
// The `tollgate` command. This file runs on whatever Node there is; the rest needs a newer one.
const [major, minor] = process.versions.node.split(".").map(Number);
// node:sqlite without a flag; wrangler needs 22.12.
const new_enough = major > 22 || (major === 22 && minor >= 13);
if (new_enough) await (await import("../lib/main.mjs")).main(process.argv.slice(2));
else await (await import("../lib/newer.mjs")).main(process.argv.slice(2));
