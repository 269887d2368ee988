import { describe, expect, test } from "bun:test";
import { Fields, LIMITS, orNone, UnkeptList } from "../../../src/math/arch/fields.ts";

function fieldsOf(object: Readonly<Record<string, unknown>>): Fields {
  return new Fields((key) => (Object.hasOwn(object, key) ? object[key] : undefined));
}

describe("int", () => {
  test("gives a whole number within the bounds", () => {
    const fields = fieldsOf({ layers: 32 });
    expect(fields.int("layers", LIMITS.layers)).toBe(32);
    expect(fields.problems).toEqual([]);
  });

  test.each([
    ["absent", {}, "layers is missing"],
    ["null", { layers: null }, "layers is missing"],
    ["a string", { layers: "32" }, 'layers is "32" (a string): a whole number from 1 to 4096 is wanted'],
    ["a fraction", { layers: 1.5 }, "layers is 1.5: a whole number from 1 to 4096 is wanted"],
    ["zero", { layers: 0 }, "layers is 0: a whole number from 1 to 4096 is wanted"],
    ["negative", { layers: -1 }, "layers is -1: a whole number from 1 to 4096 is wanted"],
    ["too large", { layers: 4097 }, "layers is 4097: a whole number from 1 to 4096 is wanted"],
    ["not a number", { layers: Number.NaN }, "layers is NaN: a whole number from 1 to 4096 is wanted"],
    ["a boolean", { layers: true }, "layers is true: a whole number from 1 to 4096 is wanted"],
    ["a list", { layers: [1, 2] }, "layers is a list of 2: a whole number from 1 to 4096 is wanted"],
    [
      "a list too long to keep",
      { layers: new UnkeptList(2000) },
      "layers is a list of 2000: a whole number from 1 to 4096 is wanted",
    ],
    ["an object", { layers: {} }, "layers is an object: a whole number from 1 to 4096 is wanted"],
  ])("says what is wrong when it is %s", (_, object, problem) => {
    const fields = fieldsOf(object);
    fields.int("layers", LIMITS.layers);
    expect(fields.problems).toEqual([problem]);
    expect(fields.missing).toEqual(["layers"]);
  });

  test("takes 0 where it stands for none", () => {
    const fields = fieldsOf({ experts: 0 });
    expect(fields.int("experts", orNone(LIMITS.experts))).toBe(0);
    expect(fields.problems).toEqual([]);
  });
});

describe("optional values", () => {
  test("are null when absent, without a problem", () => {
    const fields = fieldsOf({});
    expect([
      fields.optionalInt("a", LIMITS.width),
      fields.optionalNumber("a"),
      fields.optionalBool("a"),
      fields.optionalString("a"),
      fields.optionalList("a"),
      fields.optionalObject("a"),
      fields.optionalPerLayer("a", 2, LIMITS.width),
    ]).toEqual([null, null, null, null, null, null, null]);
    expect(fields.problems).toEqual([]);
  });

  test("are a problem when present and of the wrong kind", () => {
    const fields = fieldsOf({ a: 1, b: "x" });
    fields.optionalBool("a");
    fields.optionalString("a");
    fields.optionalList("a");
    fields.optionalObject("a");
    fields.optionalNumber("b");
    expect(fields.problems).toEqual([
      "a is 1: true or false is wanted",
      "a is 1: a string is wanted",
      "a is 1: a list is wanted",
      "a is 1: an object is wanted",
      'b is "x" (a string): a number is wanted',
    ]);
  });

  test("stand on the format's own defaults where some are assumed", () => {
    const fields = fieldsOf({ given: 2 });
    fields.assume({ given: 7, heads: 8 });
    expect(fields.int("given", LIMITS.heads)).toBe(2);
    expect(fields.int("heads", LIMITS.heads)).toBe(8);
  });
});

describe("perLayer", () => {
  test("repeats one number", () => {
    expect(fieldsOf({ heads: 8 }).perLayer("heads", 3, LIMITS.heads)).toEqual([8, 8, 8]);
  });

  test("takes the start of a list that is long enough", () => {
    expect(fieldsOf({ heads: [1, 2, 3, 4] }).perLayer("heads", 3, LIMITS.heads)).toEqual([1, 2, 3]);
  });

  test("refuses a list that is too short or holds anything but whole numbers", () => {
    const short = fieldsOf({ heads: [1, 2] });
    short.perLayer("heads", 3, LIMITS.heads);
    expect(short.problems).toEqual(["heads is a list of 2: one number or a list of 3 is wanted"]);
    const wrong = fieldsOf({ heads: [1, "2", 3] });
    wrong.perLayer("heads", 3, LIMITS.heads);
    expect(wrong.problems).toEqual(['heads is "2" (a string): whole numbers from 1 to 65536 in its list is wanted']);
  });
});

test("labels keys as the reader is told", () => {
  const fields = new Fields(
    () => undefined,
    (key) => `llama.${key}`,
  );
  fields.int("block_count", LIMITS.layers);
  expect(fields.missing).toEqual(["llama.block_count"]);
});
