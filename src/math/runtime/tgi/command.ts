import type { EnginePlan } from "../runtime.ts";
import { shellWord } from "../shell.ts";
import type { TgiOptions } from "./options.ts";

/** Formats by the name that --quantize wants; "fp8" and bitsandbytes are made while it loads. */
const QUANTIZE: readonly (readonly [RegExp, string])[] = [
  [/^fp8/, "fp8"],
  [/^gptq/, "gptq"],
  [/^awq/, "awq"],
  [/^w\d/, "compressed-tensors"],
  [/^bnb-nf4/, "bitsandbytes-nf4"],
  [/^bnb/, "bitsandbytes"],
];

/** The command that runs this plan; lengths and the prefill's tokens are said always, since the launcher would compute others. */
export function tgiCommand(options: TgiOptions, model: Parameters<EnginePlan["command"]>[0], format: string): string {
  const args = ["text-generation-launcher", "--model-id", model.id ?? model.file ?? "MODEL"];
  args.push("--max-total-tokens", String(options.context));
  args.push("--max-input-tokens", String(Math.max(1, options.context - 1)));
  args.push("--max-batch-prefill-tokens", String(options.prefill));
  if (options.sequencesAsked) args.push("--max-batch-size", String(options.sequences));
  if (options.ranks.tensor > 1) args.push("--num-shard", String(options.ranks.tensor));
  if (options.fraction !== 1) args.push("--cuda-memory-fraction", String(options.fraction));
  if (options.kvType !== "auto") args.push("--kv-cache-dtype", options.kvType);
  const quantize = QUANTIZE.find(([pattern]) => pattern.test(format))?.[1];
  if (quantize !== undefined) args.push("--quantize", quantize);
  else args.push("--dtype", format === "f16" ? "float16" : "bfloat16");
  return args.map(shellWord).join(" ");
}
