/** Experts kept in system memory, layer by layer: by --n-cpu-moe, or as --fit writes them into --override-tensor. */
import type { TensorOverride } from "../../options.ts";
import type { LlamaCppOptions } from "./types.ts";

const TENSORS = "\\.ffn_(up|down|gate_up|gate)_(ch|)exps";

/** Experts of these layers in system memory. @source common/fit.cpp get_overflow_pattern@08033df02cc32f3706271c068aaeaeecf94922a1 */
export function hostExpertsOverride(layers: readonly number[]): TensorOverride {
  return { pattern: `blk\\.(${layers.join("|")})${TENSORS}`, buffer: "CPU" };
}

/** The layers whose routed experts all lie in system memory; null where other overrides say where tensors go. */
export function hostExpertLayers(options: LlamaCppOptions): ((layer: number) => boolean) | null {
  const named = new Set<number>();
  for (const { pattern, buffer } of options.overrideTensor) {
    const list = buffer === "CPU" && pattern.endsWith(TENSORS) ? pattern.slice(0, -TENSORS.length) : "";
    const layers = /^blk\\\.\(([\d|]+)\)$/.exec(list)?.[1];
    if (layers === undefined) return null;
    for (const layer of layers.split("|")) named.add(Number(layer));
  }
  return (layer) => layer < options.cpuMoeLayers || named.has(layer);
}
