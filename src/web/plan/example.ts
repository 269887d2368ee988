/**
 * A model that is always there: gpt-oss-20b, whose layers are not alike (sliding and full attention in turn, experts in
 * every layer). Its published config.json, the fields that say its geometry.
 * @source https://huggingface.co/openai/gpt-oss-20b/blob/main/config.json
 */

import { AppError } from "../../errors.ts";
import { specFromConfig } from "../../math/arch/index.ts";
import type { Machine } from "../../math/machine.ts";
import { readCheckpointFormat } from "../../math/parts/formats/from-config.ts";
import type { PlanSubject } from "../../math/plan-input.ts";
import type { PlanRequest } from "../../request.ts";
import type { OpenedPlan } from "./deps.ts";

/** What to give as MODEL on the page. No name of the hub has a colon before its slash. */
export const EXAMPLE_MODEL = "example:gpt-oss-20b";
/** As published: experts in MXFP4. */
const WEIGHTS = "MXFP4_MOE";

const LAYERS = 24;

const CONFIG = {
  architectures: ["GptOssForCausalLM"],
  model_type: "gpt_oss",
  attention_bias: true,
  head_dim: 64,
  hidden_act: "silu",
  hidden_size: 2880,
  initial_context_length: 4096,
  intermediate_size: 2880,
  layer_types: Array.from({ length: LAYERS }, (_, i) => (i % 2 === 0 ? "sliding_attention" : "full_attention")),
  max_position_embeddings: 131072,
  num_attention_heads: 64,
  num_experts_per_tok: 4,
  num_hidden_layers: LAYERS,
  num_key_value_heads: 8,
  num_local_experts: 32,
  rms_norm_eps: 1e-5,
  rope_scaling: {
    beta_fast: 32,
    beta_slow: 1,
    factor: 32,
    original_max_position_embeddings: 4096,
    rope_type: "yarn",
    truncate: false,
  },
  rope_theta: 150000,
  sliding_window: 128,
  swiglu_limit: 7,
  tie_word_embeddings: false,
  vocab_size: 201088,
  quantization_config: {
    modules_to_not_convert: ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
    quant_method: "mxfp4",
  },
} as const;
/** metadata.total_size of the published index. */
const TOTAL_BYTES = 13_761_264_768;

function exampleSubject(): PlanSubject {
  const spec = specFromConfig(CONFIG);
  return {
    id: "openai/gpt-oss-20b",
    source: "built-in",
    revision: null,
    file: null,
    downloadBytes: null,
    spec,
    published: WEIGHTS,
    checkpoint:
      spec.status === "ok"
        ? { format: readCheckpointFormat(CONFIG, spec.spec), table: null, totalBytes: TOTAL_BYTES }
        : null,
    choices: [],
    warnings: [],
  };
}

let subject: PlanSubject | null = null;

export function openExample(
  { weights, engine, engineVersion, device, options }: PlanRequest,
  machine: Machine,
): OpenedPlan {
  subject ??= exampleSubject();
  return {
    input: { subject, weights, engine, engineVersion, device, options, machine, summary: false },
    fetchedAt: null,
  };
}

export function cannotAskExample(): AppError {
  return new AppError("unsupported", "Cannot ask llama.cpp about the example: it has no GGUF header", {
    hint: "open a GGUF file of it, as org/name:Q4_K_M",
  });
}
