import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ModelSpec, TensorSpec } from "../../../../src/math/model.ts";
import { parseFormat, sizeFormat, type WeightFormat } from "../../../../src/math/parts/formats/index.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";

function format(name: string): WeightFormat {
  const found = parseFormat(name);
  if (found === null) throw new Error(`no format ${name}`);
  return found;
}

const model = specOfModel("Qwen/Qwen2.5-7B");

function bytesOf(name: string, tensor: Partial<TensorSpec>, at: ModelSpec = model): number {
  const whole: TensorSpec = {
    name: "blk.0.ffn_up.weight",
    shape: [4096, 1024],
    role: "feed-forward",
    type: null,
    at: null,
    ...tensor,
  };
  return format(name).bytes(whole, { model: at, layer: at.layers[0] ?? null });
}

// A matrix of 4096 inputs and 1024 outputs: 4,194,304 weights, 32 groups of 128 inputs.
describe("one matrix", () => {
  test.each([
    // qweight 4096/8 x 1024 words, qzeros 32 x 1024/8 words, scales 32 x 1024 in 16 bits, g_idx 4096 in 32
    ["gptq-4bit-g128", 2_097_152 + 16_384 + 65_536 + 16_384],
    ["gptq-4bit", 2_097_152 + 16_384 + 65_536 + 16_384],
    ["gptq-3bit-g128", 1_572_864 + 12_288 + 65_536 + 16_384],
    ["gptq-8bit-g32", 4_194_304 + 131_072 + 262_144 + 16_384],
    // one group: qzeros 1024/8 words, scales 1024
    ["gptq-4bit-channel", 2_097_152 + 512 + 2048 + 16_384],
    ["awq-4bit-g128", 2_097_152 + 16_384 + 65_536],
    // weight_packed, weight_scale, and the shape as two numbers of 64 bits
    ["w4a16-g128", 2_097_152 + 65_536 + 16],
    ["w4a16-channel", 2_097_152 + 2048 + 16],
    ["w8a16-g128", 4_194_304 + 65_536 + 16],
    ["w8a8-int8", 4_194_304 + 2048],
    ["fp8", 4_194_304 + 4],
    ["fp8-static", 4_194_304 + 8],
    ["fp8-dynamic", 4_194_304 + 2048],
    // 32 x 8 blocks
    ["fp8-block", 4_194_304 + 1024],
    // a scale in 8 bits for 16 weights, two in 32 bits
    ["nvfp4", 2_097_152 + 262_144 + 8],
    ["mxfp4", 2_097_152 + 131_072],
    // bitsandbytes 0.50.2 itself: absmax 65,536 in 32 bits, the code's 16 numbers, 82 bytes of state
    ["bnb-nf4", 2_359_442],
    // itself: absmax in 8 bits, and for 256 of them one in 32; the second code's 256 numbers, 170 bytes of state
    ["bnb-nf4-dq", 2_164_970],
    ["bnb-int8", 4_194_304 + 4096 + 1],
    ["mlx-4bit-g64", 2_097_152 + 2 * 131_072],
    ["mlx-6bit-g32", 3_145_728 + 2 * 262_144],
    ["mlx-mxfp4", 2_097_152 + 131_072],
    ["mlx-nvfp4", 2_097_152 + 262_144],
    ["mlx-mxfp8", 4_194_304 + 131_072],
    // trellis, a sign for each input and output in 16 bits, the code book's number
    ["exl3-4.0bpw", 2_097_152 + 8192 + 2048 + 4],
    ["exl3-2.5bpw", 1_310_720 + 8192 + 2048 + 4],
    // 144 bytes for 256 weights, 34 for 32
    ["isq-q4k", 2_359_296],
    ["isq-q8_0", 4_456_448],
    ["isq-afq4", 2_097_152 + 2 * 131_072],
    // scale and zero in 32 bits for 64
    ["isq-hqq4", 2_097_152 + 2 * 262_144],
    ["torchao-int4-g128", 2_097_152 + 2 * 65_536],
    ["torchao-int8", 4_194_304 + 2048],
  ])("%s takes %d bytes", (name, bytes) => {
    expect(bytesOf(name, {})).toBe(bytes);
  });

  test("experts are as many matrices", () => {
    const expert: Partial<TensorSpec> = { name: "blk.0.ffn_up_exps.weight", shape: [4096, 1024, 8], role: "expert" };
    expect(bytesOf("fp8", expert)).toBe(8 * (4_194_304 + 4));
    expect(bytesOf("nvfp4", expert)).toBe(8 * (2_097_152 + 262_144 + 8));
  });

  test("halves of a latent attention's kv_b have its inputs", () => {
    // 16 heads of 128 of the keys: [512 inputs, 2048 outputs], 4 x 16 blocks of 128 x 128
    const half: Partial<TensorSpec> = { name: "blk.0.attn_k_b.weight", shape: [128, 512, 16], role: "attention" };
    expect(bytesOf("fp8-block", half)).toBe(1_048_576 + 4 * 64);
    const values: Partial<TensorSpec> = { name: "blk.0.attn_v_b.weight", shape: [512, 128, 16], role: "attention" };
    expect(bytesOf("fp8-block", values)).toBe(1_048_576 + 4 * 64);
  });
});

describe("what a tool leaves as it is", () => {
  const tensor = (name: string, shape: readonly number[], role: TensorSpec["role"]) => ({ name, shape, role });
  const norm = tensor("blk.0.attn_norm.weight", [4096], "norm");
  const router = tensor("blk.0.ffn_gate_inp.weight", [4096, 64], "router");
  const head = tensor("output.weight", [4096, 1024], "output");
  const embedding = tensor("token_embd.weight", [4096, 1024], "embedding");
  const conv = tensor("blk.0.ssm_conv1d.weight", [4, 1024], "state");

  test.each(["gptq-4bit", "awq-4bit", "fp8", "nvfp4", "w4a16", "mlx-4bit", "isq-q4k", "exl3-4bpw", "bnb-nf4"])(
    "%s keeps norms and convolutions",
    (name) => {
      expect(bytesOf(name, norm)).toBe(2 * 4096);
      expect(bytesOf(name, conv)).toBe(2 * 4 * 1024);
    },
  );

  test.each(["gptq-4bit", "awq-4bit", "fp8", "nvfp4", "w4a16", "bnb-nf4"])("%s keeps embedding and head", (name) => {
    expect(bytesOf(name, embedding)).toBe(8_388_608);
    expect(bytesOf(name, head)).toBe(8_388_608);
  });

  test("routers: bitsandbytes and MLX alone quantise them", () => {
    expect(bytesOf("fp8", router)).toBe(2 * 4096 * 64);
    expect(bytesOf("isq-q4k", router)).toBe(2 * 4096 * 64);
    expect(bytesOf("bnb-int8", router)).toBe(4096 * 64 + 4 * 64 + 1);
    expect(bytesOf("mlx-4bit", router)).toBe((4096 * 64) / 2 + (4 * 4096 * 64) / 64);
  });

  test("heads and embeddings that are quantised less", () => {
    // 6 bits, signs of 4096 inputs and 1024 outputs, the code book
    expect(bytesOf("exl3-3bpw", head)).toBe(3_145_728 + 8192 + 2048 + 4);
    expect(bytesOf("exl3-3bpw-h8", head)).toBe(4_194_304 + 8192 + 2048 + 4);
    expect(bytesOf("exl3-3bpw", embedding)).toBe(8_388_608);
    // Q6_K: 210 bytes for 256
    expect(bytesOf("isq-q4k", embedding)).toBe(3_440_640);
    expect(bytesOf("isq-q5k", head)).toBe(4_456_448);
  });

  test("sides that EXL3 fills up: 2880 to 2944, 100 to 128", () => {
    expect(bytesOf("exl3-4bpw", { shape: [2880, 100] })).toBe((2944 * 128) / 2 + 2 * (2944 + 128) + 4);
  });

  test("rows that no block fits", () => {
    // 896 is no multiple of 256: Q4_1, 20 bytes for 32; 100 is none of 32 either, and is kept in 32 bits
    expect(bytesOf("isq-q4k", { shape: [896, 1024] })).toBe((896 * 1024 * 20) / 32);
    expect(bytesOf("isq-q4k", { shape: [100, 1024] })).toBe(4 * 100 * 1024);
    expect(bytesOf("mlx-4bit-g128", { shape: [4096 + 64, 1024] })).toBe(2 * 4160 * 1024);
  });

  test("mxfp4 takes the experts alone where there are any", () => {
    const sparse = specOfModel("openai/gpt-oss-20b");
    expect(bytesOf("mxfp4", {}, sparse)).toBe(8_388_608);
    // metadata.total_size of the published repository's index
    expect(sizeFormat(sparse, format("mxfp4")).total).toBe(13_761_264_768);
  });

  test("a head that is the embedding again is stored by EXL3 as a head", () => {
    const tied = specOfModel("Qwen/Qwen2.5-0.5B");
    const { outside } = sizeFormat(tied, format("exl3-4bpw"));
    // 896 = 7 x 128 inputs, 151,936 outputs at 6 bits, signs, code book
    expect(outside.find(({ name }) => name === "output.weight")?.bytes).toBe(
      (896 * 151_936 * 6) / 8 + 2 * (896 + 151_936) + 4,
    );
    expect(sizeFormat(tied, format("fp8")).outside.map(({ name }) => name)).not.toContain("output.weight");
  });
});

test("ChatGLM 3's index, but for a table of 64 bytes that its code makes anew", () => {
  // metadata.total_size of pytorch_model.bin.index.json: 12,487,168,064
  expect(sizeFormat(specOfModel("THUDM/chatglm3-6b-32k"), format("f16")).total).toBe(12_487_168_064 - 64);
});

test("MiniMax-M1's index: its routers, 80 of 6144 x 32, are stored in 32 bits", () => {
  // metadata.total_size of model.safetensors.index.json: 912,210,767,872
  const { total } = sizeFormat(specOfModel("MiniMaxAI/MiniMax-M1-80k"), format("bf16"));
  expect(total + 2 * 80 * 6144 * 32).toBe(912_210_767_872);
});

test("names that mean nothing", () => {
  const names = ["gptq-5bit", "gptq-4bit-g3", "awq-3bit", "mlx-7bit", "mlx-4bit-g48", "mlx-mixed-5-6", "exl3-9bpw"];
  for (const name of [...names, "isq-q9k", "isq-q4_2", "w3a16", "q4_k_m", "", "constructor"])
    expect(parseFormat(name)).toBeNull();
});

test("more bits never take less", () => {
  const rising = [2, 3, 4, 5, 6, 8].map((bits) => format(`mlx-${bits}bit-g64`));
  const sizes = fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 2, max: 4096 }));
  fc.assert(
    fc.property(sizes, ([blocks, outs]) => {
      const tensor: TensorSpec = {
        name: "blk.0.ffn_up.weight",
        shape: [64 * blocks, outs],
        role: "feed-forward",
        type: null,
        at: null,
      };
      const bytes = rising.map((f) => f.bytes(tensor, { model, layer: null }));
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
      expect(bytes.at(-1)).toBeLessThan(2 * 64 * blocks * outs);
    }),
  );
});
