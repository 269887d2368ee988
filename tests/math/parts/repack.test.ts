import { describe, expect, test } from "bun:test";
import type { GgmlType } from "../../../src/math/ggml-types.ts";
import type { ModelSpec, TensorRole, TensorSpec } from "../../../src/math/model.ts";
import { mappedRange } from "../../../src/math/parts/file-layout.ts";
import { assignPreset } from "../../../src/math/parts/presets.ts";
import { type CpuFeatures, isRepacked, repackedBytes } from "../../../src/math/parts/repack.ts";
import { accountingRows } from "../../fixtures/accounting/read.ts";
import { specOf } from "../../fixtures/accounting/spec.ts";
import { LLAMA_3_8B, modelOf } from "./models.ts";

const NONE: CpuFeatures = {
  avx2: false,
  avx512: false,
  amxInt8: false,
  neon: false,
  dotprod: false,
  matmulInt8: false,
};
const AVX2 = { ...NONE, avx2: true };
const ARM = { ...NONE, neon: true, dotprod: true, matmulInt8: true };

function tensor(type: GgmlType | null, shape: readonly number[], role: TensorRole = "attention"): TensorSpec {
  return { name: "blk.0.attn_q.weight", shape, role, type, at: null };
}

function modelNamed(name: string): ModelSpec {
  const row = accountingRows().find(({ model }) => model === name);
  if (row === undefined) throw new Error(`no row of ${name}`);
  return assignPreset(specOf(row), "Q4_K_M", { imatrix: false });
}

describe("which tensors are repacked", () => {
  test.each([
    ["Q4_0", AVX2, 8, true],
    ["Q4_0", AVX2, 12, false],
    ["Q4_0", ARM, 12, true],
    ["Q4_0", NONE, 8, false],
    ["Q4_1", AVX2, 8, false],
    ["Q4_K", AVX2, 8, true],
    ["Q4_K", ARM, 12, false],
    ["Q6_K", AVX2, 8, false],
    ["Q6_K", ARM, 8, true],
    ["Q2_K", AVX2, 8, false],
    ["Q2_K", { ...AVX2, avx512: true }, 8, true],
    ["Q8_0", AVX2, 8, false],
    ["Q8_0", ARM, 4, true],
    ["IQ4_NL", AVX2, 8, true],
    ["IQ4_NL", { ...NONE, neon: true, matmulInt8: true }, 8, false],
    ["MXFP4", AVX2, 8, true],
    ["F16", AVX2, 8, false],
    [null, AVX2, 8, false],
  ] as const)("%s on %o with %i rows: %p", (type, cpu, rows, want) => {
    expect(isRepacked(tensor(type, [256, rows]), cpu)).toBe(want);
  });

  test("routed experts are, other 3-D tensors and embeddings are not", () => {
    expect(isRepacked(tensor("Q4_K", [256, 8, 4], "expert"), AVX2)).toBe(true);
    expect(isRepacked(tensor("Q4_K", [256, 8, 4], "attention"), AVX2)).toBe(false);
    expect(isRepacked(tensor("Q4_K", [256, 8], "embedding"), AVX2)).toBe(false);
  });
});

describe("CPU_REPACK as logs of real loads show it, Q4_K_M on x86", () => {
  test("gemma-2-2b: 921.38 MiB beside 1623.67 mapped", () => {
    const spec = modelNamed("google/gemma-2-2b");
    expect(Number(((repackedBytes(spec, AVX2) ?? 0) / 2 ** 20).toFixed(2))).toBe(921.38);
    expect(mappedRange(spec, (t) => !isRepacked(t, AVX2)).map((n) => (n / 2 ** 20).toFixed(2))).toEqual(["1623.67"]);
  });

  test("Ministral-3-3B on a Ryzen 7 5800H: 1404.00 MiB", () => {
    expect(repackedBytes(modelNamed("mistralai/Ministral-3-3B-Instruct-2512"), AVX2)).toBe(1404 * 2 ** 20);
  });
});

test("a tied head is copied too, though the embedding stays", () => {
  // Llama-3-8B's size with one matrix for both, all Q4_0 but the embedding
  const spec = assignPreset(modelOf({ ...LLAMA_3_8B, tied: true }), "Q4_K_M", { imatrix: false });
  const asQ4 = {
    ...spec,
    outside: spec.outside.map((t) => (t.role === "embedding" ? { ...t, type: "Q4_0" as const } : t)),
  };
  // 4096 / 32 x 18 B x 128256
  expect((repackedBytes(asQ4, AVX2) ?? 0) - (repackedBytes(spec, AVX2) ?? 0)).toBe(295501824);
});

test("only what is on the host, and unknown with AMX", () => {
  const spec = assignPreset(modelOf(LLAMA_3_8B), "Q4_0", { imatrix: false });
  expect(repackedBytes(spec, AVX2, () => false)).toBe(0);
  expect(repackedBytes(spec, { ...AVX2, amxInt8: true })).toBeNull();
});
