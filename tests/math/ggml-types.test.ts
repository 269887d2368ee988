import { describe, expect, test } from "bun:test";
import { type GgmlType, ggmlTypeOfId, isForkType, tensorBytes } from "../../src/math/ggml-types.ts";
import type { ModelSpec, TensorSpec } from "../../src/math/model.ts";
import { tensorsOf } from "../../src/math/parts/weights-check.ts";
import { GIB } from "../../src/math/units.ts";
import { specOfModel } from "../fixtures/models/read.ts";

/** ik_llama.cpp's conversions hold attn_kv_b beside its two halves, in the type of the rest of attention. */
function fileBytes(model: ModelSpec, kvB: GgmlType, typeOf: (tensor: TensorSpec) => GgmlType): number {
  let bytes = model.layers.length * tensorBytes(kvB, [512, 32768]);
  for (const tensor of tensorsOf(model)) {
    const plain = tensor.shape.length === 1 || tensor.name.includes("ffn_gate_inp");
    bytes += tensorBytes(plain ? "F32" : typeOf(tensor), tensor.shape);
  }
  return bytes;
}

describe("ik_llama.cpp's types, by the sizes that it prints of files", () => {
  const deepseek = specOfModel("deepseek-ai/DeepSeek-V3");

  test("DeepSeek-R1-0528-IQ1_S_R4: 116 iq1_s_r4, 58 iq1_m_r4, 61 q4_0, 551 iq4_ks = 130.203 GiB (ik_llama.cpp, June 2025)", () => {
    const bytes = fileBytes(deepseek, "IQ4_KS", ({ name }) => {
      if (name.includes("_exps")) return name.includes("ffn_down") ? "IQ1_M_R4" : "IQ1_S_R4";
      return name.includes("attn_k_b") ? "Q4_0" : "IQ4_KS";
    });
    expect(bytes / GIB).toBeCloseTo(130.203, 3);
  });

  test("DeepSeek-V3-0324-IQ2_K_R4: 116 iq2_k_r4, 58 iq3_k_r4, 612 q8_0 = 226.003 GiB (ik_llama.cpp b3618)", () => {
    const bytes = fileBytes(deepseek, "Q8_0", ({ name }) => {
      if (name.includes("_exps")) return name.includes("ffn_down") ? "IQ3_K_R4" : "IQ2_K_R4";
      return "Q8_0";
    });
    expect(bytes / GIB).toBeCloseTo(226.003, 3);
  });
});

test("ids and who reads them", () => {
  expect(ggmlTypeOfId(137)).toBe("IQ2_K");
  expect(ggmlTypeOfId(219)).toBe("IQ1_S_R4");
  expect(isForkType("IQ2_K")).toBe(true);
  expect(isForkType("IQ2_S")).toBe(false);
});

test("a row may begin with a scale: one row of 512 as iq4_ks is 2 · 136 + 4 bytes", () => {
  expect(tensorBytes("IQ4_KS", [512])).toBe(276);
  expect(tensorBytes("IQ4_KS", [512, 3])).toBe(828);
});
