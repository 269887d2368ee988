/** The same checks through the families: a header as the door gives it, not a model made for the test. */
import { describe, expect, test } from "bun:test";
import { specFromGguf } from "../../../src/math/arch/index.ts";
import { assignPreset } from "../../../src/math/parts/presets.ts";
import { asFile } from "../../../src/math/parts/presets-recognise.ts";
import { isPresetId } from "../../../src/math/parts/presets-table.ts";
import { sizeWeights } from "../../../src/math/parts/weights.ts";
import { tensorsOf } from "../../../src/math/parts/weights-check.ts";
import { accountingRows, headerOf } from "../../fixtures/accounting/read.ts";

const read = accountingRows().flatMap((row) => {
  const result = specFromGguf(headerOf(row));
  return result.status === "ok" ? [{ row, spec: result.spec }] : [];
});

describe("every model of a known family", () => {
  test("the families of the first recordings are there, and what came later", () => {
    expect(new Set(read.map(({ spec }) => spec.family)).size).toBeGreaterThanOrEqual(16);
  });

  test("types as the engine's quantizer gave them", () => {
    const firsts = new Map(read.map((each) => [`${each.row.model} ${each.row.weights}`, each]));
    for (const { row, spec } of firsts.values()) {
      if (!isPresetId(row.weights)) throw new Error(`${row.id}: no preset ${row.weights}`);
      const types = new Map(
        [...tensorsOf(assignPreset(spec, row.weights, { imatrix: false }))].map((t) => [t.name, t.type]),
      );
      const wrong = row.tensors.filter(({ name, type }) => types.get(name) !== type).map(({ name }) => name);
      expect(wrong, `${row.model} ${row.weights}`).toEqual([]);
    }
  });

  test("model buffer of one GPU with everything on it", () => {
    for (const { row, spec } of read) {
      const [on, of] = row.offloaded.split("/");
      if (row.devices !== 1 || on !== of) continue;
      const { layers, output, other } = sizeWeights(spec, { alignment: 128, quantizedRowMultiple: 512 });
      expect(layers.reduce((a, b) => a + b, 0) + output + other, row.id).toBe(row.measured.model.CUDA0 ?? 0);
    }
  });

  test("the file's own number names the preset", () => {
    for (const { spec } of read.slice(0, 20)) {
      expect(asFile(spec, 15).weights).toEqual({ name: "Q4_K_M", basis: "exact" });
      expect(asFile(spec, 1024).weights).toEqual(asFile(spec).weights);
    }
  });
});
