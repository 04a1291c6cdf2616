// The command, and what it leaves to Node: `dev` and `deploy` are parsed and checked by the command, which hands over
// what is to be done then.
import { command } from "./command.mjs";

/** @type {Record<string, () => Promise<{ run: (what: any) => number | Promise<number> }>>} */
const STEPS = { deploy: () => import("./deploy.mjs"), dev: () => import("./dev.mjs") };

/** @param {string[]} args */
export async function main(args) {
  const { code, next } = await command(args);
  process.exitCode = code;
  if (code !== 0 || !next) return;
  try {
    process.exitCode = await (await STEPS[next.do]()).run(next);
  } catch (error) {
    console.error(`tollgate: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
