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
export const LLAMA_GGUF = "acme/Llama-3.2-1B-GGUF";

let ready: readonly FakeRepo[] | null = null;

/**
 * gpt-oss-20b: config.json and an index of three files, no header to read. TinyLlama: config.json and one file of
 * safetensors. Llama 3.2 1B: GGUF in Q4_K_M, Q8_0 and (in two parts) F16, with a projector and an importance matrix.
 */
export function readyModels(): readonly FakeRepo[] {
  ready ??= [gptOss(), tinyLlama(), llamaGguf()];
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
