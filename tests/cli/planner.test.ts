import { expect, test } from "bun:test";
import { createPlanner } from "../../src/cli/planner.ts";
import { AppError } from "../../src/errors.ts";
import { machineFromText } from "../../src/hardware/machine-from-text.ts";
import type { OpenedModel } from "../../src/hub/open.ts";
import { parseRequest } from "../../src/request.ts";
import { specOfModel } from "../fixtures/models/read.ts";

const MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";

function opened(id: string): OpenedModel {
  return {
    id,
    source: "hub",
    revision: null,
    spec: { status: "ok", spec: specOfModel(MODEL), warnings: [] },
    files: [],
    chosen: null,
    downloadBytes: null,
    gguf: null,
    config: null,
    readTensors: null,
    safetensors: null,
    warnings: [],
    fetchedAt: null,
  };
}

function counting(): { readonly planner: ReturnType<typeof createPlanner>; readonly calls: string[] } {
  const calls: string[] = [];
  const planner = createPlanner({
    openModel: async (name) => {
      calls.push(`open ${name}`);
      if (name === "gone") throw new AppError("not_found", 'Cannot find "gone"');
      return opened(name);
    },
    detectMachine: async () => {
      calls.push("detect");
      return machineFromText("cpu:64GiB");
    },
  });
  return { planner, calls };
}

test("a model and a machine are looked up once, and then answers come at once", async () => {
  const { planner, calls } = counting();
  const first = planner.plan(parseRequest({ model: "m" }), true);
  expect(first).toBeInstanceOf(Promise);
  expect((await first).status).toBe("fits");
  const second = planner.plan(parseRequest({ model: "m", context: 512 }), true);
  expect(second).not.toBeInstanceOf(Promise);
  expect(calls).toEqual(["open m", "detect"]);
});

test("a model that cannot be had is asked for once, and refused each time", async () => {
  const { planner, calls } = counting();
  const request = parseRequest({ model: "gone", device: "24GiB" });
  await expect(Promise.resolve(planner.plan(request, true))).rejects.toThrow('Cannot find "gone"');
  expect(() => planner.plan(request, true)).toThrow('Cannot find "gone"');
  expect(calls).toEqual(["open gone"]);
});

test("a mistyped device is refused before any model is opened", async () => {
  const { planner, calls } = counting();
  await expect(planner.input(parseRequest({ model: "m", device: "rtx4090" }), true)).rejects.toThrow("rtx4090");
  expect(calls).toEqual([]);
});

test("only the latest models are kept", async () => {
  const { planner, calls } = counting();
  for (let i = 0; i < 40; i++) await planner.plan(parseRequest({ model: `m${i}`, device: "24GiB" }), true);
  await planner.plan(parseRequest({ model: "m39", device: "24GiB" }), true);
  await planner.plan(parseRequest({ model: "m0", device: "24GiB" }), true);
  expect(calls.length).toBe(41);
  expect(calls.at(-1)).toBe("open m0");
});
