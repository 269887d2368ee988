import { describe, expect, test } from "bun:test";
import { NO_OPTIONS, type PlanOptions } from "../../../src/math/options.ts";
import { refuseForeign } from "../../../src/math/runtime/foreign-options.ts";
import { resolveOptions } from "../../../src/math/runtime/llama-cpp/resolve.ts";
import { device, machineOf, modelOf } from "./llama-cpp/models.ts";

describe("options that an engine has not", () => {
  test("are refused by their flag, with what to do", () => {
    expect(refuseForeign("acme", { ...NO_OPTIONS, memoryUtilization: 0.9 }, ["memoryUtilization"])).toEqual({
      status: "refused",
      reason: "acme has no option like --memory-utilization",
      hint: "leave --memory-utilization out",
    });
  });

  test("pass where nothing was said, or nothing asked for, or the engine has them", () => {
    expect(refuseForeign("acme", NO_OPTIONS, ["memoryUtilization", "gpuLayers"])).toBeNull();
    const asked: PlanOptions = { ...NO_OPTIONS, gpuLayers: "auto", tensorParallel: 1 };
    expect(refuseForeign("acme", asked, ["gpuLayers", "tensorParallel"])).toBeNull();
    expect(refuseForeign("acme", { ...NO_OPTIONS, gpuLayers: 3 }, ["tensorParallel"])).toBeNull();
  });

  test.each([
    [{ tensorParallel: 2 }, "llama.cpp has no option like --tensor-parallel", "leave --tensor-parallel out"],
    [{ pipelineParallel: 2 }, "llama.cpp has no option like --pipeline-parallel", "leave --pipeline-parallel out"],
    [{ memoryUtilization: 0.9 }, "llama.cpp has no option like --memory-utilization", "leave --memory-utilization out"],
    [{ kvTypeK: "FP8", kvTypeV: "FP8" }, "llama.cpp has no cache type fp8", "take one of f32, f16"],
    [{ kvTypeK: "F16", kvTypeV: "Q6" }, "llama.cpp has no cache type q6", "take one of f32, f16"],
  ] as const)("llama.cpp refuses %j", (asked, reason, hint) => {
    const resolution = resolveOptions(modelOf("llama-3-8b"), { ...NO_OPTIONS, ...asked }, machineOf([device("a", 24)]));
    expect(resolution).toMatchObject({ status: "refused", reason, hint: expect.stringContaining(hint) });
  });
});
