// @ts-check
// Durable Objects: shells around the wasm and their own SQLite.
import { DurableObject } from "cloudflare:workers";
import { enterObject } from "./instance.js";

class Shell extends DurableObject {
  /** The class's number in the wasm. */
  class = 0;
  /** When the alarm goes off, as far as this instance of the object knows. @type {number} */
  alarmAt = 0;

  /** @param {string} message */
  async ask(message) {
    const { storage } = this.ctx, { alarm, reply } = enterObject(storage, "object", this.class, message);
    // A later one can wait: the alarm looks anew and sets the next. One set before an eviction stands: moved on by each
    // message, it would never go off.
    if (alarm && (this.alarmAt ||= (await storage.getAlarm()) ?? Infinity) > alarm) await storage.setAlarm((this.alarmAt = alarm));
    return reply;
  }

  async alarm() {
    const { storage } = this.ctx;
    this.alarmAt = enterObject(storage, "alarm", this.class, null).alarm;
    if (this.alarmAt) await storage.setAlarm(this.alarmAt);
  }
}

export class LimiterObject extends Shell {}

export class JournalObject extends Shell {
  class = 1;
}
