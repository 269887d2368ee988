/**
 * falcon-h1: attention and mamba 2 side by side in each layer. The norm before the feed-forward block is stored as
 * `ffn_norm`, without ".weight".
 * @source llama.cpp src/models/falcon-h1.cpp@v0.5.0, conversion/falcon_h1.py@7bca1fd9ca2a681b0182e16f24f832b7be1942af
 */
import type { LayerSpec } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { checked, type Mamba2Geometry, mamba2FromGguf, mamba2Mixer, mamba2Tensors } from "./mamba.ts";
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

const UNTIED = { tiedByDefault: false };

interface FalconH1 extends StandardDecoder {
  readonly mamba: Mamba2Geometry;
  readonly mambaNorm: boolean;
  readonly mambaConvBias: boolean;
}

function layer(geometry: FalconH1, index: number): LayerSpec {
  const { embedding, mamba } = geometry;
  const plain = standardLayer(geometry, { norms: ["attn_norm"] }, index);
  return {
    ...plain,
    mixers: [...plain.mixers, mamba2Mixer(mamba)],
    tensors: [
      ...plain.tensors,
      blockTensor(index, "ffn_norm", [embedding], "norm"),
      ...mamba2Tensors(index, embedding, mamba, { norm: geometry.mambaNorm, convBias: geometry.mambaConvBias }),
    ],
  };
}

/** mamba_d_ssm, or as many heads of that size as there are. */
function mambaFromConfig(fields: Fields): Mamba2Geometry {
  const heads = fields.int("mamba_n_heads", LIMITS.heads);
  const headDim = fields.int("mamba_d_head", LIMITS.headDim);
  const inner = fields.optionalInt("mamba_d_ssm", LIMITS.width) ?? heads * headDim;
  if (fields.problems.length === 0 && inner !== heads * headDim) {
    fields.refuse(`mamba_d_ssm is ${inner}: mamba_n_heads x mamba_d_head (${heads * headDim}) is wanted`);
  }
  return checked(fields, {
    inner,
    state: fields.int("mamba_d_state", LIMITS.headDim),
    heads,
    groups: fields.int("mamba_n_groups", LIMITS.heads),
    convKernel: fields.int("mamba_d_conv", LIMITS.headDim),
  });
}

export const falconH1 = defineFamily<FalconH1>({
  id: "falcon-h1",
  modelTypes: ["falcon_h1"],
  ggufArchitectures: ["falcon-h1"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "falcon-h1", "falcon-h1", UNTIED);
    const bias = fields.optionalBool("attention_bias") ?? false;
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width))),
      traits: {
        ...PLAIN_LAYER,
        qkvBias: bias,
        outputBias: bias,
        denseBias: fields.optionalBool("mlp_bias") ?? false,
      },
      head: PLAIN_HEAD,
      mamba: mambaFromConfig(fields),
      mambaNorm: fields.optionalBool("mamba_rms_norm") ?? false,
      mambaConvBias: fields.optionalBool("mamba_conv_bias") ?? true,
    };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "falcon-h1", UNTIED);
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: denseFromGguf(fields, decoder),
      traits: traitsFromGguf(header, PLAIN_LAYER),
      head: PLAIN_HEAD,
      mamba: mamba2FromGguf(fields),
      mambaNorm: lacks(header, "blk.0.ssm_norm.weight") === false,
      mambaConvBias: lacks(header, "blk.0.ssm_conv1d.bias") !== true,
    };
  },
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
