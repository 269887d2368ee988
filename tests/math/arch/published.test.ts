import { expect, test } from "bun:test";
import { publishedWeights } from "../../../src/math/arch/published.ts";

test.each([
  ["bfloat16", { torch_dtype: "bfloat16" }, "BF16"],
  ["float16", { torch_dtype: "float16" }, "F16"],
  ["the newer name", { dtype: "float32" }, "F32"],
  ["a text model inside", { torch_dtype: "float32", text_config: { dtype: "bfloat16" } }, "BF16"],
  ["nothing said", {}, "BF16"],
  ["MXFP4 experts stay", { quantization_config: { quant_method: "mxfp4" } }, "MXFP4_MOE"],
  ["a string is no object", { quantization_config: "fp8" }, "BF16"],
] as const)("%s", (_, config, preset) => {
  expect(publishedWeights(config)).toEqual({ preset, warning: null });
});

test("a format of other engines is named", () => {
  const config = { torch_dtype: "bfloat16", quantization_config: { quant_method: "fp8" } };
  expect(publishedWeights(config)).toMatchObject({ preset: "BF16", warning: expect.stringContaining("(fp8)") });
});
