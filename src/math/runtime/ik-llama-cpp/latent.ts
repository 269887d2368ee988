import { formatBytes } from "../../format.ts";
import type { LatentMixer, ModelSpec } from "../../model.ts";
import { MIB } from "../../units.ts";
import type { Beside } from "../llama-cpp/beside.ts";
import { computeBuffers } from "../llama-cpp/compute/buffers.ts";
import type { LlamaCppOptions } from "../llama-cpp/types.ts";

/** -mla 0: whole keys and values; 1: latent, K and transposed V; 2, 3: latent K alone, unpacked to read a prompt. */
export const LATENT_MODES = [0, 1, 2, 3] as const;
export type LatentMode = (typeof LATENT_MODES)[number];

/** Tokens from which a step counts as a prompt's. @source src/graphs/build_deepseek2.cpp pp_opt */
const PROMPT_TOKENS = 128;

/** A budget is any number of MiB. */
const MOST_KEPT = 64;

const kept = new WeakMap<ModelSpec, Map<string, readonly Beside[]>>();

/** What its steps take more, or less, than llama.cpp's on every device with a layer. */
export function stepBeside(
  model: ModelSpec,
  options: LlamaCppOptions,
  mode: LatentMode,
  attentionBatch: number,
  older: boolean,
): readonly Beside[] {
  let byOptions = kept.get(model);
  if (byOptions === undefined) {
    byOptions = new Map();
    kept.set(model, byOptions);
  }
  const key = `${mode} ${attentionBatch} ${options.flashAttention} ${older}`;
  let beside = byOptions.get(key);
  if (beside === undefined) {
    const mixers = model.layers.flatMap((layer) => layer.mixers);
    const latent = mixers.find((mixer) => mixer.kind === "latent");
    if (options.flashAttention) {
      beside = latent !== undefined && mode >= 2 ? [unpackedHeads(latent, attentionBatch, older)] : [];
    } else {
      const heads = mixers.reduce((most, mixer) => Math.max(most, mixer.kind === "state" ? 0 : mixer.heads), 0);
      beside = attentionBatch > 0 && heads > 0 ? [cappedScores(heads, attentionBatch)] : [];
    }
    if (byOptions.size >= MOST_KEPT) byOptions.clear();
    byOptions.set(key, beside);
  }
  return beside;
}

/**
 * Heads whose keys and values are unpacked at once: all, or the largest part of them whose F32 fits the -amb budget.
 * @source src/graphs/build_deepseek2.cpp#L927@8337e4cd3861406fc04e0854b1409cd1b027fbc9
 */
export function headsAtOnce(mixer: LatentMixer, cells: number, attentionBatch: number): number {
  const { heads, nopeDim, valueDim } = mixer;
  const whole = Math.floor((heads * (nopeDim + valueDim) * cells * 4) / MIB);
  if (attentionBatch <= 0 || whole <= attentionBatch) return heads;
  for (let parts = 2; parts < heads; parts++) {
    if (heads % parts === 0 && Math.floor(whole / parts) <= attentionBatch) return heads / parts;
  }
  return 1;
}

/**
 * The phase in which a prompt's step unpacks keys and values over all cells n, of h heads at a time:
 *   n · h · (2·(rope + nope) K + 2·v V + 2·rope repeated, in F16) + 2·n·T mask + 2·4·E·T states
 *   + n · h · 4·(nope + v) in F32 while h is not all of them
 * Older builds (b3608 … b3818, 40 loads of which are in tests/fixtures/load-logs) keep the F16 ones of all heads, and only
 * the F32 ones within -amb: those pass before the others are put together, and do not count. Where llama.cpp's step is larger, nothing comes on top.
 * @source src/graphs/build_deepseek2.cpp#L922-1035@8337e4cd3861406fc04e0854b1409cd1b027fbc9
 */
function unpackedHeads(mixer: LatentMixer, attentionBatch: number, older: boolean): Beside {
  const { heads, nopeDim, valueDim, ropeDim } = mixer;
  const f16 = 2 * (ropeDim + nopeDim) + 2 * valueDim + 2 * ropeDim;
  const f32 = 4 * (nopeDim + valueDim);
  return {
    parts: [],
    explain: ({ compute }) =>
      `Unpacked keys and values while a prompt is read, at most ${attentionBatch} MiB of F32 at a time: ${formatBytes(sum(compute))} more (modelled)`,
    at: (prepared, _options, shape, buffers) => {
      const compute = new Float64Array(prepared.slots.length);
      const { cells, stepTokens } = shape;
      if (stepTokens >= PROMPT_TOKENS) {
        const once = older ? heads : headsAtOnce(mixer, cells, attentionBatch);
        const phase =
          cells * once * (f16 + (older ? 0 : f32)) +
          2 * cells * stepTokens +
          8 * prepared.model.embeddingLength * stepTokens;
        for (const { slot } of prepared.caches) compute[slot] = Math.max(0, phase - (buffers[slot] ?? 0));
      }
      return { kv: null, state: null, compute, output: null, ...STEP_RANGE };
    },
  };
}

/**
 * Without flash attention no more than -amb MiB of scores at a time: what is over that of heads · cells · T · 4 B is spared
 * on a device whose step holds them whole, but nothing of what its step takes without any scores.
 */
function cappedScores(heads: number, attentionBatch: number): Beside {
  return {
    parts: [],
    explain: ({ compute }) =>
      `Scores of attention at most ${attentionBatch} MiB at a time: ${formatBytes(Math.abs(sum(compute)))} less than llama.cpp's (modelled)`,
    at: (prepared, options, shape, buffers) => {
      const compute = new Float64Array(prepared.slots.length);
      const whole = heads * shape.cells * shape.stepTokens * 4;
      const over = whole - attentionBatch * MIB;
      const holding = new Set(prepared.caches.flatMap(({ slot }) => ((buffers[slot] ?? 0) >= whole ? [slot] : [])));
      if (over > 0 && holding.size > 0) {
        const { model, placement, machine } = prepared;
        const scoreless = { ...options, flashAttention: true };
        const without = computeBuffers(model, scoreless, shape, placement, machine.accelerators);
        for (const slot of holding) {
          const rest = without.devices[slot] ?? without.host;
          compute[slot] = -Math.min(over, Math.max(0, (buffers[slot] ?? 0) - rest));
        }
      }
      return { kv: null, state: null, compute, output: null, ...SPARED_RANGE };
    },
  };
}

/** Shares of what is spared: a guess, since how the parts of the scores lie in the buffer is not modelled. */
const SPARED_RANGE = { low: 1.1, high: 0.5 } as const;

/** A guess: how this phase meets the allocator's other blocks is not modelled. */
const STEP_RANGE = { low: 0.6, high: 1.6 } as const;

function sum(bytes: Float64Array | null): number {
  return bytes?.reduce((total, one) => total + one, 0) ?? 0;
}
