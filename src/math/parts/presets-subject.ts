import type { ModelSpec, TensorSpec } from "../model.ts";
import { inFileOrder, layerOf } from "./file-order.ts";
import { type Category, categoryOf, isQuantizable } from "./presets-category.ts";

/** A tensor and what every preset asks about it. */
export interface SubjectTensor {
  readonly tensor: TensorSpec;
  readonly quantizable: boolean;
  readonly category: Category;
  /** -1 outside the layers. */
  readonly layer: number;
  /** Elements of a row, and how many rows. */
  readonly row: number;
  readonly rows: number;
}

/** Facts of a model that every preset's rules ask for. */
export interface Subject {
  /** In the file's order, in which the quantizer counts. */
  readonly tensors: readonly SubjectTensor[];
  readonly falcon: boolean;
  readonly seventy: boolean;
  readonly queriesPerKv: number;
  readonly experts: number;
  readonly tied: boolean;
  /** How many tensors are like attn_v, with attn_qkv and attn_kv_b. */
  readonly values: number;
  /** MTP blocks included. */
  readonly layers: number;
}

/** The architectures that llama-quantize itself names. */
const FALCON_ARCHITECTURE = "falcon";

/**
 * Layers of the models that the engine calls "70B": V is an eighth of Q there, and better kept.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/models/{llama,qwen2,deci,olmo,jais2}.cpp
 */
const LAYERS_OF_70B: Readonly<Partial<Record<string, number>>> = {
  llama: 80,
  "llama-embed": 80,
  qwen2: 80,
  deci: 80,
  olmo: 80,
  jais2: 68,
};

const known = new WeakMap<ModelSpec, Subject>();

/** Kept per model: thirty-five presets ask the same. */
export function subjectOf(spec: ModelSpec): Subject {
  let subject = known.get(spec);
  if (subject === undefined) {
    subject = study(spec);
    known.set(spec, subject);
  }
  return subject;
}

function study(spec: ModelSpec): Subject {
  const tensors = inFileOrder(spec).map((tensor): SubjectTensor => {
    const { name, shape } = tensor;
    return {
      tensor,
      quantizable: isQuantizable(tensor),
      category: categoryOf(name),
      layer: layerOf(name),
      row: shape[0] ?? 1,
      rows: shape.slice(1).reduce((product, n) => product * n, 1),
    };
  });
  const heads = headsOf(
    spec,
    tensors.some(({ category }) => category === "kvB"),
  );
  const experts = Math.max(
    0,
    ...[...spec.layers, ...spec.mtpLayers].map(({ feedForward }) =>
      feedForward.kind === "moe" ? feedForward.experts : 0,
    ),
  );
  // A llama with heads of its own for every query is the old 65B; eight experts are a Mixtral.
  const llama = spec.architecture === "llama" || spec.architecture === "llama-embed";
  return {
    tensors,
    falcon: spec.architecture === FALCON_ARCHITECTURE,
    seventy:
      LAYERS_OF_70B[spec.architecture] === spec.layers.length &&
      !(llama && (heads.query === heads.kv || experts === 8)),
    queriesPerKv: heads.kv === 0 ? 0 : Math.floor(heads.query / heads.kv),
    experts,
    tied: !tensors.some(({ category }) => category === "head"),
    values: tensors.filter(({ category }) => isLikeValue(category)).length,
    layers: spec.layers.length + spec.mtpLayers.length,
  };
}

/**
 * Heads as the file's metadata has them for the first layer: a list by layer says 0 there where that layer is recurrent;
 * models with the gated delta rule have one number for all. Latent attention counts as one KV head unless K and V are kept
 * apart (attn_kv_b).
 * @source llama.cpp v0.5.0 src/llama-hparams.cpp n_gqa, conversion/ (jamba, granite, nemotron, lfm2, plamo)
 */
function headsOf(spec: ModelSpec, apart: boolean): { readonly query: number; readonly kv: number } {
  const first = spec.layers[0]?.mixers ?? [];
  if (first.every((mixer) => mixer.kind === "state" && !ONE_NUMBER.has(mixer.algorithm))) return { query: 0, kv: 0 };
  for (const { mixers } of spec.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "state") continue;
      if (mixer.kind === "latent") return { query: mixer.heads, kv: apart ? mixer.heads : 1 };
      return { query: mixer.heads, kv: mixer.kvHeads };
    }
  }
  return { query: 0, kv: 0 };
}

const ONE_NUMBER: ReadonlySet<string> = new Set(["gated-delta"]);

/** V and what llama-quantize takes for it. */
export function isLikeValue(category: Category): boolean {
  return category === "value" || category === "qkv" || category === "kvB";
}
