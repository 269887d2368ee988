/**
 * mamba 2: nothing but state mixers. llama.cpp's converter pads the vocabulary (to 16 unless the config says otherwise),
 * wants an inner width of twice the embedding, and writes a context of 2^20 whatever the model was trained with.
 * @source llama.cpp src/models/mamba2.cpp@v0.5.0, conversion/mamba.py@32e9e0448790c40f733273b95c8e90e2b5faa600
 */
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors } from "./decoder.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { checked, type Mamba2Geometry, mamba2FromGguf, mamba2Mixer, mamba2Tensors } from "./mamba.ts";
import { norms } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
const CONVERTER_CONTEXT = 2 ** 20;
const CONVERTER_VOCABULARY_MULTIPLE = 16;

interface Mamba2 extends Decoder {
  readonly mamba: Mamba2Geometry;
}

function readConfig(fields: Fields): Mamba2 {
  const decoder = decoderFromConfig(fields, "mamba2", "mamba2", UNTIED);
  const multiple = fields.optionalInt("pad_vocab_size_multiple", LIMITS.vocabulary) ?? CONVERTER_VOCABULARY_MULTIPLE;
  const inner = fields.optionalInt("intermediate_size", LIMITS.width) ?? 2 * decoder.embedding;
  if (fields.problems.length === 0 && inner !== 2 * decoder.embedding) {
    fields.refuse(
      `an inner width of ${inner}: llama.cpp's converter wants twice hidden_size (${2 * decoder.embedding})`,
    );
  }
  const headDim = fields.int("head_dim", LIMITS.headDim);
  if (fields.problems.length === 0 && inner % headDim !== 0) {
    fields.refuse(`an inner width of ${inner} is not a multiple of head_dim (${headDim})`);
  }
  return {
    ...decoder,
    vocabulary: Math.ceil(decoder.vocabulary / multiple) * multiple,
    context: CONVERTER_CONTEXT,
    mamba: checked(fields, {
      inner,
      state: fields.int("state_size", LIMITS.headDim),
      heads: Math.max(1, Math.floor(inner / headDim)),
      groups: fields.int("n_groups", LIMITS.heads),
      convKernel: fields.int("conv_kernel", LIMITS.headDim),
    }),
  };
}

export const mamba2 = defineFamily<Mamba2>({
  id: "mamba2",
  modelTypes: ["mamba2"],
  ggufArchitectures: ["mamba2"],
  readConfig,
  readGguf: (fields, header) => ({
    ...decoderFromGguf(fields, header, "mamba2", UNTIED),
    mamba: mamba2FromGguf(fields),
  }),
  build: (geometry) => ({
    ...layOut(geometry, (index) =>
      plainLayer(index, [mamba2Mixer(geometry.mamba)], { kind: "none" }, [
        ...norms(index, geometry.embedding, ["attn_norm"]),
        ...mamba2Tensors(index, geometry.embedding, geometry.mamba, { norm: true, convBias: true }),
      ]),
    ),
    outside: outsideTensors(geometry),
  }),
});
