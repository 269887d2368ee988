import { describe, expect, test } from "bun:test";
import { parseFormat, sizeFormat, sizesOf } from "../../../../src/math/parts/formats/index.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";

function format(name: string) {
  const found = parseFormat(name);
  if (found === null) throw new Error(`no format ${name}`);
  return found;
}

describe("plain formats", () => {
  // Qwen2.5-7B has 7,615,616,512 parameters, two bytes each.
  const spec = specOfModel("Qwen/Qwen2.5-7B");

  test.each([
    ["bf16", 15_231_233_024],
    ["F16", 15_231_233_024],
    ["f32", 30_462_466_048],
  ])("%s", (name, bytes) => {
    const sizes = sizeFormat(spec, format(name));
    expect(sizes.total).toBe(bytes);
    expect(sizes.outside.map(({ name }) => name)).toEqual(["token_embd.weight", "output_norm.weight", "output.weight"]);
  });

  test("one name is one format, and one answer", () => {
    expect(parseFormat("BF16")).toBe(format("bf16"));
    expect(sizeFormat(spec, format("bf16"))).toBe(sizeFormat(spec, format("BF16")));
    expect(parseFormat("zed-3bit")).toBeNull();
  });
});

test("fp8: the layers' matrices in one byte and a scale, all else in two", () => {
  // hidden 3584, 28 layers, intermediate 18944, 28 heads of 128, 4 for keys and values, vocabulary 152064
  const matrices = 28 * (2 * 3584 * 3584 + 2 * 3584 * 512 + 3 * 3584 * 18944);
  expect(sizeFormat(specOfModel("Qwen/Qwen2.5-7B"), format("fp8")).total).toBe(
    2 * 7_615_616_512 - matrices + 28 * 7 * 4,
  );
});

test("a typed model's bytes are those of its format's name", () => {
  const spec = specOfModel("Qwen/Qwen2.5-7B");
  const typed = { ...spec, weights: { name: "bf16", basis: "exact" } } as const;
  expect(sizesOf(typed).total).toBe(15_231_233_024);
  expect(() => sizesOf(spec)).toThrow(RangeError);
});
