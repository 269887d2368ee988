import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { parseArgs } from "../../src/cli/parse-args.ts";
import { requestOfFlags } from "../../src/cli/plan-flags.ts";
import { AppError } from "../../src/errors.ts";
import type { PlanRequest } from "../../src/request.ts";

function request(args: readonly string[]): PlanRequest {
  const plan = COMMANDS.find((command) => command.name === "plan");
  if (plan === undefined) throw new Error("no plan");
  return requestOfFlags(parseArgs(plan, args));
}

test("every kind of flag becomes its field", () => {
  const asked = request([
    ...["org/name", "--device", "2x rtx-3090", "--reserve", "1.5GiB", "--context", "4096", "--sequences", "2"],
    ...["--kv-type", "q8_0,f16", "--flash-attention", "on", "--kv-unified", "--gpu-layers", "12", "--cpu-moe", "3"],
    ...["--tensor-parallel", "2", "--pipeline-parallel", "3", "--memory-utilization", "0.85"],
    ...["--tensor-split", "3,1", "--override-tensor", "exps=CPU,attn_.*=CUDA0", "--weights", "Q4_K_M"],
  ]);
  expect(asked).toMatchObject({
    model: "org/name",
    device: "2x rtx-3090",
    weights: "Q4_K_M",
    engine: "llama.cpp",
    askEngine: false,
  });
  expect(asked.options).toMatchObject({
    reserveBytes: 1_610_612_736,
    context: 4096,
    sequences: 2,
    kvTypeK: "Q8_0",
    kvTypeV: "F16",
    flashAttention: "on",
    kvUnified: true,
    swaFull: null,
    gpuLayers: 12,
    cpuMoeLayers: 3,
    tensorSplit: [3, 1],
    tensorParallel: 2,
    pipelineParallel: 3,
    memoryUtilization: 0.85,
    overrideTensor: [
      { pattern: "exps", buffer: "CPU" },
      { pattern: "attn_.*", buffer: "CUDA0" },
    ],
  });
});

test("what is not said is null, and the device is this machine", () => {
  const asked = request(["m"]);
  expect(asked.device).toBe("auto");
  expect(Object.values(asked.options).every((value) => value === null)).toBe(true);
  expect(request(["m", "--no-kv-unified"]).options.kvUnified).toBe(false);
  expect(request(["m", "--gpu-layers", "all"]).options.gpuLayers).toBe("all");
});

test.each([
  [[], "Cannot plan without a MODEL", ""],
  [["m", "--context", "-5"], "Cannot plan with --context -5: an integer from 1 to 134217728 is wanted", ""],
  [["m", "--context", "0"], "Cannot plan with --context 0", ""],
  [["m", "--context", "1000000000"], "Cannot plan with --context 1000000000", ""],
  [["m", "--context", "8k"], 'Cannot plan with --context "8k"', ""],
  [["m", "--context", "1.5"], "Cannot plan with --context 1.5", ""],
  [["m", "--sequences", "4097"], "Cannot plan with --sequences 4097: an integer from 1 to 4096 is wanted", ""],
  [["m", "--reserve", "2"], 'Cannot use --reserve "2": a size such as 2GiB or 500MB is wanted', "write 2GiB or 2MiB"],
  [["m", "--kv-type", "fp9"], 'Cannot plan with --kv-type "fp9"', "q8_0"],
  [["m", "--kv-type", "f16,f16,f16"], 'Cannot plan with --kv-type "f16,f16,f16"', ""],
  [
    ["m", "--gpu-layers", "most"],
    'Cannot plan with --gpu-layers "most": an integer from 0 to 100000, all or auto is wanted',
    "",
  ],
  [["m", "--tensor-split", "a,b"], "Cannot plan with --tensor-split", ""],
  [["m", "--tensor-split", "0,0"], "Cannot plan with --tensor-split [0,0]: at least one number above 0 is wanted", ""],
  [["m", "--override-tensor", "exps"], 'Cannot plan with --override-tensor "exps": REGEX=BUFFER is wanted', "exps=CPU"],
  [["m", "--override-tensor", "(=CPU"], 'Cannot plan with --override-tensor "(=CPU"', "exps=CPU"],
  [["m", "--engine", "tensorrt-llm"], 'Cannot plan with --engine "tensorrt-llm"', "engine"],
  [["m", "--tensor-parallel", "0"], "Cannot plan with --tensor-parallel 0: an integer from 1 to 1024 is wanted", ""],
  [["m", "--memory-utilization", "90"], "Cannot plan with --memory-utilization 90: a number from 0 to 1", "0.9"],
] as const)("%p is refused", (args, message, hint) => {
  let thrown: unknown;
  try {
    request(args);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AppError);
  if (!(thrown instanceof AppError)) return;
  expect(thrown.message).toStartWith(message);
  expect(thrown.hint ?? "").toContain(hint);
});

test("what is loaded beside the model: a draft, a projector, adapters between commas", () => {
  const { extras } = request(["m", "--draft", "org/small", "--mmproj", "p.gguf", "--lora", "a.gguf,b.gguf"]);
  expect(extras).toEqual({ draft: "org/small", projector: "p.gguf", adapters: ["a.gguf", "b.gguf"] });
  expect(request(["m"]).extras).toEqual({ draft: null, projector: null, adapters: [] });
});
