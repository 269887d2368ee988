import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { formatOfCheckpoint } from "../../../../src/math/parts/formats/checkpoint-format.ts";
import { readCheckpointFormat } from "../../../../src/math/parts/formats/from-config.ts";
import { sizeFormat } from "../../../../src/math/parts/formats/index.ts";
import { configOf } from "../../../fixtures/models/read.ts";

function read(model: string, more: Readonly<Record<string, unknown>>) {
  const config = { ...configOf(model), ...more };
  const spec = specFromConfig(config);
  if (spec.status !== "ok") throw new Error(spec.reason);
  return { spec: spec.spec, read: readCheckpointFormat(config, spec.spec) };
}

function sizeOf(model: string, more: Readonly<Record<string, unknown>>) {
  const { spec, read: format } = read(model, more);
  if (format.status !== "ok") throw new Error(format.reason);
  return { format, sizes: sizeFormat(spec, formatOfCheckpoint(format)), spec };
}

// hidden 4096, 36 layers, 32 heads of 128, 8 for keys and values, intermediate 12288, vocabulary 151936, head of its own
const QWEN3_8B = "Qwen/Qwen3-8B";
const KEPT = 2 * (2 * 151_936 * 4096 + 4096 + 36 * (2 * 4096 + 2 * 128));
const LAYER = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 12_288;
/** Outputs of a layer's seven matrices. */
const OUTPUTS = 4096 + 1024 + 1024 + 4096 + 12_288 + 12_288 + 4096;

describe("what a repository's config says", () => {
  test("no quantisation: its own type", () => {
    const { format, sizes } = sizeOf(QWEN3_8B, { torch_dtype: "float16" });
    expect(format).toMatchObject({ id: "f16", method: "plain" });
    expect(sizes.total).toBe(KEPT + 2 * 36 * LAYER);
    expect(sizeOf(QWEN3_8B, { torch_dtype: "float32" }).sizes.total).toBe(2 * (KEPT + 2 * 36 * LAYER));
  });

  test("FP8 in blocks, as Qwen and DeepSeek publish it", () => {
    const block = { quant_method: "fp8", fmt: "e4m3", weight_block_size: [128, 128], activation_scheme: "dynamic" };
    const { format, sizes } = sizeOf(QWEN3_8B, { quantization_config: block });
    expect(format).toMatchObject({ id: "fp8-block", method: "fp8-block" });
    // every side is a multiple of 128
    expect(sizes.total).toBe(KEPT + 36 * (LAYER + (4 * LAYER) / 16_384));
  });

  test("FP8 by output, and layers that are left alone (Llama 3.1 405B)", () => {
    const first = ["q", "k", "v", "o"].map((p) => `model.layers.0.self_attn.${p}_proj`);
    const block = { quant_method: "fbgemm_fp8", modules_to_not_convert: [...first, "model.layers.0.mlp.down_proj"] };
    const { format, sizes } = sizeOf(QWEN3_8B, { quantization_config: block });
    expect(format.layers["attn_q.weight"]).toBe(`-${"a".repeat(35)}`);
    expect(format.layers["ffn_up.weight"]).toBe("a".repeat(36));
    expect((sizes.layers[0] ?? 0) - (sizes.layers[1] ?? 0)).toBe(
      2 * 4096 * 4096 + 2 * 4096 * 1024 + 4096 * 12_288 - 4 * (OUTPUTS - 2 * 12_288),
    );
  });

  test("compressed-tensors: INT4 by group of 128", () => {
    const weights = { num_bits: 4, type: "int", strategy: "group", group_size: 128, symmetric: true };
    const block = {
      quant_method: "compressed-tensors",
      format: "pack-quantized",
      config_groups: { group_0: { targets: ["Linear"], weights } },
      ignore: ["lm_head"],
    };
    const { format, sizes } = sizeOf(QWEN3_8B, { quantization_config: block });
    expect(format).toMatchObject({ id: "w4a16-g128", outside: {} });
    expect(sizes.total).toBe(KEPT + 36 * (LAYER / 2 + (2 * LAYER) / 128 + 7 * 16));
    const asymmetric = { ...block, config_groups: { group_0: { weights: { ...weights, symmetric: false } } } };
    expect(sizeOf(QWEN3_8B, { quantization_config: asymmetric }).sizes.total - sizes.total).toBe((36 * LAYER) / 256);
  });

  test("compressed-tensors: FP8 of Granite, INT8 of both, by output", () => {
    const group = (type: string, format: string) => ({
      quant_method: "compressed-tensors",
      format,
      config_groups: { group_0: { targets: ["Linear"], weights: { num_bits: 8, type, strategy: "channel" } } },
      ignore: ["re:.*lm_head"],
    });
    const want = KEPT + 36 * (LAYER + 2 * OUTPUTS);
    expect(sizeOf(QWEN3_8B, { quantization_config: group("float", "float-quantized") }).sizes.total).toBe(want);
    const int8 = sizeOf(QWEN3_8B, { quantization_config: group("int", "int-quantized") });
    expect(int8.format).toMatchObject({ id: "w8a8-int8", method: "int8" });
    expect(int8.sizes.total).toBe(want);
  });

  test("Kimi K2.5: experts alone, by expressions", () => {
    const block = {
      quant_method: "compressed-tensors",
      format: "pack-quantized",
      config_groups: {
        group_0: { targets: ["Linear"], weights: { num_bits: 4, type: "int", strategy: "group", group_size: 32 } },
      },
      ignore: ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"],
    };
    const { format } = sizeOf("moonshotai/Kimi-K2-Instruct", { quantization_config: block });
    expect(Object.keys(format.layers).toSorted()).toEqual([
      "ffn_down_exps.weight",
      "ffn_gate_exps.weight",
      "ffn_up_exps.weight",
    ]);
    expect(format.layers["ffn_up_exps.weight"]).toBe(`-${"a".repeat(60)}`);
  });

  test("modelopt: NVFP4 with stars, as NVIDIA publishes it", () => {
    const block = { quant_method: "modelopt", quant_algo: "NVFP4", ignore: ["lm_head", "model.layers.1*"] };
    const { format } = sizeOf(QWEN3_8B, { quantization_config: block });
    expect(format).toMatchObject({ id: "nvfp4", method: "nvfp4" });
    // 1 and 10 to 19
    expect(format.layers["attn_q.weight"]).toBe(`a-${"a".repeat(8)}${"-".repeat(10)}${"a".repeat(16)}`);
  });

  test("modelopt: a list of modules, the head among them, and what stands in a file of its own", () => {
    const quantized_layers = {
      lm_head: { quant_algo: "W4A16_NVFP4", group_size: 16 },
      "model.layers.3.mlp.up_proj": { quant_algo: "FP8" },
    };
    const block = { quantization: { quant_algo: "MIXED_PRECISION", quantized_layers }, producer: { name: "modelopt" } };
    const { format, sizes } = sizeOf(QWEN3_8B, { quantization_config: block });
    expect(format.layers).toEqual({ "ffn_up.weight": `---a${"-".repeat(32)}` });
    expect(sizes.outside.find(({ name }) => name === "output.weight")?.bytes).toBe((151_936 * 4096 * 9) / 16 + 8);
  });

  test("GPTQ: groups, and modules with bits of their own", () => {
    const block = { quant_method: "gptq", bits: 4, group_size: 128, desc_act: true };
    const { format, sizes } = sizeOf(QWEN3_8B, { quantization_config: block });
    expect(format.id).toBe("gptq-4bit-g128");
    const inputs = 6 * 4096 + 12_288;
    expect(sizes.total).toBe(KEPT + 36 * (LAYER / 2 + LAYER / 256 + LAYER / 64 + 4 * inputs));
    const dynamic = { "-:.*down_proj": {}, "+:.*up_proj": { bits: 8 } };
    const mixed = sizeOf(QWEN3_8B, { quantization_config: { ...block, dynamic } }).format;
    expect(mixed.layers["ffn_down.weight"]).toBeUndefined();
    expect(mixed.schemes.map(({ bits }) => bits)).toEqual([4, 8]);
  });

  test("AWQ and bitsandbytes", () => {
    const awq = {
      quant_method: "awq",
      bits: 4,
      group_size: 128,
      version: "gemm",
      modules_to_not_convert: ["self_attn"],
    };
    const { format } = sizeOf(QWEN3_8B, { quantization_config: awq });
    expect(Object.keys(format.layers).toSorted()).toEqual(["ffn_down.weight", "ffn_gate.weight", "ffn_up.weight"]);
    const bnb = {
      quant_method: "bitsandbytes",
      load_in_4bit: true,
      bnb_4bit_quant_type: "nf4",
      bnb_4bit_use_double_quant: true,
    };
    expect(sizeOf(QWEN3_8B, { quantization_config: bnb }).format.id).toBe("bnb-nf4-dq");
  });

  test("gpt-oss: the index's own total", () => {
    const block = { quant_method: "mxfp4", modules_to_not_convert: ["model.layers.*.self_attn", "lm_head"] };
    expect(sizeOf("openai/gpt-oss-20b", { quantization_config: block }).sizes.total).toBe(13_761_264_768);
  });

  test("MLX: bits and group, and paths with their own", () => {
    const quantization = {
      group_size: 64,
      bits: 4,
      "model.layers.0.mlp.down_proj": { group_size: 64, bits: 6 },
      "model.layers.1.mlp.down_proj": false,
      lm_head: { group_size: 32, bits: 8 },
    };
    const { format, sizes } = sizeOf(QWEN3_8B, { quantization });
    expect(format).toMatchObject({ id: "mlx-4-6-8bit-g64", method: "mlx" });
    const of = (name: string) => sizes.outside.find((part) => part.name === name)?.bytes;
    expect(of("token_embd.weight")).toBe(151_936 * 4096 * (0.5 + 4 / 64));
    expect(of("output.weight")).toBe(151_936 * 4096 * (1 + 4 / 32));
    const matrix = 4096 * 12_288;
    expect((sizes.layers[0] ?? 0) - (sizes.layers[2] ?? 0)).toBe(matrix / 4);
    expect((sizes.layers[1] ?? 0) - (sizes.layers[2] ?? 0)).toBe(matrix * (2 - 0.5 - 4 / 64));
  });
});

describe("what no rule knows is named", () => {
  const ct = (weights: Readonly<Record<string, unknown>>) => ({
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    config_groups: { group_0: { weights } },
  });
  test.each<readonly [Readonly<Record<string, unknown>>, string]>([
    [{ quant_method: "aqlm" }, "quantization_config.quant_method"],
    [{ quant_method: "__proto__" }, "quantization_config.quant_method"],
    [{ quant_method: 7 }, "quantization_config.quant_method"],
    [{ weird: true }, "quantization_config.quant_method"],
    [{ quant_method: "gptq", bits: 5, group_size: 128 }, "quantization_config.bits"],
    [{ quant_method: "gptq", bits: "4", group_size: 128 }, "quantization_config.bits"],
    [{ quant_method: "gptq", bits: 4, group_size: 0 }, "quantization_config.group_size"],
    [{ quant_method: "awq", bits: 4 }, "quantization_config.group_size"],
    [{ quant_method: "bitsandbytes" }, "quantization_config.load_in_4bit"],
    [{ quant_method: "fp8", weight_block_size: [128] }, "quantization_config.weight_block_size"],
    [{ quant_method: "modelopt", quant_algo: "INT3" }, "quantization_config.quant_algo"],
    [{ quant_method: "compressed-tensors" }, "quantization_config.config_groups"],
    [ct({ num_bits: 3, type: "int" }), "quantization_config.config_groups.group_0.weights.num_bits"],
    [
      ct({ num_bits: 4, type: "int", strategy: "group" }),
      "quantization_config.config_groups.group_0.weights.group_size",
    ],
    [ct({ num_bits: 8, type: "complex" }), "quantization_config.config_groups.group_0.weights.type"],
  ])("%j", (block, field) => {
    expect(read(QWEN3_8B, { quantization_config: block }).read).toMatchObject({ status: "unknown", missing: [field] });
  });

  test("MLX's own block, too", () => {
    expect(read(QWEN3_8B, { quantization: { bits: 7, group_size: 64 } }).read).toMatchObject({
      reason: "config.json's quantization.bits is 7, of which hwLedger does not know what it takes",
      missing: ["quantization.bits"],
    });
    expect(read(QWEN3_8B, { quantization: { bits: 4, group_size: 64, mode: "zed" } }).read).toMatchObject({
      missing: ["quantization.mode"],
    });
  });
});

test("every tensor of the spec has bytes in a resolved format", () => {
  const { spec, sizes }: { readonly spec: ModelSpec; readonly sizes: { readonly layers: Float64Array } } = sizeOf(
    QWEN3_8B,
    {},
  );
  expect(sizes.layers.length).toBe(spec.layers.length);
  expect(sizes.layers.every((bytes) => bytes > 0)).toBe(true);
});
