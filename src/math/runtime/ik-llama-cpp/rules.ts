import type { LlamaCppRules } from "../llama-cpp/rules.ts";
import type { LatentMode } from "./latent.ts";

const made = new Map<string, LlamaCppRules>();

/**
 * Its memory in llama.cpp's words. The cache of latent attention:
 *   -mla 0: whole keys and values of every head
 *   -mla 1 without flash attention: the latent row and a transposed copy without its rotary part
 *   else: the latent row alone
 * It left llama.cpp at b3500 or so: its graphs are neither that build's nor the newest's, hence `build`.
 * @source src/llama.cpp llama_kv_cache_init, get_padding@8337e4cd3861406fc04e0854b1409cd1b027fbc9
 */
export function ikRules(mode: LatentMode, flashAttention: boolean, version: string): LlamaCppRules {
  const latent = mode === 0 ? "whole heads" : mode === 1 && !flashAttention ? "K and V" : "K";
  const key = `${version} ${latent}`;
  let rules = made.get(key);
  if (rules === undefined) {
    rules = {
      version,
      build: FORKED_AT,
      padding: 256,
      paddingWithoutFlashAttention: 32,
      windows: "as long as all others",
      streams: false,
      latent,
      outputFirst: false,
      fewOutputs: false,
      flashAttention: true,
      logits: "n_seq_max",
    };
    made.set(key, rules);
  }
  return rules;
}

const FORKED_AT = 3500;
