/**
 * command-r, command-r+ and aya 23: attention and feed-forward side by side behind one norm; the head is the embedding.
 * @source llama.cpp src/models/command-r.cpp@v0.5.0
 */
import type { LayerSpec } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import {
  denseFromGguf,
  everyLayer,
  gatedDense,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor } from "./tensors.ts";

const TIED = { tiedByDefault: true };

interface CommandR extends StandardDecoder {
  /** A norm vector for each head, not one for all (command-r+). */
  readonly headNorms: boolean;
}

function layer(geometry: CommandR, index: number): LayerSpec {
  const plain = standardLayer(geometry, { norms: ["attn_norm"] }, index);
  if (!geometry.headNorms) return plain;
  const { heads, kvHeads, headDimK } = geometry.heads;
  return {
    ...plain,
    tensors: [
      ...plain.tensors,
      blockTensor(index, "attn_q_norm.weight", [headDimK, heads[index] ?? 1], "norm"),
      blockTensor(index, "attn_k_norm.weight", [headDimK, kvHeads[index] ?? 1], "norm"),
    ],
  };
}

export const commandR = defineFamily<CommandR>({
  id: "command-r",
  modelTypes: ["cohere"],
  ggufArchitectures: ["command-r"],
  readConfig: (fields) => {
    const decoder = { ...decoderFromConfig(fields, "command-r", "command-r", TIED), tied: true };
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width))),
      traits: { ...PLAIN_LAYER, qkvBias: fields.optionalBool("attention_bias") ?? false },
      head: PLAIN_HEAD,
      headNorms: fields.optionalBool("use_qk_norm") ?? false,
    };
  },
  readGguf: (fields, header) => {
    const decoder = { ...decoderFromGguf(fields, header, "command-r", TIED), tied: true };
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: denseFromGguf(fields, decoder),
      traits: traitsFromGguf(header, PLAIN_LAYER),
      head: PLAIN_HEAD,
      headNorms: lacks(header, "blk.0.attn_q_norm.weight") === false,
    };
  },
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
