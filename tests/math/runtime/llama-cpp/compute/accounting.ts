/** The compute buffers of every accounted load of a known family, beside ours: for the golden and its update. */
import { specFromGguf } from "../../../../../src/math/arch/index.ts";
import type { Device, Machine } from "../../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../../src/math/model.ts";
import type { KvType } from "../../../../../src/math/options.ts";
import { shapeCaches } from "../../../../../src/math/runtime/llama-cpp/caches.ts";
import type { BufferRule } from "../../../../../src/math/runtime/llama-cpp/compute/backends.ts";
import { lengths, makePrograms, sizeAt } from "../../../../../src/math/runtime/llama-cpp/compute/buffers.ts";
import { withEarlyLeaves } from "../../../../../src/math/runtime/llama-cpp/compute/early-leaves.ts";
import { placeLayers } from "../../../../../src/math/runtime/llama-cpp/placement.ts";
import { NEWEST_RULES } from "../../../../../src/math/runtime/llama-cpp/rules.ts";
import type { LlamaCppOptions } from "../../../../../src/math/runtime/llama-cpp/types.ts";
import { type AccountingRow, accountingRows, headerOf } from "../../../../fixtures/accounting/read.ts";

/** The GPUs of the accounting: CUDA's alignment and row padding, no conversion inside attention. */
export const ACCOUNTED_GPU: BufferRule = {
  alignment: 128,
  quantizedRowMultiple: 512,
  scratch: "none",
  offloads: "all",
};
export const ACCOUNTED_HOST: BufferRule = { alignment: 32, quantizedRowMultiple: 1, scratch: "none", offloads: "all" };

export function gpu(index: number): Device {
  const memory = 2 ** 42;
  return {
    id: `gpu-${index}`,
    name: `GPU ${index}`,
    backend: "cuda",
    memoryBytes: memory,
    usableBytes: memory,
    freeBytes: memory,
    bandwidthBytesPerSecond: null,
  };
}

export function machineWith(gpus: number): Machine {
  return {
    id: `${gpus} GPUs`,
    accelerators: Array.from({ length: gpus }, (_, i) => gpu(i)),
    host: { ...gpu(gpus), id: "host", name: "host", backend: "cpu" },
    unified: false,
    here: false,
    warnings: [],
  };
}

const specs = new Map<string, ModelSpec | null>();

export function specOf(row: AccountingRow): ModelSpec | null {
  const key = `${row.model} ${row.weights}`;
  const known = specs.get(key);
  if (known !== undefined) return known;
  const result = specFromGguf(headerOf(row));
  const spec = result.status === "ok" ? result.spec : null;
  specs.set(key, spec);
  return spec;
}

export function rowOf(model: string, weights: string | null = null): AccountingRow {
  const row = accountingRows().find((r) => r.model === model && (weights === null || r.weights === weights));
  if (row === undefined) throw new Error(`The accounting has no row of ${model}`);
  return row;
}

export function optionsOf(row: AccountingRow, spec: ModelSpec): LlamaCppOptions {
  const all = spec.layers.length + spec.mtpLayers.length + 1;
  const batch = Math.min(row.batch, row.contextTotal);
  return {
    context: row.kvUnified ? row.contextTotal : row.contextTotal / row.sequences,
    sequences: row.sequences,
    kvUnified: row.kvUnified,
    batch,
    ubatch: row.ubatch,
    program: "api",
    kvTypeK: row.typeK as KvType,
    kvTypeV: row.typeV as KvType,
    flashAttention: row.flashAttention,
    swaFull: row.swaFull,
    gpuLayers: row.gpuLayers < 0 ? all : row.gpuLayers,
    cpuMoeLayers: 0,
    splitMode: "layer",
    tensorSplit: null,
    overrideTensor: [],
    reserveBytes: 0,
    rules: NEWEST_RULES,
    outputs: row.outputsMax ?? batch,
  };
}

export interface Compared {
  readonly row: AccountingRow;
  readonly device: "CUDA0" | "CUDA1" | "CUDA_Host";
  readonly want: number;
  readonly got: number;
}

export function compareAll(): readonly Compared[] {
  return accountingRows().flatMap((row) => {
    const spec = specOf(row);
    return spec === null ? [] : compareRow(row, spec);
  });
}

function compareRow(row: AccountingRow, spec: ModelSpec): readonly Compared[] {
  const options = optionsOf(row, spec);
  const machine = machineWith(row.devices);
  const caches = shapeCaches(options, options.context, options.sequences);
  const placement = placeLayers(spec, options, machine);
  const rules = [...machine.accelerators.map(() => ACCOUNTED_GPU), ACCOUNTED_HOST];
  const programs = makePrograms(spec, options, caches, placement, rules);
  const { full, window } = lengths(spec, caches);
  const names = row.devices === 2 ? (["CUDA0", "CUDA1", "CUDA_Host"] as const) : (["CUDA0", "CUDA_Host"] as const);
  const sizes = machine.accelerators.map((_, i) => sizeAt(programs, i, full, window));
  const plain = { devices: sizes, host: sizeAt(programs, machine.accelerators.length, full, window) };
  const { devices, host } = withEarlyLeaves(plain, spec, caches, placement);
  return names.map((device, i) => ({
    row,
    device,
    want: row.measured.compute[device] ?? 0,
    got: devices[i] ?? host,
  }));
}

export interface Summary {
  readonly rows: number;
  /** Within 0.01 %. */
  readonly exact: number;
  /** Relative errors in per cent, to three places. */
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

const EXACT = 1e-4;

/** Errors by architecture, flash attention, how much is offloaded, and devices ("2p" = pipelined). */
export function summarize(compared: readonly Compared[]): Record<string, Summary> {
  const groups = new Map<string, number[]>();
  for (const { row, want, got } of compared) {
    const [offloaded = "", all = ""] = row.offloaded.split("/");
    const share = offloaded === "0" ? "none" : offloaded === all ? "all" : "part";
    const attention = row.flashAttention ? "flash attention" : "no flash attention";
    const key = `${row.arch}, ${attention}, ${share} offloaded, ${row.devices}${row.pipelined ? "p" : ""}`;
    const errors = groups.get(key) ?? [];
    errors.push(Math.abs(got - want) / Math.max(want, 1));
    groups.set(key, errors);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, errors]) => [key, summary(errors)]));
}

function summary(errors: number[]): Summary {
  errors.sort((a, b) => a - b);
  const at = (p: number): number =>
    Math.round(1e5 * (errors[Math.min(errors.length - 1, Math.floor(p * errors.length))] ?? 0)) / 1e3;
  return {
    rows: errors.length,
    exact: errors.filter((e) => e < EXACT).length,
    median: at(0.5),
    p90: at(0.9),
    max: at(1),
  };
}
