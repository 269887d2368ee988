/** Layouts against compressed-tensors 0.20.0 itself: Σ nbytes of what it made of one layer of 1024 x 4096 in bfloat16. */
import { expect, test } from "bun:test";
import { compressedRules } from "../../../../src/math/parts/formats/quantization-ct.ts";
import { schemeBytes } from "../../../../src/math/parts/formats/scheme.ts";

const GROUP = { strategy: "group", group_size: 128 };
const CHANNEL = { strategy: "channel" };
const STATIC = { input_activations: { num_bits: 8, type: "float", strategy: "tensor", dynamic: false } };

test.each<readonly [string, string, Readonly<Record<string, unknown>>, number, Readonly<Record<string, unknown>>?]>([
  ["int4, group", "pack-quantized", { num_bits: 4, type: "int", symmetric: true, ...GROUP }, 2_162_704],
  ["int4, group, zeros", "pack-quantized", { num_bits: 4, type: "int", symmetric: false, ...GROUP }, 2_179_088],
  ["int4, output", "pack-quantized", { num_bits: 4, type: "int", symmetric: true, ...CHANNEL }, 2_099_216],
  ["int4, output, zeros", "pack-quantized", { num_bits: 4, type: "int", symmetric: false, ...CHANNEL }, 2_099_728],
  ["int8, group", "pack-quantized", { num_bits: 8, type: "int", symmetric: true, ...GROUP }, 4_259_856],
  ["int8, output", "int-quantized", { num_bits: 8, type: "int", symmetric: true, ...CHANNEL }, 4_196_352],
  ["fp8, output", "float-quantized", { num_bits: 8, type: "float", ...CHANNEL }, 4_196_352],
  ["fp8, static", "float-quantized", { num_bits: 8, type: "float", strategy: "tensor" }, 4_194_308, STATIC],
  [
    "fp8, blocks",
    "float-quantized",
    { num_bits: 8, type: "float", strategy: "block", block_structure: [128, 128] },
    4_194_816,
  ],
  [
    "nvfp4",
    "nvfp4-pack-quantized",
    { num_bits: 4, type: "float", strategy: "tensor_group", group_size: 16 },
    2_359_304,
  ],
  ["mxfp4", "mxfp4-pack-quantized", { num_bits: 4, type: "float", strategy: "group", group_size: 32 }, 2_228_224],
])("%s", (_, format, weights, bytes, more = {}) => {
  const rules = compressedRules({ format, config_groups: { group_0: { targets: ["Linear"], weights, ...more } } });
  const scheme = rules.schemeOf({ names: ["model.layers.0.l"], kind: "linear", inSize: 4096, plainRouter: false });
  expect(scheme === null ? null : schemeBytes(scheme, { inSize: 4096, outSize: 1024, copies: 1 })).toBe(bytes);
});
