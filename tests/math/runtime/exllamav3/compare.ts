/** exllamav3's own classes build published models and their caches; what they take, beside ours. */
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { supportOf } from "../../../../src/math/runtime/exllamav3/support.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { askExllama, type Bits, type Built, type Question } from "./ask.ts";
import { answerOn, gpus, PUBLISHED } from "./plans.ts";

export interface Compared {
  readonly name: string;
  readonly what: string;
  /** Bytes by layer. */
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

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
function cases(whole: boolean): readonly Case[] {
  const all = PUBLISHED.flatMap(({ model, config }) => {
    const read = specFromConfig(config);
    if (read.status !== "ok" || supportOf(read.spec) === null) return [];
    const ours = !WITH_TOWER.has(String(config.model_type)) && isForText(config);
    return ours ? [{ name: model, spec: read.spec, config }] : [];
  });
  if (whole) return all;
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

/**
 * What is the same in both, model by model: caches with states, and packed matrices.
 * @param whole every published model; else the smallest of each type
 * @throws when a model is refused by its classes alone, for a reason that we do not know of
 */
export function compareAccounts(whole: boolean): readonly Compared[] {
  const all = cases(whole);
  // Two sequences of 4000 tokens are sixteen pages each.
  const built = askExllama(all.map(({ config }) => ({ config, tokens: 8192, batch: 2, bits: CACHES })));
  return all.flatMap((one, i) => {
    const answer = built[i];
    if (answer === undefined) throw new Error("a question without an answer");
    if (!("error" in answer)) return compareOne(one, answer);
    // What a config says and a model's layers do not: we warn of the first, and the other is a newer layout of configs.
    if (/expert routing|hybrid_override_pattern/.test(answer.error)) return [];
    throw new Error(`${one.name}: ${answer.error}`);
  });
}

function compareOne(one: Case, built: Built): readonly Compared[] {
  const { name } = one;
  const caches = CACHES.flatMap((bits, which): Compared[] => {
    const plan = planOf(one, bits);
    if (plan === null) return [];
    const { kv = [], state = [] } = built.caches[which] ?? {};
    const theirs = new Map<number, number>();
    for (const [layer, bytes] of [...kv, ...state]) theirs.set(layer, (theirs.get(layer) ?? 0) + bytes);
    const ours = plan.layers.kv.map((bytes, i) => bytes + (plan.layers.state[i] ?? 0));
    const what = `caches and states, ${bits === null ? "16 bits" : `${bits.join(" and ")} bits`}`;
    // Sorted: DeciLM's layers with attention are numbered by themselves.
    return [{ name, what, ours: sorted(ours), theirs: sorted(theirs.values()) }];
  });
  const plan = planOf(one, null);
  return plan === null ? caches : [...caches, matrices(one, built, plan)];
}

function matrices({ name, spec }: Case, built: Built, plan: EnginePlan): Compared {
  const theirs = new Float64Array(spec.layers.length);
  let head = 0;
  for (const [key, inSize, outSize, packed, isHead] of built.linears) {
    const bits = isHead ? HEAD_BITS : BITS;
    const bytes = packed ? (inSize * outSize * bits) / 8 + 2 * (inSize + outSize) : 2 * inSize * outSize;
    const layer = Number(/layers\.(\d+)\./.exec(key)?.[1] ?? -1);
    if (isHead) head += bytes;
    else theirs[layer] = (theirs[layer] ?? 0) + bytes;
  }
  const ours = plan.layers.weights.map((bytes, i) => bytes - besides(spec, i));
  const output = plan.outside.find((part) => part.name === "output.weight")?.bytes ?? 0;
  return { name, what: "matrices of 4 bits", ours: [...ours, output], theirs: [...theirs, head] };
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

const sorted = (bytes: Iterable<number>): number[] => [...bytes].filter((one) => one > 0).toSorted((a, b) => a - b);

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
