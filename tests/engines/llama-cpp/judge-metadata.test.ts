import { describe, expect, test } from "bun:test";
import { judgeMetadata, metadataType } from "../../../src/engines/llama-cpp/judge-metadata.ts";
import type { GgufHeader } from "../../../src/math/arch/family.ts";
import { dumpNames, headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";

const header = (parts: Partial<GgufHeader>): GgufHeader => ({
  architecture: "llama",
  metadata: new Map(),
  arrayLengths: new Map(),
  tensors: [],
  ...parts,
});

describe("judgeMetadata", () => {
  test("keeps what memory depends on and counts the vocabulary", () => {
    const judged = judgeMetadata(
      header({
        metadata: new Map<string, string | number>([
          ["general.architecture", "llama"],
          ["general.name", "x"],
          ["llama.block_count", 2],
          ["llama.vocab_size", 9],
          ["split.count", 3],
          ["tokenizer.chat_template", "…"],
        ]),
        arrayLengths: new Map([["tokenizer.ggml.tokens", 32_000]]),
      }),
    );
    expect(judged).toEqual({
      status: "ok",
      pairs: [
        { key: "general.architecture", type: "str", value: "llama" },
        { key: "llama.block_count", type: "u32", value: 2 },
        { key: "tokenizer.ggml.model", type: "str", value: "no_vocab" },
        { key: "llama.vocab_size", type: "u32", value: 32_000 },
      ],
    });
  });

  test("counts tokens that the header kept", () => {
    const judged = judgeMetadata(header({ metadata: new Map([["tokenizer.ggml.tokens", ["a", "b"]]]) }));
    expect(judged.status === "ok" && judged.pairs.at(-1)).toEqual({ key: "llama.vocab_size", type: "u32", value: 2 });
  });

  test("writes what JSON cannot as words", () => {
    const metadata = new Map([["x.clamp_scale", [Infinity, -Infinity, NaN, 1]]]);
    const judged = judgeMetadata(header({ metadata }));
    expect(judged.status === "ok" && judged.pairs[1]).toEqual({
      key: "x.clamp_scale",
      type: "f32",
      value: ["inf", "-inf", "nan", 1],
    });
  });

  test("says what is missing when an array that matters was not kept", () => {
    const arrayLengths = new Map([
      ["llama.attention.head_count_kv", 2000],
      ["tokenizer.ggml.tokens", 5],
    ]);
    expect(judgeMetadata(header({ arrayLengths }))).toEqual({
      status: "incomplete",
      missing: ["llama.attention.head_count_kv"],
    });
  });

  test("guesses the type that every dump has", () => {
    let seen = 0;
    const wrong: string[] = [];
    for (const name of dumpNames()) {
      const dump = readDump(name);
      for (const [key, value] of headerFromDump(dump).metadata) {
        const entry = dump.kv[key];
        if (entry === undefined || /^(general|tokenizer|quantize|split)\./.test(key)) continue;
        const type = "arr" in entry ? entry.arr : entry[0];
        seen++;
        if (metadataType(key, value) !== type) wrong.push(`${name}: ${key} is ${type}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(seen).toBeGreaterThan(700);
  });

  test.each([
    ["llama.rope.freq_base", 10_000, "f32"],
    ["grok.attn_logit_softcapping", 30, "f32"],
    ["gemma2.final_logit_softcapping", 50, "f32"],
    ["granite.attention.scale", 1, "f32"],
    ["llama.rope.scaling.original_context_length", 8192, "u32"],
    ["gemma3.attention.sliding_window_pattern", [true, false], "bool"],
    ["x.head_count_kv", [0, 8], "i32"],
    ["x.unheard_of", [0.5, 1], "f32"],
  ] as const)("%s %p is %s", (key, value, want) => {
    expect(metadataType(key, value)).toBe(want);
  });
});
