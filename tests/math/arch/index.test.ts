import { describe, expect, test } from "bun:test";
import { FAMILIES } from "../../../src/math/arch/families.ts";
import { ARCHITECTURES, specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import { configOf, publishedModels, specOfModel } from "../../fixtures/models/read.ts";
import { cachedElementsPerToken, stateElements } from "./cache-elements.ts";

const F16_BYTES = 2;
const F32_BYTES = 4;

describe("the table", () => {
  test("has a row for every family, in which the family names itself", () => {
    for (const id of FAMILIES) expect(ARCHITECTURES[id].id).toBe(id);
  });

  test("answers for no name twice", () => {
    const rows = FAMILIES.map((id) => ARCHITECTURES[id]);
    for (const names of [rows.flatMap((row) => row.modelTypes), rows.flatMap((row) => row.ggufArchitectures)]) {
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

// Worked by hand: layers x (kv heads x (key + value length)) x 2 bytes; latent attention has layers x (rank + rope) x 2.
test.each([
  ["meta-llama/Meta-Llama-3-8B", 131_072], // 32 x 8 x 256 x 2
  ["mistralai/Mixtral-8x7B-v0.1", 131_072],
  ["Qwen/Qwen2-72B-Instruct", 327_680], // 80 x 8 x 256 x 2
  ["mistralai/Devstral-Small-2-24B-Instruct-2512", 163_840], // 40 x 8 x 256 x 2
  ["deepseek-ai/DeepSeek-V2-Lite", 31_104], // 27 x 576 x 2
  ["deepseek-ai/DeepSeek-V3", 70_272], // 61 x 576 x 2
  ["moonshotai/Kimi-K2-Instruct", 70_272],
  ["Qwen/Qwen3.5-27B", 65_536], // 16 x 4 x 512 x 2
])("%s keeps %d bytes for a token", (model, bytes) => {
  expect(cachedElementsPerToken(specOfModel(model)) * F16_BYTES).toBe(bytes);
});

test("Qwen3.5-27B keeps 149.625 MiB of state for a sequence", () => {
  // 48 layers x (3 x (6144 + 2 x 2048) + 128 x 6144) x 4 bytes
  expect(stateElements(specOfModel("Qwen/Qwen3.5-27B")) * F32_BYTES).toBe(149.625 * 2 ** 20);
});

describe("published configs", () => {
  test("each give a spec or a reason, and a spec wherever the text model's type is in the table", () => {
    const modelTypes = new Set<unknown>(FAMILIES.flatMap((id) => ARCHITECTURES[id].modelTypes));
    const results = publishedModels().map(({ model, config }) => ({ model, config, result: specFromConfig(config) }));
    const unknown = results.filter(({ result }) => result.status === "unknown");
    expect(results).toHaveLength(239);
    for (const { result } of unknown)
      expect(result).toMatchObject({ reason: expect.stringMatching(/^(Cannot|hwLedger)/) });
    const inTheTable = unknown.filter(({ config }) => {
      const text = config.text_config;
      const { model_type } = typeof text === "object" && text !== null ? { ...config, ...text } : config;
      return modelTypes.has(model_type);
    });
    expect(inTheTable.map(({ model }) => model)).toEqual([
      "internlm/internlm2-7b-reward",
      "llava-hf/llava-1.5-7b-hf",
      "moonshotai/Kimi-K3",
      "xverse/XVERSE-MoE-A4.2B",
    ]);
  });

  test.each([
    ["RWKV/rwkv-5-world-1b5", "rwkv5"],
    ["jet-ai/Jet-Nemotron-2B", "jet_nemotron"],
    ["facebook/bart-base", "bart"],
  ])("%s is not known yet", (model, architecture) => {
    expect(specFromConfig(configOf(model))).toEqual({
      status: "unknown",
      architecture,
      reason: `hwLedger does not know the architecture "${architecture}" (model_type) yet`,
      missing: [],
    });
  });

  test("a wrapper that leaves its text model's size out is unknown, with what is missing", () => {
    expect(specFromConfig(configOf("llava-hf/llava-1.5-7b-hf"))).toMatchObject({
      status: "unknown",
      architecture: "llama",
      missing: ["num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size"],
    });
  });
});

describe("specFromConfig", () => {
  test("wants a model_type", () => {
    expect(specFromConfig({ hidden_size: 4096 })).toEqual({
      status: "unknown",
      architecture: null,
      reason: "Cannot read config.json: model_type is missing, so the architecture is not known",
      missing: ["model_type"],
    });
  });

  test("takes the text model of a multimodal config and says so", () => {
    const result = specFromConfig(configOf("moonshotai/Kimi-K2.5"));
    expect(result).toMatchObject({ status: "ok", spec: { family: "deepseek", architecture: "deepseek2" } });
    expect(result.status === "ok" ? result.warnings : []).toContain(
      "Only the text model is counted: a vision or audio tower is a file of its own.",
    );
  });

  test("names everything that is wrong at once", () => {
    const config = { ...configOf("meta-llama/Meta-Llama-3-8B"), num_hidden_layers: "32", hidden_size: undefined };
    expect(specFromConfig(config)).toEqual({
      status: "unknown",
      architecture: "llama",
      reason:
        'Cannot read config.json: num_hidden_layers is "32" (a string): a whole number from 1 to 4096 is wanted; hidden_size is missing',
      missing: ["num_hidden_layers", "hidden_size"],
    });
  });

  test("does not believe a model of more than 2^46 parameters", () => {
    const config = { ...configOf("meta-llama/Meta-Llama-3-8B"), intermediate_size: 2 ** 24, hidden_size: 2 ** 20 };
    const result = specFromConfig({ ...config, num_attention_heads: 1024, num_key_value_heads: 8 });
    expect(result).toMatchObject({ status: "unknown", architecture: "llama", missing: [] });
  });

  test("is not misled by inherited properties", () => {
    expect(specFromConfig(Object.create({ model_type: "llama" }))).toMatchObject({
      status: "unknown",
      architecture: null,
    });
    expect(specFromConfig({ model_type: "constructor" })).toMatchObject({ status: "unknown", missing: [] });
  });
});

test("a name from a file is short in a sentence, and commands no terminal", () => {
  const result = specFromConfig({ model_type: `\u001b[2J\u009b2J${"z".repeat(1000)}` });
  if (result.status !== "unknown") throw new Error("it is known");
  const shown = `\\u001b[2J\ufffd2J${"z".repeat(73)}`;
  expect(result.architecture).toBe(shown);
  expect(result.reason).toBe(`hwLedger does not know the architecture "${shown}" (model_type) yet`);
});

test("specFromGguf does not know every architecture", () => {
  const header = { architecture: "rwkv5", metadata: new Map(), arrayLengths: new Map(), tensors: [] };
  expect(specFromGguf(header)).toEqual({
    status: "unknown",
    architecture: "rwkv5",
    reason: 'hwLedger does not know the architecture "rwkv5" (general.architecture) yet',
    missing: [],
  });
});
