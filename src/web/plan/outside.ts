/** Tensors outside the layers, by llama.cpp's names, as the page calls them. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^token_embd\.weight as output$/, "Output head (the embedding again)"],
  [/^output\.weight$/, "Output head"],
  [/^token_embd\.weight$/, "Embedding"],
  [/^(output_norm|token_embd_norm)\./, "Norms"],
  [/^rope_freqs|^rope_factors/, "Rotary factors"],
];

export function outsideName(name: string): string {
  return NAMES.find(([pattern]) => pattern.test(name))?.[1] ?? name;
}

export function isHead(name: string): boolean {
  return outsideName(name).startsWith("Output head");
}

export function isEmbedding(name: string): boolean {
  return outsideName(name) === "Embedding";
}
