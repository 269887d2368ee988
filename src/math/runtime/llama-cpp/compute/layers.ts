/** Which layers have to be built to see all that happens: runs of layers that are alike settle after a few. */
import type { ModelSpec } from "../../../model.ts";
import { HOST, type Placement } from "../types.ts";
import { shapeKinds, typedKinds } from "./kinds.ts";

/** Repeats of alike layers that are built: the allocator has settled by then. */
const KEPT_REPEATS = 4;

/** More than a machine has. */
const DEVICES = 1024;

/** The longest period of layers that is looked for: gemma 3's is 6. */
const LONGEST_PERIOD = 8;

/**
 * Indexes of the layers to build. A block of up to 8 layers that repeats more than `keep` times is cut to `keep` repeats,
 * or one more so that what is left of it is as odd as it was: the residual stream changes places from layer to layer.
 */
export function chooseLayers(
  model: ModelSpec,
  placement: Placement,
  accelerators: number,
  repeats: number | null = null,
): readonly number[] {
  // A lone recurrent mixer's end is computed among the next layer's beginning: such layers do not settle.
  const drifting = model.layers.some((l) => l.feedForward.kind === "none");
  const keep = repeats ?? (drifting ? Number.POSITIVE_INFINITY : KEPT_REPEATS);
  const shape = shapeKinds(model);
  const n = model.layers.length;
  // What differs between layers that are not alike, in one number each.
  const ids = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const device = placement.layerDevice[i] ?? HOST;
    const expertsOnHost = placement.expertsOnHost[i] ?? 0;
    const copied = accelerators > 0 && (device === HOST || expertsOnHost === 1);
    const kind = (copied ? typedKinds(model) : shape)[i] ?? 0;
    ids[i] = ((kind * DEVICES + device + 1) * 2 + expertsOnHost) * 2 + (copied ? 1 : 0);
  }
  const chosen: number[] = [];
  let i = 0;
  // The last layer is always built as it is: it is where rows are picked.
  while (i < n - 1) {
    let period = 0;
    let times = 1;
    for (let p = 1; p <= LONGEST_PERIOD && period === 0; p++) {
      const r = repeatsAt(ids, i, p, n - 1);
      const least = keep + 1;
      if (r > least) {
        period = p;
        times = r;
      }
    }
    if (period === 0) {
      chosen.push(i++);
      continue;
    }
    const kept = keep + ((times - keep) % 2);
    const first = i + (times - kept) * period;
    for (let j = first; j < i + times * period; j++) chosen.push(j);
    i += times * period;
  }
  if (n > 0) chosen.push(n - 1);
  return chosen;
}

function repeatsAt(ids: Float64Array, from: number, period: number, end: number): number {
  let repeats = 1;
  while (from + (repeats + 1) * period <= end) {
    for (let k = 0; k < period; k++) {
      if (ids[from + k] !== ids[from + repeats * period + k]) return repeats;
    }
    repeats++;
  }
  return repeats;
}
