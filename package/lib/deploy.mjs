// `tollgate deploy`, once the command has checked everything: wrangler, whose build command is `tollgate build`.
import { ended, wrangler } from "./wrangler.mjs";

/** @param {{ arguments: string[], says?: { dry_run: boolean } }} what `says`: what to print as JSON, alone on standard output */
export async function run({ arguments: args, says }) {
  if (!says) return ended(wrangler(args, "inherit"));
  const code = await ended(wrangler(args, ["inherit", 2, 2]));
  console.log(JSON.stringify({ ok: code === 0, ...says, deployed: code === 0 && !says.dry_run }, null, 2));
  return code;
}
