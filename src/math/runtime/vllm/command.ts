import type { EnginePlan } from "../runtime.ts";
import { shellWord } from "../shell.ts";
import type { VllmOptions } from "./options.ts";
import type { VllmRules } from "./rules.ts";

/** Formats that vLLM makes itself while it loads a repository of 16-bit weights. */
const MADE_ON_LOADING: Readonly<Record<string, readonly string[]>> = {
  fp8: ["--quantization", "fp8"],
  "bnb-nf4": ["--quantization", "bitsandbytes"],
  f16: ["--dtype", "float16"],
};

/** The command that runs this plan: what differs from vLLM's own is said, and the context and the share of memory always. */
export function vllmCommand(
  options: VllmOptions,
  rules: VllmRules,
  model: Parameters<EnginePlan["command"]>[0],
  format: string,
): string {
  const { tensor, pipeline } = options.ranks;
  const args = ["vllm", "serve", model.id ?? model.file ?? "MODEL", "--max-model-len", String(options.context)];
  if (options.sequencesAsked) args.push("--max-num-seqs", String(options.sequences));
  if (options.batchAsked) args.push("--max-num-batched-tokens", String(options.batch));
  if (tensor > 1) args.push("--tensor-parallel-size", String(tensor));
  if (pipeline > 1) args.push("--pipeline-parallel-size", String(pipeline));
  if (options.utilization !== rules.utilization) args.push("--gpu-memory-utilization", String(options.utilization));
  if (options.kvType !== "auto") args.push("--kv-cache-dtype", options.kvType);
  if (options.swaFull) args.push("--disable-hybrid-kv-cache-manager");
  args.push(...(MADE_ON_LOADING[format] ?? []));
  return args.map(shellWord).join(" ");
}
