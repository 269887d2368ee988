/**
 * Bounds on a GGUF header, each checked before memory is taken. Published files stay far below: the largest headers hold
 * a vocabulary of 262,144 words and some 2,000 tensors, about 20 MB.
 */
/** Of all parts of a model together. */
export const MAX_TENSORS = 100_000;
/** The largest published models come in some hundred parts. */
export const MAX_PARTS = 1000;
export const MAX_KEY_VALUES = 10_000;
/** GGML_MAX_DIMS. */
export const MAX_DIMENSIONS = 4;
/** The whole header, vocabulary included; a file that claims more would keep the reader walking for ever. */
export const MAX_HEADER_BYTES = 64 * 2 ** 20;
/** Keys, values and names that are kept, together. */
export const MAX_KEPT_BYTES = 32 * 2 ** 20;
/** Longer strings (chat templates reach 100 kB) are left out of the metadata. */
export const MAX_KEPT_STRING_BYTES = 2 ** 20;
/** Longer arrays are walked, and only their length is kept. Arrays per layer are shorter: llama.cpp allows 512 layers. */
export const MAX_KEPT_ARRAY = 1024;
/** GGML_MAX_NAME is 64 with its closing zero; other tools build it with 128. */
export const MAX_NAME_BYTES = 127;
/** docs/gguf.md: keys are at most 2^16 - 1 bytes. */
export const MAX_KEY_BYTES = 65_535;
