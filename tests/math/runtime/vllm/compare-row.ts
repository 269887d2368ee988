/** One log of vLLM's beside what hwLedger says for the same start. */
import type { Backend, Device } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { rotaryBytes } from "../../../../src/math/runtime/torch/parameters.ts";
import { VLLM } from "../../../../src/math/runtime/vllm/index.ts";
import type { VllmOptions } from "../../../../src/math/runtime/vllm/options.ts";
import { capacity, type Pooled, poolOf, stageBlockBytes } from "../../../../src/math/runtime/vllm/pool.ts";
import { prepareVllm } from "../../../../src/math/runtime/vllm/prepare.ts";
import { samplerBytes } from "../../../../src/math/runtime/vllm/profile.ts";
import { type VllmRules, vllmRules } from "../../../../src/math/runtime/vllm/rules.ts";
import { GIB } from "../../../../src/math/units.ts";
import { configSpec, type VllmRow } from "../../../fixtures/vllm/read.ts";

/** Total that the driver reports where the row does not say it. From PyTorch's and llama.cpp's device lists. */
const TOTAL_GIB: readonly (readonly [RegExp, number])[] = [
  [/RTX 3090/, 23.57],
  [/RTX 4090/, 23.52],
  [/RTX 5090/, 31.36],
  [/RTX 5000 Ada/, 31.49],
  [/H100/, 79.18],
  [/A100 80GB/, 79.25],
  [/A100/, 39.49],
  [/R9700/, 31.86],
];

export type VllmQuantity =
  | "weights"
  | "swap blocks"
  | "concurrency given the pool"
  | "tokens given the pool"
  | "activations"
  | "concurrency from nothing";

export interface VllmComparison {
  readonly row: VllmRow;
  readonly quantity: VllmQuantity;
  readonly ours: number;
  readonly theirs: number;
}

/** Images in which FlashInfer's sampler was switched on: a sixth of the memory that sorting takes. Seen in the pool alone. */
const FUSED_SAMPLER = /^v-(?:kz-0(?:2[89]|3|4)|dl|jh)/;

/** @returns null for a row of an architecture that is not known, or of hardware that is not planned for */
export function compareVllmRow(row: VllmRow): readonly VllmComparison[] | null {
  if (/TPU/.test(row.devices ?? "")) return null;
  const spec = knownSpec(row.config);
  if (spec === null) return null;
  const device = deviceOf(row);
  const rules: VllmRules = { ...vllmRules("0.12.0"), fusedSampler: FUSED_SAMPLER.test(row.id) };
  const typed = VLLM.typeWeights(spec, formatOf(row), { choices: [], published: null, publishedWarning: null });
  if (typed.status !== "ok") return null;
  const prepared = prepareVllm(typed.spec, optionsOf(row, device), device, rules);
  if (prepared.status !== "ok") return null;
  const { pooled, weights } = prepared;
  const loaded =
    weights.layers.reduce((sum, bytes) => sum + bytes, 0) +
    weights.outside.reduce((sum, { bytes }) => sum + bytes, 0) +
    rotaryBytes(typed.spec);

  const { measured } = row;
  const found: VllmComparison[] = [];
  const add = (quantity: VllmQuantity, ours: number | null, theirs: number | undefined): void => {
    if (ours !== null && theirs !== undefined) found.push({ row, quantity, ours, theirs });
  };
  // Quantised repositories with their own recipe are known by their header, not by a format's name.
  if (row.weights_quant !== "compressed-tensors")
    add("weights", (loaded + pooled.loadingBytes) / GIB, measured.weights_gib);
  const [blockBytes = 0] = stageBlockBytes(pooled);
  add("swap blocks", Math.floor((4 * GIB) / blockBytes), measured.cpu_blocks);
  const pool = givenBlocks(row, blockBytes);
  add(
    "concurrency given the pool",
    pool === null ? null : capacity(pooled, pool).concurrency,
    measured.max_concurrency,
  );
  if (measured.available_kv_gib !== undefined && pool !== null)
    add("tokens given the pool", printedTokens(row, pooled, pool), measured.kv_tokens);
  add("activations", samplerBytes(typed.spec, profile(pooled)) / GIB, measured.activation_peak_gib);
  const total = measured.total_gpu_gib ?? totalOf(row);
  // Before v0.8 another engine core made the pool, from other steps.
  const older = /^0\.[0-7]\./.test(row.version ?? "");
  if (
    !older &&
    total !== null &&
    measured.gpu_memory_utilization !== undefined &&
    measured.max_concurrency !== undefined
  ) {
    const budget = total * GIB * measured.gpu_memory_utilization;
    const slots = Float64Array.from({ length: row.tp }, () => loaded);
    const made = poolOf(
      pooled,
      slots,
      Array.from(slots, () => budget),
      false,
    );
    add("concurrency from nothing", made?.concurrency ?? null, measured.max_concurrency);
  }
  return found;
}

function profile(pooled: Pooled) {
  const { options, rules, blockTokens, backend } = pooled;
  return {
    context: options.context,
    sequences: options.defaultSequences,
    batch: options.batch,
    ranks: options.ranks.tensor,
    blockTokens,
    backend,
    rules,
  };
}

function givenBlocks(row: VllmRow, blockBytes: number): number | null {
  const { available_kv_gib: pool, gpu_blocks: blocks, kv_tokens: tokens } = row.measured;
  if (pool !== undefined) return Math.floor((pool * GIB) / blockBytes);
  return blocks ?? (tokens === undefined ? null : tokens / 16);
}

/** Trees of 2026, whose versions say nothing. */
const NEWER = /^v-jh-/;

/** Up to v0.19 blocks / groups x the smallest page's tokens; later concurrency x context. */
function printedTokens(row: VllmRow, pooled: Pooled, blocks: number): number {
  if (NEWER.test(row.id)) return capacity(pooled, blocks).tokens;
  const { layout } = pooled;
  const sizes = layout.groups.map(({ block }) => block).filter((tokens) => tokens > 0);
  return Math.floor(blocks / layout.groups.length) * Math.min(...sizes);
}

function knownSpec(config: string): ModelSpec | null {
  try {
    return configSpec(config);
  } catch {
    return null;
  }
}

function formatOf(row: VllmRow): string {
  if (row.weights_quant === "mxfp4" || row.weights_quant === "fp8") return row.weights_quant;
  return "bf16";
}

function totalOf(row: VllmRow): number | null {
  return TOTAL_GIB.find(([name]) => name.test(row.devices ?? ""))?.[1] ?? null;
}

function deviceOf({ devices }: VllmRow): Device {
  const backend: Backend = /AMD/.test(devices ?? "") ? "rocm" : "cuda";
  const unknown = { memoryBytes: null, usableBytes: null, freeBytes: null, bandwidthBytesPerSecond: null };
  return { id: "row", name: devices ?? "", backend, ...unknown };
}

function optionsOf(row: VllmRow, device: Device): VllmOptions {
  const large = /H100|H20/.test(device.name);
  return {
    context: row.measured.max_concurrency_len ?? row.n_ctx,
    sequences: 1,
    sequencesAsked: false,
    batch: large ? 8192 : row.id === "v-jh-001" ? 4096 : 2048,
    batchAsked: false,
    defaultSequences: large ? 1024 : 256,
    kvType: row.kv_cache_dtype === "fp8" ? "fp8" : "auto",
    swaFull: false,
    ranks: { tensor: row.tp, pipeline: 1 },
    utilization: row.measured.gpu_memory_utilization ?? 0.9,
  };
}
