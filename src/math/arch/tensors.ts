/**
 * The blocks that most architectures are made of, as tensor lists with llama.cpp's names and ggml's order of dimensions
 * (row length first). A family puts its layers together from these.
 * @source llama.cpp src/llama-arch.cpp (names) and src/models/*.cpp (shapes)@v0.5.0
 */
import type { AttentionMixer, DenseFeedForward, MoeFeedForward, TensorRole, TensorSpec } from "../model.ts";

export function tensor(name: string, shape: readonly number[], role: TensorRole): TensorSpec {
  return { name, shape, role, type: null, at: null };
}

export function blockTensor(layer: number, name: string, shape: readonly number[], role: TensorRole): TensorSpec {
  return tensor(`blk.${layer}.${name}`, shape, role);
}

/** One vector of the embedding's width for each name: `attn_norm`, `ffn_norm`, `post_attention_norm` … */
export function norms(layer: number, width: number, names: readonly string[]): readonly TensorSpec[] {
  return names.map((name) => blockTensor(layer, `${name}.weight`, [width], "norm"));
}

export interface AttentionTraits {
  /** Biases of Q, K and V. */
  readonly qkvBias: boolean;
  /** Bias of the output projection. */
  readonly outputBias: boolean;
  /** One norm vector of a head's length for Q and one for K. */
  readonly qkNorm: boolean;
}

/** Q, K, V (or one fused QKV) and the output projection. A gated query is twice as wide. */
export function attentionTensors(
  layer: number,
  width: number,
  mixer: AttentionMixer,
  traits: AttentionTraits,
): readonly TensorSpec[] {
  const q = mixer.heads * mixer.headDimK * (mixer.gated ? 2 : 1);
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  const inputs: readonly (readonly [string, number])[] = mixer.fusedQkv
    ? [["attn_qkv", q + k + v]]
    : [
        ["attn_q", q],
        ["attn_k", k],
        ["attn_v", v],
      ];
  const list: TensorSpec[] = [];
  for (const [name, rows] of inputs) {
    list.push(blockTensor(layer, `${name}.weight`, [width, rows], "attention"));
    if (traits.qkvBias) list.push(blockTensor(layer, `${name}.bias`, [rows], "attention"));
  }
  list.push(blockTensor(layer, "attn_output.weight", [mixer.heads * mixer.headDimV, width], "attention"));
  if (traits.outputBias) list.push(blockTensor(layer, "attn_output.bias", [width], "attention"));
  if (traits.qkNorm) {
    list.push(blockTensor(layer, "attn_q_norm.weight", [mixer.headDimK], "norm"));
    list.push(blockTensor(layer, "attn_k_norm.weight", [mixer.headDimK], "norm"));
  }
  return list;
}

/** gate, up and down; with a fused gate, `ffn_up` holds both and is twice as wide. */
export function denseTensors(
  layer: number,
  width: number,
  feedForward: DenseFeedForward,
  bias = false,
): readonly TensorSpec[] {
  const inner = feedForward.width;
  const inputs: readonly (readonly [string, number])[] = feedForward.fusedGateUp
    ? [["ffn_up", 2 * inner]]
    : feedForward.gated
      ? [
          ["ffn_gate", inner],
          ["ffn_up", inner],
        ]
      : [["ffn_up", inner]];
  const list: TensorSpec[] = [];
  for (const [name, rows] of inputs) {
    list.push(blockTensor(layer, `${name}.weight`, [width, rows], "feed-forward"));
    if (bias) list.push(blockTensor(layer, `${name}.bias`, [rows], "feed-forward"));
  }
  list.push(blockTensor(layer, "ffn_down.weight", [inner, width], "feed-forward"));
  if (bias) list.push(blockTensor(layer, "ffn_down.bias", [width], "feed-forward"));
  return list;
}

export interface ExpertTraits {
  /** gate and up of all experts in one tensor `ffn_gate_up_exps`. */
  readonly fusedGateUp: boolean;
  /** Biases of the router and of every expert (gpt-oss). */
  readonly bias: boolean;
  /** Bias added to the scores when experts are chosen (deepseek v3: `exp_probs_b`). */
  readonly selectionBias: boolean;
}

export const PLAIN_EXPERTS: ExpertTraits = { fusedGateUp: false, bias: false, selectionBias: false };

/** Router, all routed experts in one tensor per matrix, and the shared experts as one. */
export function expertTensors(
  layer: number,
  width: number,
  moe: MoeFeedForward,
  traits: ExpertTraits,
): readonly TensorSpec[] {
  const { experts, expertWidth, sharedWidth } = moe;
  const list: TensorSpec[] = [blockTensor(layer, "ffn_gate_inp.weight", [width, experts], "router")];
  if (traits.bias) list.push(blockTensor(layer, "ffn_gate_inp.bias", [experts], "router"));
  if (traits.selectionBias) list.push(blockTensor(layer, "exp_probs_b.bias", [experts], "router"));
  const inputs: readonly (readonly [string, number])[] = traits.fusedGateUp
    ? [["ffn_gate_up_exps", 2 * expertWidth]]
    : [
        ["ffn_gate_exps", expertWidth],
        ["ffn_up_exps", expertWidth],
      ];
  for (const [name, rows] of inputs) {
    list.push(blockTensor(layer, `${name}.weight`, [width, rows, experts], "expert"));
    if (traits.bias) list.push(blockTensor(layer, `${name}.bias`, [rows, experts], "expert"));
  }
  list.push(blockTensor(layer, "ffn_down_exps.weight", [expertWidth, width, experts], "expert"));
  if (traits.bias) list.push(blockTensor(layer, "ffn_down_exps.bias", [width, experts], "expert"));
  if (sharedWidth > 0) {
    if (moe.sharedGated) list.push(blockTensor(layer, "ffn_gate_inp_shexp.weight", [width], "shared-expert"));
    list.push(blockTensor(layer, "ffn_gate_shexp.weight", [width, sharedWidth], "shared-expert"));
    list.push(blockTensor(layer, "ffn_up_shexp.weight", [width, sharedWidth], "shared-expert"));
    list.push(blockTensor(layer, "ffn_down_shexp.weight", [sharedWidth, width], "shared-expert"));
  }
  return list;
}
