import { formatBytes, formatInteger } from "../../format.ts";
import { MLX_FIT, stepTokens } from "./compute.ts";
import type { Moment, Totals } from "./memory.ts";
import type { Prepared } from "./prepare.ts";

const WHEN: Readonly<Record<Moment, string>> = {
  wholeSteps: "while the prompt's last whole step is read",
  prompt: "when the prompt is read",
  end: "at the end",
};

const NAMES = { whole: "KVCache", rotating: "RotatingKVCache", chunked: "ChunkedKVCache" } as const;

/** One line per term: the formula with this plan's numbers, what it comes to, how well it is known. */
export function explainTotals(prepared: Prepared, load: Totals): readonly string[] {
  const { model, module, groups, options, sizes } = prepared;
  const several = load.sequences > 1 ? ` × ${formatInteger(load.sequences)} sequences` : "";
  const basis = load.sequences > 1 ? "modelled" : "exact";
  const lines = [
    `Weights: ${model.weights?.name ?? ""} as mlx_lm.convert makes them for its model ${module} = ${formatInteger(sizes.total)} B (${model.weights?.basis ?? "modelled"})`,
  ];
  for (const [i, group] of groups.entries()) {
    const cells = load.cells[i] ?? 0;
    const name = options.kvBits !== null && group.cache.kind === "whole" ? "QuantizedKVCache" : NAMES[group.cache.kind];
    const window = group.cache.kind === "whole" ? "" : ` of ${formatInteger(group.cache.window)}`;
    lines.push(
      `${name}${window}: ${formatInteger(group.layers)} caches, ${formatInteger(group.bytesPerToken)} B a token × room for ${formatInteger(cells)} tokens ${WHEN[load.moment]}${several} = ${formatBytes(group.bytesPerToken * cells * load.sequences)} (${basis})`,
    );
  }
  if (prepared.stateBytes > 0)
    lines.push(
      `Recurrent states: ${formatInteger(prepared.stateBytes)} B${several} = ${formatBytes(load.state)} (${basis})`,
    );
  const tokens = stepTokens(load.context, load.sequences, options.step);
  lines.push(
    `Running: Metal's command buffers under way while ${formatInteger(tokens)} tokens are read: ${MLX_FIT.base} GB + ${MLX_FIT.step} GB × ${formatInteger(tokens)} / 2,048 + ${MLX_FIT.hidden} × 2 B × ${formatInteger(tokens)} × ${formatInteger(model.embeddingLength)} + ${MLX_FIT.growth} of one layer's cache, and no more than all arrays of one step = ${formatBytes(load.compute.bytes - load.compute.scores - load.compute.convInputs)} (modelled, fitted to measured peaks)`,
  );
  if (load.compute.scores > 0)
    lines.push(
      `Attention that is not fused: heads × ${formatInteger(tokens)} × ${formatInteger(load.context)} scores = ${formatBytes(load.compute.scores)} (modelled, not measured: none to three times that)`,
    );
  if (load.compute.convInputs > 0)
    lines.push(
      `Inputs of the convolutions, which their states keep alive for a step: ${formatBytes(load.compute.convInputs)} (modelled)`,
    );
  lines.push(
    `Logits and probabilities of the last token: ${formatBytes(load.output)} (modelled)`,
    "Not counted: buffers that are free and kept for reuse, which MLX gives back before memory runs out, and the Python process itself.",
  );
  return lines;
}
