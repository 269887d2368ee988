/** A repository's own safetensors, from the hub and a folder, to the bytes that engines for them are given. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPlanner } from "../../src/cli/planner.ts";
import { createHubDeps, openModel } from "../../src/hub/open.ts";
import { formatWeights } from "../../src/math/format-choice.ts";
import type { PlanSubject } from "../../src/math/plan-input.ts";
import { parseRequest } from "../../src/request.ts";
import { configText, QWEN_FP8, QWEN_FP8_CONFIG, readyModels, textFile } from "../fakes/hub-models.ts";
import { type FakeHub, startHub } from "../fakes/hub-server.ts";

const ANY = formatWeights({ engine: "an engine", offered: ["bf16"], loads: () => true });

// A layer: 589,824 weights of a byte, 36 scales of 16 bits, norms of 64, 64, 256 and 256 in 16 bits.
const LAYER = 589_824 + 72 + 1280;
const OUTSIDE = 512_000 + 512 + 512_000;

let hub: FakeHub;
let folder = "";
beforeAll(async () => {
  const torch = JSON.stringify({
    metadata: { total_size: 2_200_096_768 },
    weight_map: { "model.norm.weight": "a.bin" },
  });
  hub = await startHub([
    ...readyModels(),
    {
      id: "acme/torch",
      files: [textFile("config.json", configText("tinyllama-1.1b")), textFile("pytorch_model.bin.index.json", torch)],
    },
    {
      id: "acme/apart",
      files: [
        textFile("config.json", configText("tinyllama-1.1b")),
        textFile(
          "hf_quant_config.json",
          JSON.stringify({ quantization: { quant_algo: "FP8", exclude_modules: ["lm_head"] } }),
        ),
      ],
    },
    {
      id: "acme/odd",
      files: [
        textFile("config.json", JSON.stringify({ ...QWEN_FP8_CONFIG, quantization_config: { quant_method: "zed" } })),
      ],
    },
  ]);
  folder = mkdtempSync(join(tmpdir(), "hwledger-checkpoint-"));
});
afterAll(async () => {
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function subjectOf(model: string, everyEngine = true): Promise<PlanSubject> {
  const deps = createHubDeps(
    { endpoint: hub.url, token: null, tokenFile: "none", sharedCacheDir: join(folder, "shared"), offline: false },
    { cacheDir: join(folder, "cache"), now: () => "2026-02-03T04:05:06.000Z" },
  );
  const planner = createPlanner({
    openModel: (name) => openModel(name, deps),
    detectMachine: () => Promise.reject(new Error("not asked")),
  });
  return (await planner.input(parseRequest({ model, device: "rtx-4090" }), true, everyEngine)).input.subject;
}

function typedOf(subject: PlanSubject) {
  if (subject.spec.status !== "ok") throw new Error(subject.spec.reason);
  return ANY.typeWeights(subject.spec.spec, null, subject);
}

describe("a repository with tables of its tensors", () => {
  test("is priced from them, to the byte and by layer", async () => {
    const subject = await subjectOf(QWEN_FP8);
    const table = subject.checkpoint?.table;
    expect(table?.layers).toEqual([LAYER, LAYER]);
    expect(new Map(table?.outside.map(({ name, bytes }) => [name, bytes]))).toEqual(
      new Map([
        ["token_embd.weight", 512_000],
        ["output_norm.weight", 512],
        ["output.weight", 512_000],
      ]),
    );
    const typed = typedOf(subject);
    expect(typed).toMatchObject({ status: "ok", spec: { weights: { name: "fp8-block", basis: "exact" } } });
    expect(typed.status === "ok" && ANY.weightsBytes(typed.spec)).toBe(2 * LAYER + OUTSIDE);
    expect(typedOf(subject)).toBe(typed);
  });

  test("is read once: the tables are kept", async () => {
    await subjectOf(QWEN_FP8);
    hub.requests.length = 0;
    await subjectOf(QWEN_FP8);
    expect(hub.requests.filter((request) => JSON.stringify(request).includes('.safetensors"'))).toEqual([]);
  });

  test("is not read for an engine that does not load it", async () => {
    const subject = await subjectOf(QWEN_FP8, false);
    expect(subject.checkpoint).toBeUndefined();
    expect(subject.publishedWarning).toContain("(fp8)");
  });

  test("from a folder as from the hub, and computed where a file lacks", async () => {
    const repo = readyModels().find(({ id }) => id === QWEN_FP8);
    for (const { path, bytes, size } of repo?.files ?? []) {
      writeFileSync(join(folder, path), bytes);
      if (size !== undefined) truncateSync(join(folder, path), size);
    }
    expect((await subjectOf(folder)).checkpoint?.table?.total).toBe(2 * LAYER + OUTSIDE);
    rmSync(join(folder, "model-00002-of-00002.safetensors"));
    const typed = typedOf(await subjectOf(folder));
    expect(typed).toMatchObject({ status: "ok", spec: { weights: { basis: "modelled" } } });
    // Scales in 32 bits: what the config lets one expect.
    expect(typed.status === "ok" && ANY.weightsBytes(typed.spec)).toBe(2 * (LAYER + 72) + OUTSIDE);
  });
});

test("an index that says what is computed makes it exact: PyTorch's files have one, too", async () => {
  // TinyLlama: 1,100,048,384 weights of 16 bits
  expect(typedOf(await subjectOf("acme/torch"))).toMatchObject({ spec: { weights: { name: "bf16", basis: "exact" } } });
});

test("a quantisation that stands beside config.json", async () => {
  expect(typedOf(await subjectOf("acme/apart"))).toMatchObject({
    spec: { weights: { name: "fp8", basis: "modelled" } },
  });
});

test("a quantisation that nobody knows", async () => {
  expect(typedOf(await subjectOf("acme/odd"))).toEqual({
    status: "unknown",
    reason: 'config.json\'s quantization_config.quant_method is "zed", of which hwLedger does not know what it takes',
    missing: ["quantization_config.quant_method"],
  });
});
