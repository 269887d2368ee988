/**
 * minimax m3: m2's experts and a shared one after some dense layers; in the layers with experts an indexer chooses which blocks
 * of 128 tokens are attended to, by keys that it caches for itself.
 * @source llama.cpp src/models/minimax-m3.cpp, src/llama-kv-cache-msa.cpp, conversion/minimax.py MiniMaxM3Model@v0.5.0
 */
import type { FeedForward, LayerSpec, SideCache } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { afterDense, expertsFromConfig, sparseFromGguf } from "./sparse.ts";
import {
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor, PLAIN_EXPERTS } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
const TRAITS = { ...PLAIN_LAYER, qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface MiniMaxM3 extends StandardDecoder {
  readonly indexer: SideCache;
}

/** How many layers come first without experts; llama.cpp wants them in all later ones. */
function leadingDense(fields: Fields, decoder: Decoder): number {
  const list = fields.optionalPerLayer("moe_layer_freq", decoder.layerCount, { min: 0, max: 1 });
  if (list === null) {
    fields.int("moe_layer_freq", { min: 0, max: 1 });
    return 0;
  }
  const first = list.indexOf(1);
  const leading = first === -1 ? list.length : first;
  if (list.some((sparse, layer) => layer > leading && sparse === 0)) {
    fields.refuse("moe_layer_freq has a dense layer after one with experts: llama.cpp knows them first only");
  }
  return leading;
}

function indexerFromConfig(fields: Fields): SideCache {
  fields.assume(fields.optionalObject("sparse_attention_config") ?? {});
  return indexer(
    fields.int("sparse_num_index_heads", LIMITS.heads),
    fields.int("sparse_index_dim", LIMITS.headDim),
    fields.int("sparse_topk_blocks", LIMITS.context),
    fields.int("sparse_block_size", LIMITS.context),
  );
}

function indexer(heads: number, elementsPerCell: number, chosen: number, blockCells: number): SideCache {
  return { name: "indexer keys", elementsPerCell, heads, chosen, blockCells };
}

function readConfig(fields: Fields): MiniMaxM3 {
  const decoder = decoderFromConfig(fields, "minimax-m3", "minimax-m3", UNTIED);
  const leading = leadingDense(fields, decoder);
  const block = expertsFromConfig(fields, {
    experts: "num_local_experts",
    expertsUsed: "num_experts_per_tok",
    expertWidth: "intermediate_size",
    sharedExperts: "n_shared_experts",
  });
  const dense: FeedForward = leading === 0 ? block : gatedDense(fields.int("dense_intermediate_size", LIMITS.width));
  return {
    ...decoder,
    heads: headsFromConfig(fields, decoder),
    feedForward: afterDense(decoder, (layer) => (layer < leading ? dense : block)),
    traits: TRAITS,
    head: PLAIN_HEAD,
    indexer: indexerFromConfig(fields),
  };
}

function readGguf(fields: Fields, header: GgufHeader): MiniMaxM3 {
  const decoder = decoderFromGguf(fields, header, "minimax-m3", UNTIED);
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: sparseFromGguf(fields, decoder, { width: "expert_feed_forward_length", shared: "counted" }),
    traits: { ...traitsFromGguf(header, TRAITS), experts: TRAITS.experts },
    head: headFromGguf(header),
    indexer: indexer(
      fields.int("attention.indexer.head_count", LIMITS.heads),
      fields.int("attention.indexer.key_length", LIMITS.headDim),
      fields.int("attention.indexer.top_k", LIMITS.context),
      fields.int("attention.indexer.block_size", LIMITS.context),
    ),
  };
}

function layer(geometry: MiniMaxM3, index: number): LayerSpec {
  const plain = standardLayer(geometry, { norms: ["attn_norm", "ffn_norm"] }, index);
  if (plain.feedForward.kind !== "moe") return plain;
  const { heads, elementsPerCell: dim } = geometry.indexer;
  const matrix = (name: string, rows: number) =>
    blockTensor(index, `indexer.${name}.weight`, [geometry.embedding, rows], "attention");
  const norm = (name: string) => blockTensor(index, `indexer.${name}.weight`, [dim], "norm");
  return {
    ...plain,
    sideCaches: [geometry.indexer],
    tensors: [...plain.tensors, matrix("q_proj", heads * dim), matrix("k_proj", dim), norm("q_norm"), norm("k_norm")],
  };
}

export const minimaxM3 = defineFamily<MiniMaxM3>({
  id: "minimax-m3",
  modelTypes: ["minimax_m3", "minimax_m3_vl", "minimax_m3_vl_text"],
  ggufArchitectures: ["minimax-m3"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
