// Refuses a crate whose licence is not on the list. Reads `cargo metadata`, so it works offline.
import { spawnSync } from "node:child_process";

const ALLOWED = new Set(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unicode-3.0", "Zlib", "0BSD", "CC0-1.0", "Unlicense", "BSL-1.0", "CDLA-Permissive-2.0"]);

/** Whether an SPDX expression can be met from the list: AND binds more tightly than OR. @param {string} expression */
function allowed(expression) {
  const inner = expression.replace(/\(([^()]*)\)/g, (_, part) => (allowed(part) ? "MIT" : "refused"));
  if (inner !== expression) return allowed(inner);
  return inner.split(/\s+OR\s+|\//).some((all) => all.split(/\s+AND\s+/).every((one) => ALLOWED.has(one.trim())));
}

const { stdout, status } = spawnSync("cargo", ["metadata", "--format-version", "1", "--locked"], { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
if (status !== 0) process.exit(1);
const refused = JSON.parse(stdout).packages.filter((/** @type {{ license?: string }} */ { license }) => !license || !allowed(license));
for (const { name, version, license } of refused) console.error(`${name} ${version}: licence ${license ?? "not stated"} is not on the list in scripts/licences.mjs`);
process.exit(refused.length ? 1 : 0);
