/** Against files that people published: what llama.cpp's loader said about them. */
import { describe, expect, test } from "bun:test";
import { specFromGguf } from "../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../src/math/model.ts";
import { dumpNames, headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import deepseekLists from "../../fixtures/models/deepseek-lists.json";
import { cachedElementsPerToken, layersWith, shapesOf, tensorsOf } from "./cache-elements.ts";

function specOfDump(name: string): ModelSpec {
  const result = specFromGguf(headerFromDump(readDump(name)));
  if (result.status !== "ok") throw new Error(result.reason);
  return result.spec;
}

test("every dump gives a spec or says that the architecture is not known", () => {
  const unknown = dumpNames().filter((name) => {
    const result = specFromGguf(headerFromDump(readDump(name)));
    return result.status === "unknown" && !result.reason.startsWith("hwLedger does not know the architecture");
  });
  expect(unknown).toEqual([]);
  expect(dumpNames().length).toBeGreaterThan(50);
});

describe("the computed list has as many tensors as the file", () => {
  test.each([
    "command-r-v01-q4_k_m",
    "deepseek2-coder-v2-lite-q4_k_m",
    "deepseek2-r1-q4_k_m-1-of-9",
    "deepseek2-v2.5-1210-iq3_xxs-1-of-3",
    "deepseek2-v3-0324-ud-q2_k_xl",
    "gemma2-27b-q8_0",
    "gemma3-4b-f16",
    "gemma3-27b-iq4_xs",
    "glm4-z1-32b-iq4_xs",
    "llama-2-7b-q4_0",
    "llama-3-8b-q4_k_m",
    "llama-mistral-large-2407-iq3_xs",
    "llama-stories15m-moe-q4_0",
    "phi3-4-q4",
    "phi3-mini-4k-q4",
    "qwen2-2.5-coder-32b-q8_0",
    "qwen2moe-57b-a14b-fp16",
    "qwen3-32b-q4_0",
    "qwen35moe-3.6-35b-a3b-ud-q4_k_m",
    "qwen3moe-235b-a22b-q8_0",
    "qwen3next-80b-a3b-ud-q4_k_xl",
  ])("%s", (name) => {
    expect(tensorsOf(specOfDump(name))).toHaveLength(Number(readDump(name).tensor_count));
  });
});

describe("deepseek files", () => {
  test("with key_length_mla cache one latent row", () => {
    // 61 layers x (512 + 64)
    expect(cachedElementsPerToken(specOfDump("deepseek2-v3-0324-ud-q2_k_xl"))).toBe(61 * 576);
  });

  test("without it cache every head's key of 192 and value of 128", () => {
    const spec = specOfDump("deepseek2-r1-q4_k_m-1-of-9");
    expect(spec.layers[0]?.mixers).toMatchObject([
      { kind: "full", heads: 128, kvHeads: 128, headDimK: 192, headDimV: 128 },
    ]);
    expect(cachedElementsPerToken(spec)).toBe(61 * 128 * 320);
    expect(tensorsOf(spec).find(({ name }) => name === "blk.0.attn_kv_b.weight")?.shape).toEqual([512, 32_768]);
  });
});

test("phi 3 keeps full caches whatever its window says", () => {
  const spec = specOfDump("phi3-3.5-mini-q4_k_m");
  expect(readDump("phi3-3.5-mini-q4_k_m").kv["phi3.attention.sliding_window"]).toBeDefined();
  expect(layersWith(spec, "full")).toHaveLength(32);
});

test("a header without its tensor list says so", () => {
  const result = specFromGguf(headerFromDump(readDump("llama-3-8b-q4_k_m")));
  expect(result).toMatchObject({
    status: "ok",
    spec: { tensorSource: "computed", contextTrained: 8192, vocabularySize: 128_256 },
    warnings: [
      "The tensor list is not at hand: names and shapes follow from the metadata, types from what is asked for, else BF16.",
    ],
  });
});

test("tensors that llama.cpp does not read are counted, with a warning", () => {
  const result = specFromGguf(headerFromDump(readDump("llama-chatqa-1.5-8b-f16")));
  expect(result.status === "ok" ? result.warnings : []).toEqual([
    'The file has "blk.0.attn_rot_embd", "blk.1.attn_rot_embd", "blk.10.attn_rot_embd" and 29 more, which this architecture does not use: llama.cpp may refuse the file, here they count as weights.',
  ]);
});

describe("older deepseek files, as llama-quantize listed them", () => {
  type Pattern = readonly [
    name: string,
    shape: readonly number[],
    layers: readonly [first: number, last: number] | null,
  ];

  function listed(name: keyof typeof deepseekLists): readonly string[] {
    const patterns = deepseekLists[name].tensors as unknown as readonly Pattern[];
    const tensors = patterns.flatMap(([pattern, shape, layers]) => {
      const [first, last] = layers ?? [0, 0];
      return Array.from({ length: last - first + 1 }, (_, i) => ({
        name: pattern.replace("{}", String(first + i)),
        shape,
      }));
    });
    return shapesOf(tensors);
  }

  test("R1's 1025 tensors are the computed ones", () => {
    const names = listed("deepseek-r1-unsplit");
    expect(names).toHaveLength(1025);
    expect(shapesOf(tensorsOf(specOfDump("deepseek2-r1-q4_k_m-1-of-9")))).toEqual([...names]);
  });

  test("V2-Lite's are too, but for the halves of attn_kv_b beside the whole", () => {
    const computed = new Set(shapesOf(tensorsOf(specOfDump("deepseek2-v2-lite-chat-q5_k"))));
    const names = listed("deepseek-v2-lite-both");
    expect(names.filter((name) => computed.has(name))).toHaveLength(computed.size);
    const rest = names.filter((name) => !computed.has(name));
    expect(rest).toHaveLength(2 * 27);
    for (const name of rest) expect(name).toMatch(/attn_[kv]_b\.weight/);
  });
});
