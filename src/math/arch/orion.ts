/**
 * orion: llama's block with layer norms and their biases.
 * @source llama.cpp src/models/orion.cpp, conversion/orion.py@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const orion = defineDense({
  id: "orion",
  modelTypes: ["orion"],
  architecture: "orion",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
});
