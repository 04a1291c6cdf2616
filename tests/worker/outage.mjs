// Stands before the shim and lets objects fail: `GET /outage/throw` and `/outage/hang` begin it for the limiter's,
// `/outage/late` lets these act at once and answer when nobody waits any more, `/outage/journal` lets the journal's
// wait, `/outage/points` lets the analytics sink throw, `/outage/match` and `/outage/put` let the cache hang,
// `/outage/tardy` lets it find an endless answer when nobody waits any more, `/outage/` ends it; `/outage` says how many
// wait, and how many bodies of such answers were cancelled. The binding SPENT answers with a body that somebody has read.
// The gateway itself is the built one.
import gateway, { JournalObject as RealJournal, LimiterObject as RealLimiter } from "./index.js";

let outage = "", waiting = 0, cancelled = 0;
const { match, put } = Cache.prototype;
/** @param {any} key */
Cache.prototype.match = async function (key) {
  if (outage === "match") await scheduler.wait(60_000);
  if (outage !== "tardy") return match.call(this, key);
  await scheduler.wait(500);
  return new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(9)), cancel: () => void cancelled++ }));
};
/** @param {any} key @param {Response} answer */
Cache.prototype.put = async function (key, answer) {
  if (outage === "put") await scheduler.wait(60_000);
  return put.call(this, key, answer);
};
export class JournalObject extends RealJournal {
  /** @param {string} message */
  async ask(message) {
    for (waiting++; outage === "journal"; ) await scheduler.wait(5);
    waiting--;
    return super.ask(message);
  }
}
export class LimiterObject extends RealLimiter {
  /** @param {string} message */
  async ask(message) {
    if (outage === "throw") throw new Error("the object is not there");
    if (outage === "hang") await new Promise(() => {});
    const answer = await super.ask(message);
    if (outage === "late") await scheduler.wait(400);
    return answer;
  }
}
const SPENT = {
  async fetch() {
    const answer = new Response("spent");
    await answer.text();
    return answer;
  },
};
const ANALYTICS = {
  writeDataPoint() {
    if (outage === "points") throw new Error("no more points");
  },
};
export default {
  /** @param {Request} request @param {any} env @param {any} ctx */
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/outage/")) outage = pathname.slice(8);
    else if (pathname !== "/outage") return gateway.fetch(request, { ...env, SPENT, ANALYTICS }, ctx);
    return Response.json({ waiting, cancelled });
  },
};
