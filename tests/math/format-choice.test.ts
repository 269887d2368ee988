import { describe, expect, test } from "bun:test";
import { specFromGguf } from "../../src/math/arch/index.ts";
import { formatWeights } from "../../src/math/format-choice.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { headerFromDump, readDump } from "../fixtures/gguf-dumps.ts";
import { specOfModel } from "../fixtures/models/read.ts";

const spec = specOfModel("Qwen/Qwen2.5-7B");
const engine = formatWeights({
  engine: "an engine",
  offered: ["f32", "fp8", "bf16"],
  loads: ({ method }) => method === "plain" || method === "fp8",
});
const NOTHING = { choices: [], published: null };

describe("weights of an engine that loads safetensors", () => {
  test("two bytes a weight when nothing is said, and the same model again", () => {
    const typed = engine.typeWeights(spec, null, NOTHING);
    expect(typed).toMatchObject({ status: "ok", spec: { weights: { name: "bf16", basis: "exact" } } });
    expect(engine.typeWeights(spec, "BF16", NOTHING)).toBe(typed);
    // 7,615,616,512 parameters
    expect(typed.status === "ok" && engine.weightsBytes(typed.spec)).toBe(15_231_233_024);
  });

  test("what it does not load, and what nobody knows, is refused with what there is", () => {
    const only = formatWeights({ engine: "an engine", offered: ["bf16"], loads: ({ method }) => method === "plain" });
    expect(only.typeWeights(spec, "fp8", NOTHING)).toEqual({
      status: "error",
      message: 'Cannot plan with weights "fp8": an engine does not load them',
      hint: "take one of bf16",
    });
    expect(engine.typeWeights(spec, "Q4_K_M", NOTHING)).toMatchObject({
      message: 'Cannot plan with weights "Q4_K_M": no such format is known',
    });
  });

  test("a GGUF's geometry serves when the weights are named", () => {
    const result = specFromGguf(headerFromDump(readDump("llama-chatqa-1.5-8b-f16")));
    if (result.status !== "ok") throw new Error(result.reason);
    expect(engine.typeWeights(result.spec, null, NOTHING)).toMatchObject({
      message: "Cannot plan a GGUF file for an engine: it loads safetensors",
    });
    const typed = engine.typeWeights(result.spec, "bf16", NOTHING);
    // 8,030,261,248 parameters: the file's rope factors (32 x 64) are in no safetensors
    expect(typed.status === "ok" && engine.weightsBytes(typed.spec)).toBe(16_060_522_496);
  });

  test("choices: smallest first, and the same list again", () => {
    const list = engine.weightsChoices(spec, NOTHING);
    expect(list.map(({ name }) => name)).toEqual(["fp8", "bf16", "f32"]);
    expect(engine.weightsChoices(spec, NOTHING)).toBe(list);
  });
});

test("what is typed for a name is forgotten with the name", () => {
  const any = formatWeights({ engine: "an engine", offered: ["bf16"], loads: () => true });
  const type = (i: number): WeakRef<ModelSpec> => {
    const typed = any.typeWeights(spec, `exl3-2.${10_000 + i}bpw`, NOTHING);
    if (typed.status !== "ok") throw new Error("not loaded");
    return new WeakRef(typed.spec);
  };
  const refs = Array.from({ length: 500 }, (_, i) => type(i));
  for (let i = 500; i < 2500; i++) type(i);
  Bun.gc(true);
  // Some may still lie on the stack.
  expect(refs.filter((ref) => ref.deref() === undefined).length).toBeGreaterThan(400);
});
