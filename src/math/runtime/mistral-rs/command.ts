import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { EnginePlan } from "../runtime.ts";
import { shellWord } from "../shell.ts";
import { residentFormat } from "./resident.ts";
import type { MistralOptions } from "./types.ts";

/** --max-seqs unless said. @source mistral.rs v0.9.2 mistralrs-cli/src/args/mod.rs RuntimeOptions */
const DEFAULT_SEQUENCES = 32;

export interface CommandPlan {
  readonly model: ModelSpec;
  readonly machine: Machine;
  readonly options: MistralOptions;
  /** Layers on each accelerator, where the plan does not leave that to the device map. */
  readonly layers: readonly number[] | null;
  /** MiB of the pool of cache blocks; null: none. */
  readonly poolMib: number | null;
}

/**
 * The command line that runs this plan. What the device map reckons with is always said, and how much cache, which would
 * else be 90 % of a GPU.
 * @source mistral.rs v0.9.2 mistralrs-cli/src/args/{mod,model,paged_attn,quantize}.rs
 */
export function mistralCommand(
  { model, machine, options, layers, poolMib }: CommandPlan,
  source: Parameters<EnginePlan["command"]>[0],
): string {
  const environment: string[] = [];
  const args = ["mistralrs", "serve", ...modelArguments(model, source)];
  const gpus = machine.accelerators.length;
  if (gpus === 0) args.push("--cpu");
  else if (options.gpuLayers === 0) args.push("--cpu");
  else if (layers !== null)
    args.push("-n", layers.flatMap((count, i) => (count > 0 ? [`${i}:${count}`] : [])).join(";"));
  args.push("--max-seq-len", String(options.context), "--max-batch-size", String(options.sequences));
  if (options.sequences !== DEFAULT_SEQUENCES) args.push("--max-seqs", String(options.sequences));
  if (options.paged) {
    if (options.utilization !== null) args.push("--pa-memory-fraction", String(options.utilization));
    else args.push("--pa-memory-mb", String(poolMib ?? 0));
    if (options.kvType === "f8e4m3") args.push("--pa-cache-type", "f8e4m3");
  } else {
    if (machine.accelerators[0]?.backend === "cuda") args.push("--paged-attn", "off");
    args.push("--prefix-cache-n", "0");
  }
  if (options.kvType === "f32") environment.push("MISTRALRS_CPU_KV_F32=1");
  if (options.tensorParallel > 1) environment.push(`MISTRALRS_MN_LOCAL_WORLD_SIZE=${options.tensorParallel}`);
  else if (gpus > 1) environment.push("MISTRALRS_NO_NCCL=1");
  return [...environment, ...args.map(shellWord)].join(" ");
}

function modelArguments(model: ModelSpec, { id, file }: Parameters<EnginePlan["command"]>[0]): string[] {
  const format = residentFormat(model);
  if (format === null) {
    const path = file ?? `${model.weights?.name ?? "model"}.gguf`;
    const slash = path.lastIndexOf("/");
    const folder = id ?? (slash < 0 ? "." : path.slice(0, slash));
    return ["--format", "gguf", "-m", folder, "-f", id === null ? path.slice(slash + 1) : path];
  }
  const args = ["-m", id ?? file ?? "MODEL"];
  if (format.method === "isq" || format.method === "hqq") args.push("--isq", format.id.replace(/^isq-/, ""));
  if (format.id === "f32" || format.id === "f16") args.push("--dtype", format.id);
  return args;
}
