/** How well each part of a plan for mistral.rs is known. */
import type { ModelSpec } from "../../model.ts";
import type { Basis, Part } from "../../result.ts";
import type { LayerLoad } from "../by-layer.ts";
import { OVERHEAD } from "../driver-overhead.ts";
import { type Resident, residentFormat } from "./resident.ts";
import { scoreBytes, stepTokens } from "./step.ts";
import type { MistralOptions } from "./types.ts";

/**
 * Exact where a run of mistral.rs held the same bytes: caches on a CPU, by no pool, and weights; a CPU's second copies
 * depend on which instructions it has. No GPU was there to run one.
 */
export function basisOf(
  model: ModelSpec,
  weights: Resident,
  options: MistralOptions,
  onCpu: boolean,
): Record<Part, Basis> {
  const cache: Basis = onCpu && !options.paged && options.tensorParallel === 1 ? "exact" : "modelled";
  const known =
    options.tensorParallel === 1 &&
    !isWidened(model, options) &&
    weights.repacked === 0 &&
    weights.repackedWithVnni === 0;
  return {
    weights_bytes: known ? (model.weights?.basis ?? "modelled") : "modelled",
    kv_cache_bytes: cache,
    state_bytes: cache,
    compute_bytes: "modelled",
    output_bytes: "modelled",
    overhead_bytes: "modelled",
  };
}

/**
 * 16 bits made 32 on a CPU. A run with 29 MB of them held what is said here, to the byte; one with 86 MB held as much as
 * the file's own bytes more, and why is not known: the range has room for them.
 */
function isWidened(model: ModelSpec, { typeBytes }: MistralOptions): boolean {
  const format = residentFormat(model);
  return typeBytes === 4 && format !== null && format.method === "plain" && format.id !== "f32";
}

/** Share that weights of a computed format may be off by. A guess: the tools' exceptions are not all known. */
const WEIGHTS_BAND = 0.01;
/** Share by which activations were above their formula in the runs on a CPU; GPUs are not measured. */
const COMPUTE_MORE = 0.5;

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

export function rangeOf(
  model: ModelSpec,
  options: MistralOptions,
  weights: Resident,
  load: LayerLoad,
  cuda: boolean,
): { readonly less: number; readonly more: number } {
  const ranks = options.tensorParallel;
  const bytes = ranks * (sum(weights.layers) + weights.outside.reduce((all, one) => all + one.bytes, 0));
  const file = isWidened(model, options) ? bytes / 2 : 0;
  const band = model.weights?.basis === "exact" ? 0 : bytes * WEIGHTS_BAND;
  const compute = sum(load.compute);
  const tokens = stepTokens(options, options.context, options.sequences);
  // Scores where no fused kernel runs; and, without paged attention, the caches again while a batch is put together.
  const scores = cuda ? ranks * scoreBytes(model, options, tokens, options.context) : 0;
  const copied = options.paged ? 0 : sum(load.kv);
  const driver = cuda ? OVERHEAD.cuda : OVERHEAD.cpu;
  return {
    // A short prompt needs next to nothing.
    less: band + weights.repacked + compute + ranks * (driver.mid - driver.low),
    more:
      band +
      file +
      weights.repackedWithVnni +
      compute * COMPUTE_MORE +
      scores +
      copied +
      ranks * (driver.high - driver.mid),
  };
}
