/** A llama of random weights, small enough to be loaded in a second: config, tokenizer and safetensors in a folder. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RawConfig } from "../../../../src/math/arch/family.ts";

export interface TinyShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly width: number;
  readonly vocabulary: number;
  readonly context: number;
  /** With a window it is a gemma 2, of which every second layer has it. */
  readonly window: number | null;
}

export function tinyConfig(shape: TinyShape): RawConfig {
  return {
    architectures: [shape.window === null ? "LlamaForCausalLM" : "Gemma2ForCausalLM"],
    model_type: shape.window === null ? "llama" : "gemma2",
    hidden_size: shape.hidden,
    intermediate_size: shape.width,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    vocab_size: shape.vocabulary,
    max_position_embeddings: shape.context,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: shape.window !== null,
    torch_dtype: "bfloat16",
    bos_token_id: 256,
    eos_token_id: 256,
    ...(shape.window === null
      ? {}
      : {
          sliding_window: shape.window,
          head_dim: shape.hidden / shape.heads,
          query_pre_attn_scalar: shape.hidden / shape.heads,
          attn_logit_softcapping: 50,
          final_logit_softcapping: 30,
          attention_bias: false,
        }),
  };
}

export function writeTinyModel(folder: string, shape: TinyShape): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, data: unknown): void => writeFileSync(join(folder, name), JSON.stringify(data));
  write("config.json", tinyConfig(shape));
  write("tokenizer.json", byteTokenizer());
  write("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: END,
    eos_token: END,
    chat_template: "{% for message in messages %}{{ message['content'] }}{% endfor %}",
  });
  writeFileSync(join(folder, "model.safetensors"), safetensors(tensorsOf(shape)));
}

const END = "<|end|>";

function tensorsOf({ layers, hidden, heads, kvHeads, width, vocabulary, window }: TinyShape): [string, number[]][] {
  const head = hidden / heads;
  const tensors: [string, number[]][] = [
    ["model.embed_tokens.weight", [vocabulary, hidden]],
    ["model.norm.weight", [hidden]],
  ];
  if (window === null) tensors.push(["lm_head.weight", [vocabulary, hidden]]);
  for (let i = 0; i < layers; i++) {
    const of = (name: string): string => `model.layers.${i}.${name}.weight`;
    tensors.push(
      [of("self_attn.q_proj"), [hidden, hidden]],
      [of("self_attn.k_proj"), [kvHeads * head, hidden]],
      [of("self_attn.v_proj"), [kvHeads * head, hidden]],
      [of("self_attn.o_proj"), [hidden, hidden]],
      [of("mlp.gate_proj"), [width, hidden]],
      [of("mlp.up_proj"), [width, hidden]],
      [of("mlp.down_proj"), [hidden, width]],
      [of("input_layernorm"), [hidden]],
      [of("post_attention_layernorm"), [hidden]],
    );
    if (window === null) continue;
    tensors.push([of("pre_feedforward_layernorm"), [hidden]], [of("post_feedforward_layernorm"), [hidden]]);
  }
  return tensors;
}

/** bf16 all through. The values repeat: what they are does not matter, only that they are no zeros. */
function safetensors(tensors: readonly (readonly [string, readonly number[]])[]): Uint8Array {
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape] of tensors) {
    const bytes = 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  const data = new DataView(file.buffer, 8 + json.length);
  for (let i = 0; i < offset; i += 2) {
    // Sign and mantissa from a small generator, the exponent of 2^-6.
    const random = (Math.imul(i + 1, 2_654_435_761) >>> 16) & 0x80ff;
    data.setUint16(i, 0x3c80 | (random & 0x807f), true);
  }
  return file;
}

/** One token for each byte, as GPT-2 writes them, and one to end with. */
function byteTokenizer(): unknown {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const vocabulary: Record<string, number> = {};
  let next = 256;
  for (let byte = 0; byte < 256; byte++) vocabulary[String.fromCodePoint(printable(byte) ? byte : next++)] = byte;
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      { id: 256, content: END, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges: [],
    },
  };
}
