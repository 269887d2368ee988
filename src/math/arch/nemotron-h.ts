/**
 * nemotron-h and nemotron 3: each layer is one thing only, mamba 2, attention without positions, or a feed-forward block with
 * squared ReLU and no gate. The experts of the larger ones work in a smaller, latent space.
 * @source llama.cpp src/models/nemotron-h.cpp, nemotron-h-moe.cpp, conversion/nemotron.py@v0.5.0
 */
import type { FeedForward, LayerSpec, MoeFeedForward, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig } from "./heads.ts";
import { hybridHeads, hybridHeadsFromGguf } from "./hybrid.ts";
import { checked, type Mamba2Geometry, mamba2FromGguf, mamba2Mixer, mamba2Tensors } from "./mamba.ts";
import { type LayerTraits, PLAIN_LAYER, traitsFromGguf } from "./standard.ts";
import { attentionTensors, blockTensor, denseTensors, norms } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
/** The converter's own, whatever the config says. */
const VOCABULARY_MULTIPLE = 8;

interface NemotronH extends Decoder {
  readonly heads: Heads;
  readonly mamba: Mamba2Geometry;
  readonly convBias: boolean;
  /** By layer; "none" where it has a mixer. A multi-token-prediction block has both. */
  readonly feedForward: readonly FeedForward[];
  /** Width of the space that routed experts work in; null: the embedding's. */
  readonly latent: number | null;
  readonly traits: LayerTraits;
}

function layer(geometry: NemotronH, index: number): LayerSpec {
  const { heads, mamba, embedding, traits } = geometry;
  const block = geometry.feedForward[index] ?? { kind: "none" };
  const norm = norms(index, embedding, ["attn_norm"]);
  const isMtp = index >= geometry.layerCount;
  if ((heads.kvHeads[index] ?? 0) > 0 && (block.kind === "none" || isMtp)) {
    const mixer = attention(heads, index, { rotary: false });
    return plainLayer(index, [mixer], block, [
      ...norm,
      ...attentionTensors(index, embedding, mixer, traits),
      ...(isMtp ? norms(index, embedding, ["post_attention_norm"]) : []),
      ...feedForwardTensors(geometry, index, block),
    ]);
  }
  if (block.kind !== "none")
    return plainLayer(index, [], block, [...norm, ...feedForwardTensors(geometry, index, block)]);
  const tensors = mamba2Tensors(index, embedding, mamba, { norm: true, convBias: geometry.convBias });
  return plainLayer(index, [mamba2Mixer(mamba)], block, [...norm, ...tensors]);
}

function feedForwardTensors(
  { embedding, latent, traits }: NemotronH,
  index: number,
  block: FeedForward,
): readonly TensorSpec[] {
  if (block.kind === "none") return [];
  if (block.kind === "dense") return denseTensors(index, embedding, block, traits.denseBias);
  return expertTensors(index, embedding, latent, block);
}

/** Router on the whole width, routed experts in the latent space, the shared one on the whole width again; no gates. */
function expertTensors(
  layer: number,
  width: number,
  latent: number | null,
  block: MoeFeedForward,
): readonly TensorSpec[] {
  const { experts, expertWidth, sharedWidth } = block;
  const inner = latent ?? width;
  const list = [
    blockTensor(layer, "ffn_gate_inp.weight", [width, experts], "router"),
    blockTensor(layer, "exp_probs_b.bias", [experts], "router"),
    blockTensor(layer, "ffn_up_exps.weight", [inner, expertWidth, experts], "expert"),
    blockTensor(layer, "ffn_down_exps.weight", [expertWidth, inner, experts], "expert"),
    blockTensor(layer, "ffn_up_shexp.weight", [width, sharedWidth], "shared-expert"),
    blockTensor(layer, "ffn_down_shexp.weight", [sharedWidth, width], "shared-expert"),
  ];
  if (latent !== null) {
    list.push(blockTensor(layer, "ffn_latent_down.weight", [width, latent], "feed-forward"));
    list.push(blockTensor(layer, "ffn_latent_up.weight", [latent, width], "feed-forward"));
  }
  return list;
}

type Kind = "mamba" | "attention" | "feed-forward";

const LETTERS: Readonly<Record<string, Kind>> = {
  M: "mamba",
  "*": "attention",
  "-": "feed-forward",
  E: "feed-forward",
};
const WORDS: Readonly<Record<string, Kind>> = {
  mamba: "mamba",
  linear_attention: "mamba",
  attention: "attention",
  full_attention: "attention",
  moe: "feed-forward",
};

/** `hybrid_override_pattern` has a letter for each layer, `layers_block_type` a word. */
function kindsFromConfig(fields: Fields, sparse: boolean): readonly Kind[] {
  const pattern = fields.has("hybrid_override_pattern") ? fields.optionalString("hybrid_override_pattern") : null;
  const names: readonly unknown[] = pattern === null ? (fields.optionalList("layers_block_type") ?? []) : [...pattern];
  const table = pattern === null ? WORDS : LETTERS;
  const kinds: Kind[] = [];
  for (const name of names) {
    const kind = typeof name === "string" && Object.hasOwn(table, name) ? table[name] : undefined;
    const unlike = name === (sparse ? "-" : "E") || (name === "moe" && !sparse);
    if (kind === undefined || unlike) {
      fields.refuse(`a layer is ${JSON.stringify(name)}: no kind that nemotron-h ${sparse ? "with experts " : ""}has`);
      return [];
    }
    kinds.push(kind);
  }
  if (kinds.length === 0)
    fields.refuse("hybrid_override_pattern and layers_block_type are missing: layers' kinds are not known");
  return kinds;
}

function readConfig(fields: Fields): NemotronH {
  const sparse = fields.has("num_experts_per_tok");
  const kinds = kindsFromConfig(fields, sparse);
  if (!fields.has("num_hidden_layers")) fields.assume({ num_hidden_layers: kinds.length });
  if (!fields.has("head_dim")) fields.assume({ head_dim: fields.optionalInt("attention_head_dim", LIMITS.headDim) });
  const architecture = sparse ? "nemotron_h_moe" : "nemotron_h";
  const decoder = decoderFromConfig(fields, "nemotron-h", architecture, UNTIED);
  if (fields.problems.length === 0 && kinds.length !== decoder.layerCount) {
    fields.refuse(`${kinds.length} layers are listed: num_hidden_layers is ${decoder.layerCount}`);
  }
  if (fields.optionalBool("mamba_proj_bias") === true)
    fields.refuse("mamba_proj_bias is true: llama.cpp has no such bias");
  const plain = headsFromConfig(fields, decoder);
  const shape = { heads: plain.heads[0] ?? 1, kvHeads: plain.kvHeads[0] ?? 1, headDim: plain.headDimK };
  const block = sparse ? expertsFromConfig(fields) : ungated(fields.int("intermediate_size", LIMITS.width));
  const heads = fields.int("mamba_num_heads", LIMITS.heads);
  const bias = fields.optionalBool("attention_bias") ?? false;
  return {
    ...decoder,
    vocabulary: Math.ceil(decoder.vocabulary / VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE,
    heads: hybridHeads(decoder, shape, (index) => kinds[index] === "attention"),
    mamba: checked(fields, {
      inner: heads * fields.int("mamba_head_dim", LIMITS.headDim),
      state: fields.int("ssm_state_size", LIMITS.headDim),
      heads,
      groups: fields.int("n_groups", LIMITS.heads),
      convKernel: fields.int("conv_kernel", LIMITS.headDim),
    }),
    convBias: fields.optionalBool("use_conv_bias") ?? true,
    feedForward: kinds.map((kind) => (kind === "feed-forward" ? block : { kind: "none" })),
    latent: sparse ? fields.optionalInt("moe_latent_size", LIMITS.width) : null,
    traits: { ...PLAIN_LAYER, qkvBias: bias, outputBias: bias, denseBias: fields.optionalBool("mlp_bias") ?? false },
  };
}

function ungated(width: number): FeedForward {
  return { kind: "dense", width, gated: false, fusedGateUp: false };
}

function expertsFromConfig(fields: Fields): FeedForward {
  return moe(fields, {
    experts: fields.int("n_routed_experts", LIMITS.experts),
    expertsUsed: fields.int("num_experts_per_tok", LIMITS.experts),
    expertWidth: fields.int("moe_intermediate_size", LIMITS.width),
    sharedWidth: fields.int("moe_shared_expert_intermediate_size", LIMITS.width),
    sharedGated: false,
  });
}

function readGguf(fields: Fields, header: GgufHeader): NemotronH {
  const decoder = decoderFromGguf(fields, header, "nemotron-h", UNTIED);
  const heads = hybridHeadsFromGguf(fields, decoder);
  const attends = heads.kvHeads.findIndex((count) => count > 0);
  const listed = (name: string): boolean => header.tensors.some((tensor) => tensor.name.endsWith(name));
  const latent = fields.optionalInt("moe_latent_size", orNone(LIMITS.width)) ?? 0;
  const traits = traitsFromGguf(header, PLAIN_LAYER, Math.max(attends, 0));
  return {
    ...decoder,
    heads,
    mamba: mamba2FromGguf(fields),
    convBias: header.tensors.length === 0 || listed(".ssm_conv1d.bias"),
    feedForward: blocksFromGguf(fields, decoder),
    latent: latent > 0 ? latent : listed(".ffn_latent_down.weight") ? decoder.embedding : null,
    traits: { ...traits, denseBias: listed(".ffn_down.bias") },
  };
}

/** Experts of a layer's own width and number, or the feed-forward width shared out among those used. */
function blocksFromGguf(fields: Fields, { layerCount, mtpCount }: Decoder): readonly FeedForward[] {
  const count = layerCount + mtpCount;
  const widths = fields.perLayer("feed_forward_length", count, orNone(LIMITS.width));
  const experts = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  const none: FeedForward = { kind: "none" };
  if (experts === 0) return widths.map((width) => (width === 0 ? none : ungated(width)));
  const used = fields.perLayer("expert_used_count", count, orNone(LIMITS.experts));
  const own = fields.optionalPerLayer("expert_feed_forward_length", count, orNone(LIMITS.width));
  const sharedWidth = fields.int("expert_shared_feed_forward_length", LIMITS.width);
  return widths.map((width, i) => {
    if (width === 0) return none;
    const expertsUsed = Math.max(used[i] ?? 0, 1);
    const expertWidth = own?.[i] || Math.max(1, Math.floor(width / expertsUsed));
    return moe(fields, { experts, expertsUsed, expertWidth, sharedWidth, sharedGated: false });
  });
}

export const nemotronH = defineFamily<NemotronH>({
  id: "nemotron-h",
  modelTypes: ["nemotron_h"],
  ggufArchitectures: ["nemotron_h", "nemotron_h_moe"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
