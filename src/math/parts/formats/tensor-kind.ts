/** What a quantising tool sees in a tensor. Names are llama.cpp's; what they stand for is asked of the role first. */
import type { TensorSpec } from "../../model.ts";

/** "gguf-only": made by llama.cpp's converter, in no safetensors. "vector": norms, biases, convolutions, and the like. */
export type TensorKind = "linear" | "expert" | "router" | "embedding" | "head" | "vector" | "gguf-only";

const GGUF_ONLY = /^(?:blk\.\d+\.)?(?:rope_(?:freqs|factors)|attn_rot_embd)/;
/** Parameters with two dimensions that no tool takes for a linear layer: short convolutions, decays, mixes. */
const NO_LINEAR =
  /(?:conv1d|conv\.weight|shortconv\.conv|ssm_a\b|ssm_d\b|ssm_dt\b(?!\.weight)|_lerp|time_mix_(?:first|decay\.|decay_w|w[12]))/;

/** Linear layers beside the usual ones: gemma's inputs by layer, multi-token prediction. */
const OTHER_LINEAR = /(?:^|\.)(?:inp_gate|proj|per_layer_model_proj|eh_proj|ffn_latent_(?:up|down))\.weight$/;
/** A linear layer with one output. */
const SHARED_GATE = /\.ffn_gate_inp_shexp\.weight$/;

export function tensorKind({ name, role, shape }: TensorSpec): TensorKind {
  if (GGUF_ONLY.test(name)) return "gguf-only";
  if (SHARED_GATE.test(name)) return "router";
  const wide = shape.filter((n) => n > 1).length >= 2;
  if (!wide || role === "norm" || !name.endsWith(".weight") || NO_LINEAR.test(name)) return "vector";
  switch (role) {
    case "embedding":
      return "embedding";
    case "output":
      return "head";
    case "router":
      return "router";
    case "expert":
      return "expert";
    case "attention":
    case "state":
    case "feed-forward":
    case "shared-expert":
      return "linear";
    case "other":
      return OTHER_LINEAR.test(name) ? "linear" : "vector";
    default:
      return role satisfies never;
  }
}
