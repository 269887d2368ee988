import { describe, expect, test } from "bun:test";
import { askPlan, type PlanQuestion } from "../../../src/engines/llama-cpp/ask-plan.ts";
import { accountedParts } from "../../../src/engines/llama-cpp/asked-memory.ts";
import { CPU_ONLY, judgeSettings, planAsJudged } from "../../../src/engines/llama-cpp/judge-options.ts";
import { specFromGguf } from "../../../src/math/arch/index.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../src/math/options.ts";
import { optionsOfPlan, planLlamaCpp } from "../../../src/math/runtime/llama-cpp/plan.ts";
import type { LlamaCppOptions } from "../../../src/math/runtime/llama-cpp/types.ts";
import type { EnginePlan } from "../../../src/math/runtime/runtime.ts";
import { typeWeights } from "../../../src/math/weights-choice.ts";
import { ACCOUNTING, fakeAccounting } from "../../fakes/accounting.ts";
import { headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { requires, testIf } from "../../requires.ts";

const HEADER = headerFromDump(readDump("llama-3.2-1b-q8_0"));

function typedModel() {
  const spec = specFromGguf(HEADER);
  const typed = spec.status === "ok" ? typeWeights(spec.spec, "F16", []) : null;
  if (typed?.status !== "ok") throw new Error("Llama 3.2 1B is not known");
  return typed.spec;
}

/** As the C API: nothing that the judge would be asked otherwise. */
const ASKED: PlanOptions = { ...NO_OPTIONS, context: 8192, batch: 512, ubatch: 512, program: "api" };

function planOf(changes: Partial<PlanOptions> = {}): { plan: EnginePlan; options: LlamaCppOptions } {
  const plan = planLlamaCpp(typedModel(), { ...ASKED, ...changes }, CPU_ONLY);
  const options = plan.status === "planned" ? optionsOfPlan(plan) : null;
  if (plan.status !== "planned" || options === null) throw new Error("refused");
  return { plan, options };
}

function question(changes: Partial<PlanQuestion> = {}): PlanQuestion {
  const model = typedModel();
  const { plan, options } = planOf();
  const planned = planAsJudged(model, options);
  if (planned === null) throw new Error("refused");
  return { header: HEADER, model, plan, planned, ...changes };
}

describe("askPlan", () => {
  testIf(requires.engine(), "says the same for the same question", async () => {
    const answer = await askPlan(question(), ACCOUNTING);
    expect(answer).toMatchObject({
      status: "answered",
      asked: {
        engine: "llama.cpp",
        version: "v0.5.0",
        // 16 layers · 8192 cells · 8 heads of 64 for K and for V, 2 bytes each
        kv_cache_bytes: 16 * 8192 * 2 * 8 * 64 * 2,
        state_bytes: 0,
        // one row of 128,256 logits
        output_bytes: 4 * 128_256,
      },
      differences: [],
    });
  });

  testIf(requires.engine(), "leaves a part empty that was asked otherwise, and compares like with like", async () => {
    const { planned } = question();
    const { plan } = planOf({ program: "llama-server" });
    const answer = await askPlan(question({ plan, planned: { ...planned, compute_bytes: 1 } }), ACCOUNTING);
    expect(answer).toMatchObject({ status: "answered", asked: { compute_bytes: null, kv_cache_bytes: 268_435_456 } });
    expect(answer.status === "answered" && answer.differences.join()).toMatch(
      /^llama\.cpp can only be asked with 512 rows of logits a step instead of 1; for that it says compute \d+ MiB \(hwLedger: .+\)\.$/,
    );
  });

  test("needs a header, whole, and a cache for each sequence", async () => {
    const config = await askPlan(question({ header: null }), ACCOUNTING);
    expect(config).toMatchObject({ status: "not_answered", hint: "name a GGUF file of it, as org/name:Q4_K_M" });
    const cut = { ...HEADER, arrayLengths: new Map([["llama.attention.head_count_kv", 2000]]) };
    expect(await askPlan(question({ header: cut }), ACCOUNTING)).toMatchObject({
      status: "not_answered",
      reason: expect.stringContaining("llama.attention.head_count_kv"),
    });
    const { plan } = planOf({ kvUnified: true, sequences: 4 });
    expect(await askPlan(question({ plan }), ACCOUNTING)).toMatchObject({
      status: "not_answered",
      reason: expect.stringContaining("one pool for 4"),
    });
    const older = planLlamaCpp(typedModel(), ASKED, CPU_ONLY, { version: "b5121" });
    if (older.status !== "planned") throw new Error("refused");
    expect(await askPlan(question({ plan: older }), ACCOUNTING)).toMatchObject({
      status: "not_answered",
      reason: "only llama.cpp v0.5.0 can be asked, and the plan is for b5121",
    });
  });

  const ENDS = [
    ["a refusal", `console.log('{"event":"refused","reason":"missing tensor"}')`, "refuses the model: missing tensor"],
    [
      "a crash",
      `console.error("x.cpp:1: GGML_ASSERT(a) failed"); process.exit(134)`,
      "aborts on this: x.cpp:1: GGML_ASSERT(a)",
    ],
    ["a silent crash", "process.exit(134)", "aborts on this: it said nothing"],
    [
      "a refused context",
      `console.log('{"event":"model","bytes":1,"milliseconds":1}'); console.log('{"event":"context","index":0,"status":"refused","reason":"no"}'); console.log('{"event":"done"}')`,
      "refuses the context: no",
    ],
  ] as const;
  for (const [name, script, reason] of ENDS) {
    testIf(requires.engine(), `${name} is a reason`, async () => {
      expect(await askPlan(question(), fakeAccounting(script))).toMatchObject({
        status: "not_answered",
        reason: expect.stringContaining(reason),
      });
    });
  }

  testIf(requires.engine(), "a time-out is a reason with a hint", async () => {
    const slow = { ...fakeAccounting("setInterval(() => {}, 1000)"), timeoutMs: 100 };
    expect(await askPlan(question(), slow)).toMatchObject({ reason: "llama.cpp did not answer within 100 ms" });
  });
});

test("judgeSettings names what the judge takes otherwise", () => {
  const { options } = planOf();
  expect(judgeSettings(options)).toEqual([]);
  expect(judgeSettings({ ...options, gpuLayers: 3, outputs: 4 })).toEqual([
    "all layers in system memory",
    "512 rows of logits a step instead of 4",
  ]);
});

describe("accountedParts", () => {
  const context = {
    event: "context",
    index: 0,
    status: "ok",
    contextTotal: 512,
    totalBytes: 5_000_000,
    caches: [],
    // 1.00 MiB as printed: anything from 0.995 to 1.005 MiB
    states: [{ rows: 1, layers: 2, mib: 1, rMib: 0.25, sMib: 0.75 }],
    compute: [],
    output: [{ buffer: "CPU", mib: 0.01 }],
    flashAttention: null,
    milliseconds: 1,
  } as const;
  const ours = { weights_bytes: 0, kv_cache_bytes: 0, state_bytes: 1_050_000, compute_bytes: 0, output_bytes: 99_000 };

  test("takes our figure where it prints the same, and what was printed where not", () => {
    expect(accountedParts(7, context, null, ours)).toEqual({
      weights_bytes: 7,
      kv_cache_bytes: 0,
      state_bytes: 1_050_000,
      compute_bytes: 3_950_000,
      output_bytes: 10_486,
    });
    expect(accountedParts(7, context, null, { ...ours, state_bytes: 1_060_000 }).state_bytes).toBe(1_048_576);
    expect(accountedParts(7, context, null, null).state_bytes).toBe(1_048_576);
  });
});
