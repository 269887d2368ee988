/** Small models of many kinds were really run: storages of their caches' tensors, beside ours. scripts/record-transformers-caches.py */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import { TRANSFORMERS } from "../../../../src/math/runtime/transformers/index.ts";
import { gpus, planned } from "../torch-plans.ts";

interface Recorded {
  readonly transformers: string;
  readonly rows: readonly {
    readonly config: Readonly<Record<string, unknown>>;
    readonly sequences: number;
    readonly tokens: number;
    readonly layers: readonly { readonly kv: number; readonly state: number }[];
  }[];
}

const path = join(import.meta.dir, "../../../fixtures/transformers/caches.json");
const recorded = JSON.parse(readFileSync(path, "utf8")) as Recorded;

test("recorded from the version that is planned for", () => {
  expect(TRANSFORMERS.versions).toEqual([recorded.transformers]);
});

test.each(recorded.rows.map((row) => [String(row.config.model_type), row] as const))("%s", (_, row) => {
  const known = specFromConfig(row.config);
  if (known.status !== "ok") throw new Error(known.reason);
  const asked = { context: row.tokens, sequences: row.sequences };
  const plan = planned(TRANSFORMERS, known.spec, gpus([24]), asked);
  expect([...plan.layers.kv]).toEqual(row.layers.map(({ kv }) => kv));
  expect([...plan.layers.state]).toEqual(row.layers.map(({ state }) => state));
});
