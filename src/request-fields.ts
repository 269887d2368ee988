/** The fields of a plan's request, once: the command line's flags, the page's query and their help are made of this table. */
import { ENGINES, KV_NAMES, PROGRAMS } from "./math/options.ts";

/** How a field reads as text. size: "2GiB", given to the request in bytes. */
export type FieldKind = "text" | "integer" | "number" | "flag" | "size" | "layers" | "list";

export interface RequestField {
  readonly field: string;
  /** Without its dashes. */
  readonly flag: string;
  readonly kind: FieldKind;
  /** What stands for the value in help; "" for a flag. */
  readonly value: string;
  readonly help: string;
  readonly choices?: readonly string[];
}

const KV_CHOICES = KV_NAMES.map((type) => type.toLowerCase());

export const REQUEST_FIELDS: readonly RequestField[] = [
  {
    field: "engine",
    flag: "engine",
    kind: "text",
    value: "NAME",
    help: "the engine that is to run it (llama.cpp)",
    choices: ENGINES,
  },
  {
    field: "device",
    flag: "device",
    kind: "text",
    value: "DEVICE",
    help: "auto, smallest, rtx-4090, 2x rtx-3090, apple-m4-max-40c:64GB, 24GiB, cpu:64GiB … (auto)",
  },
  {
    field: "reserve_bytes",
    flag: "reserve",
    kind: "size",
    value: "SIZE",
    help: "keep this much of each device free (the engine's own margin)",
  },
  {
    field: "context",
    flag: "context",
    kind: "integer",
    value: "TOKENS",
    help: "tokens of one sequence, prompt and answer together (8192, or what it was trained for)",
  },
  { field: "sequences", flag: "sequences", kind: "integer", value: "N", help: "sequences held at once (1)" },
  {
    field: "prompt_tokens",
    flag: "prompt-tokens",
    kind: "integer",
    value: "TOKENS",
    help: "length of the prompt, for the time to the first token",
  },
  {
    field: "at_context",
    flag: "at-context",
    kind: "integer",
    value: "TOKENS",
    help: "tokens already in the cache, for the generation speed",
  },
  { field: "ubatch", flag: "ubatch", kind: "integer", value: "TOKENS", help: "tokens computed in one step (512)" },
  { field: "batch", flag: "batch", kind: "integer", value: "TOKENS", help: "tokens submitted at once (2048)" },
  {
    field: "program",
    flag: "program",
    kind: "text",
    value: "NAME",
    help: "which llama.cpp front (llama-server)",
    choices: PROGRAMS,
  },
  {
    field: "weights",
    flag: "weights",
    kind: "text",
    value: "TYPE",
    help: "Q4_K_M, Q8_0, bf16 … (as the files have it)",
  },
  {
    field: "kv_type",
    flag: "kv-type",
    kind: "text",
    value: "TYPE",
    help: "f16, q8_0 …, or K,V such as q8_0,f16 (f16)",
    choices: KV_CHOICES,
  },
  {
    field: "flash_attention",
    flag: "flash-attention",
    kind: "text",
    value: "WHEN",
    help: "on, off or auto (auto)",
    choices: ["on", "off", "auto"],
  },
  { field: "kv_unified", flag: "kv-unified", kind: "flag", value: "", help: "one shared pool for all sequences" },
  { field: "swa_full", flag: "swa-full", kind: "flag", value: "", help: "full-length caches for windowed layers" },
  {
    field: "gpu_layers",
    flag: "gpu-layers",
    kind: "layers",
    value: "N",
    help: "layers on the GPU: a number, all or auto (auto)",
  },
  {
    field: "cpu_moe_layers",
    flag: "cpu-moe",
    kind: "integer",
    value: "N",
    help: "experts of the first N layers in system memory (0)",
  },
  {
    field: "split_mode",
    flag: "split-mode",
    kind: "text",
    value: "MODE",
    help: "how several GPUs share (layer)",
    choices: ["layer", "none", "row"],
  },
  {
    field: "tensor_split",
    flag: "tensor-split",
    kind: "list",
    value: "N,N…",
    help: "shares of the GPUs, such as 3,1 (by free memory)",
  },
  {
    field: "override_tensor",
    flag: "override-tensor",
    kind: "text",
    value: "REGEX=BUFFER",
    help: "place tensors by name, as llama.cpp's own",
  },
  {
    field: "tensor_parallel",
    flag: "tensor-parallel",
    kind: "integer",
    value: "N",
    help: "devices that share each layer (1)",
  },
  {
    field: "pipeline_parallel",
    flag: "pipeline-parallel",
    kind: "integer",
    value: "N",
    help: "groups of devices in a row (1)",
  },
  {
    field: "memory_utilization",
    flag: "memory-utilization",
    kind: "number",
    value: "SHARE",
    help: "share of a device's memory that the engine takes, such as 0.9 (the engine's own)",
  },
  {
    field: "mla",
    flag: "mla",
    kind: "integer",
    value: "MODE",
    help: "how ik_llama.cpp caches and computes latent attention, 0 to 3 (3)",
  },
  {
    field: "attention_max_batch",
    flag: "attention-max-batch",
    kind: "integer",
    value: "MIB",
    help: "how much of attention ik_llama.cpp computes at a time (256)",
  },
  {
    field: "draft",
    flag: "draft",
    kind: "text",
    value: "MODEL",
    help: "a draft model, or mtp for the model's own heads (llama.cpp)",
  },
  {
    field: "mmproj",
    flag: "mmproj",
    kind: "text",
    value: "FILE",
    help: "a projector for pictures or sound: a GGUF, named as MODEL is (llama.cpp)",
  },
  {
    field: "lora",
    flag: "lora",
    kind: "text",
    value: "FILE,FILE…",
    help: "LoRA adapters: GGUFs, named as MODEL is (llama.cpp)",
  },
  {
    field: "engine_version",
    flag: "engine-version",
    kind: "text",
    value: "VERSION",
    help: "plan for that version (the newest known)",
  },
  {
    field: "ask_engine",
    flag: "ask-engine",
    kind: "flag",
    value: "",
    help: "let the engine itself account for it, and show both",
  },
];
