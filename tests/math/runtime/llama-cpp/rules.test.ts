import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { planLlamaCpp } from "../../../../src/math/runtime/llama-cpp/plan.ts";
import { LLAMA_CPP_VERSIONS, NEWEST_RULES, rulesOf } from "../../../../src/math/runtime/llama-cpp/rules.ts";
import { MIB } from "../../../../src/math/units.ts";
import { type LoadLog, loadLogs, specOfLog } from "../../../fixtures/load-logs/read.ts";
import { knownLogs, kvOfLog, planOfLog, sum } from "./logs.ts";
import { device, machineOf, modelOf } from "./models.ts";

const KNOWN = knownLogs();

describe("caches of older builds, as their logs print them", () => {
  test("there are such logs, of builds before each turn that they can tell of", () => {
    expect(KNOWN.length).toBeGreaterThanOrEqual(24);
  });

  test.each(KNOWN.map((log) => [`${log.id}: ${log.model} by ${log.version}`, log] as const))("%s", (_, log) => {
    const plan = planOfLog(log);
    const asked = log.measured.recurrent;
    expect(kvOfLog(plan, log) / MIB).toBeCloseTo(log.measured.kv_mib ?? 0, 2);
    if (asked !== undefined) expect(sum(plan.parts.state_bytes) / MIB).toBeCloseTo(asked.mib, 2);
  });
});

test("most compute buffers of older builds lie in the range that is given for them", () => {
  const judged = KNOWN.filter(({ measured, cmd }) => measured.compute_buffer_mib !== undefined && cmd === undefined);
  const inside = judged.filter((log) => {
    const plan = planOfLog(log);
    const printed = Object.values(log.measured.compute_buffer_mib ?? {}).reduce((a, b) => a + b, 0) * MIB;
    const rest = sum(plan.total) - sum(plan.parts.compute_bytes);
    return printed >= plan.low - rest && printed <= plan.high - rest;
  });
  expect(judged.length).toBeGreaterThanOrEqual(20);
  expect(inside.length / judged.length).toBeGreaterThanOrEqual(0.8);
});

test("before b2540 the logits of a whole batch come back: 4 B · 512 · 256,000 = 500 MiB", () => {
  const log = KNOWN.find(({ id }) => id === "lc-034");
  if (log === undefined) throw new Error("no lc-034");
  expect(sum(planOfLog(log).parts.output_bytes)).toBe(500 * MIB);
});

describe("DeepSeek-V3 at 8,192 tokens", () => {
  // 61 layers; K 128 · 192 and V 128 · 128 elements, then 576 and 512, then 576 alone; 2 B each
  test.each([
    ["b5136", 39040],
    ["b5137", 61 * 8192 * (576 + 512) * 2 * 2 ** -20],
    ["b7831", 1037],
    ["b7832", 549],
  ])("%s: %d MiB", (version, mib) => {
    const log = { ...loadLogs().find(({ id }) => id === "ik-004"), config: "deepseek-ai/DeepSeek-V3", gguf: null };
    const spec = specOfLog({ ...(log as LoadLog), gguf_of: "" });
    if (spec === null) throw new Error("DeepSeek-V3 is not known");
    const plan = planLlamaCpp(
      assignPreset(spec, "Q4_K_M", { imatrix: false }),
      { ...NO_OPTIONS, context: 8192, flashAttention: "on" },
      machineOf([device("a", null)]),
      { version },
    );
    if (plan.status === "refused") throw new Error(plan.reason);
    expect(sum(plan.parts.kv_cache_bytes) / MIB).toBe(mib);
  });
});

describe("what a build is known by", () => {
  test("a release, or its number", () => {
    expect(rulesOf(null)).toBe(NEWEST_RULES);
    expect(rulesOf("v0.5.0")).toBe(NEWEST_RULES);
    expect(rulesOf("b5121")).toMatchObject({ build: 5121, windows: "as long as all others", streams: false });
    expect(rulesOf("b10489")).toBeNull();
    expect(rulesOf("b941")).toBeNull();
    expect(rulesOf("5121")).toBeNull();
    expect(LLAMA_CPP_VERSIONS.map(rulesOf)).not.toContain(null);
  });

  test("the output layer is offloaded first since b7467, and last before", () => {
    const of = (version: string) => {
      const asked = { ...NO_OPTIONS, gpuLayers: 1 };
      const plan = planLlamaCpp(modelOf("llama-3-8b"), asked, machineOf([device("a", null)]), { version });
      return plan.status === "planned" ? plan.outside.find(({ name }) => name === "output.weight")?.slot : null;
    };
    expect(of("b7466")).toBe(1);
    expect(of("b7467")).toBe(0);
  });

  test("whole pads of full attention are cached alike by all builds", () => {
    const model = modelOf("llama-3-8b");
    fc.assert(
      fc.property(
        fc.constantFrom(...LLAMA_CPP_VERSIONS),
        fc.integer({ min: 1, max: 40_000 }),
        fc.integer({ min: 1, max: 8 }),
        (version, context, sequences) => {
          const at = (build: string) => {
            const asked: PlanOptions = { ...NO_OPTIONS, context: context * 256, sequences, flashAttention: "on" };
            const plan = planLlamaCpp(model, asked, machineOf([]), { version: build });
            return plan.status === "planned" ? sum(plan.parts.kv_cache_bytes) : 0;
          };
          expect(at(version)).toBe(at("v0.5.0"));
        },
      ),
      { numRuns: 40 },
    );
  });
});

test("an encoder in an old build: the answer says that a cache is not counted", () => {
  const [first] = modelOf("llama-3-8b").layers;
  if (first === undefined) throw new Error("no layer");
  const mixers = first.mixers.map((mixer) => (mixer.kind === "full" ? { ...mixer, cached: false } : mixer));
  const model = { ...modelOf("llama-3-8b"), layers: [{ ...first, mixers }] };
  const of = (version: string) => {
    const plan = planLlamaCpp(model, NO_OPTIONS, machineOf([]), { version });
    return plan.status === "planned" ? plan.warnings.join() : "refused";
  };
  expect(of("b4400")).toContain("kept a cache for encoders");
  expect(of("v0.5.0")).not.toContain("encoders");
});
