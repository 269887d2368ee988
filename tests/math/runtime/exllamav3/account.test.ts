/** exllamav3's own classes build the model and its cache; ours are the same bytes. */
import { expect } from "bun:test";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { supportOf } from "../../../../src/math/runtime/exllamav3/support.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { LONG, requires, testIf } from "../../../requires.ts";
import { askExllama, type Bits, type Built, type Question } from "./ask.ts";
import { answerOn, gpus, PUBLISHED } from "./plans.ts";

const BITS = 4;
const HEAD_BITS = 6;
const MACHINE = gpus([4000]);
const CACHES: readonly Bits[] = [null, [8, 8], [6, 4]];

interface Case {
  readonly name: string;
  readonly spec: ModelSpec;
  readonly config: Question["config"];
}

/** Its classes want towers, which were left out of these configs. */
const WITH_TOWER = new Set(
  "gemma3 gemma4 glm4v glm4v_moe mistral3 qwen2_5_vl qwen3_vl qwen3_vl_moe qwen3_5 qwen3_5_moe".split(" "),
);

/** Published configs of models that we say it loads; in the quick run the smallest of each type. */
function cases(): readonly Case[] {
  const all = PUBLISHED.flatMap(({ model, config }) => {
    const read = specFromConfig(config);
    if (read.status !== "ok" || supportOf(read.spec) === null) return [];
    const ours = !WITH_TOWER.has(String(config.model_type)) && isForText(config);
    return ours ? [{ name: model, spec: read.spec, config }] : [];
  });
  if (LONG) return all;
  const smallest = new Map<unknown, Case>();
  for (const one of all) {
    const { model_type: type } = one.config;
    const known = smallest.get(type);
    if (known === undefined || sizeOf(one) < sizeOf(known)) smallest.set(type, one);
  }
  return [...smallest.values()].filter((one) => sizeOf(one) < 40_000);
}

/** As many objects as its classes make. */
function sizeOf({ spec }: Case): number {
  return spec.layers.reduce((all, { feedForward }) => all + (feedForward.kind === "moe" ? feedForward.experts : 1), 0);
}

function isForText({ architectures }: Question["config"]): boolean {
  const first: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  return typeof first === "string" && first.endsWith("ForCausalLM");
}

type Answered = readonly { readonly one: Case; readonly built: Built }[];
let answered: Answered | undefined;

function answers(): Answered {
  answered ??= ask();
  return answered;
}

function ask(): Answered {
  const all = cases();
  // Two sequences of 4000 tokens are sixteen pages each.
  const built = askExllama(all.map(({ config }) => ({ config, tokens: 8192, batch: 2, bits: CACHES })));
  return all.flatMap((one, i) => {
    const answer = built[i];
    if (answer === undefined) throw new Error("a question without an answer");
    if (!("error" in answer)) return [{ one, built: answer }];
    // What a config says and a model's layers do not: we warn of the first, and the others are not its newest layout.
    expect(`${one.name}: ${answer.error}`).toMatch(/expert routing|hybrid_override_pattern/);
    return [];
  });
}

const NAMES = { 4: "Q4", 6: "Q6", 8: "Q8" } as const;
const nameOf = (bits: number | undefined): "Q4" | "Q6" | "Q8" | null =>
  bits === 4 || bits === 6 || bits === 8 ? NAMES[bits] : null;

/** null: we refuse it, and say why. */
function planOf({ spec }: Case, bits: Bits): EnginePlan | null {
  const plan = answerOn(MACHINE, spec, {
    weights: `exl3-${BITS}.0bpw-h${HEAD_BITS}`,
    context: 4000,
    sequences: 2,
    kvTypeK: nameOf(bits?.[0]),
    kvTypeV: nameOf(bits?.[1]),
  });
  return plan.status === "planned" ? plan : null;
}

/** How many must have been compared, lest nothing is. */
const LEAST = LONG ? 75 : 15;
const sorted = (bytes: Iterable<number>): number[] => [...bytes].filter((one) => one > 0).toSorted((a, b) => a - b);

for (const [which, bits] of CACHES.entries()) {
  testIf(
    requires.exllamav3(),
    `caches and states of ${bits === null ? "16" : bits.join(" and ")} bits are its own, to the byte`,
    () => {
      let compared = 0;
      for (const { one, built } of answers()) {
        const plan = planOf(one, bits);
        if (plan === null) continue;
        const { kv = [], state = [] } = built.caches[which] ?? {};
        const wanted = new Map<number, number>();
        for (const [layer, bytes] of [...kv, ...state]) wanted.set(layer, (wanted.get(layer) ?? 0) + bytes);
        const got = plan.layers.kv.map((bytes, i) => bytes + (plan.layers.state[i] ?? 0));
        // Sorted: DeciLM's layers with attention are numbered by themselves.
        expect({ model: one.name, bytes: sorted(got) }).toEqual({ model: one.name, bytes: sorted(wanted.values()) });
        expect({ model: one.name, tp: supportOf(one.spec)?.tensorParallel }).toEqual({
          model: one.name,
          tp: built.tensor_parallel,
        });
        compared++;
      }
      expect(compared).toBeGreaterThanOrEqual(LEAST);
    },
    240_000,
  );
}

testIf(
  requires.exllamav3(),
  "packed matrices are its own, to the byte",
  () => {
    let compared = 0;
    for (const { one, built } of answers()) {
      const plan = planOf(one, null);
      if (plan === null) continue;
      const wanted = new Float64Array(one.spec.layers.length);
      let head = 0;
      for (const [key, inSize, outSize, packed, isHead] of built.linears) {
        const bits = isHead ? HEAD_BITS : BITS;
        const bytes = packed ? (inSize * outSize * bits) / 8 + 2 * (inSize + outSize) : 2 * inSize * outSize;
        const layer = Number(/layers\.(\d+)\./.exec(key)?.[1] ?? -1);
        if (isHead) head += bytes;
        else wanted[layer] = (wanted[layer] ?? 0) + bytes;
      }
      const got = plan.layers.weights.map((bytes, i) => bytes - besides(one.spec, i));
      expect({ model: one.name, bytes: [...got] }).toEqual({ model: one.name, bytes: [...wanted] });
      expect(plan.outside.find(({ name }) => name === "output.weight")?.bytes).toBe(head);
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(LEAST);
  },
  240_000,
);

/**
 * What its classes do not call a Linear: norms, biases, convolutions, and the halves of kv_b. Qwen3-Next's two input
 * matrices of a gated delta net are one in its file, and share 2 bytes for each input that we count for both.
 */
function besides(spec: ModelSpec, layer: number): number {
  const { tensors = [], mixers = [] } = spec.layers[layer] ?? {};
  let bytes = 0;
  for (const { name, role, shape } of tensors) {
    const elements = shape.reduce((product, n) => product * n, 1);
    const vector = shape.filter((n) => n > 1).length < 2 || role === "norm" || /conv1d|shortconv\.conv\./.test(name);
    if (vector || /attn_[kv]_b\.weight$/.test(name) || name.endsWith(".bias")) bytes += 2 * elements;
    if (name.endsWith("ffn_gate_inp_shexp.weight") && vector) bytes -= 2 * elements;
    const delta = mixers.some((mixer) => mixer.kind === "state" && mixer.algorithm === "gated-delta");
    if (delta && spec.modelType === "qwen3_next" && name.endsWith("attn_gate.weight")) bytes += 2 * (shape[0] ?? 0);
  }
  return bytes;
}
