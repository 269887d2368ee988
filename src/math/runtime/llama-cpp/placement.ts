import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { hostExpertLayers } from "./host-experts.ts";
import { compileOverrides, overriddenSlot } from "./overrides.ts";
import { HOST, type LlamaCppOptions, type Placement } from "./types.ts";

/** What `-ngl` counts: every block in the file, MTP blocks too, and one more for the output layer. */
export function offloadableLayers(model: ModelSpec): number {
  return model.layers.length + model.mtpLayers.length + 1;
}

/**
 * Cumulated, normalised shares of the accelerators: --tensor-split, else their free memory or what stands for it; equal
 * ones where that is not known of all, since a card of unknown size is not an empty one. Computed in float32 as llama.cpp
 * does, so that a layer on the border falls on the same side.
 */
export function splitShares(machine: Machine, tensorSplit: readonly number[] | null): Float32Array {
  const count = machine.accelerators.length;
  const shares = new Float32Array(count);
  const free = machine.accelerators.map(plannableBytes);
  const allKnown = free.every((bytes) => bytes !== null) && free.some((bytes) => bytes !== 0);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const share = tensorSplit === null ? (allKnown ? (free[i] ?? 0) : 1) : (tensorSplit[i] ?? 0);
    sum = Math.fround(sum + Math.fround(share));
    shares[i] = sum;
  }
  for (let i = 0; i < count; i++) shares[i] = (shares[i] ?? 0) / sum;
  return shares;
}

/** Whether overrides send all routed experts of a layer to the host. */
function overriddenExperts(model: ModelSpec, options: LlamaCppOptions, machine: Machine): (layer: number) => boolean {
  const overrides = compileOverrides(options, machine);
  const host = machine.accelerators.length;
  return (layer) => {
    const experts = model.layers[layer]?.tensors.filter((tensor) => tensor.role === "expert") ?? [];
    return experts.length > 0 && experts.every((tensor) => overriddenSlot(overrides, tensor.name) === host);
  };
}

/**
 * Which device each layer goes to.
 *   start = max(L_all + 1 - n_gpu_layers, 0); layer il is on an accelerator iff il >= start: the output layer first
 *   before b7467: start = max(L_all - n_gpu_layers, 0), and the output only with n_gpu_layers > L_all
 *   its accelerator is the first k with share_k > (il - start) / min(n_gpu_layers, L_all + 1), in float32
 * @source src/llama-model.cpp load_tensors@34af94cd9ab277632e27caeec2d41de2fd091b31 (output layer first since b7467)
 */
export function placeLayers(model: ModelSpec, options: LlamaCppOptions, machine: Machine): Placement {
  const trunk = model.layers.length;
  const all = offloadableLayers(model);
  const accelerators =
    options.splitMode === "none" ? Math.min(1, machine.accelerators.length) : machine.accelerators.length;
  const offloaded = accelerators === 0 ? 0 : Math.min(options.gpuLayers, all);
  const { outputFirst } = options.rules;
  const start = outputFirst ? all - offloaded : Math.max(all - 1 - offloaded, 0);
  const shares = accelerators > 1 ? splitShares(machine, options.tensorSplit) : null;

  const deviceOf = (il: number): number => {
    if (il < start || offloaded === 0 || (il === all - 1 && !outputFirst && offloaded < all)) return HOST;
    if (shares === null) return 0;
    const x = Math.fround((il - start) / offloaded);
    for (let k = 0; k < shares.length; k++) if ((shares[k] ?? 0) > x) return k;
    return shares.length - 1;
  };

  const layerDevice = new Int16Array(trunk);
  for (let i = 0; i < trunk; i++) layerDevice[i] = deviceOf(i);
  const outputDevice = deviceOf(all - 1);

  const expertsOnHost = new Uint8Array(trunk);
  const onHost = hostExpertLayers(options) ?? overriddenExperts(model, options, machine);
  for (let i = 0; i < trunk; i++) {
    if (model.layers[i]?.feedForward.kind === "moe" && layerDevice[i] !== HOST && onHost(i)) expertsOnHost[i] = 1;
  }

  // llama.cpp looks at whether the option was given, not at whether it moved anything.
  const overridden = options.cpuMoeLayers > 0 || options.overrideTensor.length > 0;
  const allOffloaded = offloaded === all;
  return {
    layerDevice,
    outputDevice,
    expertsOnHost,
    allOffloaded,
    pipelined: accelerators > 1 && allOffloaded && options.splitMode === "layer" && !overridden,
  };
}
