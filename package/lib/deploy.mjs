// `tollgate deploy`, once the command has checked everything: wrangler, whose build command is `tollgate build`.
import { ended, wrangler } from "./wrangler.mjs";

/** @param {{ arguments: string[] }} what */
export const run = (what) => ended(wrangler(what.arguments, "inherit"));
