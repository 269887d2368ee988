/**
 * Which layers attend, where most are recurrent: in a GGUF those with KV heads.
 * @source llama.cpp src/models/jamba.cpp, granite-hybrid.cpp, lfm2.cpp, plamo2.cpp load_arch_hparams@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import type { Heads } from "./heads.ts";

/** Heads where a layer may have none: kvHeads is 0 in a layer that does not attend. */
export function hybridHeadsFromGguf(fields: Fields, decoder: Decoder): Heads {
  const count = decoder.layerCount + decoder.mtpCount;
  const heads = fields.perLayer("attention.head_count", count, orNone(LIMITS.heads));
  const kvHeads = fields.optionalPerLayer("attention.head_count_kv", count, orNone(LIMITS.heads)) ?? heads;
  for (let i = 0; i < count && fields.problems.length === 0; i++) checkLayer(fields, i, heads[i] ?? 0, kvHeads[i] ?? 0);
  const k = fields.optionalInt("attention.key_length", LIMITS.headDim);
  const v = fields.optionalInt("attention.value_length", LIMITS.headDim);
  const share = (): number => evenShare(fields, decoder.embedding, heads[0] ?? 0);
  return { heads, kvHeads, headDimK: k ?? share(), headDimV: v ?? share() };
}

function checkLayer(fields: Fields, layer: number, heads: number, kvHeads: number): void {
  if (kvHeads > 0 && (heads === 0 || heads % kvHeads !== 0)) {
    fields.refuse(
      `layer ${layer} has ${heads} heads and ${kvHeads} KV heads: the first is to be a multiple of the second`,
    );
  }
}

function evenShare(fields: Fields, whole: number, parts: number): number {
  if (parts > 0 && whole % parts === 0) return whole / parts;
  if (fields.problems.length === 0) {
    fields.refuse(
      `embedding_length (${whole}) is not a multiple of the first layer's heads (${parts}) and no head size is given`,
    );
  }
  return 1;
}

/** The same geometry in each layer that attends, nothing in the others. */
export function hybridHeads(
  decoder: Decoder,
  { heads, kvHeads, headDim }: { readonly heads: number; readonly kvHeads: number; readonly headDim: number },
  attends: (layer: number) => boolean,
): Heads {
  const blocks = Array.from({ length: decoder.layerCount + decoder.mtpCount }, (_, layer) => layer);
  return {
    heads: blocks.map(() => heads),
    kvHeads: blocks.map((layer) => (attends(layer) ? kvHeads : 0)),
    headDimK: headDim,
    headDimV: headDim,
  };
}
