/**
 * mamba 1 and falcon-mamba: nothing but state mixers. llama.cpp's converter pads the vocabulary (to 8 unless the config says
 * otherwise) and writes a context of 2^20 whatever the model was trained with.
 * @source llama.cpp src/models/mamba.cpp, conversion/mamba.py@v0.5.0
 */
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors } from "./decoder.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import {
  defaultStepRank,
  type Mamba1Geometry,
  mamba1FromGguf,
  mamba1Mixer,
  mamba1Tensors,
  twiceTheWidth,
} from "./mamba1-mixer.ts";
import { norms } from "./tensors.ts";

/** MambaConfig's and FalconMambaConfig's own. */
const TIED = { tiedByDefault: true };
const UNTIED = { tiedByDefault: false };
const CONVERTER_CONTEXT = 2 ** 20;
const CONVERTER_VOCABULARY_MULTIPLE = 8;

interface Mamba1 extends Decoder {
  readonly mamba: Mamba1Geometry;
}

function readConfig(fields: Fields): Mamba1 {
  const decoder = decoderFromConfig(fields, "mamba", "mamba", TIED);
  const multiple = fields.optionalInt("pad_vocab_size_multiple", LIMITS.vocabulary) ?? CONVERTER_VOCABULARY_MULTIPLE;
  if (fields.optionalBool("use_bias") === true)
    fields.refuse("use_bias is true: llama.cpp has no bias on ssm_in and ssm_out");
  if (fields.optionalBool("use_conv_bias") === false) fields.refuse("use_conv_bias is false: llama.cpp wants the bias");
  return {
    ...decoder,
    vocabulary: Math.ceil(decoder.vocabulary / multiple) * multiple,
    context: CONVERTER_CONTEXT,
    mamba: twiceTheWidth(fields, decoder.embedding, {
      inner: fields.optionalInt("intermediate_size", LIMITS.width) ?? 2 * decoder.embedding,
      state: fields.optionalInt("state_size", LIMITS.headDim) ?? 16,
      stepRank: stepRank(fields, decoder.embedding),
      convKernel: fields.optionalInt("conv_kernel", LIMITS.headDim) ?? 4,
      stepNormed: fields.optionalString("model_type") === "falcon_mamba",
    }),
  };
}

function stepRank(fields: Fields, width: number): number {
  const key = "time_step_rank";
  if (!fields.has(key) || fields.is(key, "auto")) return defaultStepRank(width);
  return fields.int(key, LIMITS.width);
}

export const mamba1 = defineFamily<Mamba1>({
  id: "mamba",
  modelTypes: ["mamba", "falcon_mamba"],
  ggufArchitectures: ["mamba"],
  readConfig,
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "mamba", UNTIED);
    const stepNormed = fields.optionalBool("ssm.dt_b_c_rms") ?? false;
    return { ...decoder, mamba: mamba1FromGguf(fields, decoder.embedding, stepNormed) };
  },
  build: (geometry) => ({
    ...layOut(geometry, (index) =>
      plainLayer(index, [mamba1Mixer(geometry.mamba)], { kind: "none" }, [
        ...norms(index, geometry.embedding, ["attn_norm"]),
        ...mamba1Tensors(index, geometry.embedding, geometry.mamba, { norms: false }),
      ]),
    ),
    outside: outsideTensors(geometry),
  }),
});
