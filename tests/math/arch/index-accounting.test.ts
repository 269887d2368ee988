/** Against headers that llama.cpp itself has loaded: names, shapes and layers, computed from config.json and from metadata. */
import { describe, expect, test } from "bun:test";
import { FAMILIES } from "../../../src/math/arch/families.ts";
import { ARCHITECTURES, specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import type { ModelSpec, SpecResult } from "../../../src/math/model.ts";
import { type AccountingRow, accountingRows, headerOf } from "../../fixtures/accounting/read.ts";
import { configOf } from "../../fixtures/models/read.ts";
import { shapesOf, tensorsOf } from "./cache-elements.ts";

const KNOWN = new Set<string>(FAMILIES.flatMap((id) => ARCHITECTURES[id].ggufArchitectures));

/** One row for each model of our families. */
const MODELS: readonly AccountingRow[] = [
  ...new Map(
    accountingRows()
      .filter(({ arch }) => KNOWN.has(arch))
      .map((row) => [row.model, row]),
  ).values(),
];

function ok(result: SpecResult): ModelSpec {
  if (result.status !== "ok") throw new Error(result.reason);
  return result.spec;
}

/** Gemma 4's router has a scale of its own, whatever the types. */
const ROUTER_SCALE = /ffn_gate_inp\.scale$/;

/** Scales of NVFP4 are in those headers beside every matrix that may have them; no converter writes them for other types. */
function withoutScales(row: AccountingRow) {
  return row.tensors.filter(({ name }) => !/\.(scale|input_scale)$/.test(name) || ROUTER_SCALE.test(name));
}

/** No header of theirs is among the rows: tests/differential judges them by metadata made from configs. */
const WITHOUT_ROWS = [
  "apertus",
  "arwkv7",
  "bitnet",
  "bloom",
  "codeshell",
  "deepseek-ocr",
  "exaone-moe",
  "minimax-01",
  "nemotron",
  "olmo",
  "plamo",
  "refact",
  "rwkv6-qwen2",
  "step3.5",
];

/** Minicpm 4's rope factors and gemma 4's factors of experts: headers lack them, the converter makes them. */
const LEFT_OUT = /^(minicpm rope_factors|gemma4 .*ffn_down_exps\.scale)/;

test("covers every family", () => {
  const seen = new Set(MODELS.map((row) => ok(specFromGguf(headerOf(row))).family));
  expect([...seen, ...WITHOUT_ROWS].sort()).toEqual([...FAMILIES].sort());
});

describe.each(MODELS.map((row) => [row.model, row] as const))("%s", (_, row) => {
  const header = headerOf(row);

  test("is taken with the file's own tensors, all of them, without a warning", () => {
    const result = specFromGguf(header);
    const spec = ok(result);
    expect(result).toMatchObject({ warnings: [] });
    expect(spec.tensorSource).toBe("file");
    expect(spec.weights).toEqual({ name: "as the file has it", basis: "exact" });
    expect(spec.layers).toHaveLength(row.layers);
    expect(spec.vocabularySize).toBe(row.vocabularySize);
    expect(
      tensorsOf(spec)
        .map(({ name, at }) => [name, at?.offset])
        .sort(),
    ).toEqual(header.tensors.map(({ name, offset }) => [name, offset]).sort());
  });

  test("has K and V in as many layers as the engine says", () => {
    const owning = ok(specFromGguf(header)).layers.filter(
      ({ mixers, emptyCache }) =>
        emptyCache === true || mixers.some((mixer) => mixer.kind !== "state" && !("cached" in mixer && !mixer.cached)),
    );
    expect(owning).toHaveLength(row.kvLayers);
  });
});

/**
 * Headers whose tensors differ from what the converter makes of that config, by choice of whoever wrote them: Q, K and V
 * fused in the layers with softmax attention, both the old and the new input matrix of the gated delta rule, a norm in
 * falcon-h1's mamba that the config turns off, a latent space for nemotron 3 Nano's experts, RWKV 6's five interpolations
 * each on its own.
 */
const OTHERWISE = new Set(["glm4-moe", "qwen3-next", "qwen3.5", "bert", "falcon-h1", "nemotron-h", "rwkv6"]);

const CONFIGS = MODELS.flatMap((row) => {
  const folder = row.config;
  return folder === null ? [] : [[row.model, row, configOf(folder.replace("__", "/"))] as const];
});

test("most of the models are published ones", () => {
  expect(CONFIGS.length).toBeGreaterThan(30);
});

describe.each(CONFIGS)("config.json of %s", (_, row, config) => {
  const computed = ok(specFromConfig(config));
  const file = ok(specFromGguf(headerOf(row)));

  test("gives the same architecture and mixers", () => {
    expect(computed.architecture).toBe(row.arch);
    const plain = (spec: ModelSpec) =>
      spec.layers.map(({ mixers, feedForward }) => ({
        feedForward,
        mixers: mixers.map((mixer) => ("fusedQkv" in mixer ? { ...mixer, fusedQkv: false } : mixer)),
      }));
    expect(plain(computed)).toEqual(plain(file));
  });

  test("gives the same names, shapes and roles", () => {
    if (OTHERWISE.has(computed.family)) {
      const inFile = new Map(row.tensors.map((tensor) => [tensor.name, tensor.shape]));
      const other = tensorsOf(computed).filter(({ name, shape }) => String(inFile.get(name)) !== String(shape));
      expect(
        other.filter(({ name }) => !/\.(attn_[qkv]\.(weight|bias)|time_mix_lerp_fused\.weight)$/.test(name)),
      ).toEqual([]);
      return;
    }
    // minicpm 4's rope factors are in its config and were left out of the header.
    const written = tensorsOf(computed).filter(({ name }) => !LEFT_OUT.test(`${row.arch} ${name}`));
    expect(shapesOf(written)).toEqual(shapesOf(withoutScales(row)));
    const roles = new Map(tensorsOf(file).map(({ name, role }) => [name, role]));
    for (const { name, role } of written) expect([name, roles.get(name)]).toEqual([name, role]);
  });
});
