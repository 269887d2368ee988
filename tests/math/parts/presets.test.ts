import { describe, expect, test } from "bun:test";
import type { LayerSpec, ModelSpec, TensorSpec } from "../../../src/math/model.ts";
import { assignPreset } from "../../../src/math/parts/presets.ts";
import { isQuantizable } from "../../../src/math/parts/presets-category.ts";
import { asFile } from "../../../src/math/parts/presets-recognise.ts";
import { isPresetId } from "../../../src/math/parts/presets-table.ts";
import { EXACT, sizeWeights } from "../../../src/math/parts/weights.ts";
import { tensorsOf } from "../../../src/math/parts/weights-check.ts";
import { type AccountingRow, accountingRows } from "../../fixtures/accounting/read.ts";
import { specOf } from "../../fixtures/accounting/spec.ts";

/** The first row of each model and preset. */
const firsts = [...Map.groupBy(accountingRows(), ({ model, weights }) => `${model} ${weights}`).values()].flatMap(
  (rows) => rows.slice(0, 1),
);

/** The row's model with the types of all quantizable tensors forgotten. */
function forgotten(row: AccountingRow): ModelSpec {
  const spec = specOf(row);
  const forget = (tensor: TensorSpec): TensorSpec => (isQuantizable(tensor) ? { ...tensor, type: null } : tensor);
  const layer = (l: LayerSpec): LayerSpec => ({ ...l, tensors: l.tensors.map(forget) });
  return {
    ...spec,
    layers: spec.layers.map(layer),
    mtpLayers: spec.mtpLayers.map(layer),
    outside: spec.outside.map(forget),
    weights: null,
  };
}

function presetOf(row: AccountingRow): Parameters<typeof assignPreset>[1] {
  if (!isPresetId(row.weights)) throw new Error(`${row.id}: no preset ${row.weights}`);
  return row.weights;
}

describe("types as the engine's quantizer gave them", () => {
  test("every tensor of every model and preset", () => {
    let tensors = 0;
    for (const row of firsts) {
      const types = new Map(
        [...tensorsOf(assignPreset(forgotten(row), presetOf(row), { imatrix: false }))].map((t) => [t.name, t.type]),
      );
      const wrong = row.tensors
        .filter(({ name, type }) => types.get(name) !== type)
        .map(({ name, type }) => `${name}: ${type}, not ${types.get(name)}`);
      expect(wrong, `${row.model} ${row.weights}`).toEqual([]);
      tensors += row.tensors.length;
    }
    expect(firsts.length).toBe(356);
    expect(tensors).toBe(199263);
  }, 60_000);

  test("a file's types name the preset they were made by", () => {
    const mixed = firsts.filter(({ weights }) => weights === "Q4_K_M" || weights === "IQ4_XS" || weights === "Q6_K");
    for (const row of mixed.slice(0, 60)) {
      const named = asFile(specOf(row)).weights?.name ?? null;
      // Where no tensor tells the presets apart, the one with more bits is named.
      const same = named !== null && isPresetId(named) ? assignPreset(specOf(row), named, { imatrix: false }) : null;
      expect(same, row.id).not.toBeNull();
      if (same !== null) expect(sizeWeights(same, EXACT).total).toBe(sizeWeights(specOf(row), EXACT).total);
    }
  });
});
