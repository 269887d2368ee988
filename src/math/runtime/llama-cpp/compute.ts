/**
 * llama.cpp's compute buffers, worked out as llama.cpp works them out: the graph of one step is built, put on devices
 * and given memory by the rules of its allocator. Nothing is fitted.
 * @source src/llama-context.cpp sched_reserve, graph_reserve; ggml/src/ggml-alloc.c, ggml-backend.cpp at llama.cpp v0.5.0
 */
import type { Device } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { buildGraph } from "./compute-decoder.ts";
import { chooseLayers } from "./compute-layers.ts";
import { compile, type Program, run } from "./compute-program.ts";
import { schedule } from "./compute-schedule.ts";
import type { Step } from "./compute-step.ts";
import type { CacheShape, ComputeBuffers, LlamaCppOptions, Placement } from "./types.ts";

export interface ComputeSizes {
  /** Bytes of the head's weight, for op offload's copies. */
  readonly outputBytes: number;
  /** Bytes of the largest expert tensor of one layer. */
  readonly expertTensorBytes: number;
}

export interface ComputeTerm {
  readonly name: string;
  readonly formula: string;
  readonly bytes: number;
}

export interface ComputeExplanation {
  readonly phase: "attention" | "feed-forward" | "state" | "logits" | "none";
  readonly terms: readonly ComputeTerm[];
}

/** Repeats of alike layers that are built: the allocator has settled by then. */
const KEPT_REPEATS = 1000;

/**
 * @param _sizes kept for callers that size copies themselves: the model's own tensors say it here
 */
export function computeBuffers(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: readonly Device[],
  _sizes: ComputeSizes,
): ComputeBuffers {
  const { prompt, decode } = programsFor(model, options, caches, placement, accelerators.length);
  const window = windowOf(model);
  const full = caches.cells;
  const short = window === null ? full : caches.windowCells(window);
  const size = (i: number): number => {
    const first = prompt[i];
    const second = decode?.[i];
    const bytes = first === undefined ? 0 : run(first, full, short);
    return second === undefined ? bytes : Math.max(bytes, run(second, full, short));
  };
  return { devices: accelerators.map((_, i) => size(i)), host: size(accelerators.length) };
}

const windows = new WeakMap<ModelSpec, number | null>();

/** llama.cpp has one window for all layers that have one. */
function windowOf(model: ModelSpec): number | null {
  const known = windows.get(model);
  if (known !== undefined) return known;
  let window: number | null = null;
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) if ("window" in mixer && mixer.window !== null) window = mixer.window;
  }
  windows.set(model, window);
  return window;
}

/** Programs by device, the host's last: of the step with a whole batch of tokens, and of the step that decodes. */
interface Programs {
  readonly prompt: readonly Program[];
  /** One token for each sequence; null where it can't be the larger one: everything runs on accelerators. */
  readonly decode: readonly Program[] | null;
}

export function programsFor(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: number,
  keep = KEPT_REPEATS,
): Programs {
  const S = options.sequences;
  const make = (tokens: number, outputs: number): readonly Program[] => {
    const step: Step = {
      tokens: Math.ceil(tokens / S) * S,
      sequences: S,
      streams: caches.streams,
      outputs,
      flashAttention: options.flashAttention,
      kvTypeK: options.kvTypeK,
      kvTypeV: options.kvTypeV,
    };
    const graph = buildGraph(model, step, placement, chooseLayers(model, placement, accelerators, keep));
    const ties = step.tokens < 32 || placement.allOffloaded ? placement.layerDevice : null;
    return compile(schedule(graph, { accelerators, pipelined: placement.pipelined, ties }), accelerators + 1);
  };
  return {
    prompt: make(caches.stepTokens, Math.min(caches.stepTokens, options.outputs)),
    decode: accelerators === 0 || placement.allOffloaded ? null : make(S, S),
  };
}
