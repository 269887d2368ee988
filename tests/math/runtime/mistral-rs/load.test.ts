/** mistral.rs itself, on this CPU: what it takes for small models, and what we say it takes. */
import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { findModel, firstReason, requires, testIf } from "../../../requires.ts";
import { CPU, planOn } from "./plans.ts";
import { cpuFlags, LEAST, type Look, pages, runMistral } from "./run.ts";
import { type TinyShape, tinyConfig, writeTinyModel } from "./tiny-model.ts";

const FEW = 2;
const MANY = 6;
const SHAPE: TinyShape = {
  layers: FEW,
  hidden: 512,
  heads: 4,
  kvHeads: 2,
  width: 1024,
  vocabulary: 512,
  context: 4096,
  window: null,
};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hwledger-mistral-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tiny(shape: TinyShape): { readonly path: string; readonly spec: ModelSpec } {
  const path = join(folder, `${shape.layers}-${shape.window}`);
  writeTinyModel(path, shape);
  const read = specFromConfig(tinyConfig(shape));
  if (read.status !== "ok") throw new Error(read.reason);
  return { path, spec: read.spec };
}

function last(looks: readonly Look[]): Look {
  const look = looks.at(-1);
  if (look === undefined) throw new Error("run.py said nothing");
  return look;
}

type Taken = Pick<Look, "blocks" | "bytes">;

/**
 * What a model of more layers has more than one of fewer, in every pair of looks. Weights and caches are in each look; on
 * a busy machine a thread may hold one buffer more in either, so that up to four rounds are made until a pair is as wanted.
 */
function differences(isq: string | null, wanted: Taken): readonly Taken[] {
  const few: Look[] = [];
  const many: Look[] = [];
  const look = (layers: number): readonly Look[] =>
    runMistral(tiny({ ...SHAPE, layers }).path, { isq, requests: [[100, 4]] }).looks;
  let pairs: Taken[] = [];
  for (let round = 0; round < 4; round++) {
    few.push(...look(FEW));
    many.push(...look(MANY));
    pairs = few.flatMap((a) => many.map((b) => ({ blocks: b.blocks - a.blocks, bytes: b.bytes - a.bytes })));
    if (pairs.some(({ blocks, bytes }) => blocks === wanted.blocks && bytes === wanted.bytes)) break;
  }
  return pairs;
}

/** K and V of 512 tokens: 2 heads · 128 · 2 B. */
const CACHE = [512 * 256 * 2, 512 * 256 * 2];
/** Elements of q and o; of k and v; of gate, up and down. */
const [SQUARE, NARROW, WIDE] = [512 * 512, 256 * 512, 1024 * 512];
const MATRICES = [SQUARE, SQUARE, NARROW, NARROW, WIDE, WIDE, WIDE];
/** Two norms in 32 bits, too small to be counted. */
const NORMS = 2 * 512 * 4;

const at = (bytesOf256: number): number[] => MATRICES.map((elements) => (elements / 256) * bytesOf256);
const vnni = (): boolean => cpuFlags().has("avx512_vnni") || cpuFlags().has("avx_vnni");

/** Buffers of one layer, worked by hand from the blocks of each type; the second copies as this CPU makes them. */
const CASES: readonly (readonly [
  isq: string | null,
  weights: string,
  matrices: () => number[],
  copies: () => number[],
])[] = [
  // 32 bits, and gate and up again as one matrix.
  [null, "bf16", () => [...at(1024), 2 * WIDE * 4], () => []],
  ["q4k", "isq-q4k", () => at(144), () => at(192)],
  ["q6k", "isq-q6k", () => at(210), () => at(320)],
  ["q5k", "isq-q5k", () => at(176), () => []],
  ["q8_0", "isq-q8_0", () => at(272), () => (vnni() ? at(272) : [])],
];

for (const [isq, weights, matrices, copies] of CASES) {
  testIf(
    requires.mistralrs(),
    `a layer's weights and cache in ${weights}, to the byte`,
    () => {
      const buffers = [...matrices(), ...copies(), ...CACHE].filter((bytes) => bytes >= LEAST);
      const wanted = {
        blocks: (MANY - FEW) * buffers.length,
        bytes: (MANY - FEW) * buffers.reduce((sum, bytes) => sum + pages(bytes), 0),
      };
      expect(differences(isq, wanted)).toContainEqual(wanted);

      const { layers, parts } = planOn(CPU, tiny(SHAPE).spec, { weights, context: 104 });
      const copied = copies().length > 0 && isq === "q8_0" ? copies() : [];
      const hand = [...matrices(), ...copies()].reduce((sum, bytes) => sum + bytes, NORMS);
      expect(layers.weights[0]).toBe(hand - copied.reduce((sum, bytes) => sum + bytes, 0));
      expect(parts.kv_cache_bytes[0]).toBe(FEW * CACHE.reduce((sum, bytes) => sum + bytes, 0));
    },
    300_000,
  );
}

testIf(
  requires.mistralrs(),
  "a cache grows by 512 tokens in each layer",
  () => {
    const { path, spec } = tiny({ ...SHAPE, layers: MANY });
    const { looks } = runMistral(path, {
      isq: null,
      requests: [
        [100, 4],
        [500, 20],
        [1100, 4],
      ],
    });
    const done = looks.filter((look) => look.at === "done");
    expect(done.map((look) => look.tokens)).toEqual([104, 520, 1104]);
    const [base] = done;
    const planned = done.map(
      ({ tokens }) => planOn(CPU, spec, { weights: "bf16", context: tokens }).parts.kv_cache_bytes[0] ?? 0,
    );
    for (const [i, look] of done.entries())
      expect(look.bytes - (base?.bytes ?? 0)).toBe((planned[i] ?? 0) - (planned[0] ?? 0));
  },
  300_000,
);

testIf(
  requires.mistralrs(),
  "a layer with a window keeps no more than itself and 512 tokens",
  () => {
    const { path, spec } = tiny({ ...SHAPE, layers: MANY, window: 1000 });
    const { looks } = runMistral(path, {
      isq: null,
      requests: [
        [100, 4],
        [500, 20],
        [1000, 300],
        [500, 4],
      ],
    });
    const done = looks.filter((look) => look.at === "done");
    const planned = done.map(
      ({ tokens }) => planOn(CPU, spec, { weights: "bf16", context: tokens }).parts.kv_cache_bytes[0] ?? 0,
    );
    // Three layers with a window: 512, 1024, then 1000 + 512; the next sequence begins with buffers of that size. Three without.
    const cells = [512, 1024, 1512, 1512].map((windowed, i) => [windowed, [512, 1024, 1536, 512][i] ?? 0]);
    const sizes = cells.map((kinds) => kinds.flatMap((tokens) => Array<number>(6).fill(tokens * 256 * 2)));
    const sum = (bytes: readonly number[]): number => bytes.reduce((all, one) => all + one, 0);
    expect(planned.slice(0, 3)).toEqual(sizes.slice(0, 3).map(sum));
    const taken = sizes.map((buffers) => sum(buffers.map(pages)));
    for (const [i, look] of done.entries())
      expect(look.bytes - (done[0]?.bytes ?? 0)).toBe((taken[i] ?? 0) - (taken[0] ?? 0));
  },
  300_000,
);

testIf(
  requires.mistralrs(),
  "its device map counts the layers, and says what it reckons with",
  () => {
    const { log } = runMistral(tiny({ ...SHAPE, layers: MANY }).path, { isq: null, requests: [] });
    expect(log).toContain("DType selected is F32.");
    expect(log).toContain("text[max_seq_len: 4096, max_batch_size: 1]");
    expect(log).toContain(`Model has ${MANY} repeating layers.`);
    expect(log).toContain(`Layers 0-${MANY - 1}: cpu`);
  },
  120_000,
);

/** A copy of a GGUF that says it has fewer layers; the rest of its tensors is then not read. */
function withLayers(path: string, layers: number): string {
  const file = readFileSync(path);
  const key = "llama.block_count";
  file.writeUInt32LE(layers, file.indexOf(key) + key.length + 4);
  const copy = join(folder, `${layers}.gguf`);
  writeFileSync(copy, file);
  return copy;
}

testIf(
  firstReason(requires.mistralrs(), requires.model()),
  "a published GGUF's layers lie in memory as the file has them",
  () => {
    const model = findModel();
    if (model === null) throw new Error("no model");
    const run = (layers: number): Look =>
      last(runMistral(withLayers(model, layers), { isq: null, requests: [[5, 2]] }).looks);
    const [ten, thirty] = [run(10), run(30)];
    // SmolLM2-135M in Q4_1: 576 wide, 3 of 9 heads for keys and values, 1536; 20 bytes for 32 elements; 512 tokens in 16 bits.
    const q4 = (elements: number): number => (elements / 32) * 20;
    const layer = [576 * 576, 576 * 576, 192 * 576, 192 * 576, 576 * 1536, 576 * 1536, 576 * 1536].map(q4);
    const buffers = [...layer, 512 * 192 * 2, 512 * 192 * 2];
    const wanted = 20 * buffers.reduce((sum, bytes) => sum + pages(bytes), 0);
    // The tokenizer's tables are some 45 MB, and differ by up to 1 MB from run to run.
    expect(Math.abs(thirty.bytes - ten.bytes - wanted)).toBeLessThan(2_000_000);
    expect(wanted).toBeGreaterThan(52_000_000);
  },
  300_000,
);
