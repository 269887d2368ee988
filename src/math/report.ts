/** Writes a plan down as the contract has it. Only shapes and sums: no rule of any engine stands here. */
import { bestWeights } from "./best-weights.ts";
import type { Device } from "./machine.ts";
import type { ModelSpec } from "./model.ts";
import { countParameters } from "./parts/parameters.ts";
import type { PlanInput } from "./plan-input.ts";
import type {
  DeviceMemory,
  LayerMemory,
  OptionValue,
  OutsideMemory,
  PartsBytes,
  PlanMemory,
  PlanModel,
  PlanResult,
} from "./result.ts";
import { type EnginePlan, PARTS, type RuntimeWeights } from "./runtime/runtime.ts";
import { GIB } from "./units.ts";

export interface ResultContext {
  readonly input: PlanInput;
  readonly version: string;
  readonly weights: RuntimeWeights;
}

/** A fit with less than this left is tight, whatever the range says. */
export const TIGHT_BYTES = GIB / 2;

const NOTHING_KNOWN: PlanMemory = {
  total_bytes: null,
  weights_bytes: null,
  kv_cache_bytes: null,
  state_bytes: null,
  compute_bytes: null,
  output_bytes: null,
  overhead_bytes: null,
  reserved_bytes: null,
  low_bytes: null,
  high_bytes: null,
  basis: null,
  by_device: [],
  asked: null,
};

export function unknownResult(context: ResultContext, reason: string, missing: readonly string[]): PlanResult {
  const { input } = context;
  return {
    ...frame(context, null),
    status: "unknown",
    // The file's own size is the least that its weights can take.
    memory: { ...NOTHING_KNOWN, low_bytes: input.subject.fileBytes ?? null },
    reason,
    missing,
  };
}

export function errorResult(context: ResultContext, code: string, message: string, hint: string | null): PlanResult {
  return { ...frame(context, null), status: "error", memory: NOTHING_KNOWN, error: { code, message, hint } };
}

/** What stands in every answer. */
function frame(context: ResultContext, plan: EnginePlan | null): Omit<PlanResult, "status" | "memory"> {
  const { input, version, weights } = context;
  const { machine, subject } = input;
  const ofWeights = subject.spec.status === "ok" ? weights.weightsWarnings(subject) : [];
  return {
    schema: "hwledger.plan/1",
    tight: false,
    model: modelFacts(input),
    engine: { id: input.engine, version },
    options: { ...(plan?.options ?? {}), weights: input.weights, device: input.device },
    devices: [...machine.accelerators, machine.host].map(deviceFacts),
    limits: {
      max_context: null,
      max_sequences: null,
      gpu_layers: null,
      cpu_moe_layers: null,
      tensor_split: null,
      best_weights: null,
    },
    speed: null,
    price: null,
    download_bytes: subject.downloadBytes,
    command: null,
    warnings: [...subject.warnings, ...ofWeights, ...machine.warnings, ...(plan?.warnings ?? [])],
  };
}

function modelFacts(input: PlanInput): PlanModel {
  const { subject } = input;
  const from = { id: subject.id, source: subject.source, revision: subject.revision };
  if (subject.spec.status === "unknown") {
    return { ...from, family: subject.spec.architecture, layers: null, context_trained: null, parameters: null };
  }
  const { spec } = subject.spec;
  return {
    ...from,
    family: spec.family,
    layers: spec.layers.length,
    context_trained: spec.contextTrained,
    parameters: parametersOf(spec),
  };
}

const counted = new WeakMap<ModelSpec, ReturnType<typeof countParameters>>();

function parametersOf(spec: ModelSpec): ReturnType<typeof countParameters> {
  let parameters = counted.get(spec);
  if (parameters === undefined) {
    parameters = countParameters(spec);
    counted.set(spec, parameters);
  }
  return parameters;
}

function deviceFacts(device: Device): PlanResult["devices"][number] {
  return {
    id: device.id,
    name: device.name,
    memory_bytes: device.memoryBytes,
    usable_bytes: device.usableBytes,
    free_bytes: device.freeBytes,
    bandwidth_bytes_per_second: device.bandwidthBytesPerSecond,
  };
}

export function plannedResult(context: ResultContext, model: ModelSpec, plan: EnginePlan): PlanResult {
  const { input } = context;
  const { subject } = input;
  const base = frame(context, plan);
  const fits = plan.spare.every((left) => left === null || left >= 0);
  const limits = plan.limits();
  const sums = sumParts(plan);
  let total = 0;
  for (const bytes of plan.total) total += bytes;
  const devices = byDevice(plan);
  const warnings = [...base.warnings, ...limitWarnings(plan)];
  const memory: PlanMemory = {
    total_bytes: total,
    ...sums,
    reserved_bytes: devices.reduce((sum, device) => sum + device.reserved_bytes, 0),
    low_bytes: plan.low,
    high_bytes: plan.high,
    basis: plan.basis,
    by_device: devices,
    ...(input.summary ? {} : { by_layer: byLayer(model, plan), outside_layers: outsideLayers(plan) }),
    asked: null,
  };
  return {
    ...base,
    status: fits ? "fits" : "does_not_fit",
    tight: fits && isTight(plan, total),
    options: { ...base.options, weights: model.weights?.name ?? null } satisfies Record<string, OptionValue>,
    memory,
    limits: {
      max_context: limits.maxContext,
      max_sequences: limits.maxSequences,
      gpu_layers: limits.gpuLayers,
      cpu_moe_layers: limits.cpuMoeLayers ?? null,
      tensor_split: limits.tensorSplit ?? null,
      best_weights: largestWeights(context, model, plan),
    },
    command: plan.command(subject),
    ...(input.summary ? {} : { explanation: plan.explain() }),
    warnings,
  };
}

function largestWeights(
  { input: { subject }, weights }: ResultContext,
  model: ModelSpec,
  plan: EnginePlan,
): string | null {
  if (subject.spec.status !== "ok") return null;
  return bestWeights(weights.weightsChoices(subject.spec.spec, subject), weights.weightsBytes(model), plan);
}

/** The range of the plan crosses a limit, or under half a GiB is left on a device that is used. */
function isTight(plan: EnginePlan, total: number): boolean {
  const up = total === 0 ? 0 : (plan.high - total) / total;
  return plan.spare.some((left, i) => {
    const used = plan.total[i] ?? 0;
    return left !== null && used > 0 && (left < TIGHT_BYTES || left < used * up);
  });
}

function limitWarnings(plan: EnginePlan): string[] {
  return plan.slots.flatMap((device, i) =>
    plan.spare[i] === null && (plan.total[i] ?? 0) > 0
      ? [
          `The size of ${device.backend === "cpu" ? "system memory" : `the memory of ${device.name}`} is not known: taken as ample.`,
        ]
      : [],
  );
}

function sumParts(plan: EnginePlan): PartsBytes {
  const sums = {
    weights_bytes: 0,
    kv_cache_bytes: 0,
    state_bytes: 0,
    compute_bytes: 0,
    output_bytes: 0,
    overhead_bytes: 0,
  };
  for (const part of PARTS) for (const bytes of plan.parts[part]) sums[part] += bytes;
  return sums;
}

function byDevice(plan: EnginePlan): DeviceMemory[] {
  return plan.slots.map((device, i) => {
    const at = (part: keyof PartsBytes): number => plan.parts[part][i] ?? 0;
    const total = plan.total[i] ?? 0;
    const free = plan.spare[i] ?? null;
    return {
      device: device.id,
      weights_bytes: at("weights_bytes"),
      kv_cache_bytes: at("kv_cache_bytes"),
      state_bytes: at("state_bytes"),
      compute_bytes: at("compute_bytes"),
      output_bytes: at("output_bytes"),
      overhead_bytes: at("overhead_bytes"),
      reserved_bytes:
        free === null || device.memoryBytes === null
          ? (plan.reserved[i] ?? 0)
          : Math.max(0, device.memoryBytes - total - free),
      total_bytes: total,
      free_bytes: free,
    };
  });
}

function byLayer(model: ModelSpec, plan: EnginePlan): LayerMemory[] {
  const { layers, slots } = plan;
  return model.layers.map((layer, i) => {
    const bytes = layer.sideCaches.length === 0 ? [] : layers.sideCaches(i);
    return {
      index: layer.index,
      mixers: layer.mixers.map((mixer) => mixer.kind),
      feed_forward: layer.feedForward.kind,
      device: slots[layers.slot[i] ?? 0]?.id ?? "",
      weights_bytes: layers.weights[i] ?? 0,
      kv_cache_bytes: layers.kv[i] ?? 0,
      state_bytes: layers.state[i] ?? 0,
      kv_cells: layers.cells[i] ?? 0,
      kv_shared_with: layer.kvSharedWith,
      side_caches: layer.sideCaches.map(({ name }, k) => ({ name, bytes: bytes[k] ?? 0 })),
    };
  });
}

function outsideLayers(plan: EnginePlan): OutsideMemory[] {
  return plan.outside.map(({ name, slot, bytes, kv = 0, state = 0 }) => ({
    name,
    weights_bytes: bytes,
    ...(kv === 0 ? {} : { kv_cache_bytes: kv }),
    ...(state === 0 ? {} : { state_bytes: state }),
    device: plan.slots[slot]?.id ?? "",
  }));
}
