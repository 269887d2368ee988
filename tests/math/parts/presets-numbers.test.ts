import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ModelSpec } from "../../../src/math/model.ts";
import { assignPreset, bitsPerWeight, fits, weightsChoices } from "../../../src/math/parts/presets.ts";
import {
  isPresetId,
  PRESET_IDS,
  PRESETS,
  type PresetId,
  presetOfFileType,
} from "../../../src/math/parts/presets-table.ts";
import { EXACT, sizeWeights } from "../../../src/math/parts/weights.ts";
import { checkTyped, tensorsOf } from "../../../src/math/parts/weights-check.ts";
import { type Geometry, LLAMA_3_8B, modelOf } from "./models.ts";

const PLAIN = { imatrix: false };

function mebibytes(spec: ModelSpec): number {
  return sizeWeights(spec, EXACT).total / 2 ** 20;
}

function typesOf(spec: ModelSpec): Record<string, number> {
  const count: Record<string, number> = {};
  for (const { type } of tensorsOf(spec)) count[type ?? "none"] = (count[type ?? "none"] ?? 0) + 1;
  return count;
}

function typeOf(spec: ModelSpec, name: string): string | null {
  for (const tensor of tensorsOf(spec)) if (tensor.name === name) return tensor.type;
  throw new Error(`no tensor ${name}`);
}

test("Llama-3-8B as Q4_K_M, worked by hand", () => {
  const spec = assignPreset(modelOf(LLAMA_3_8B), "Q4_K_M", PLAIN);
  // more bits: layers 0-3, 28-31 and 6, 9, … 27 = 16 layers, V and ffn_down of each, and the head
  expect(typesOf(spec)).toEqual({ Q4_K: 193, Q6_K: 33, F32: 65 });
  expect(sizeWeights(spec, EXACT).total).toBe(4912898048);
  expect(typeOf(spec, "blk.9.attn_v.weight")).toBe("Q6_K");
  expect(typeOf(spec, "blk.10.attn_v.weight")).toBe("Q4_K");
  expect(spec.weights).toEqual({ name: "Q4_K_M", basis: "exact" });
});

describe("files' sizes as their loaders printed them, Q4_K_M", () => {
  const QWEN_2_5_32B: Geometry = {
    architecture: "qwen2",
    layers: 64,
    width: 5120,
    heads: 40,
    kvHeads: 8,
    headDim: 128,
    feedForward: 27648,
    vocabulary: 152064,
    qkvBias: true,
  };
  const LLAMA_3_70B = { ...LLAMA_3_8B, layers: 80, width: 8192, heads: 64, feedForward: 28672 };
  const TINY_LLAMA = {
    ...LLAMA_3_8B,
    layers: 22,
    width: 2048,
    kvHeads: 4,
    headDim: 64,
    feedForward: 5632,
    vocabulary: 32000,
  };
  const COMMAND_R: Geometry = {
    architecture: "command-r",
    layers: 40,
    width: 8192,
    heads: 64,
    kvHeads: 64,
    headDim: 128,
    feedForward: 22528,
    vocabulary: 256000,
    tied: true,
    oneNorm: true,
  };
  const QWEN_3_30B: Geometry = {
    architecture: "qwen3moe",
    layers: 48,
    width: 2048,
    heads: 32,
    kvHeads: 4,
    headDim: 128,
    feedForward: 768,
    vocabulary: 151936,
    experts: 128,
    expertsUsed: 8,
    headNorms: true,
  };
  test.each([
    ["Mistral-7B", { ...LLAMA_3_8B, vocabulary: 32000 }, "4165.37"],
    ["TinyLlama", TINY_LLAMA, "636.18"],
    ["Qwen3-30B-A3B", QWEN_3_30B, "17691.34"],
  ] as const)("%s: %p MiB", (_, geometry, want) => {
    expect(mebibytes(assignPreset(modelOf(geometry), "Q4_K_M", PLAIN)).toFixed(2)).toBe(want);
  });

  test.each([
    ["Qwen2.5-32B", QWEN_2_5_32B, "18.48"],
    // 39.55 without the rule for models called 70B
    ["Llama-3-70B", LLAMA_3_70B, "39.59"],
    ["Command-R", COMMAND_R, "20.04"],
  ] as const)("%s: %p GiB", (_, geometry, want) => {
    expect((mebibytes(assignPreset(modelOf(geometry), "Q4_K_M", PLAIN)) / 1024).toFixed(2)).toBe(want);
  });

  test("Phi-3.5 was 2281.66 MiB before build 8266, when fused QKV had a rule of its own", () => {
    const phi = modelOf({
      architecture: "phi3",
      layers: 32,
      width: 3072,
      heads: 32,
      kvHeads: 32,
      headDim: 96,
      feedForward: 8192,
      vocabulary: 32064,
      fused: true,
    });
    const old = assignPreset(phi, "Q4_K_M", { imatrix: false, build: 8265 });
    expect(mebibytes(old).toFixed(2)).toBe("2281.66");
    expect(typeOf(old, "blk.10.attn_qkv.weight")).toBe("Q5_K");
    expect(typeOf(assignPreset(phi, "Q4_K_M", { imatrix: false, build: 8266 }), "blk.10.attn_qkv.weight")).toBe("Q4_K");
    expect(typeOf(assignPreset(phi, "Q4_K_M", PLAIN), "blk.0.attn_qkv.weight")).toBe("Q6_K");
  });
});

/** llama.cpp's own table, tools/quantize/README.md, Llama-3.1-8B. */
const BITS_PER_WEIGHT: readonly (readonly [PresetId, string])[] = [
  ["IQ1_S", "2.0042"],
  ["IQ1_M", "2.1460"],
  ["IQ2_XXS", "2.3824"],
  ["IQ2_XS", "2.5882"],
  ["IQ2_S", "2.7403"],
  ["IQ2_M", "2.9294"],
  ["IQ3_XXS", "3.2548"],
  ["IQ3_XS", "3.4977"],
  ["IQ3_S", "3.6606"],
  ["IQ3_M", "3.7628"],
  ["IQ4_XS", "4.4597"],
  ["IQ4_NL", "4.6818"],
  ["Q2_K_S", "2.9697"],
  ["Q2_K", "3.1593"],
  ["Q3_K_S", "3.6429"],
  ["Q3_K_M", "3.9960"],
  ["Q3_K_L", "4.2979"],
  ["Q4_K_S", "4.6672"],
  ["Q4_K_M", "4.8944"],
  ["Q5_K_S", "5.5704"],
  ["Q5_K_M", "5.7036"],
  ["Q6_K", "6.5633"],
  ["Q8_0", "8.5008"],
  ["F16", "16.0005"],
];

test.each(BITS_PER_WEIGHT)("Llama-3.1-8B as %s has %s bits a weight, as llama.cpp's table says", (preset, want) => {
  const spec = modelOf({ ...LLAMA_3_8B, ropeFreqs: 64 });
  expect(bitsPerWeight(assignPreset(spec, preset, PLAIN)).toFixed(4)).toBe(want);
  expect(PRESETS[preset].nominalBits).toBe(Number(want));
});

describe("the quantizer's exceptions", () => {
  const mixtral = modelOf({ ...LLAMA_3_8B, vocabulary: 32000, experts: 8, expertsUsed: 2 });
  test("eight experts: V and K are Q8_0, the output Q5_K, the router stays F32", () => {
    const spec = assignPreset(mixtral, "Q4_K_M", PLAIN);
    expect(typeOf(spec, "blk.5.attn_v.weight")).toBe("Q8_0");
    expect(typeOf(spec, "blk.5.attn_k.weight")).toBe("Q8_0");
    expect(typeOf(spec, "blk.5.attn_q.weight")).toBe("Q4_K");
    expect(typeOf(spec, "blk.5.attn_output.weight")).toBe("Q5_K");
    expect(typeOf(spec, "blk.5.ffn_gate_inp.weight")).toBe("F32");
  });
  test("eight experts, lowest presets: V and K are Q4_K", () => {
    const spec = assignPreset(mixtral, "IQ2_XS", { imatrix: true });
    expect(typeOf(spec, "blk.5.attn_v.weight")).toBe("Q4_K");
    expect(typeOf(spec, "blk.5.attn_k.weight")).toBe("Q4_K");
    expect(typeOf(spec, "blk.5.attn_output.weight")).toBe("Q5_K");
  });
  test("falcon: Q8_0 head, Q4_K_M's ffn_down is Q6_K only in the first sixteenth", () => {
    const spec = assignPreset(modelOf({ ...LLAMA_3_8B, architecture: "falcon" }), "Q4_K_M", PLAIN);
    expect(typeOf(spec, "output.weight")).toBe("Q8_0");
    expect(typeOf(spec, "blk.1.ffn_down.weight")).toBe("Q6_K");
    expect(typeOf(spec, "blk.2.ffn_down.weight")).toBe("Q5_K");
    expect(typeOf(spec, "blk.4.ffn_down.weight")).toBe("Q4_K");
  });
  test("rows that are no multiple of 256 or 32 get a type that fits", () => {
    // Qwen2-0.5B: 896 = 3.5 x 256
    const small = modelOf({
      ...LLAMA_3_8B,
      layers: 8,
      width: 896,
      heads: 14,
      kvHeads: 2,
      headDim: 64,
      feedForward: 4864,
    });
    const q4 = assignPreset(small, "Q4_K_M", PLAIN);
    expect(typeOf(q4, "blk.4.attn_q.weight")).toBe("Q5_0");
    expect(typeOf(q4, "blk.0.attn_v.weight")).toBe("Q8_0");
    expect(typeOf(q4, "output.weight")).toBe("Q8_0");
    expect(typeOf(assignPreset(small, "Q3_K_S", PLAIN), "blk.4.attn_q.weight")).toBe("Q4_0");
    expect(typeOf(assignPreset(small, "IQ4_XS", PLAIN), "blk.4.attn_q.weight")).toBe("IQ4_NL");
    const odd = modelOf({
      ...LLAMA_3_8B,
      layers: 1,
      width: 840,
      heads: 14,
      kvHeads: 2,
      headDim: 60,
      feedForward: 4864,
    });
    expect(typeOf(assignPreset(odd, "Q4_K_M", PLAIN), "blk.0.attn_q.weight")).toBe("F16");
    expect(typeOf(assignPreset(odd, "Q8_0", PLAIN), "blk.0.attn_q.weight")).toBe("F16");
  });
  test("an importance matrix changes ffn_down's first layers, and the basis", () => {
    const spec = modelOf(LLAMA_3_8B);
    const [plain, guarded] = [assignPreset(spec, "Q4_0", PLAIN), assignPreset(spec, "Q4_0", { imatrix: true })];
    expect(typeOf(plain, "blk.3.ffn_down.weight")).toBe("Q4_0");
    expect(typeOf(guarded, "blk.3.ffn_down.weight")).toBe("Q4_1");
    expect(typeOf(guarded, "blk.4.ffn_down.weight")).toBe("Q4_0");
    expect(guarded.weights?.basis).toBe("modelled");
    expect(assignPreset(spec, "IQ2_XS", PLAIN).weights?.basis).toBe("modelled");
  });
});

describe("choices", () => {
  test("sorted by bytes, each ready to be sized", () => {
    const spec = modelOf(LLAMA_3_8B);
    const choices = weightsChoices(spec);
    expect(choices.length).toBe(PRESET_IDS.length);
    for (const [i, choice] of choices.entries()) {
      expect(choice.bytes).toBeGreaterThanOrEqual(choices[i - 1]?.bytes ?? 0);
      expect(checkTyped(assignPreset(spec, choice.name, PLAIN))).toEqual({ status: "ok" });
    }
    expect(choices.find(({ name }) => name === "Q4_K_M")?.bytes).toBe(4912898048);
    expect(choices.at(-1)?.name).toBe("F32");
  });

  test("a preset whose blocks do not fit is left out", () => {
    // 64 is no multiple of Q1_0's 128, and nothing stands in for it
    const spec = modelOf({ ...LLAMA_3_8B, layers: 1, width: 64, heads: 1, kvHeads: 1, headDim: 64, feedForward: 64 });
    expect(fits(spec, "Q1_0")).toBe(false);
    expect(fits(spec, "Q4_K_M")).toBe(true);
    expect(weightsChoices(spec).some(({ name }) => name === "Q1_0")).toBe(false);
    expect(() => assignPreset(spec, "Q1_0", PLAIN)).toThrow(RangeError);
  });

  test("names and numbers of file types", () => {
    expect(presetOfFileType(15)).toBe("Q4_K_M");
    expect(presetOfFileType(1024)).toBeNull();
    expect(isPresetId("Q4_K_XL")).toBe(false);
  });
});

describe("laws", () => {
  const geometries = fc.record({
    layers: fc.integer({ min: 1, max: 40 }),
    width: fc.integer({ min: 1, max: 8 }).map((n) => 256 * n),
    heads: fc.constantFrom(8, 16, 32),
    kvHeads: fc.constantFrom(1, 2, 8),
    headDim: fc.constantFrom(64, 128),
    // Wider than V can be: Q4_K_S gives V more than Q4_K_M in three layers, and wins where ffn_down is tiny.
    feedForward: fc.integer({ min: 8, max: 20 }).map((n) => 256 * n),
    vocabulary: fc.integer({ min: 100, max: 50000 }),
    tied: fc.boolean(),
    // Not 8: Q3_K_M gives attn_output more than Q3_K_L there.
    experts: fc.constantFrom(0, 7, 64),
  });
  const nested: readonly (readonly PresetId[])[] = [
    ["Q3_K_S", "Q3_K_M", "Q3_K_L"],
    ["Q2_K", "Q3_K_S", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "F32"],
    ["Q4_K_S", "Q5_K_S", "Q5_K_M"],
    ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"],
    ["Q4_0", "Q4_1", "Q5_1", "Q8_0"],
  ];
  test("a preset of more bits is never smaller where presets nest", () => {
    fc.assert(
      fc.property(geometries, fc.constantFrom(...nested), (geometry, presets) => {
        const spec = modelOf(geometry);
        const sizes = presets.map((preset) => sizeWeights(assignPreset(spec, preset, PLAIN), EXACT).total);
        for (const [i, size] of sizes.entries()) expect(size).toBeGreaterThanOrEqual(sizes[i - 1] ?? 0);
      }),
      { numRuns: 60 },
    );
  });

  test("the last assignment counts alone, and the same question gives the same object", () => {
    fc.assert(
      fc.property(
        geometries,
        fc.constantFrom(...PRESET_IDS),
        fc.constantFrom(...PRESET_IDS),
        fc.boolean(),
        (geometry, first, second, imatrix) => {
          const spec = modelOf(geometry);
          const twice = assignPreset(assignPreset(spec, first, PLAIN), second, { imatrix });
          expect(twice).toEqual(assignPreset(spec, second, { imatrix }));
          expect(assignPreset(spec, second, { imatrix })).toBe(assignPreset(spec, second, { imatrix }));
        },
      ),
      { numRuns: 60 },
    );
  });
});
