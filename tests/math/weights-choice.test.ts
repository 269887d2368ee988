import { describe, expect, test } from "bun:test";
import { specFromConfig, specFromGguf } from "../../src/math/arch/index.ts";
import { bestWeights as best } from "../../src/math/best-weights.ts";
import type { ModelSpec, SpecResult } from "../../src/math/model.ts";
import { NO_OPTIONS } from "../../src/math/options.ts";
import { EXACT, sizeWeights } from "../../src/math/parts/weights.ts";
import type { WeightsChoice } from "../../src/math/plan-input.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import type { EnginePlan } from "../../src/math/runtime/runtime.ts";
import { PRESET_WEIGHTS, presetsOf, typeWeights } from "../../src/math/weights-choice.ts";
import { headerFromDump, readDump } from "../fixtures/gguf-dumps.ts";
import { CONFIGS, device, machineOf } from "./runtime/llama-cpp/models.ts";

function okay(result: SpecResult): ModelSpec {
  if (result.status === "ok") return result.spec;
  throw new Error(result.reason);
}

const computed = okay(specFromConfig(CONFIGS["llama-3-8b"]));
const file = okay(specFromGguf(headerFromDump(readDump("llama-chatqa-1.5-8b-f16"))));

function typed(spec: ModelSpec, name: string | null): ModelSpec {
  const model = typeWeights(spec, name, []);
  if (model.status === "ok") return model.spec;
  throw new Error(model.status === "error" ? model.message : model.reason);
}

describe("typeWeights", () => {
  test("a config's weights are BF16 when nothing is said", () => {
    expect(typed(computed, null).weights).toEqual({ name: "BF16", basis: "exact" });
  });

  test("one preset is one model, however it is spelled", () => {
    expect(typed(computed, "q4_k_m")).toBe(typed(computed, "Q4_K_M"));
  });

  test("a file's own weights are the file's, said or not", () => {
    expect(typed(file, null).weights).toEqual({ name: "F16", basis: "exact" });
    expect(typed(file, "f16")).toBe(typed(file, null));
    expect(typed(file, null).layers[0]?.tensors).toEqual(file.layers[0]?.tensors ?? []);
    expect(typed(file, "Q8_0").weights?.name).toBe("Q8_0");
  });

  test("what is no type is refused with what there is, each time anew", () => {
    expect(typeWeights(computed, "Q9", [{ name: "Q2_K", bytes: 1 }])).toMatchObject({
      status: "error",
      message: 'Cannot plan with weights "Q9": llama.cpp knows no such type',
      hint: "take one of Q2_K",
    });
    expect(typeWeights(computed, "Q9", [{ name: "Q8_0", bytes: 1 }])).toMatchObject({ hint: "take one of Q8_0" });
  });

  test("a file of the repository that is no preset needs its header", () => {
    expect(typeWeights(computed, "ud-q4_k_xl", [{ name: "UD-Q4_K_XL", bytes: 1 }])).toMatchObject({
      status: "error",
      hint: "name them with the model, as org/name:ud-q4_k_xl",
    });
  });

  test("a preset that no row fits is refused", () => {
    // 48 is no multiple of Q1_0's 128, and Q1_0 has no substitute.
    const narrow = { ...CONFIGS["llama-3-8b"], hidden_size: 48, num_attention_heads: 1, num_key_value_heads: 1 };
    const model = typeWeights(okay(specFromConfig(narrow)), "Q1_0", []);
    expect(model).toMatchObject({ status: "error", hint: "take Q8_0 or F16" });
  });
});

test("presetsOf: smallest first, and the same list again", () => {
  const list = presetsOf(computed);
  const bytes = list.map((choice) => choice.bytes);
  expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
  expect(list.at(-1)?.name).toBe("F32");
  expect(presetsOf(computed)).toBe(list);
});

describe("bestWeights", () => {
  const model = typed(computed, "Q4_K_M");
  const on = (gib: number | null) => {
    const plan = RUNTIMES["llama.cpp"].plan(
      model,
      { ...NO_OPTIONS, gpuLayers: "all" },
      machineOf([device("gpu", gib)], null),
    );
    if (plan.status === "refused") throw new Error(plan.reason);
    return plan;
  };
  const NOW = sizeWeights(model, EXACT).total;
  const bestWeights = (choices: readonly WeightsChoice[], plan: EnginePlan) =>
    best(PRESET_WEIGHTS.weightsChoices(computed, { choices }), NOW, plan);

  test("the largest choice that still leaves nothing short", () => {
    const plan = on(24);
    const growth = 1 + (plan.spare[0] ?? 0) / (plan.parts.weights_bytes[0] ?? 1);
    const choices = [
      { name: "small", bytes: 1 },
      { name: "just", bytes: Math.floor(NOW * growth) - 1 },
      { name: "over", bytes: Math.ceil(NOW * growth) + 1000 },
    ];
    expect(bestWeights(choices, plan)).toBe("just");
  });

  test("of presets none that is for models trained so, even where it alone would fit", () => {
    const plan = on(24);
    const smallest = presetsOf(computed)[0];
    const short = (plan.parts.weights_bytes[0] ?? 0) * ((smallest?.bytes ?? 0) / NOW - 1);
    expect(smallest?.name).toBe("Q1_0");
    expect(bestWeights([], { ...plan, spare: [Math.ceil(short)] })).toBeNull();
    expect(
      bestWeights([{ name: "Q1_0", bytes: smallest?.bytes ?? 0 }], {
        ...plan,
        spare: [Math.ceil(short)],
      }),
    ).toBe("Q1_0");
  });

  test("nothing when nothing fits, the largest when no limit is known", () => {
    const choices = [
      { name: "a", bytes: NOW },
      { name: "b", bytes: 2 * NOW },
    ];
    expect(bestWeights(choices, on(1))).toBeNull();
    expect(bestWeights(choices, on(null))).toBe("b");
  });
});
