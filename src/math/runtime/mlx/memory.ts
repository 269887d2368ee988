import { plannableBytes } from "../../machine.ts";
import { type CellsAt, cellsAt } from "./cells.ts";
import { type ComputeBytes, computeBytes } from "./compute.ts";
import type { Prepared } from "./prepare.ts";

export type Moment = keyof CellsAt;
const MOMENTS: readonly Moment[] = ["wholeSteps", "prompt", "end"];

/** What a plan takes, all of it in one place. Bytes. */
export interface Totals {
  readonly context: number;
  readonly sequences: number;
  /** When the caches are largest, and the cells of each group then. */
  readonly moment: Moment;
  readonly cells: readonly number[];
  readonly kv: number;
  readonly state: number;
  readonly compute: ComputeBytes;
  readonly output: number;
  readonly total: number;
}

/** Cells of every group of caches at each moment, for one sequence. */
function cellsOfGroups({ groups, options }: Prepared, context: number): readonly CellsAt[] {
  return groups.map(({ cache }) => cellsAt(cache, context, options.step));
}

function sumAt({ groups }: Prepared, cells: readonly CellsAt[], moment: Moment): number {
  let bytes = 0;
  for (let i = 0; i < groups.length; i++) bytes += (groups[i]?.bytesPerToken ?? 0) * (cells[i]?.[moment] ?? 0);
  return bytes;
}

/** Bytes of one sequence's caches at a moment; states are not among them. */
export function cacheBytesAt(prepared: Prepared, context: number, moment: Moment): number {
  return sumAt(prepared, cellsOfGroups(prepared, context), moment);
}

/** A ring holds more while the prompt is read than afterwards, any other cache most at the end: the larger of both is what must fit. */
export function totals(prepared: Prepared, context: number, sequences: number): Totals {
  const { groups, options, model, sizes } = prepared;
  const cells = cellsOfGroups(prepared, context);
  let moment: Moment = "end";
  let one = -1;
  for (const candidate of MOMENTS) {
    const bytes = sumAt(prepared, cells, candidate);
    if (bytes < one) continue;
    one = bytes;
    moment = candidate;
  }
  const at = cells.map((of) => of[moment]);
  let grown = 0;
  for (let i = 0; i < groups.length; i++)
    grown = Math.max(grown, (groups[i]?.bytesPerTokenOfOne ?? 0) * (at[i] ?? 0) * sequences);
  const compute = computeBytes(
    prepared.compute,
    {
      context,
      sequences,
      step: options.step,
      elementBytes: options.elementBytes,
      layerCacheBytes: grown,
      heads: prepared.heads,
      quantizedCache: options.kvBits !== null,
    },
    prepared.slots[0]?.backend ?? "cpu",
  );
  const kv = one * sequences;
  const state = prepared.stateBytes * sequences;
  const output = outputBytes(model.vocabularySize, options.elementBytes, sequences);
  return {
    context,
    sequences,
    moment,
    cells: at,
    kv,
    state,
    compute,
    output,
    total: sizes.total + kv + state + compute.bytes + output,
  };
}

/** The last token's logits and their logarithms as probabilities, a row of each for every sequence. @source mlx-lm 0.32.2 mlx_lm/generate.py _step */
export function outputBytes(vocabulary: number, elementBytes: number, sequences: number): number {
  return 2 * vocabulary * elementBytes * sequences;
}

/** What is left by slot; one memory for both: what the accelerator takes is gone from the host. null: no limit is known. */
export function spare({ slots, machine, options }: Prepared, total: number): readonly (number | null)[] {
  return slots.map((device, i) => {
    const limit = plannableBytes(device);
    if (limit === null) return null;
    if (i === 0) return limit - total - options.reserveBytes;
    return i === slots.length - 1 && machine.unified ? limit - total : limit;
  });
}

/** True when no known limit is crossed. */
export function fits(prepared: Prepared, { total }: Totals): boolean {
  return spare(prepared, total).every((left) => left === null || left >= 0);
}
