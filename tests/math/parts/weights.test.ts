import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GGML_TYPES, type GgmlType } from "../../../src/math/ggml-types.ts";
import type { TensorSpec } from "../../../src/math/model.ts";
import { type AllocationRule, allocatedBytes, EXACT, sizeWeights } from "../../../src/math/parts/weights.ts";
import { checkTyped } from "../../../src/math/parts/weights-check.ts";
import { accountingRows } from "../../fixtures/accounting/read.ts";
import { specOf } from "../../fixtures/accounting/spec.ts";

const CUDA: AllocationRule = { alignment: 128, quantizedRowMultiple: 512 };
const METAL: AllocationRule = { alignment: 32, quantizedRowMultiple: 1 };

function tensor(type: GgmlType | null, shape: readonly number[]): TensorSpec {
  return { name: "blk.0.ffn_down.weight", shape, role: "feed-forward", type, at: null };
}

describe("bytes of a tensor in a buffer", () => {
  test.each([
    // 100 x 4 B = 400 B, next multiple of 128
    ["F32", [100], CUDA, 512],
    ["F32", [100], METAL, 416],
    // 4096 / 256 x 144 B x 4096 rows; 4096 is a multiple of 512
    ["Q4_K", [4096, 4096], CUDA, 9437184],
    // 1792 = 3.5 x 512: 7 blocks of 210 B a row, 4 rows = 5880 B, and one block of padding = 6090 B → 6144
    ["Q6_K", [1792, 4], CUDA, 6144],
    ["Q6_K", [1792, 4], METAL, 5888],
    // padding comes once per tensor, not per row or expert: 544 / 32 = 17 blocks of 34 B, 2 x 3 rows = 3468 B; 480 elements more = 510 B
    ["Q8_0", [544, 2, 3], CUDA, 4096],
    // unquantized rows are never padded
    ["F16", [1792, 4], CUDA, 14336],
    ["Q6_K", [1792, 4], EXACT, 5880],
  ] as const)("%s %p", (type, shape, rule, want) => {
    expect(allocatedBytes(tensor(type, shape), rule)).toBe(want);
  });

  test("never less than the file's bytes, and aligned", () => {
    const types = Object.keys(GGML_TYPES) as GgmlType[];
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        fc.constantFrom(CUDA, METAL),
        (type, blocks, rows, rule) => {
          const t = tensor(type, [blocks * GGML_TYPES[type].blockElements, rows]);
          const allocated = allocatedBytes(t, rule);
          const row512 = 512 * 8;
          expect(allocated % rule.alignment).toBe(0);
          expect(allocated).toBeGreaterThanOrEqual(allocatedBytes(t, EXACT));
          expect(allocated).toBeLessThan(allocatedBytes(t, EXACT) + row512 + rule.alignment);
        },
      ),
    );
  });
});

describe("the engine's model buffers", () => {
  const rows = accountingRows().filter(({ devices, offloaded }) => {
    const [on, of] = offloaded.split("/");
    return devices === 1 && on === of;
  });

  test("one GPU with all layers: layers + output + other, to the byte", () => {
    expect(rows.length).toBe(480);
    for (const row of rows) {
      const sizes = sizeWeights(specOf(row), CUDA);
      const layers = sizes.layers.reduce((a, b) => a + b, 0);
      expect(layers + sizes.output + sizes.other, `${row.id} ${row.model} ${row.weights}`).toBe(
        row.measured.model.CUDA0 ?? 0,
      );
    }
  });

  test("one GPU with the last layers: those, output, and other once a layer is there", () => {
    // Architectures whose tensors outside the layers have rules of their own, none of ours.
    const others = new Set(["rwkv6", "rwkv7", "nomic-bert", "gemma3n"]);
    const partly = accountingRows().filter((row) => row.devices === 1 && row.gpuLayers > 0 && !others.has(row.arch));
    expect(partly.length).toBe(182);
    for (const row of partly) {
      const spec = specOf(row);
      const sizes = sizeWeights(spec, CUDA);
      const first = Math.max(spec.layers.length + spec.mtpLayers.length + 1 - row.gpuLayers, 0);
      const layers = sizes.layers.slice(first).reduce((a, b) => a + b, 0);
      const other = first < spec.layers.length ? sizes.other : 0;
      expect(layers + sizes.output + other, `${row.id} ${row.model} ${row.weights}`).toBe(
        row.measured.model.CUDA0 ?? 0,
      );
    }
  });

  test("parts sum to the total", () => {
    for (const row of rows.slice(0, 100)) {
      const spec = specOf(row);
      for (const rule of [EXACT, CUDA, METAL]) {
        const sizes = sizeWeights(spec, rule);
        const embedding = spec.outside.find(({ name }) => name === "token_embd.weight");
        const twice = spec.tiedEmbeddings && embedding !== undefined ? allocatedBytes(embedding, rule) : 0;
        const layers = [...sizes.layers, ...sizes.mtp].reduce((a, b) => a + b, 0);
        expect(layers + sizes.embedding + sizes.output + sizes.other - twice, row.id).toBe(sizes.total);
        for (const [i, experts] of sizes.experts.entries()) expect(experts).toBeLessThanOrEqual(sizes.layers[i] ?? 0);
      }
    }
  });

  test("asking again gives the same object", () => {
    const row = rows[0];
    if (row === undefined) throw new Error("no rows");
    const spec = specOf(row);
    expect(sizeWeights(spec, CUDA)).toBe(sizeWeights(spec, { ...CUDA }));
    expect(sizeWeights(spec, CUDA)).not.toBe(sizeWeights(spec, METAL));
  });
});

describe("what cannot be sized", () => {
  const row = accountingRows()[0];
  if (row === undefined) throw new Error("no rows");
  const spec = specOf(row);

  test("a typed model is ok", () => {
    expect(checkTyped(spec)).toEqual({ status: "ok" });
  });

  test("a tensor without type is named", () => {
    const untyped = { ...spec, outside: [tensor(null, [4, 4])] };
    expect(checkTyped(untyped)).toMatchObject({ status: "unknown", missing: ["blk.0.ffn_down.weight"] });
    expect(() => sizeWeights(untyped, EXACT)).toThrow(RangeError);
  });

  test("a row that is no whole number of blocks is named", () => {
    const uneven = { ...spec, outside: [tensor("Q4_K", [300, 4])] };
    expect(checkTyped(uneven)).toMatchObject({ status: "unknown", missing: ["blk.0.ffn_down.weight"] });
    expect(() => sizeWeights(uneven, EXACT)).toThrow(RangeError);
  });
});
