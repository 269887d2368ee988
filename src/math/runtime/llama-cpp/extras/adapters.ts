import type { SideFile } from "../../../extras.ts";
import { formatBytes } from "../../../format.ts";
import { isGgmlType } from "../../../ggml-types.ts";
import { allocatedBytes } from "../../../parts/weights.ts";
import { pad } from "../../../units.ts";
import { ALLOCATION } from "../allocation.ts";
import type { Beside } from "../beside.ts";
import type { OutsidePart, Prepared } from "../prepare.ts";

const TENSOR = /^(?:blk\.(\d+)\.)?(.+)\.lora_[ab]$/;

/**
 * A LoRA adapter: its matrices, in the file's types, each where the matrix lies that it adapts:
 *   A: rank · in, B: out · rank elements; a step multiplies by both: T · (rank + out) · 4 B more for the widest, if nothing
 *   else is larger just then
 * @source src/llama-adapter.cpp llama_adapter_lora_init_impl, src/llama-graph.cpp build_lora_mm@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function adapterBeside(file: SideFile, prepared: Prepared): Beside {
  const bySlot = new Float64Array(prepared.slots.length);
  let widest = 0;
  let rank = 0;
  for (const { name, shape, type } of file.tensors) {
    const found = TENSOR.exec(name);
    if (found === null || !isGgmlType(type)) continue;
    const layer = found[1] === undefined ? null : Number(found[1]);
    const slot = slotOf(prepared, layer, found[2] ?? "");
    const rule = ALLOCATION[prepared.slots[slot]?.backend ?? "cpu"];
    const bytes = allocatedBytes({ name, shape, type, role: "other", at: null }, rule);
    bySlot[slot] = (bySlot[slot] ?? 0) + pad(bytes, rule.alignment);
    if (name.endsWith(".lora_a")) rank = Math.max(rank, shape[1] ?? 0);
    else widest = Math.max(widest, shape[1] ?? 0);
  }
  const label = `adapter ${file.name}`;
  return {
    label,
    parts: partsOf(label, bySlot),
    explain: ({ compute }) =>
      `Adapter ${file.name}: rank ${rank}, matrices as the file has them, and up to ${formatBytes(compute?.reduce((most, bytes) => Math.max(most, bytes), 0) ?? 0)} of a step (weights exact, step modelled)`,
    at: (there, _options, shape) => {
      const compute = new Float64Array(there.slots.length);
      const step = 4 * shape.stepTokens * (rank + widest);
      for (let i = 0; i < compute.length; i++) if ((bySlot[i] ?? 0) > 0) compute[i] = step;
      return { kv: null, state: null, compute, output: null, low: 0, high: 2 };
    },
  };
}

function slotOf(prepared: Prepared, layer: number | null, name: string): number {
  if (layer !== null) {
    const slot = prepared.layerSlot[layer] ?? prepared.hostSlot;
    return name.includes("_exps") && prepared.placement.expertsOnHost[layer] === 1 ? prepared.hostSlot : slot;
  }
  return prepared.outside.find((part) => part.name.startsWith(name))?.slot ?? prepared.hostSlot;
}

/** One line of the answer for each device that has some. */
export function partsOf(name: string, bySlot: Float64Array): OutsidePart[] {
  return [...bySlot].flatMap((bytes, slot) => (bytes > 0 ? [{ name, slot, bytes }] : []));
}
