import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { liveOptions } from "../../../src/web/plan/live-options.ts";
import { requestOfForm } from "../../../src/web/plan/request.ts";

const LOADED = { overrideTensor: null, reserveBytes: null };
const number = (low: number, high: number) => fc.integer({ min: low, max: high }).map(String);
const maybe = (values: fc.Arbitrary<string>) => fc.option(values, { nil: "" });
const types = fc.constantFrom(
  "f16",
  "q8_0",
  "Q4_0",
  "bf16",
  "q8_0,f16",
  "q5_1, q4_0",
  "fp8",
  "q6,q4",
  "zed",
  "f16,f16,f16",
);

/** Values in and around what is allowed. */
const forms = fc
  .record({
    context: maybe(number(-1, 2 ** 28)),
    sequences: maybe(number(0, 5000)),
    ubatch: maybe(number(0, 2 ** 21)),
    batch: maybe(number(1, 4096)),
    program: maybe(fc.constantFrom("llama-server", "api", "zed")),
    kv_type: maybe(types),
    flash_attention: maybe(fc.constantFrom("on", "off", "auto", "maybe")),
    kv_unified: maybe(fc.constantFrom("true", "false", "on", "1", "0", "maybe")),
    swa_full: maybe(fc.constantFrom("true", "false")),
    gpu_layers: maybe(fc.oneof(number(-1, 200), fc.constantFrom("all", "auto", "most"))),
    cpu_moe_layers: maybe(number(0, 99)),
    split_mode: maybe(fc.constantFrom("layer", "row", "none", "zed")),
    tensor_split: maybe(fc.constantFrom("3,1", "0,0", "1.5,2", "-1,2", "x", "1,,2")),
    weights: maybe(fc.constantFrom("Q4_K_M", "BF16")),
    tensor_parallel: maybe(number(0, 2000)),
    pipeline_parallel: maybe(number(0, 2000)),
    memory_utilization: maybe(fc.constantFrom("0.9", "1", "0", "1.01", "-0.5", ".9", "most")),
    mla: maybe(number(-1, 5)),
    attention_max_batch: maybe(number(-1, 4000)),
  })
  .map((form) =>
    Object.fromEntries([["model", "acme/zed"], ...Object.entries(form).filter(([, value]) => value !== "")]),
  );

describe("the page reads a form as the server does", () => {
  test("the same options, or both refuse", () => {
    fc.assert(
      fc.property(forms, (form) => {
        const live = liveOptions(form, LOADED);
        const server = requestOfForm(form);
        expect(live.status).toBe(server.status);
        if (live.status === "ok" && server.status === "ok") {
          expect(live.options).toEqual(server.request.options);
          expect(live.weights).toBe(server.request.weights);
        }
        // The server looks at K and V after all other fields.
        if (live.status === "wrong" && server.status === "wrong") {
          expect(["kv_type", ...Object.keys(server.errors)]).toContain(live.field);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a sentence at the field", () => {
    expect(liveOptions({ context: "abc" }, LOADED)).toEqual({
      status: "wrong",
      field: "context",
      message: "An integer from 1 to 134217728 is wanted.",
    });
    expect(requestOfForm({ model: "a", context: "abc", sequences: "0" })).toEqual({
      status: "wrong",
      errors: {
        context: "An integer from 1 to 134217728 is wanted.",
        sequences: "An integer from 1 to 4096 is wanted.",
      },
    });
  });

  test("thousands may be separated", () => {
    expect(liveOptions({ context: "131,072" }, LOADED)).toMatchObject({ status: "ok", options: { context: 131072 } });
  });
});
