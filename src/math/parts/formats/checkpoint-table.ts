/** The tensors of a repository's safetensors, summed by layer. Names are of any family's; what they stand for is told apart by shape of name. */
import type { ModelSpec } from "../../model.ts";
import type { CheckpointTable } from "./checkpoint.ts";

export interface StoredTensor {
  readonly name: string;
  readonly bytes: number;
}

const LAYER = /(?:^|\.)(?:layers?|h|blocks)\.(\d{1,5})\./;
/** Tables that older files hold and every engine makes anew: rotary frequencies, causal masks. */
const MADE_ANEW = /(?:\.inv_freq|\.attn\.(?:masked_)?bias|\.attention\.(?:masked_)?bias)$/;
/** What engines for text alone leave out, by a segment before the layer's number. */
const ASIDE: readonly (readonly [RegExp, string])[] = [
  [/(?:^|[._])(?:vision|visual|image|vit|vpm|sam|siglip|radio)/, "vision tower"],
  [/(?:^|[._])(?:audio|speech|apm|whisper|token2wav|code2wav|talker|tts)/, "audio tower"],
  [
    /(?:^|[._])(?:multi_modal_projector|mm_projector|mm_input_projection|projector|aligner|resampler|merger|connector)/,
    "projector",
  ],
  [/(?:^|\.)mtp\b/, "multi-token prediction"],
];
const EXPERT = /(?:^|\.)(?:experts|switch_mlp)\./;
const OUTSIDE: readonly (readonly [RegExp, string])[] = [
  [
    /(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings|embed_in|embeddings?)\.(?!LayerNorm)/,
    "token_embd.weight",
  ],
  [/(?:^|\.)(?:lm_head|embed_out|output|head|output_layer)\./, "output.weight"],
  [/(?:^|\.)(?:norm|norm_f|ln_f|final_layernorm|final_layer_norm|model_norm)\.weight$/, "output_norm.weight"],
];

const firstMatch = (rules: readonly (readonly [RegExp, string])[], text: string): string | null =>
  rules.find(([pattern]) => pattern.test(text))?.[1] ?? null;

/**
 * null when the tensors are not this model's: a layer has none, or there are layers that the config does not count and that
 * are no multi-token prediction.
 */
export function tableOf(tensors: readonly StoredTensor[], spec: ModelSpec): CheckpointTable | null {
  const count = spec.layers.length;
  const layers = Array.from({ length: count }, () => 0);
  const experts = [...layers];
  const mtp = spec.mtpLayers.map(() => 0);
  const outside = new Map<string, number>();
  const aside = new Map<string, number>();
  let total = 0;
  for (const { name, bytes } of tensors) {
    total += bytes;
    if (MADE_ANEW.test(name)) continue;
    const found = LAYER.exec(name);
    const left = firstMatch(ASIDE, found === null ? name : name.slice(0, found.index + 1));
    const layer = found === null ? null : Number(found[1]);
    if (left !== null) {
      aside.set(left, (aside.get(left) ?? 0) + bytes);
    } else if (layer === null) {
      const known = firstMatch(OUTSIDE, name) ?? name;
      outside.set(known, (outside.get(known) ?? 0) + bytes);
    } else if (layer < count) {
      layers[layer] = (layers[layer] ?? 0) + bytes;
      if (EXPERT.test(name)) experts[layer] = (experts[layer] ?? 0) + bytes;
    } else if (layer - count < mtp.length) {
      mtp[layer - count] = (mtp[layer - count] ?? 0) + bytes;
    } else {
      aside.set("multi-token prediction", (aside.get("multi-token prediction") ?? 0) + bytes);
    }
  }
  const head = outside.get("output.weight");
  if (spec.tiedEmbeddings && head !== undefined && head === outside.get("token_embd.weight")) {
    outside.delete("output.weight");
    aside.set("a second copy of the tied head", head);
  }
  if (layers.some((bytes) => bytes === 0)) return null;
  const listed = (map: ReadonlyMap<string, number>) => [...map].map(([name, bytes]) => ({ name, bytes }));
  return { layers, experts, mtp, outside: listed(outside), aside: listed(aside), total };
}
