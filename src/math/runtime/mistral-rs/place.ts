/** Where mistral.rs puts the layers, and what that does to its options. */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { EngineRefusal } from "../runtime.ts";
import { poolBlocks } from "./caches.ts";
import { mapLayers } from "./mapper.ts";
import { type Resident, resident } from "./resident.ts";
import type { MistralOptions } from "./types.ts";

export interface Placed {
  readonly status: "placed";
  readonly options: MistralOptions;
  readonly weights: Resident;
  /** Layers on each accelerator; where GPUs share layers, all of them on the first, and so on its neighbours. */
  readonly counts: readonly number[];
  readonly warnings: readonly string[];
}

/**
 * Once a layer falls to the CPU there is no paged attention, and the map is made anew without it.
 */
export function place(model: ModelSpec, options: MistralOptions, machine: Machine): Placed | EngineRefusal {
  const layers = model.layers.length;
  const onCpu = machine.accelerators.length === 0 || options.gpuLayers === 0;
  const weights = resident(model, options.typeBytes, options.tensorParallel, onCpu);
  const placed = { status: "placed", options, weights, warnings: [] } as const;
  if (onCpu) return { ...placed, counts: [] };
  if (options.tensorParallel > 1) return { ...placed, counts: [layers] };

  const mapped = mapFor(model, options, machine, weights, options.paged);
  const onGpus = mapped.reduce((all, count) => all + count, 0);
  if (options.gpuLayers !== null) return { ...placed, counts: deal(options.gpuLayers, mapped) };
  // With one memory for both there is no CPU to fall back to: the plan then says that it does not fit.
  if (onGpus === layers || machine.unified) return { ...placed, counts: deal(layers, mapped) };

  const missing = `mistral.rs leaves ${layers - onGpus} of ${layers} layers to the CPU here, and has no paged attention then`;
  if (options.utilization !== null)
    return { status: "refused", reason: missing, hint: "leave --memory-utilization out, or take smaller weights" };
  if (options.kvType === "f8e4m3")
    return { status: "refused", reason: missing, hint: "take --kv-type f16, or smaller weights" };
  return {
    ...placed,
    options: { ...options, paged: false },
    counts: mapFor(model, options, machine, weights, false),
    warnings: options.paged ? ["Layers on the CPU turn mistral.rs's paged attention off."] : [],
  };
}

function mapFor(
  model: ModelSpec,
  options: MistralOptions,
  machine: Machine,
  weights: Resident,
  paged: boolean,
): readonly number[] {
  const { context, sequences, typeBytes, reserveBytes } = options;
  const blocks = paged ? poolBlocks(context, sequences) : null;
  return mapLayers({ model, machine, weights, context, sequences, typeBytes, blocks, reserveBytes });
}

/** A number of layers, to each accelerator what the map gives it, the rest to the last. */
function deal(layers: number, counts: readonly number[]): readonly number[] {
  let left = layers;
  return counts.map((count, i) => {
    const here = i === counts.length - 1 ? left : Math.min(left, count);
    left -= here;
    return here;
  });
}

/** The slot of each layer: accelerators in order, then the host. */
export function slotsOf(layers: number, counts: readonly number[], host: number): Int16Array {
  const slot = new Int16Array(layers).fill(host);
  let next = 0;
  for (const [i, count] of counts.entries()) for (let k = 0; k < count && next < layers; k++) slot[next++] = i;
  return slot;
}
