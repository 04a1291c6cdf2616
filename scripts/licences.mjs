// Refuses a crate whose licence is not on the list. Reads `cargo metadata`, so it works offline.
//   node scripts/licences.mjs            refuses, or says nothing
//   node scripts/licences.mjs --texts    prints the licences of all crates in the npm package
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const ALLOWED = new Set(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unicode-3.0", "Zlib", "0BSD", "CC0-1.0", "Unlicense", "BSL-1.0", "CDLA-Permissive-2.0"]);

/** Whether an SPDX expression can be met from the list: AND binds more tightly than OR. @param {string} expression */
function allowed(expression) {
  const inner = expression.replace(/\(([^()]*)\)/g, (_, part) => (allowed(part) ? "MIT" : "refused"));
  if (inner !== expression) return allowed(inner);
  return inner.split(/\s+OR\s+|\//).some((all) => all.split(/\s+AND\s+/).every((one) => ALLOWED.has(one.trim())));
}

/** @param {string[]} args */
function cargo(...args) {
  const { stdout, status } = spawnSync("cargo", [...args, "--locked"], { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) process.exit(1);
  return stdout;
}

/** @type {{ name: string, version: string, license?: string, authors: string[], manifest_path: string }[]} */
const packages = JSON.parse(cargo("metadata", "--format-version", "1")).packages;
const refused = packages.filter(({ license }) => !license || !allowed(license));
for (const { name, version, license } of refused) console.error(`${name} ${version}: licence ${license ?? "not stated"} is not on the list in scripts/licences.mjs`);
if (refused.length) process.exit(1);
if (process.argv[2] === "--texts") console.log(texts());

/** What the two wasm modules of the npm package are made of, each crate with its licence; equal texts once. */
function texts() {
  const tree = ["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
  const edge = cargo(...tree, "--no-default-features", "--target", "wasm32-unknown-unknown");
  const command = cargo(...tree, "--target", "wasm32-wasip1");
  const linked = new Set(`${edge}\n${command}`.split("\n").map((line) => line.split(" ").slice(0, 2).join(" ").trim()));
  /** @type {Map<string, { text: string, crates: string[] }>} */
  const found = new Map();
  for (const { name, version, license, manifest_path } of packages) {
    if (name === "tollgate" || !linked.has(`${name} v${version}`)) continue;
    const folder = dirname(manifest_path);
    const files = readdirSync(folder).filter((file) => /^(LICEN[CS]E|COPYING|NOTICE|UNLICENSE)/i.test(file)).sort();
    const text = files.map((file) => readFileSync(join(folder, file), "utf8").trim()).join("\n\n") || `(${license}; the crate comes without its text)`;
    const key = createHash("sha256").update(text).digest("hex");
    const entry = found.get(key) ?? { text, crates: [] };
    entry.crates.push(`${name} ${version} (${license})`);
    found.set(key, entry);
  }
  const head = "What Tollgate's wasm modules are made of beside Tollgate, and under which licences.\n";
  return [head, ...[...found.values()].map(({ text, crates }) => `${"=".repeat(100)}\n${crates.join("\n")}\n${"-".repeat(100)}\n${text}\n`)].join("\n");
}
