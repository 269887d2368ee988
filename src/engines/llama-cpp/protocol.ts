/**
 * What the accounting child is asked and what it answers, one JSON value a line. Both ends are the same program, yet the
 * lines cross a process's border and native code writes to the same stream, so they are parsed by zod like anything from outside.
 *
 * The judge's fixed settings (what node-llama-cpp's binding 3.22 lets nobody choose):
 *  - CPU only, every layer there (gpuLayers 0), no mmap, no allocation;
 *  - n_batch = n_ubatch = `ubatch`; llama.cpp then lowers both to n_ctx where they are larger;
 *  - kv_unified = false: each sequence has its own stream, n_ctx is the total of all;
 *  - n_outputs_max left at llama.cpp's default, n_batch (what llama-bench and the C API do; llama-server asks for one a sequence);
 *  - n_rs_seq 0, no draft model, no LoRA.
 * swa_full is a choice: the binding sets it to false unless told, where the C API's own default is true.
 * @source withcatai/node-llama-cpp llama/addon/AddonContext.cpp@f53ea51d1e44fc5f7ff08aa0c430e06e94b2cda2
 */
import * as z from "zod";

/** Scalar types of GGUF metadata, by the short names llama.cpp prints in its loader's listing. */
export const METADATA_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "str",
  "u64",
  "i64",
  "f64",
] as const;
export type MetadataType = (typeof METADATA_TYPES)[number];

/** 64-bit integers above 2^53 and floats that JSON cannot write ("inf", "nan") travel as strings. */
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** An array of the type when `value` is one. The type matters: llama.cpp refuses a key whose type is not the one it expects. */
const metadataPair = z.strictObject({
  key: z.string(),
  type: z.enum(METADATA_TYPES),
  value: z.union([scalar, z.array(scalar).readonly()]),
});
export type MetadataPair = Readonly<z.infer<typeof metadataPair>>;
export type MetadataScalar = z.infer<typeof scalar>;

/** ggml's name of the type ("Q4_K"); llama.cpp takes the shape from its own code. */
const askedTensor = z.strictObject({ name: z.string(), type: z.string() });
export type AskedTensor = Readonly<z.infer<typeof askedTensor>>;

const askedContext = z.strictObject({
  /** n_ctx: tokens of all sequences together. */
  contextTotal: z.int().positive(),
  sequences: z.int().positive(),
  ubatch: z.int().positive(),
  flashAttention: z.enum(["on", "off", "auto"]),
  kvTypeK: z.string(),
  kvTypeV: z.string(),
  swaFull: z.boolean(),
});
export type AskedContext = Readonly<z.infer<typeof askedContext>>;

export const question = z.strictObject({
  /** Folder that holds llama-addon.node and its libraries, as native.ts found it. */
  native: z.string(),
  metadata: z.array(metadataPair).readonly(),
  tensors: z.array(askedTensor).readonly(),
  contexts: z.array(askedContext).readonly(),
});
export type Question = Readonly<z.infer<typeof question>>;

/** A size as the log has it, to 0.01 MiB, and the buffer type's name ("CPU", "CPU_REPACK"). */
const namedMib = z.strictObject({ buffer: z.string(), mib: z.number() });
export type NamedMib = Readonly<z.infer<typeof namedMib>>;

const cacheHalf = z.strictObject({ type: z.string(), mib: z.number() });

export const cachePart = z.strictObject({
  /** Cells of one stream. */
  cells: z.int(),
  /** Layers that own a cache of this kind. */
  layers: z.int(),
  streams: z.int(),
  mib: z.number(),
  k: cacheHalf,
  v: cacheHalf,
});
export type CachePart = Readonly<z.infer<typeof cachePart>>;

export const statePart = z.strictObject({
  /** Rows of state: sequences, times 1 + n_rs_seq. */
  rows: z.int(),
  /** All layers of the model, not only those that have a state: so llama.cpp prints it. */
  layers: z.int(),
  mib: z.number(),
  rMib: z.number(),
  sMib: z.number(),
});
export type StatePart = Readonly<z.infer<typeof statePart>>;

const contextOk = z.strictObject({
  event: z.literal("context"),
  index: z.int(),
  status: z.literal("ok"),
  /** n_ctx as llama.cpp resolved it. */
  contextTotal: z.int().nullable(),
  /** Exact: caches, states and compute buffers together; the output buffer is not in it. */
  totalBytes: z.int(),
  caches: z.array(cachePart).readonly(),
  states: z.array(statePart).readonly(),
  compute: z.array(namedMib).readonly(),
  output: z.array(namedMib).readonly(),
  /** What "auto" became; null when it was not "auto". */
  flashAttention: z.boolean().nullable(),
  milliseconds: z.number(),
});
const contextRefused = z.strictObject({
  event: z.literal("context"),
  index: z.int(),
  status: z.literal("refused"),
  reason: z.string(),
});

export const answerLine = z.union([
  z.strictObject({
    event: z.literal("model"),
    /** Exact: every weight buffer together. */
    bytes: z.int(),
    milliseconds: z.number(),
  }),
  contextOk,
  contextRefused,
  /** llama.cpp said no to the model, with its own words. */
  z.strictObject({ event: z.literal("refused"), reason: z.string() }),
  /** The native part does not load on this machine. */
  z.strictObject({ event: z.literal("unavailable"), reason: z.string() }),
  z.strictObject({ event: z.literal("done") }),
]);
export type AnswerLine = Readonly<z.infer<typeof answerLine>>;
export type ContextAnswer = Readonly<z.infer<typeof contextOk>> | Readonly<z.infer<typeof contextRefused>>;
