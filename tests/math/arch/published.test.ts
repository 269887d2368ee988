import { expect, test } from "bun:test";
import { publishedWeights } from "../../../src/math/arch/published.ts";

test.each([
  ["bfloat16", { torch_dtype: "bfloat16" }, "BF16"],
  ["float16", { torch_dtype: "float16" }, "F16"],
  ["the newer name", { dtype: "float32" }, "F32"],
  ["a text model inside", { torch_dtype: "float32", text_config: { dtype: "bfloat16" } }, "BF16"],
  ["MXFP4 experts stay", { quantization_config: { quant_method: "mxfp4" } }, "MXFP4_MOE"],
  ["a string is no object", { torch_dtype: "float16", quantization_config: "fp8" }, "F16"],
] as const)("%s", (_, config, preset) => {
  expect(publishedWeights(config)).toEqual({ preset, warning: null });
});

test.each([
  ["nothing said", {}, "config.json names no dtype: planned as BF16, 16 bits a weight."],
  ["no dtype of PyTorch's", { torch_dtype: "int4" }, 'names the dtype "int4": planned as BF16'],
  ["a name that every object has", { torch_dtype: "constructor" }, 'names the dtype "constructor"'],
  ["a number", { dtype: 16 }, "names no dtype"],
])("what is not known is said: %s", (_, config, warning) => {
  expect(publishedWeights(config)).toEqual({ preset: "BF16", warning: expect.stringContaining(warning) });
});

test("a format of other engines is named", () => {
  const config = { torch_dtype: "bfloat16", quantization_config: { quant_method: "fp8" } };
  expect(publishedWeights(config)).toMatchObject({ preset: "BF16", warning: expect.stringContaining("(fp8)") });
});
