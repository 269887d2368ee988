/**
 * gpt-oss: experts in each layer, biases everywhere, one attention sink per head, a window in layers 0, 2, 4 …
 * @source llama.cpp src/models/openai-moe.cpp@v0.5.0
 */
import type { LayerSpec } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { moe } from "./experts.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { attention, headsFromConfig, headsFromGguf, sliding } from "./heads.ts";
import { everyLayer, PLAIN_LAYER, type StandardDecoder, standardLayer, traitsFromGguf } from "./standard.ts";
import { blockTensor, PLAIN_EXPERTS } from "./tensors.ts";
import { periodic, type Windowed, windowedFromGguf } from "./windows.ts";

const UNTIED = { tiedByDefault: false };
const PERIOD = 2;
const TRAITS = { ...PLAIN_LAYER, qkvBias: true, outputBias: true, experts: { ...PLAIN_EXPERTS, bias: true } };

interface GptOss extends StandardDecoder {
  readonly window: number;
  readonly windowed: Windowed;
}

/** llama.cpp takes the pattern for granted, so a config that says otherwise has no GGUF of the same memory. */
function checkLayerTypes(fields: Fields): void {
  const types = fields.optionalList("layer_types");
  const differs = types?.some((type, i) => type !== (i % PERIOD === 0 ? "sliding_attention" : "full_attention"));
  if (differs === true) fields.refuse("layer_types do not alternate between sliding_attention and full_attention");
}

function layer(geometry: GptOss, index: number): LayerSpec {
  const { window, windowed } = geometry;
  const plain = standardLayer(
    geometry,
    {
      norms: ["attn_norm", "post_attention_norm"],
      mixer: (heads, i, traits) => (windowed(i) ? sliding(heads, i, window, traits) : attention(heads, i, traits)),
    },
    index,
  );
  const sinks = blockTensor(index, "attn_sinks.weight", [geometry.heads.heads[index] ?? 1], "attention");
  return { ...plain, tensors: [...plain.tensors, sinks] };
}

export const gptOss = defineFamily<GptOss>({
  id: "gpt-oss",
  modelTypes: ["gpt_oss"],
  ggufArchitectures: ["gpt-oss"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "gpt-oss", "gpt-oss", UNTIED);
    checkLayerTypes(fields);
    const usedKey = fields.has("num_experts_per_tok") ? "num_experts_per_tok" : "experts_per_token";
    const feedForward = moe(fields, {
      experts: fields.int("num_local_experts", LIMITS.experts),
      expertsUsed: fields.int(usedKey, LIMITS.experts),
      expertWidth: fields.int("intermediate_size", LIMITS.width),
      sharedWidth: 0,
      sharedGated: false,
    });
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, feedForward),
      traits: TRAITS,
      head: PLAIN_HEAD,
      window: fields.int("sliding_window", LIMITS.context),
      windowed: periodic(PERIOD),
    };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "gpt-oss", UNTIED);
    const feedForward = moe(fields, {
      experts: fields.int("expert_count", LIMITS.experts),
      expertsUsed: fields.int("expert_used_count", LIMITS.experts),
      expertWidth: fields.int("expert_feed_forward_length", LIMITS.width),
      sharedWidth: 0,
      sharedGated: false,
    });
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: everyLayer(decoder, feedForward),
      traits: traitsFromGguf(header, TRAITS),
      head: PLAIN_HEAD,
      window: fields.int("attention.sliding_window", LIMITS.context),
      windowed: windowedFromGguf(fields, decoder, PERIOD),
    };
  },
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
