// wrangler.toml against the code: what drifts apart silently otherwise.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { experimental_readRawConfig } from "wrangler";
import { TOP } from "./harness.mjs";

const { rawConfig: top } = experimental_readRawConfig({ config: join(TOP, "wrangler.toml") });
const environments = Object.entries({ dev: top, ...top.env });
const shim = readFileSync(join(TOP, "src/edge/shim/objects.js"), "utf8");
const classes = [...shim.matchAll(/^export class (\w+)/gm)].map(([, name]) => name).sort();

for (const [name, config] of environments) {
  test(`${name} has every binding itself, and no public URL`, () => {
    const bindings = config.durable_objects?.bindings ?? [];
    assert.deepEqual(bindings.map((binding) => binding.class_name).sort(), classes);
    assert.deepEqual(bindings.map((binding) => binding.name).sort(), ["JOURNAL", "LIMITER"]);
    assert.deepEqual(config.analytics_engine_datasets?.map(({ binding }) => binding), ["ANALYTICS"]);
    // The key of debug tokens is there in development, and optional elsewhere.
    const secrets = ["TOLLGATE_ADMIN_TOKEN", ...(config === top ? ["TOLLGATE_DEBUG_KEY"] : [])];
    assert.deepEqual(config.secrets?.required, secrets);
    assert.deepEqual(config.vars, top.vars);
    assert.equal(config.workers_dev, false);
    assert.equal(config.preview_urls, false);
  });
  test(`${name} declares every object class in its first migration`, () => {
    const [first, ...later] = config.migrations ?? [];
    assert.deepEqual([...(first?.new_sqlite_classes ?? [])].sort(), classes);
    for (const migration of later) assert.equal(migration.new_sqlite_classes ?? migration.new_classes, undefined, `${migration.tag}: a class that comes later makes a rollback fail`);
  });
}

test("environments do not share a name, a bundle or a dataset", () => {
  for (const pick of [(/** @type {any} */ c) => c.name, (/** @type {any} */ c) => c.main, (/** @type {any} */ c) => c.analytics_engine_datasets[0].dataset]) {
    const all = environments.map(([, config]) => pick(config));
    assert.equal(new Set(all).size, all.length, `shared: ${all}`);
  }
});
