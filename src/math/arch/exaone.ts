/**
 * exaone 3 and 3.5: llama's block under other names.
 * @source llama.cpp src/models/exaone.cpp, conversion/exaone.py ExaoneModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { llama3Freqs } from "./rope.ts";

export const exaone = defineDense({
  id: "exaone",
  modelTypes: ["exaone"],
  architecture: "exaone",
  aliases: { num_hidden_layers: ["num_layers"] },
  norms: ["attn_norm", "ffn_norm"],
  configHead: llama3Freqs,
});
