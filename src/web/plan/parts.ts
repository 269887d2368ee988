/** The parts of memory as the page shows them: one order, one name, one pattern, everywhere. */
import type { Basis, Part, PartsBytes } from "../../math/result.ts";

export type Swatch = "weights" | "kv" | "state" | "compute" | "output" | "overhead";

export interface PartView {
  readonly part: Part;
  readonly name: string;
  readonly swatch: Swatch;
}

/** From the ground up: weights lowest, KV on top of what does not grow. */
export const PART_VIEWS: readonly PartView[] = [
  { part: "weights_bytes", name: "Weights", swatch: "weights" },
  { part: "state_bytes", name: "State", swatch: "state" },
  { part: "kv_cache_bytes", name: "KV cache", swatch: "kv" },
  { part: "compute_bytes", name: "Compute", swatch: "compute" },
  { part: "output_bytes", name: "Output", swatch: "output" },
  { part: "overhead_bytes", name: "Driver", swatch: "overhead" },
];

export function partsOf(memory: PartsBytes): readonly { readonly swatch: Swatch; readonly bytes: number }[] {
  return PART_VIEWS.map(({ part, swatch }) => ({ swatch, bytes: memory[part] }));
}

export const BASIS_WORDS: Readonly<Record<Basis, string>> = {
  exact: "exact",
  modelled: "modelled",
  measured: "measured",
  engine: "the engine's own",
};
