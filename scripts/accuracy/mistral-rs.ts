/**
 * How right hwLedger is about mistral.rs: what runs of it on this CPU hold, beside the plan. For docs/accuracy.md; alone
 * (`bun scripts/accuracy/mistral-rs.ts`) it prints its table.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { specFromConfig } from "../../src/math/arch/index.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { CPU, planOn } from "../../tests/math/runtime/mistral-rs/plans.ts";
import { runMistral } from "../../tests/math/runtime/mistral-rs/run.ts";
import { type TinyShape, tinyConfig, writeTinyModel } from "../../tests/math/runtime/mistral-rs/tiny-model.ts";
import { requires } from "../../tests/requires.ts";
import { type Judged, judgedRow, type Pair } from "./judged.ts";
import { table } from "./table.ts";

const ENGINE = "mistral.rs 0.9.2";
const FEW = 2;
const MANY = 6;
const TYPES: readonly (readonly [isq: string | null, weights: string])[] = [
  [null, "bf16"],
  ["q4k", "isq-q4k"],
  ["q5k", "isq-q5k"],
  ["q6k", "isq-q6k"],
  ["q8_0", "isq-q8_0"],
];
const SHAPES = [
  { hidden: 512, heads: 4, kvHeads: 2, width: 1024 },
  { hidden: 768, heads: 6, kvHeads: 6, width: 2048 },
] as const;
/** Buffers of a layer are counted in whole pages, and a thread may hold one of its step. */
const GRAIN_BYTES = 150_000;

/** Of bfloat16 alone, which a CPU holds in 32 bits; the plan's range has room for it. */
const FILE_KEPT = "as much as the file's own bytes more, and why is not known";

/** Rows for the table of engines and quantities; nothing where it cannot be run. */
export function mistralJudged(): readonly Judged[] {
  const missing = requires.mistralrs();
  if (missing !== null) {
    console.error(`mistral.rs is left out: ${missing}`);
    return [];
  }
  const folder = mkdtempSync(join(tmpdir(), "hwledger-mistral-"));
  try {
    return [
      { engine: ENGINE, quantity: "a layer's weights and cache, on a CPU", pairs: layers(folder), because: FILE_KEPT },
      { engine: ENGINE, quantity: "growth of the cache", pairs: growth(folder), because: "" },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function mistralAccuracy(): string[] {
  return [
    "## mistral.rs",
    `${ENGINE} is run on this CPU with small models of random weights, and its buffers are counted by glibc's allocator. Layers: a model of ${MANY} layers less one of ${FEW}. Exact: within one buffer of a step, and whole pages. Nothing was run on a GPU; what a step needs there is modelled, with a wide range.`,
    table(mistralJudged().map(judgedRow)),
  ];
}

function shapeOf(shape: (typeof SHAPES)[number], count: number): TinyShape {
  return { ...shape, layers: count, vocabulary: 512, context: 4096, window: null };
}

function tiny(folder: string, shape: TinyShape): { readonly path: string; readonly spec: ModelSpec } {
  const path = join(folder, `${shape.hidden}-${shape.layers}`);
  writeTinyModel(path, shape);
  const read = specFromConfig(tinyConfig(shape));
  if (read.status !== "ok") throw new Error(read.reason);
  return { path, spec: read.spec };
}

function layers(folder: string): readonly Pair[] {
  return SHAPES.flatMap((shape) =>
    TYPES.map(([isq, weights]): Pair => {
      const of = (count: number): { readonly held: number; readonly planned: number } => {
        const { path, spec } = tiny(folder, shapeOf(shape, count));
        const { looks } = runMistral(path, { isq, requests: [[100, 4]] });
        const { layers: by } = planOn(CPU, spec, { weights, context: 104 });
        const sum = (bytes: Float64Array): number => bytes.reduce((all, one) => all + one, 0);
        return { held: looks.at(-1)?.bytes ?? 0, planned: sum(by.weights) + sum(by.kv) };
      };
      const [few, many] = [of(FEW), of(MANY)];
      return {
        name: `${weights}, ${shape.hidden} wide`,
        ours: many.planned - few.planned,
        reported: many.held - few.held,
        grain: GRAIN_BYTES,
      };
    }),
  );
}

function growth(folder: string): readonly Pair[] {
  const { path, spec } = tiny(folder, shapeOf(SHAPES[0], MANY));
  const asked = [
    [100, 4],
    [500, 20],
    [1100, 4],
    [2000, 8],
  ] as const;
  const done = runMistral(path, { isq: null, requests: asked }).looks.filter(({ at }) => at === "done");
  const kv = (context: number): number =>
    planOn(CPU, spec, { weights: "bf16", context }).parts.kv_cache_bytes.reduce((all, one) => all + one, 0);
  const [base, ...rest] = done;
  if (base === undefined) throw new Error("mistral.rs answered nothing");
  return rest.map(({ tokens, bytes }) => ({
    name: `${tokens} tokens`,
    ours: kv(tokens) - kv(base.tokens),
    reported: bytes - base.bytes,
    grain: GRAIN_BYTES,
  }));
}

if (import.meta.main) console.log(mistralAccuracy().join("\n\n"));
