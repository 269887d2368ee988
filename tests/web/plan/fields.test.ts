import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FORM_FIELDS, formOf, planHref, queryOf, requestFields, withValues } from "../../../src/web/plan/fields.ts";

describe("the address of a plan", () => {
  test.each([
    ["model=acme%2Fzed%3AQ4_K_M&context=8192", "model=acme/zed:Q4_K_M&context=8192"],
    ["context=8192&model=acme/zed", "model=acme/zed&context=8192"],
    ["model=acme/zed&engine=llama.cpp&device=auto&sequences=1&kv_type=f16&gpu_layers=auto", "model=acme/zed"],
    ["model=acme/zed&context=131%2C072", "model=acme/zed&context=131072"],
    ["model=acme/zed&context=&device=+rtx-4090+", "model=acme/zed&device=rtx-4090"],
    ["model=a&model=b&utm_source=x", "model=b"],
    ["model=a%26b%3Dc", "model=a%26b%3Dc"],
    ["model=a&tensor_split=3,1", "model=a&tensor_split=3,1"],
    ["", ""],
  ])("%s", (given, want) => {
    expect(queryOf(formOf(new URLSearchParams(given)))).toBe(want);
  });

  test("equal plans have equal links: writing and reading again changes nothing", () => {
    const text = fc.string({ maxLength: 20, unit: "grapheme" });
    const forms = fc.dictionary(fc.constantFrom(...FORM_FIELDS), text);
    fc.assert(
      fc.property(forms, (form) => {
        const once = queryOf(formOf(new URLSearchParams(queryOf(form))));
        expect(queryOf(formOf(new URLSearchParams(once)))).toBe(once);
      }),
    );
  });

  test("href", () => {
    expect(planHref({})).toBe("/plan");
    expect(planHref(withValues({ model: "a", context: "5" }, { context: "" }))).toBe("/plan?model=a");
  });
});

test("a request's fields by their kinds; what is no number stays text for the schema to refuse", () => {
  expect(
    requestFields({
      model: "a",
      context: "8192",
      kv_unified: "true",
      swa_full: "maybe",
      gpu_layers: "all",
      tensor_split: "3,1.5",
      sequences: "two",
      reserve_bytes: "0",
      kv_type: "q8_0,f16",
    }),
  ).toEqual({
    model: "a",
    context: 8192,
    kv_unified: true,
    swa_full: "maybe",
    gpu_layers: "all",
    tensor_split: [3, 1.5],
    sequences: "two",
    reserve_bytes: 0,
    kv_type: "q8_0,f16",
  });
});
