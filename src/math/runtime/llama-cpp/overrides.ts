import type { Machine } from "../../machine.ts";
import type { TensorOverride } from "../../options.ts";
import { isCostly } from "./costly-pattern.ts";
import type { LlamaCppOptions } from "./types.ts";

export interface CompiledOverride {
  readonly matches: (tensorName: string) => boolean;
  readonly slot: number;
}

/** Layer number of a routed expert's tensor, as --n-cpu-moe names them; null for any other tensor. @source common/arg.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31 */
function expertLayer(tensorName: string): number | null {
  const layer = /^blk\.(\d+)\.ffn_(?:up|down|gate|gate_up)_(?:ch)?exps/.exec(tensorName)?.[1];
  return layer === undefined ? null : Number(layer);
}

/**
 * "CPU" → the host's slot; an accelerator's id ("CUDA1", "Vulkan0", "MTL0") → its own; null for a buffer this machine has
 * not. Letter for letter, as llama.cpp looks a name up. @source common/arg.cpp parse_tensor_buffer_overrides
 */
function slotOfBuffer(buffer: string, machine: Machine): number | null {
  if (buffer === "CPU") return machine.accelerators.length;
  const slot = machine.accelerators.findIndex((device) => device.id === buffer);
  return slot < 0 ? null : slot;
}

/** What is wrong with an override, as the end of a sentence; null when it can be used. */
export function refuseOverride(override: TensorOverride, machine: Machine): string | null {
  if (slotOfBuffer(override.buffer, machine) === null) return `this machine has no buffer "${override.buffer}"`;
  try {
    new RegExp(override.pattern);
  } catch {
    return `"${override.pattern}" is not a regular expression`;
  }
  return isCostly(override.pattern) ? `"${override.pattern}" repeats too much to be matched in time` : null;
}

/** What an override's buffer may be called on this machine. */
export function bufferNames(machine: Machine): readonly string[] {
  return ["CPU", ...machine.accelerators.map((device) => device.id)];
}

/** The slot that the first override with a match names; null: the tensor stays where its layer is. */
export function overriddenSlot(overrides: readonly CompiledOverride[], tensorName: string): number | null {
  return overrides.find((override) => override.matches(tensorName))?.slot ?? null;
}

/** In order: the first match wins; --n-cpu-moe comes after what was given by hand, as llama.cpp appends it. */
export function compileOverrides(options: LlamaCppOptions, machine: Machine): readonly CompiledOverride[] {
  if (options.overrideTensor.length === 0) return [];
  const host = machine.accelerators.length;
  const list = options.overrideTensor.map((override): CompiledOverride => {
    const pattern = new RegExp(override.pattern);
    return { matches: (name) => pattern.test(name), slot: slotOfBuffer(override.buffer, machine) ?? host };
  });
  if (options.cpuMoeLayers > 0) {
    list.push({
      matches: (name) => (expertLayer(name) ?? Number.POSITIVE_INFINITY) < options.cpuMoeLayers,
      slot: host,
    });
  }
  return list;
}
