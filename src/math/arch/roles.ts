/** What a tensor is for, by llama.cpp's name: for those of a file that the computed list lacks (scales, biases). */
import type { TensorRole } from "../model.ts";

/** The first match stands. */
const RULES: readonly (readonly [RegExp, TensorRole])[] = [
  [/^token_embd\b/, "embedding"],
  [/^output\b/, "output"],
  [/norm\b/, "norm"],
  [/^ffn_(gate|up|down|gate_up)_exps\b/, "expert"],
  [/_shexp\b/, "shared-expert"],
  [/^(ffn_gate_inp|exp_probs_b)\b/, "router"],
  [/^ffn_/, "feed-forward"],
  [/^ssm_/, "state"],
  [/^attn_/, "attention"],
];

export function roleOf(name: string): TensorRole {
  const inBlock = name.replace(/^blk\.\d+\./, "");
  return RULES.find(([pattern]) => pattern.test(inBlock))?.[1] ?? "other";
}

/** N of `blk.N.…`, null for a tensor outside the layers (or in a layer past any that a model may have). */
export function layerOf(name: string): number | null {
  const digits = /^blk\.(\d{1,6})\./.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}
