import { describe, expect, test } from "bun:test";
import type { ModelSpec, TensorSpec } from "../../../src/math/model.ts";
import { fileBytes } from "../../../src/math/parts/file-bytes.ts";
import { fileLayout, mappedRange } from "../../../src/math/parts/file-layout.ts";
import { inFileOrder, layerOf } from "../../../src/math/parts/file-order.ts";
import { assignPreset } from "../../../src/math/parts/presets.ts";
import { outsidePlace } from "../../../src/math/parts/weights-place.ts";
import { type AccountingRow, accountingRows } from "../../fixtures/accounting/read.ts";
import { specOf } from "../../fixtures/accounting/spec.ts";
import { encodeGguf } from "../../fixtures/gguf-writer.ts";
import { LLAMA_3_8B, modelOf } from "./models.ts";

/** The same model as if it had not been written yet. */
function unwritten(spec: ModelSpec): ModelSpec {
  const free = (tensor: TensorSpec): TensorSpec => ({ ...tensor, at: null });
  return {
    ...spec,
    outside: spec.outside.map(free),
    layers: spec.layers.map((l) => ({ ...l, tensors: l.tensors.map(free) })),
    mtpLayers: spec.mtpLayers.map((l) => ({ ...l, tensors: l.tensors.map(free) })),
  };
}

/** llama.cpp's placement: layer il of L is on a GPU from L + 1 - N on, the output before any layer. */
function hostOf(row: AccountingRow, spec: ModelSpec): (tensor: TensorSpec) => boolean {
  const all = spec.layers.length + spec.mtpLayers.length;
  const start = row.gpuLayers < 0 ? 0 : Math.max(all + 1 - row.gpuLayers, 0);
  return (tensor) => {
    const layer = layerOf(tensor.name);
    if (layer >= 0) return layer < start && layer < spec.layers.length;
    const place = outsidePlace(tensor);
    return place === "input" || (place === "output" ? row.gpuLayers === 0 : start > 0);
  };
}

/** Architectures with tensors outside the layers that have rules of their own, none of ours. */
const OTHERS = new Set(["gemma3n", "gemma4"]);

describe("the range that the engine maps", () => {
  test("equals CPU_Mapped, to the byte", () => {
    const rows = accountingRows().filter(({ arch }) => !OTHERS.has(arch));
    expect(rows.length).toBe(1055);
    for (const row of rows) {
      const spec = specOf(row);
      expect(mappedRange(spec, hostOf(row, spec)), row.id).toEqual([row.measured.model.CPU_Mapped ?? 0]);
    }
  });

  test("does not need the offsets of a file that llama-quantize wrote", () => {
    for (const row of accountingRows().slice(0, 100)) {
      const spec = specOf(row);
      const host = hostOf(row, spec);
      expect(mappedRange(unwritten(spec), host), row.id).toEqual([...mappedRange(spec, host)]);
    }
  });

  test("is counted shard by shard", () => {
    const at = (shard: number, offset: number, name: string): TensorSpec => ({
      name,
      shape: [8],
      role: "norm",
      type: "F32",
      at: { shard, offset },
    });
    const spec: ModelSpec = {
      ...modelOf(LLAMA_3_8B),
      layers: [],
      outside: [at(0, 0, "a"), at(0, 64, "b"), at(0, 128, "c"), at(1, 32, "d"), at(2, 96, "e")],
    };
    // a … c: 128 + 32 bytes, b between them included; shard 2 has nothing on the host
    expect(mappedRange(spec, ({ name }) => name !== "b" && name !== "e")).toEqual([160, 32, 0]);
    expect(mappedRange(spec, () => false)).toEqual([0, 0, 0]);
  });
});

test("the order of a quantized file: outside by name, then layer by layer, not 1, 10, 2", () => {
  const names = inFileOrder(modelOf(LLAMA_3_8B)).map(({ name }) => name);
  expect(names.slice(0, 5)).toEqual([
    "output.weight",
    "output_norm.weight",
    "token_embd.weight",
    "blk.0.attn_k.weight",
    "blk.0.attn_norm.weight",
  ]);
  expect(names.indexOf("blk.2.attn_k.weight")).toBeLessThan(names.indexOf("blk.10.attn_k.weight"));
});

describe("the size of a file that does not exist yet", () => {
  const spec = assignPreset(modelOf(LLAMA_3_8B), "Q4_K_M", { imatrix: false });

  test("worked by hand: Llama-3-8B as Q4_K_M", () => {
    // names: 10 layers x (131 + 9 x 6) + 22 x (131 + 9 x 7) + 17 + 18 + 13 = 6166
    // dimensions: 32 layers x (7 x 2 + 2) + 2 + 1 + 2 = 517, 8 B each; 291 tensors x (8 + 4 + 4 + 8) = 6984
    // 24 + 6166 + 4136 + 6984 = 17310, padded to 17312; the tensors' own sizes are all multiples of 32
    expect(fileBytes(spec, 0)).toBe(17312 + 4912898048);
  });

  test("the vocabulary is estimated where the metadata are not known", () => {
    // 40 B a token: 128256 x 40 = 5130240, a multiple of 32
    expect(fileBytes(spec) - fileBytes(spec, 0)).toBe(5130240);
  });

  test("as the writer of the tests lays it out", () => {
    for (const row of accountingRows().slice(0, 200)) {
      const model = unwritten(specOf(row));
      const tensors = fileLayout(model).map(({ tensor: { name, shape, type } }) => ({ name, shape, type: type ?? "" }));
      expect(fileBytes(model, 0), row.id).toBe(encodeGguf({ kv: [], tensors }).fileBytes);
    }
  });
});
