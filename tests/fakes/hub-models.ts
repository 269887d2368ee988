/** Repositories for the fake hub, made by code: real geometry, no weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MetadataValue } from "../../src/math/arch/family.ts";
import { accountingRows } from "../fixtures/accounting/read.ts";
import {
  encodeGguf,
  type GgufFile,
  type KvScalar,
  type KvValue,
  shardName,
  splitGguf,
} from "../fixtures/gguf-writer.ts";
import type { FakeFile, FakeRepo } from "./hub-server.ts";

export function textFile(path: string, text: string): FakeFile {
  return { path, bytes: new TextEncoder().encode(text) };
}

export function ggufFile(path: string, file: GgufFile): FakeFile {
  const { header, fileBytes } = encodeGguf(file);
  return { path, bytes: header, size: fileBytes };
}

export function configText(name: "gpt-oss-20b" | "tinyllama-1.1b"): string {
  return readFileSync(join(import.meta.dir, "hub-models", `${name}.config.json`), "utf8");
}

/** A safetensors file: 8 bytes of length, the JSON, then the data as a hole. */
export function safetensorsFile(
  path: string,
  tensors: Readonly<Record<string, readonly [dtype: string, shape: readonly number[], bytes: number]>>,
): FakeFile {
  let at = 0;
  const entries = Object.entries(tensors).map(([name, [dtype, shape, bytes]]) => {
    const entry = [name, { dtype, shape, data_offsets: [at, at + bytes] }] as const;
    at += bytes;
    return entry;
  });
  const json = new TextEncoder().encode(
    JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) }),
  );
  const bytes = new Uint8Array(8 + json.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return { path, bytes, size: bytes.length + at };
}

function kvOf(value: MetadataValue): KvValue {
  if (typeof value === "string") return { type: "str", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") return { type: Number.isInteger(value) ? "u32" : "f32", value };
  const [first] = value;
  const arr = typeof first === "boolean" ? "bool" : typeof first === "string" ? "str" : "u32";
  return { arr, values: value as readonly KvScalar[] };
}

/** A model as llama.cpp itself quantized it (names, shapes, types), with a vocabulary of made-up words. */
export function accountedGguf(model: string, weights: string): GgufFile {
  const row = accountingRows().find((entry) => entry.model === model && entry.weights === weights);
  if (row === undefined) throw new Error(`no accounting of ${model} as ${weights}`);
  const words = Array.from({ length: row.vocabularySize }, (_, i) => `Ġ${i.toString(36)}`);
  const kv: [string, KvValue][] = [...row.metadata]
    .filter(([key]) => key !== "tokenizer.ggml.model" && key !== "tokenizer.ggml.tokens")
    .map(([key, value]) => [key, kvOf(value)]);
  kv.push(
    ["tokenizer.ggml.model", { type: "str", value: "gpt2" }],
    ["tokenizer.ggml.tokens", { arr: "str", values: words }],
  );
  return { kv, tensors: row.tensors };
}

/** A projector's header: another architecture, and no layers of the model. */
const PROJECTOR: GgufFile = {
  kv: [["general.architecture", { type: "str", value: "clip" }]],
  tensors: [{ name: "v.patch_embd.weight", shape: [14, 14, 3, 1024], type: "F16" }],
};

export const GPT_OSS = "openai/gpt-oss-20b";
export const TINY_LLAMA = "TinyLlama/TinyLlama-1.1B-Chat-v1.0";
export const QWEN_FP8 = "acme/Qwen3-Small-FP8";
export const LLAMA_GGUF = "acme/Llama-3.2-1B-GGUF";

let ready: readonly FakeRepo[] | null = null;

/**
 * gpt-oss-20b: config.json and an index of three files, no header to read. TinyLlama: config.json and one file of
 * safetensors. A small Qwen3 in FP8: two files with the tables of all their tensors. Llama 3.2 1B: GGUF in Q4_K_M, Q8_0 and (in two parts) F16, with a projector and an importance matrix.
 */
export function readyModels(): readonly FakeRepo[] {
  ready ??= [gptOss(), tinyLlama(), qwenFp8(), llamaGguf()];
  return ready;
}

function gptOss(): FakeRepo {
  // Sizes and counts as the hub shows them for the published repository.
  const sizes = [4_792_272_488, 4_798_702_184, 4_170_342_232];
  const name = (i: number) => `model-0000${i}-of-00002.safetensors`;
  const weightMap = Object.fromEntries(
    Array.from({ length: 24 }, (_, layer) => [
      `model.layers.${layer}.self_attn.q_proj.weight`,
      name(Math.floor(layer / 8)),
    ]),
  );
  const index = JSON.stringify({ metadata: { total_size: 13_761_264_768 }, weight_map: weightMap });
  return {
    id: GPT_OSS,
    downloads: 5_000_000,
    elementsByDtype: { BF16: 1_804_459_584, U8: 19_707_494_400 },
    files: [
      textFile("README.md", "---\nlicense: apache-2.0\n---\n"),
      textFile("config.json", configText("gpt-oss-20b")),
      textFile("model.safetensors.index.json", index),
      ...sizes.map((size, i) => ({ path: name(i), bytes: new Uint8Array(0), size })),
      // The same weights in another layout: not to be counted twice.
      { path: "original/model.safetensors", bytes: new Uint8Array(0), size: 13_761_300_984 },
    ],
  };
}

function tinyLlama(): FakeRepo {
  const vocabulary = 32_000 * 2048;
  return {
    id: TINY_LLAMA,
    downloads: 900_000,
    elementsByDtype: { BF16: 1_100_048_384 },
    files: [
      textFile("config.json", configText("tinyllama-1.1b")),
      safetensorsFile("model.safetensors", {
        "lm_head.weight": ["BF16", [32_000, 2048], vocabulary * 2],
        "model.embed_tokens.weight": ["BF16", [32_000, 2048], vocabulary * 2],
        "model.layers": ["BF16", [1_100_048_384 - 2 * vocabulary], (1_100_048_384 - 2 * vocabulary) * 2],
      }),
    ],
  };
}

/** Two layers of 256, 4 heads of 64 and 2 for keys and values, 512 wide, 1000 words; matrices of the layers in FP8. */
export const QWEN_FP8_CONFIG = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  torch_dtype: "bfloat16",
  hidden_size: 256,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
  intermediate_size: 512,
  vocab_size: 1000,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  quantization_config: { quant_method: "fp8", weight_block_size: [128, 128], activation_scheme: "dynamic" },
};

function qwenFp8(): FakeRepo {
  const whole = (...shape: readonly number[]) =>
    ["BF16", shape, 2 * shape.reduce((product, n) => product * n, 1)] as const;
  const layer = (no: number) => {
    const at = `model.layers.${no}`;
    const matrix = (name: string, outs: number, ins: number) => {
      const blocks = [Math.ceil(outs / 128), Math.ceil(ins / 128)] as const;
      return [
        [`${at}.${name}.weight`, ["F8_E4M3", [outs, ins], outs * ins]],
        // Qwen stores these in 16 bits; 32 are what the config lets one expect.
        [`${at}.${name}.weight_scale_inv`, whole(...blocks)],
      ] as const;
    };
    return [
      ...matrix("self_attn.q_proj", 256, 256),
      ...matrix("self_attn.k_proj", 128, 256),
      ...matrix("self_attn.v_proj", 128, 256),
      ...matrix("self_attn.o_proj", 256, 256),
      ...matrix("mlp.gate_proj", 512, 256),
      ...matrix("mlp.up_proj", 512, 256),
      ...matrix("mlp.down_proj", 256, 512),
      [`${at}.self_attn.q_norm.weight`, whole(64)],
      [`${at}.self_attn.k_norm.weight`, whole(64)],
      [`${at}.input_layernorm.weight`, whole(256)],
      [`${at}.post_attention_layernorm.weight`, whole(256)],
    ] as const;
  };
  const parts = [
    Object.fromEntries([["model.embed_tokens.weight", whole(1000, 256)], ...layer(0)]),
    Object.fromEntries([...layer(1), ["model.norm.weight", whole(256)], ["lm_head.weight", whole(1000, 256)]]),
  ];
  const name = (i: number) => `model-0000${i + 1}-of-00002.safetensors`;
  const weight_map = Object.fromEntries(
    parts.flatMap((part, i) => Object.keys(part).map((tensor) => [tensor, name(i)])),
  );
  return {
    id: QWEN_FP8,
    downloads: 10,
    files: [
      textFile("config.json", JSON.stringify(QWEN_FP8_CONFIG)),
      textFile("model.safetensors.index.json", JSON.stringify({ metadata: { total_size: 2_206_864 }, weight_map })),
      ...parts.map((part, i) => safetensorsFile(name(i), part)),
    ],
  };
}

function llamaGguf(): FakeRepo {
  const model = "meta-llama/Llama-3.2-1B";
  const parts = splitGguf(accountedGguf(model, "F16"), 2);
  return {
    id: LLAMA_GGUF,
    downloads: 70_000,
    files: [
      ggufFile("Llama-3.2-1B-Q4_K_M.gguf", accountedGguf(model, "Q4_K_M")),
      ggufFile("Llama-3.2-1B-Q8_0.gguf", accountedGguf(model, "Q8_0")),
      ...parts.map((part, no) => ggufFile(`F16/${shardName("Llama-3.2-1B-F16", no, 2)}`, part)),
      ggufFile("mmproj-Llama-3.2-1B-F16.gguf", PROJECTOR),
      { path: "imatrix.gguf", bytes: new Uint8Array(0), size: 2_000_000 },
      textFile("README.md", "quantizations"),
    ],
  };
}
