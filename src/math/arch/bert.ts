/**
 * Encoders built like BERT: bert, roberta, xlm-roberta, distilbert, nomic-bert, dense and MoE, jina-bert. Everything sees
 * everything, nothing is cached; norms stand behind attention and behind the feed-forward block. The norm of the
 * embeddings belongs to the first layer, wherever that lies.
 * @source llama.cpp src/models/bert.cpp, nomic-bert.cpp, nomic-bert-moe.cpp, jina-bert-v2.cpp, jina-bert-v3.cpp, conversion/bert.py@v0.5.0
 */
import type { FeedForward, LayerSpec, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf } from "./heads.ts";
import { feedForwardTensors, type LayerTraits, PLAIN_LAYER, traitsFromGguf } from "./standard.ts";
import { attentionTensors, blockTensor, tensor } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
/** BertConfig's and RobertaConfig's own. */
const DEFAULTS = { type_vocab_size: 2, max_position_embeddings: 512 };
const ROBERTA = ["roberta", "xlm-roberta", "camembert"];

interface Bert extends Decoder {
  readonly heads: Heads;
  readonly feedForward: readonly FeedForward[];
  readonly traits: LayerTraits;
  /** Rows of the learned positions; null: positions are turned (RoPE) or a bias. */
  readonly positions: number | null;
  readonly rotary: boolean;
  /** Rows of the table of token types; 0: there is none. */
  readonly tokenTypes: number;
  /** Tensors of a classifier's head, as the file or the config's class has them. */
  readonly classifier: readonly TensorSpec[];
  /** A second norm of attention's output, with the layer's input added again (jina's code model). */
  readonly secondNorm: boolean;
  /** Norms of Q and K over all heads together. */
  readonly wideQkNorm: boolean;
}

function layer(geometry: Bert, index: number): LayerSpec {
  const { heads, embedding, traits, feedForward } = geometry;
  const mixer = attention(heads, index, { rotary: geometry.rotary, cached: false, fusedQkv: traits.fusedQkv });
  const block = feedForward[index] ?? { kind: "none" };
  return plainLayer(index, [mixer], block, [
    ...(index === 0 ? withBias("token_embd_norm", embedding, tensor) : []),
    ...attentionTensors(index, embedding, mixer, traits),
    ...(geometry.wideQkNorm ? biasedNorms(index, embedding, ["attn_q_norm", "attn_k_norm"]) : []),
    ...biasedNorms(index, embedding, ["attn_output_norm", ...(geometry.secondNorm ? ["attn_norm_2"] : [])]),
    ...blockTensors(geometry, index, block),
    ...biasedNorms(index, embedding, ["layer_output_norm"]),
  ]);
}

function blockTensors({ embedding, traits }: Bert, index: number, block: FeedForward): readonly TensorSpec[] {
  const list = feedForwardTensors(index, embedding, block, traits);
  return block.kind === "moe" ? list.filter(({ name }) => !name.endsWith("ffn_gate_exps.weight")) : list;
}

function biasedNorms(index: number, width: number, names: readonly string[]): readonly TensorSpec[] {
  return names.flatMap((name) => withBias(name, width, (full, shape, role) => blockTensor(index, full, shape, role)));
}

function withBias(name: string, width: number, make: typeof tensor): readonly TensorSpec[] {
  return [make(`${name}.weight`, [width], "norm"), make(`${name}.bias`, [width], "norm")];
}

function outside({ embedding, vocabulary, positions, tokenTypes, classifier }: Bert): readonly TensorSpec[] {
  const list = [tensor("token_embd.weight", [embedding, vocabulary], "embedding")];
  if (positions !== null) list.push(tensor("position_embd.weight", [embedding, positions], "embedding"));
  if (tokenTypes > 0) list.push(tensor("token_types.weight", [embedding, tokenTypes], "embedding"));
  return [...list, ...classifier];
}

function dense(width: number, gated: boolean): FeedForward {
  return { kind: "dense", width, gated, fusedGateUp: false };
}

const BIASED: LayerTraits = { ...PLAIN_LAYER, qkvBias: true, outputBias: true, denseBias: true };

/** Spelled as bert, distilbert or gpt-2 (nomic) spells it. */
function renamed(fields: Fields): void {
  fields.assume({
    ...DEFAULTS,
    ...given(fields, "hidden_size", ["dim", "n_embd"]),
    ...given(fields, "num_hidden_layers", ["n_layers", "n_layer"]),
    ...given(fields, "num_attention_heads", ["n_heads", "n_head"]),
    ...given(fields, "intermediate_size", ["hidden_dim", "n_inner"]),
    ...given(fields, "max_position_embeddings", ["n_positions"]),
  });
}

function given(fields: Fields, key: string, others: readonly string[]): Readonly<Record<string, unknown>> {
  const other = others.find((name) => fields.has(name));
  return fields.has(key) || other === undefined ? {} : { [key]: fields.optionalInt(other, LIMITS.vocabulary) };
}

function readConfig(fields: Fields): Bert {
  renamed(fields);
  const modelType = fields.optionalString("model_type") ?? "";
  const kind = fields.optionalString("position_embedding_type") ?? "absolute";
  if (kind !== "absolute") fields.refuse(`position_embedding_type is ${JSON.stringify(kind)}: absolute is wanted`);
  if (modelType === "nomic_bert") return nomicFromConfig(fields);
  const decoder = { ...decoderFromConfig(fields, "bert", "bert", UNTIED), tied: false };
  const trained = decoder.context ?? DEFAULTS.max_position_embeddings;
  // Roberta's positions begin after the padding's: the converter cuts the rows that nothing reads.
  const offset = ROBERTA.includes(modelType)
    ? 1 + (fields.optionalInt("pad_token_id", orNone(LIMITS.vocabulary)) ?? 1)
    : 0;
  if (trained <= offset && fields.problems.length === 0)
    fields.refuse(`max_position_embeddings is ${trained}: no position is left`);
  const positions = Math.max(trained - offset, 1);
  return {
    ...decoder,
    context: positions,
    heads: headsFromConfig(fields, decoder),
    feedForward: Array.from({ length: decoder.layerCount }, () =>
      dense(fields.int("intermediate_size", LIMITS.width), false),
    ),
    traits: BIASED,
    positions,
    rotary: false,
    tokenTypes: modelType === "distilbert" ? 0 : fields.int("type_vocab_size", orNone(LIMITS.width)),
    classifier: classifierFromConfig(fields, decoder.embedding),
    secondNorm: false,
    wideQkNorm: false,
  };
}

/** Roberta's classifiers have a dense layer before the labels', bert's only that. */
function classifierFromConfig(fields: Fields, width: number): readonly TensorSpec[] {
  const name = fields.optionalList("architectures")?.[0];
  if (typeof name !== "string" || !name.endsWith("ForSequenceClassification")) return [];
  const labels = Object.keys(fields.optionalObject("id2label") ?? { 0: "", 1: "" }).length;
  const head = [tensor("cls.output.weight", [width, labels], "other"), tensor("cls.output.bias", [labels], "other")];
  if (name.startsWith("Bert")) return head;
  return [tensor("cls.weight", [width, width], "other"), tensor("cls.bias", [width], "other"), ...head];
}

function nomicFromConfig(fields: Fields): Bert {
  const experts = fields.optionalInt("num_experts", orNone(LIMITS.experts)) ?? 0;
  const every = experts > 0 ? fields.int("moe_every_n_layers", LIMITS.layers) : 0;
  const decoder = {
    ...decoderFromConfig(fields, "bert", every > 0 ? "nomic-bert-moe" : "nomic-bert", UNTIED),
    tied: false,
  };
  const width = fields.int("intermediate_size", LIMITS.width);
  const sparse: FeedForward | null =
    every > 0
      ? moe(fields, {
          experts,
          expertsUsed: fields.int("moe_top_k", LIMITS.experts),
          expertWidth: width,
          sharedWidth: 0,
          sharedGated: false,
        })
      : null;
  const bias = fields.optionalBool("qkv_proj_bias") ?? true;
  const denseBias = fields.optionalBool("mlp_fc1_bias") ?? true;
  return {
    ...decoder,
    context: fields.optionalInt("max_trained_positions", LIMITS.context) ?? decoder.context,
    heads: headsFromConfig(fields, decoder),
    feedForward: Array.from({ length: decoder.layerCount }, (_, index) =>
      sparse !== null && index % every === 1 ? sparse : dense(width, sparse === null),
    ),
    traits: { ...PLAIN_LAYER, fusedQkv: true, qkvBias: bias, outputBias: bias, denseBias },
    positions: null,
    rotary: true,
    tokenTypes: fields.int("type_vocab_size", orNone(LIMITS.width)),
    classifier: [],
    secondNorm: false,
    wideQkNorm: false,
  };
}

function readGguf(fields: Fields, header: GgufHeader): Bert {
  const { architecture } = header;
  const decoder = { ...decoderFromGguf(fields, header, "bert", UNTIED), tied: false };
  const bert = architecture === "bert";
  const unlisted =
    bert || architecture === "nomic-bert-moe"
      ? BIASED
      : { ...PLAIN_LAYER, outputBias: architecture.startsWith("jina") };
  const traits = traitsFromGguf(header, { ...unlisted, fusedQkv: !bert });
  const has = (name: string): boolean => lacks(header, name) === false;
  const types = header.metadata.get("tokenizer.ggml.token_type_count");
  const rows = header.tensors.find(({ name }) => name === "token_types.weight")?.shape;
  const tokenTypes = rows === undefined ? (typeof types === "number" ? types : 0) : (rows[1] ?? 1);
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: blocksFromGguf(fields, header, decoder),
    traits,
    positions: bert ? decoder.context : null,
    rotary: ["nomic-bert", "nomic-bert-moe", "jina-bert-v3"].includes(architecture),
    tokenTypes: lacks(header, "token_types.weight") === true ? 0 : tokenTypes,
    classifier: header.tensors
      .filter(({ name }) => name.startsWith("cls."))
      .map(({ name, shape }) => tensor(name, shape, "other")),
    secondNorm: has("blk.0.attn_norm_2.weight"),
    wideQkNorm: has("blk.0.attn_q_norm.weight"),
  };
}

function blocksFromGguf(fields: Fields, header: GgufHeader, { layerCount }: Decoder): readonly FeedForward[] {
  const width = fields.int("feed_forward_length", LIMITS.width);
  const every = fields.optionalInt("moe_every_n_layers", orNone(LIMITS.layers)) ?? 0;
  const gated =
    header.architecture === "nomic-bert" ||
    lacks(header, "blk.0.ffn_gate.weight") === false ||
    isGatedUp(header, width);
  const sparse: FeedForward | null =
    every > 0
      ? moe(fields, {
          experts: fields.int("expert_count", LIMITS.experts),
          expertsUsed: fields.int("expert_used_count", LIMITS.experts),
          expertWidth: width,
          sharedWidth: 0,
          sharedGated: false,
        })
      : null;
  const plain: FeedForward = { kind: "dense", width, gated, fusedGateUp: isGatedUp(header, width) };
  return Array.from({ length: layerCount }, (_, index) => (sparse !== null && index % every === 1 ? sparse : plain));
}

/** jina v2: the gate is in ffn_up, which is twice as wide then. */
function isGatedUp(header: GgufHeader, width: number): boolean {
  if (header.architecture !== "jina-bert-v2" || lacks(header, "blk.0.ffn_gate.weight") === false) return false;
  return header.tensors.some(({ name, shape }) => name === "blk.0.ffn_up.weight" && shape[1] === 2 * width);
}

export const bert = defineFamily<Bert>({
  id: "bert",
  modelTypes: ["bert", ...ROBERTA, "distilbert", "nomic_bert"],
  ggufArchitectures: ["bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3"],
  readConfig,
  readGguf,
  build: (geometry) => ({ ...layOut(geometry, (index) => layer(geometry, index)), outside: outside(geometry) }),
});
