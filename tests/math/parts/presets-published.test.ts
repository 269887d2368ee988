/**
 * Published files, as loaders printed how many tensors of which type they have. The model is computed from each file's
 * metadata, so types are compared and not the number of F32 tensors: biases and rope factors are not in the metadata.
 */
import { expect, test } from "bun:test";
import { specFromGguf } from "../../../src/math/arch/index.ts";
import type { GgmlType } from "../../../src/math/ggml-types.ts";
import { assignPreset } from "../../../src/math/parts/presets.ts";
import { type PresetId, presetOfFileType } from "../../../src/math/parts/presets-table.ts";
import { tensorsOf } from "../../../src/math/parts/weights-check.ts";
import { headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";

/** Before fused attn_qkv and attn_kv_b were treated like attn_v. */
const OLD = 8265;
const NEW = 8266;

const FILES: readonly (readonly [dump: string, preset: PresetId, imatrix: boolean, build: number])[] = [
  ["command-r-v01-q4_k_m", "Q4_K_M", false, NEW],
  ["deepseek2-coder-v2-lite-q4_k_m", "Q4_K_M", false, OLD],
  ["deepseek2-r1-q4_k_m-1-of-9", "Q4_K_M", false, OLD],
  ["deepseek2-v2-lite-chat-q5_k", "Q5_K_M", false, OLD],
  ["gemma2-27b-q8_0", "Q8_0", false, NEW],
  ["gemma2-2b-q4_k_m", "Q4_K_M", false, NEW],
  ["gemma2-9b-q4_k_m", "Q4_K_M", false, NEW],
  ["gemma3-27b-iq4_xs", "IQ4_XS", true, NEW],
  ["gemma3-27b-qat-q4_k_m", "Q4_K_M", false, NEW],
  ["gemma3-4b-q4_k_m", "Q4_K_M", false, NEW],
  ["glm4-z1-32b-iq4_xs", "IQ4_XS", true, NEW],
  ["glm4-z1-9b-q5_k_m", "Q5_K_M", false, NEW],
  ["llama-2-7b-q4_0", "Q4_0", false, NEW],
  ["llama-3-8b-q4_k_m", "Q4_K_M", false, NEW],
  ["llama-3.1-405b-iq3_xxs-1-of-n", "IQ3_XXS", true, NEW],
  ["llama-3.1-70b-q4_k_m", "Q4_K_M", false, NEW],
  ["llama-3.1-8b-q4_k_m", "Q4_K_M", false, NEW],
  ["llama-mistral-7b-v0.3-q8_0", "Q8_0", false, NEW],
  ["llama-mistral-large-2407-iq3_xs", "IQ3_XS", true, NEW],
  ["llama-tinyllama-1.1b-q4_k_m", "Q4_K_M", false, NEW],
  ["phi3-3.5-mini-q4_k_m", "Q4_K_M", false, OLD],
  ["phi3-4-q4", "Q4_K_M", false, OLD],
  ["phi3-mini-128k", "Q4_0", false, NEW],
  ["phi3-mini-4k-q4", "Q4_K_M", false, OLD],
  ["qwen2-2.5-7b-q4_0-1-of-2", "Q4_0", false, NEW],
  ["qwen2-2.5-coder-32b-q8_0", "Q8_0", false, NEW],
  ["qwen2-qwq-32b-q4_0", "Q4_0", false, NEW],
  ["qwen2moe-57b-a14b-fp16", "F16", false, NEW],
  ["qwen3-32b-q4_0", "Q4_0", true, NEW],
  ["qwen3-embedding-8b-f16", "F16", false, NEW],
  ["qwen3moe-235b-a22b-128k-q6_k-1-of-4", "Q6_K", false, NEW],
  ["qwen3moe-235b-a22b-q4_k_m-1-of-3", "Q4_K_M", false, NEW],
  ["qwen3moe-30b-a3b-q4_k_m", "Q4_K_M", false, NEW],
];

test.each(FILES)("%s is %s (importance matrix: %p, build %i)", (name, preset, imatrix, build) => {
  const dump = readDump(name);
  const header = headerFromDump(dump);
  expect(presetOfFileType(Number(header.metadata.get("general.file_type")))).toBe(preset);
  const result = specFromGguf({ ...header, tensors: [] });
  if (result.status !== "ok") throw new Error(result.reason);

  const got = new Map<GgmlType | null, number>();
  for (const { type } of tensorsOf(assignPreset(result.spec, preset, { imatrix, build }))) {
    if (type !== "F32") got.set(type, (got.get(type) ?? 0) + 1);
  }
  const want = Object.entries(dump.tensor_types).filter(([type]) => type.toUpperCase() !== "F32");
  expect(Object.fromEntries(got)).toEqual(Object.fromEntries(want.map(([type, n]) => [type.toUpperCase(), n])));
});
