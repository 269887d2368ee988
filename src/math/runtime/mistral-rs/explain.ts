import { formatBytes, formatInteger } from "../../format.ts";
import type { ModelSpec } from "../../model.ts";
import type { Basis } from "../../result.ts";
import type { LayerLoad } from "../by-layer.ts";
import { BLOCK_TOKENS, grownTokens } from "./caches.ts";
import type { Resident } from "./resident.ts";
import { residentFormat } from "./resident.ts";
import type { CacheRow, MistralOptions, StateShape } from "./types.ts";

export interface Explained {
  readonly model: ModelSpec;
  readonly options: MistralOptions;
  readonly weights: Resident;
  readonly rows: readonly CacheRow[];
  readonly states: readonly (StateShape | null)[];
  readonly blocks: number | null;
  readonly stateCount: number;
  /** Of caches and states. */
  readonly basis: Basis;
}

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

/** One line per term: what it is, the formula with this plan's numbers, what it comes to, and how well it is known. */
export function explainMistral(plan: Explained, load: LayerLoad): readonly string[] {
  const { options } = plan;
  const ranks = options.tensorParallel > 1 ? ` on each of ${options.tensorParallel} GPUs` : "";
  return [
    ...explainWeights(plan, ranks),
    ...explainCaches(plan, ranks),
    ...explainStates(plan, ranks),
    options.paged
      ? `Compute: activations of up to ${formatInteger(4096)} tokens of prompt in a step = ${formatBytes(Math.max(...load.compute))}${ranks} (modelled)`
      : `Compute: a prompt of the whole context in one step, its mask, and the copies of its cache = ${formatBytes(sum(load.compute))} at most (modelled)`,
    `Output: ${options.sequences} × ${formatInteger(plan.model.vocabularySize)} logits as ${options.typeBytes} B there and 4 B on the host = ${formatBytes(sum(load.output))} (modelled)`,
    `Beside them: rotary tables of the whole trained context, and the driver = ${formatBytes(sum(load.overhead))} (modelled)`,
  ];
}

function explainWeights({ model, weights, options }: Explained, ranks: string): string[] {
  const format = residentFormat(model);
  const bytes = sum(weights.layers) + weights.outside.reduce((all, one) => all + one.bytes, 0);
  const lines = [
    `Weights: ${model.weights?.name ?? "unnamed"}, ${format === null ? "quantized blocks as the file has them" : format.method === "plain" ? `in ${8 * (format.id === "f32" ? 4 : options.typeBytes)} bits` : "as the format packs them"}, the rest in ${8 * options.typeBytes} bits = ${formatInteger(bytes)} B${ranks} (${weights.repacked > 0 ? "modelled" : (model.weights?.basis ?? "modelled")})`,
  ];
  if (weights.merged > 0) lines.push(`Within them: gate and up held twice = ${formatBytes(weights.merged)}`);
  if (weights.repacked > 0)
    lines.push(
      `Within them: matrices repacked for a CPU with AVX2, beside their originals = ${formatBytes(weights.repacked)}`,
    );
  return lines;
}

function explainCaches({ options, rows, blocks, basis }: Explained, ranks: string): string[] {
  const kinds = new Map<string, { count: number; row: CacheRow }>();
  for (const row of rows) {
    if (row.key + row.value === 0 || (row.shared && !options.paged)) continue;
    const id = `${row.key} ${row.value} ${row.window}`;
    const known = kinds.get(id);
    if (known === undefined) kinds.set(id, { count: 1, row });
    else known.count++;
  }
  return [...kinds.values()].map(({ count, row }) => {
    const each = (row.key + row.value) * options.kvBytes;
    const tokens =
      options.paged && blocks !== null
        ? blocks * BLOCK_TOKENS
        : options.sequences * grownTokens(options.context, row.window);
    const how = options.paged
      ? `${formatInteger(blocks ?? 0)} blocks of ${BLOCK_TOKENS}`
      : `${options.sequences} × ${formatInteger(tokens / options.sequences)}${row.window === null ? "" : `, window ${formatInteger(row.window)}`}`;
    return `KV cache: ${formatInteger(each)} B × ${formatInteger(tokens)} tokens (${how}) × ${count} layers = ${formatBytes(each * tokens * count)}${ranks} (${basis})`;
  });
}

function explainStates({ states, stateCount, options, basis }: Explained, ranks: string): string[] {
  const [first] = states.filter((state) => state !== null);
  if (first === undefined) return [];
  const layers = states.filter((state) => state !== null).length;
  const each = first.convElements * options.typeBytes + first.stateElements * first.stateBytes;
  return [
    `State: (${formatInteger(first.convElements)} × ${options.typeBytes} B convolution + ${formatInteger(first.stateElements)} × ${first.stateBytes} B) × ${stateCount + first.extra} places × ${layers} layers = ${formatBytes(each * (stateCount + first.extra) * layers)}${ranks} (${basis})`,
  ];
}
