/**
 * gemma 1: a head size of its own, the query scaled by an operation of its own. The head is the embedding, always.
 * @source llama.cpp src/models/gemma.cpp, conversion/gemma.py GemmaModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

const scaled = () => () => ({ scaledQuery: true });

export const gemma = defineDense({
  id: "gemma",
  modelTypes: ["gemma"],
  architecture: "gemma",
  tied: "always",
  defaults: { head_dim: 256 },
  norms: ["attn_norm", "ffn_norm"],
  configMixer: scaled,
  ggufMixer: scaled,
});
