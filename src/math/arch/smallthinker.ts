/**
 * smallthinker: one layer that sees everything and turns neither Q nor K to three with a window; experts in each layer, routed
 * by what came into the layer. Without a window each layer sees everything and turns.
 * @source llama.cpp src/models/smallthinker.cpp, conversion/smallthinker.py@v0.5.0
 */
import type { AttentionMixer } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf, sliding } from "./heads.ts";
import { afterDense, expertsFromConfig, expertsFromGguf } from "./sparse.ts";
import { buildStandard, headFromGguf, PLAIN_LAYER, type StandardDecoder, traitsFromGguf } from "./standard.ts";

const UNTIED = { tiedByDefault: false };
const PERIOD = 4;
/** llama.cpp's own, whatever the metadata say. */
const WINDOW = 4096;

interface SmallThinker extends StandardDecoder {
  readonly windows: boolean;
}

function readConfig(fields: Fields): SmallThinker {
  const decoder = decoderFromConfig(fields, "smallthinker", "smallthinker", UNTIED);
  const block = expertsFromConfig(fields, {
    experts: "moe_num_primary_experts",
    expertsUsed: "moe_num_active_primary_experts",
    expertWidth: "moe_ffn_hidden_size",
    sharedExperts: null,
  });
  const layout = fields.optionalList("sliding_window_layout") ?? [];
  const windows =
    layout.some((kind) => kind !== 0) && (fields.optionalInt("sliding_window_size", orNone(LIMITS.context)) ?? 0) > 0;
  if (windows && layout.some((kind, layer) => (kind === 0) !== (layer % PERIOD === 0))) {
    fields.refuse("sliding_window_layout does not leave out layers 0, 4, 8 …: llama.cpp takes those for granted");
  }
  return {
    ...decoder,
    heads: headsFromConfig(fields, decoder),
    feedForward: afterDense(decoder, () => block),
    traits: PLAIN_LAYER,
    head: PLAIN_HEAD,
    windows,
  };
}

function readGguf(fields: Fields, header: GgufHeader): SmallThinker {
  const decoder = decoderFromGguf(fields, header, "smallthinker", UNTIED);
  const block = expertsFromGguf(fields, { width: "expert_feed_forward_length", shared: "none" });
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: afterDense(decoder, () => block),
    traits: traitsFromGguf(header, PLAIN_LAYER),
    head: headFromGguf(header),
    windows: (fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) ?? 0) > 0,
  };
}

function mixer({ windows }: SmallThinker) {
  return (heads: Heads, layer: number, traits: Partial<AttentionMixer>): AttentionMixer => {
    if (!windows) return attention(heads, layer, traits);
    if (layer % PERIOD === 0) return attention(heads, layer, { ...traits, rotary: false });
    return sliding(heads, layer, WINDOW, traits);
  };
}

export const smallthinker = defineFamily<SmallThinker>({
  id: "smallthinker",
  modelTypes: ["smallthinker"],
  ggufArchitectures: ["smallthinker"],
  readConfig,
  readGguf,
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"], mixer: mixer(geometry) }),
});
