import type { Machine } from "../../machine.ts";
import type { EnginePlan } from "../runtime.ts";
import { shellWord } from "../shell.ts";
import { cacheTokens, PAGE_TOKENS } from "./caches.ts";
import type { ExllamaOptions } from "./types.ts";

/**
 * TabbyAPI's command line: exllamav3 itself is a library.
 * @source theroyallab/tabbyAPI@e632af41eba68abeadc3437c62674360f2f8cbf1 main.py, common/{args,config_models}.py
 */
export function exllamaCommand(
  options: ExllamaOptions,
  machine: Machine,
  { id, file }: Parameters<EnginePlan["command"]>[0],
): string {
  const path = file ?? id ?? "MODEL";
  const slash = path.lastIndexOf("/");
  const args = ["python", "main.py"];
  if (file !== null && slash > 0) args.push("--model-dir", path.slice(0, slash));
  args.push("--model-name", path.slice(slash + 1), "--backend", "exllamav3");
  const whole = PAGE_TOKENS * Math.ceil(options.context / PAGE_TOKENS);
  args.push("--max-seq-len", String(whole), "--cache-size", String(cacheTokens(options.context, options.sequences)));
  args.push("--cache-mode", options.bits === null ? "FP16" : `${options.bits.k},${options.bits.v}`);
  args.push("--chunk-size", String(options.chunk), "--max-batch-size", String(options.sequences));
  if (options.tensorParallel > 1) args.push("--tensor-parallel", "true");
  else if (machine.accelerators.length > 1 && options.reserveAsked)
    args.push("--autosplit-reserve", ...options.reserveBytes.map((bytes) => String(Math.round(bytes / 2 ** 20))));
  if (options.cpuMoeLayers > 0) args.push("--cpu-moe-offload-layers", String(options.cpuMoeLayers));
  const shown = options.tensorParallel > 1 ? options.tensorParallel : 0;
  const devices = Array.from({ length: shown }, (_, i) => i).join(",");
  const environment = shown > 0 && shown < machine.accelerators.length ? `CUDA_VISIBLE_DEVICES=${devices} ` : "";
  return environment + args.map(shellWord).join(" ");
}
