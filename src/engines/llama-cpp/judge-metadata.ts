/**
 * The part of a header that memory depends on. The tokenizer is replaced by a count: a real vocabulary costs llama.cpp
 * hundreds of milliseconds and can make it abort, and no buffer depends on more than its length.
 */
import type { MetadataPair } from "./protocol.ts";

const ARCHITECTURE = "general.architecture";
const TOKENS = "tokenizer.ggml.tokens";

/**
 * @param vocabularySize length of tokenizer.ggml.tokens; null when the file has none, then its own `vocab_size` stands
 */
export function judgeMetadata(pairs: readonly MetadataPair[], vocabularySize: number | null): readonly MetadataPair[] {
  const architecture = pairs.find((pair) => pair.key === ARCHITECTURE)?.value;
  const sizeKey = `${String(architecture)}.vocab_size`;
  const kept = pairs.filter(({ key }) => {
    if (key === sizeKey) return vocabularySize === null;
    return key === ARCHITECTURE || !/^(general|tokenizer|quantize|split)\./.test(key);
  });
  const size: readonly MetadataPair[] =
    vocabularySize === null ? [] : [{ key: sizeKey, type: "u32", value: vocabularySize }];
  return [...kept, { key: "tokenizer.ggml.model", type: "str", value: "no_vocab" }, ...size];
}

/** The vocabulary's length where the pairs themselves hold the tokens; null otherwise. */
export function tokenCount(pairs: readonly MetadataPair[]): number | null {
  const tokens = pairs.find((pair) => pair.key === TOKENS)?.value;
  return typeof tokens === "object" ? tokens.length : null;
}
