import { formatBytes, formatInteger } from "../../format.ts";
import type { ModelSpec } from "../../model.ts";
import type { LayerLoad } from "../by-layer.ts";
import { cacheTokens, ringOf, tokenBytes } from "./caches.ts";
import type { Resident } from "./resident.ts";
import type { ExllamaOptions } from "./types.ts";

export interface Explained {
  readonly model: ModelSpec;
  readonly options: ExllamaOptions;
  readonly weights: Resident;
  readonly rings: boolean;
}

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

/** One line per term: what it is, the formula with this plan's numbers, what it comes to, and how well it is known. */
export function explainExllama({ model, options, weights, rings }: Explained, load: LayerLoad): readonly string[] {
  const { bits, context, sequences, tensorParallel } = options;
  const ranks = tensorParallel > 1 ? ` on each of ${tensorParallel} GPUs` : "";
  const tokens = cacheTokens(context, sequences);
  const kinds = new Map<number, number>();
  for (const layer of model.layers) {
    const bytes = ringOf(layer, rings) === null ? tokenBytes(layer, bits, rings) : 0;
    if (bytes > 0) kinds.set(bytes, (kinds.get(bytes) ?? 0) + 1);
  }
  const type = bits === null ? "16 bits" : `${bits.k} and ${bits.v} bits, and a scale for 32 values`;
  const lines = [
    `Weights: ${model.weights?.name ?? "unnamed"} = ${formatBytes(sum(weights.layers) + weights.head + weights.small)}${tensorParallel > 1 ? " in all" : ""}, and ${formatBytes(weights.embedding)} of embedding in system memory (${model.weights?.basis ?? "modelled"})`,
    ...[...kinds].map(
      ([bytes, layers]) =>
        `KV cache: ${formatInteger(bytes)} B × ${formatInteger(tokens)} tokens (${sequences} × whole pages of 256, ${type}) × ${layers} layers = ${formatBytes(bytes * tokens * layers)} (exact)`,
    ),
  ];
  const ringed = model.layers.flatMap((layer) => {
    const held = ringOf(layer, rings);
    return held === null ? [] : [held * tokenBytes(layer, bits, rings)];
  });
  if (ringed.length > 0)
    lines.push(
      `Rings of windowed layers: ${sequences} × ${formatBytes(ringed[0] ?? 0)} × ${ringed.length} layers = ${formatBytes(sequences * sum(ringed))} (exact)`,
    );
  const state = sum(load.state);
  if (state > 0) lines.push(`State: ${sequences} sequences = ${formatBytes(state)}${ranks} (exact)`);
  lines.push(
    `Compute: ${formatInteger(options.chunk)} tokens of a prompt at once, and one matrix unpacked = ${formatBytes(Math.max(...load.compute))} on each GPU (modelled)`,
    `Output: ${formatInteger(Math.max(32, sequences))} × ${formatInteger(model.vocabularySize)} logits of 2 B = ${formatBytes(sum(load.output))} (modelled)`,
    `Beside them: the driver = ${formatBytes(sum(load.overhead))} (modelled)`,
  );
  return lines;
}
