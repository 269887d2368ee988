import type { EnginePlan } from "../runtime.ts";
import { shellWord } from "../shell.ts";
import type { SglangOptions } from "./options.ts";

/** Formats that SGLang makes itself while it loads a repository of 16-bit weights. */
const MADE_ON_LOADING: Readonly<Record<string, readonly string[]>> = {
  fp8: ["--quantization", "fp8"],
  "w8a8-int8": ["--quantization", "w8a8_int8"],
  f16: ["--dtype", "float16"],
};

/**
 * The command that runs this plan; the context is said always, since SGLang would take all that the model was trained for.
 */
export function sglangCommand(
  options: SglangOptions,
  model: Parameters<EnginePlan["command"]>[0],
  format: string,
  encoder: boolean,
): string {
  const { tensor, pipeline } = options.ranks;
  const args = ["python3", "-m", "sglang.launch_server", "--model-path", model.id ?? model.file ?? "MODEL"];
  args.push("--context-length", String(options.context));
  if (options.sequencesAsked) args.push("--max-running-requests", String(options.sequences));
  if (options.chunkAsked) args.push("--chunked-prefill-size", String(options.chunk));
  if (tensor > 1) args.push("--tp-size", String(tensor));
  if (pipeline > 1) args.push("--pp-size", String(pipeline));
  if (options.fractionAsked) args.push("--mem-fraction-static", String(options.fraction));
  if (options.kvType !== "auto") args.push("--kv-cache-dtype", options.kvType);
  if (encoder) args.push("--is-embedding");
  args.push(...(MADE_ON_LOADING[format] ?? []));
  return args.map(shellWord).join(" ");
}
