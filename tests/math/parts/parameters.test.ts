import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { publishedModels, specOfModel } from "../../fixtures/models/read.ts";

/** "8.03 B" to [8.03, 1e9, 2]: the number, its unit, its decimals. */
function parsed(text: string): { readonly value: number; readonly unit: number; readonly decimals: number } {
  const match = /^([0-9.]+) ?([MBT])$/.exec(text);
  const [, digits = "", letter = ""] = match ?? [];
  const unit = { M: 1e6, B: 1e9, T: 1e12 }[letter];
  if (unit === undefined) throw new Error(`Cannot read "${text}" as a number of parameters`);
  return { value: Number(digits), unit, decimals: digits.split(".")[1]?.length ?? 0 };
}

function rounded(count: number, text: string): number {
  const { unit, decimals } = parsed(text);
  return Number((count / unit).toFixed(decimals));
}

/** Cards that count, or round, otherwise than the weights of the language model without multi-token prediction add up to. */
const CARDS: ReadonlyMap<string, string> = new Map([
  ["deepseek-ai/DeepSeek-V3.2", "V3's number: the indexers are not counted"],
  ["meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "400.7, cut off"],
  ["meta-llama/Llama-4-Scout-17B-16E-Instruct", "with the vision tower"],
  ["zai-org/GLM-4.5", "with multi-token prediction"],
]);

const KNOWN = publishedModels().flatMap(({ model, total, basis, config }) => {
  const result = specFromConfig(config);
  if (CARDS.has(model)) return [];
  return result.status === "ok" && total !== null && basis !== null ? [{ model, total, spec: result.spec }] : [];
});

describe("total", () => {
  test.each(KNOWN.map(({ model, total, spec }) => [model, total, spec] as const))(
    "of %s rounds to %s",
    (_, total, spec) => {
      expect(rounded(countParameters(spec).total, total)).toBe(parsed(total).value);
    },
  );

  test("is known for thirty models at least", () => {
    expect(KNOWN.length).toBeGreaterThanOrEqual(30);
  });

  // Sums of a model's matrices, worked by hand from its config.
  test.each([
    // 32 layers x (2 x 4096^2 + 2 x 4096 x 1024 + 3 x 4096 x 14336 + 2 x 4096) + 2 x 128256 x 4096 + 4096
    ["meta-llama/Meta-Llama-3-8B", 8_030_261_248],
    // 32 x (2 x 4096^2 + 2 x 4096 x 1024 + 8 x 3 x 4096 x 14336 + 8 x 4096 + 2 x 4096) + 2 x 32000 x 4096 + 4096
    ["mistralai/Mixtral-8x7B-v0.1", 46_702_792_704],
    // 24 x (2 x 896^2 + 2 x 896 x 128 + 896 + 2 x 128 + 3 x 896 x 4864 + 2 x 896) + 151936 x 896 + 896
    ["Qwen/Qwen2-0.5B-Instruct", 494_032_768],
  ])("of %s is %d", (model, total) => {
    expect(countParameters(specOfModel(model)).total).toBe(total);
  });
});

test.each([
  // The makers' exact numbers, or the elements of the published files' tables.
  ["Qwen/Qwen2.5-7B", 7_615_616_512],
  ["Qwen/Qwen3-32B", 32_762_123_264],
  ["Qwen/Qwen3-30B-A3B", 30_532_122_624],
  ["Qwen/Qwen3-Next-80B-A3B-Instruct", 79_674_391_296],
  ["meta-llama/Meta-Llama-3.1-8B", 8_030_261_248],
  ["meta-llama/Meta-Llama-3.1-70B", 70_553_706_496],
  ["meta-llama/Meta-Llama-3.1-405B", 405_853_388_800],
  ["openai/gpt-oss-20b", 20_914_757_184],
  ["openai/gpt-oss-120b", 116_829_156_672],
  ["deepseek-ai/DeepSeek-V3", 671_026_419_200],
  ["deepseek-ai/DeepSeek-V3.2", 671_877_944_064],
  ["deepseek-ai/DeepSeek-V2-Lite", 15_706_484_224],
  ["moonshotai/Kimi-K2-Instruct", 1_026_408_232_448],
  ["ai21labs/AI21-Jamba-1.5-Mini", 51_570_323_328],
  ["tiiuae/Falcon-H1-0.5B-Instruct", 521_411_104],
  ["LiquidAI/LFM2.5-VL-1.6B", 1_170_340_608],
  // with 2,944 numbers by which experts are chosen, which are no parameters for torch
  ["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 31_577_937_344 + 2944],
])("%s has %d parameters", (model, total) => {
  expect(countParameters(specOfModel(model)).total).toBe(total);
});

describe("active", () => {
  test("leaves out the experts that are not used and the embedding's rows", () => {
    // 46_702_792_704 - 32 x 6 x 3 x 4096 x 14336 - 32000 x 4096
    expect(countParameters(specOfModel("mistralai/Mixtral-8x7B-v0.1"))).toMatchObject({
      active: 12_748_853_248,
      embedding: 131_072_000,
    });
  });

  test("counts an embedding that is the head too", () => {
    const { total, active, embedding } = countParameters(specOfModel("meta-llama/Llama-3.2-1B"));
    expect(active).toBe(total);
    expect(embedding).toBe(128_256 * 2048);
  });

  test.each([
    ["openai/gpt-oss-20b", "3.6B"],
    ["openai/gpt-oss-120b", "5.1B"],
    ["Qwen/Qwen3-235B-A22B", "22B"],
    ["moonshotai/Kimi-K2-Instruct", "32B"],
    ["deepseek-ai/DeepSeek-V3", "37B"],
  ])("of %s rounds to its card's %s", (model, card) => {
    expect(rounded(countParameters(specOfModel(model)).active, card)).toBe(parsed(card).value);
  });

  test.each([
    ["mistralai/Mixtral-8x7B-v0.1", "12.9B"],
    ["Qwen/Qwen1.5-MoE-A2.7B-Chat", "2.7B"],
  ])("of %s with the whole embedding rounds to %s, as its card counts", (model, card) => {
    const { active, embedding } = countParameters(specOfModel(model));
    expect(rounded(active + embedding, card)).toBe(parsed(card).value);
  });
});
