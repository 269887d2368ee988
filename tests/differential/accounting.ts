/**
 * The engine's own rows for GPU-like devices (fixtures/accounting) beside hwLedger's plans: splits, partial offload, pools.
 * Weights, caches, states and the output buffer have to agree to the byte on every device; compute buffers are sampled.
 */
import type { GgufHeader } from "../../src/math/arch/family.ts";
import { specFromGguf } from "../../src/math/arch/index.ts";
import { isGgmlType, isQuantized, tensorBytes } from "../../src/math/ggml-types.ts";
import type { Machine } from "../../src/math/machine.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { KV_TYPES, type KvType, NO_OPTIONS, type PlanOptions } from "../../src/math/options.ts";
import { LLAMA_CPP } from "../../src/math/runtime/llama-cpp/index.ts";
import type { EnginePlan } from "../../src/math/runtime/runtime.ts";
import { MIB } from "../../src/math/units.ts";
import { typeWeights } from "../../src/math/weights-choice.ts";
import { type AccountingRow, type ByDevice, headerOf } from "../fixtures/accounting/read.ts";

export interface AccountingSample {
  readonly architecture: string;
  readonly device: "accelerator" | "host";
  readonly flashAttention: "on" | "off";
  readonly ours: number;
  readonly theirs: number;
}

export interface AccountingComparison {
  readonly id: string;
  readonly architecture: string;
  readonly status: "compared" | "unknown";
  readonly differences: readonly string[];
  readonly compute: readonly AccountingSample[];
}

export function compareRow(row: AccountingRow): AccountingComparison {
  const header = headerOf(row);
  const base = { id: row.id, architecture: row.arch, compute: [] };
  const result = specFromGguf(header);
  if (result.status === "unknown") return { ...base, status: "unknown", differences: [] };
  const typed = typeWeights(result.spec, null, []);
  if (typed.status !== "ok")
    return { ...base, status: "compared", differences: ["the file's own weights are not known"] };
  const plan = LLAMA_CPP.plan(typed.spec, optionsOf(row), machineOf(row.devices));
  if (plan.status === "refused") return { ...base, status: "compared", differences: [plan.reason] };
  return {
    ...base,
    status: "compared",
    differences: [
      ...weightsDifferences(row, header, typed.spec, plan),
      ...byDevice("KV", row.measured.kv, plan.parts.kv_cache_bytes),
      ...byDevice("state", row.measured.state, plan.parts.state_bytes),
      ...byDevice("output", row.measured.output, plan.parts.output_bytes),
      ...cacheDifferences(row, plan, typed.spec),
    ],
    compute: computeSamples(row, plan),
  };
}

function optionsOf(row: AccountingRow): PlanOptions {
  if (row.outputsMax !== null && row.outputsMax !== row.sequences)
    throw new Error(`${row.id}: outputs of neither program`);
  return {
    ...NO_OPTIONS,
    // llama.cpp is given the total; a plan the tokens of one sequence.
    context: row.kvUnified ? row.contextTotal : row.contextTotal / row.sequences,
    sequences: row.sequences,
    kvUnified: row.kvUnified,
    batch: row.batch,
    ubatch: row.ubatch,
    program: row.outputsMax === null ? "api" : "llama-server",
    flashAttention: row.flashAttention ? "on" : "off",
    kvTypeK: kvType(row.typeK),
    kvTypeV: kvType(row.typeV),
    swaFull: row.swaFull,
    gpuLayers: row.gpuLayers < 0 ? "all" : row.gpuLayers,
  };
}

function kvType(name: string): KvType {
  const type = KV_TYPES.find((known) => known === name);
  if (type === undefined) throw new Error(`"${name}" is no type of a cache`);
  return type;
}

/** The stub devices: CUDA-like, no limit, equal free memory. */
function machineOf(count: number): Machine {
  const facts = { memoryBytes: null, usableBytes: null, freeBytes: null, bandwidthBytesPerSecond: null };
  return {
    id: "stub",
    accelerators: Array.from({ length: count }, (_, i) => ({
      id: `cuda${i}`,
      name: `CUDA${i}`,
      backend: "cuda",
      ...facts,
    })),
    host: { id: "cpu", name: "CPU", backend: "cpu", ...facts },
    unified: false,
    here: false,
    warnings: [],
  };
}

const ACCELERATORS = ["CUDA0", "CUDA1"] as const;

function ofAccelerators(bytes: ByDevice): number[] {
  return ACCELERATORS.map((device) => bytes[device] ?? 0);
}

/** Whatever it is called: mapped, pinned or plain. */
function ofHost(bytes: ByDevice): number {
  return (bytes.CPU ?? 0) + (bytes.CPU_Mapped ?? 0) + (bytes.CUDA_Host ?? 0);
}

function split(slots: Float64Array): { readonly accelerators: number[]; readonly host: number } {
  const all = [...slots];
  const host = all.pop() ?? 0;
  return { accelerators: [all[0] ?? 0, all[1] ?? 0], host };
}

function byDevice(what: string, theirs: ByDevice, ours: Float64Array): string[] {
  const mine = split(ours);
  const differences: string[] = [];
  const want = [...ofAccelerators(theirs), ofHost(theirs)];
  for (const [i, bytes] of [...mine.accelerators, mine.host].entries()) {
    if (bytes !== want[i])
      differences.push(`${what} bytes on ${ACCELERATORS[i] ?? "host"}: ours ${bytes}, llama.cpp ${want[i]}`);
  }
  return differences;
}

/** Accelerators: to the byte. The host's buffer is the file's mapping, from the first byte of a tensor there to the last of one. */
function weightsDifferences(row: AccountingRow, header: GgufHeader, spec: ModelSpec, plan: EnginePlan): string[] {
  const mine = split(plan.parts.weights_bytes);
  const theirs = ofAccelerators(row.measured.model);
  const differences: string[] = [];
  for (const [i, bytes] of mine.accelerators.entries()) {
    if (bytes !== theirs[i])
      differences.push(`weights bytes on ${ACCELERATORS[i]}: ours ${bytes}, llama.cpp ${theirs[i]}`);
  }
  const range = mappedRange(header, hostTensors(spec, plan));
  if (range !== ofHost(row.measured.model)) {
    differences.push(`bytes mapped on the host: ours ${range}, llama.cpp ${ofHost(row.measured.model)}`);
  }
  return differences;
}

function hostTensors(spec: ModelSpec, plan: EnginePlan): ReadonlySet<string> {
  const host = plan.slots.length - 1;
  const names = new Set(plan.outside.filter(({ slot }) => slot === host).map(({ name }) => name));
  for (const layer of spec.layers) {
    if (plan.layers.slot[layer.index] === host) for (const tensor of layer.tensors) names.add(tensor.name);
  }
  return names;
}

function mappedRange(header: GgufHeader, names: ReadonlySet<string>): number {
  let first = Infinity;
  let end = 0;
  for (const { name, shape, type, offset } of header.tensors) {
    if (!names.has(name) || !isGgmlType(type)) continue;
    first = Math.min(first, offset);
    end = Math.max(end, offset + tensorBytes(type, shape));
  }
  return end === 0 ? 0 : end - first;
}

/** A cache beside K and V is one more layer's for llama.cpp. */
function cacheDifferences(row: AccountingRow, plan: EnginePlan, spec: ModelSpec): string[] {
  const mine = new Map<number, { layers: number; mib: number }>();
  for (const [i, cells] of plan.layers.cells.entries()) {
    if (cells === 0) continue;
    const known = mine.get(cells) ?? { layers: 0, mib: 0 };
    const caches = 1 + (spec.layers[i]?.sideCaches.length ?? 0);
    mine.set(cells, { layers: known.layers + caches, mib: known.mib + (plan.layers.kv[i] ?? 0) / MIB });
  }
  const theirs = new Map<number, { layers: number; mib: number }>();
  for (const part of row.measured.kvParts) {
    const cells = part.cells * part.streams;
    const known = theirs.get(cells) ?? { layers: 0, mib: 0 };
    theirs.set(cells, { layers: known.layers + part.layers, mib: known.mib + part.k_mib + part.v_mib });
  }
  const differences: string[] = [];
  for (const cells of new Set([...mine.keys(), ...theirs.keys()])) {
    const a = mine.get(cells);
    const b = theirs.get(cells);
    // MiB to a hundredth for K and for V, before CUDA's padding of a row (one row a tensor, bytes are compared elsewhere).
    if (a?.layers !== b?.layers)
      differences.push(`layers with ${cells} cells: ours ${a?.layers ?? 0}, llama.cpp ${b?.layers ?? 0}`);
    else if (Math.abs((a?.mib ?? 0) - (b?.mib ?? 0)) > 0.02 + 0.001 * (a?.layers ?? 0)) {
      differences.push(`MiB of ${cells} cells: ours ${a?.mib}, llama.cpp ${b?.mib}`);
    }
  }
  return differences;
}

/** Left out: a quantized cache under flash attention, of which a CUDA device converts a layer inside attention and the stub none. */
function computeSamples(row: AccountingRow, plan: EnginePlan): AccountingSample[] {
  const mine = split(plan.parts.compute_bytes);
  const theirs = ofAccelerators(row.measured.compute);
  const flashAttention = row.flashAttention ? "on" : "off";
  const samples: AccountingSample[] = [];
  for (const [i, ours] of mine.accelerators.entries()) {
    const other = theirs[i] ?? 0;
    const converts = row.flashAttention && (isQuantized(row.typeK) || isQuantized(row.typeV));
    if (!converts && (ours > 0 || other > 0))
      samples.push({ architecture: row.arch, device: "accelerator", flashAttention, ours, theirs: other });
  }
  samples.push({
    architecture: row.arch,
    device: "host",
    flashAttention,
    ours: mine.host,
    theirs: ofHost(row.measured.compute),
  });
  return samples;
}
