import { formatBytes, formatInteger } from "../../format.ts";
import { formatWeights } from "../../format-choice.ts";
import type { Device, Machine } from "../../machine.ts";
import type { LayerSpec, ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { FormatMethod } from "../../parts/formats/format.ts";
import { formatOf } from "../../parts/formats/index.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import { GIB } from "../../units.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { layerActivations } from "../torch/activations.ts";
import { assemble, type RankLoad } from "../torch/assemble.ts";
import { memoryOf } from "../torch/memory.ts";
import { rankWeights, rotaryBytes } from "../torch/parameters.ts";
import { isAttention, keptHeads } from "../torch/share.ts";
import { tgiCommand } from "./command.ts";
import { resolveTgi, type TgiOptions } from "./options.ts";

/** @source text-generation-inference v3.3.7 launcher/src/main.rs Quantization */
const LOADED: ReadonlySet<FormatMethod> = new Set([
  "plain",
  "fp8",
  "gptq",
  "awq",
  "compressed-tensors",
  "bitsandbytes",
]);

export const TGI: Runtime = {
  id: "tgi",
  versions: ["3.3.7"],
  difference,
  kvOffered: ["fp8"],
  plan: planTgi,
  ...formatWeights({
    engine: "TGI",
    offered: ["bf16", "f16", "fp8", "gptq-4bit-g128", "awq-4bit-g128", "w4a16-g128", "bnb-nf4"],
    loads: ({ method }) => LOADED.has(method),
  }),
};

/** Share of a GPU that caches may go up to, whatever the fraction. @source server/text_generation_server/models/globals.py TGI_WIGGLE_ROOM */
const WIGGLE_ROOM = 0.9;
/** Sizes of heads that FlashInfer's kernels are built for: then a block is one token. @source launcher/src/main.rs resolve_attention */
const FLASHINFER_HEADS: ReadonlySet<number> = new Set([64, 128, 256]);
const FLASHDECODING_BLOCK = 256;
const PAGED_BLOCK = 16;
/** Outside of PyTorch: libraries' workspaces, NCCL's between ranks. As measured with vLLM, not with TGI. */
const LIBRARIES = 0.13 * GIB;
const LIBRARIES_SHARED = 0.54 * GIB;

/** Tokens of a block of the cache. */
function blockTokens(model: ModelSpec, device: Device): number {
  let flashinfer = true;
  for (const { mixers } of model.layers)
    for (const mixer of mixers) if (!isAttention(mixer) || !FLASHINFER_HEADS.has(mixer.headDimK)) flashinfer = false;
  if (flashinfer) return 1;
  return device.backend === "rocm" ? PAGED_BLOCK : FLASHDECODING_BLOCK;
}

/**
 * Bytes of a token in one layer: keys and values of one size of head. Latent attention is decompressed, its values
 * filled up to the length of a key.
 * @source v3.3.7 server/text_generation_server/models/flash_causal_lm.py init_kv_cache, models/__init__.py (deepseek)
 */
function tokenBytes({ mixers }: LayerSpec, options: TgiOptions): number {
  const bytes = options.kvType === "auto" ? 2 : 1;
  const ranks = options.ranks.tensor;
  let all = 0;
  for (const mixer of mixers) {
    if (mixer.kind === "latent")
      all += 2 * keptHeads(mixer.heads, ranks) * Math.max(mixer.nopeDim + mixer.ropeDim, mixer.valueDim) * bytes;
    else if (isAttention(mixer) && mixer.cached)
      all += 2 * keptHeads(mixer.kvHeads, ranks) * Math.max(mixer.headDimK, mixer.headDimV) * bytes;
  }
  return all;
}

function loadOf(model: ModelSpec, options: TgiOptions, block: number, context: number, sequences: number): RankLoad {
  const tokens = sequences * Math.ceil(context / block) * block;
  const kv = Float64Array.from(model.layers, (layer) => tokens * tokenBytes(layer, options));
  let sum = 0;
  for (const bytes of kv) sum += bytes;
  const stage = {
    kv: sum,
    state: 0,
    compute: activationBytes(model, options),
    output: 0,
    overhead: libraries(options),
  };
  return {
    stages: [stage],
    kv,
    state: new Float64Array(kv.length),
    cells: kv.map((bytes) => (bytes > 0 ? tokens : 0)),
    sideCaches: () => [],
  };
}

function libraries({ ranks }: TgiOptions): number {
  return Math.round(ranks.tensor > 1 ? LIBRARIES_SHARED : LIBRARIES);
}

/** The warm-up's prefill, which caches must leave room for. */
function activationBytes(model: ModelSpec, { prefill, ranks }: TgiOptions): number {
  let forward = 0;
  for (const layer of model.layers) forward = Math.max(forward, layerActivations(model, layer, prefill, ranks.tensor));
  return Math.round(forward);
}

function planTgi(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveTgi(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const { options } = resolution;
  const [first] = machine.accelerators;
  if (first === undefined) throw new RangeError("Cannot plan ranks without an accelerator");
  const block = blockTokens(model, first);
  const slots = [...machine.accelerators, machine.host];
  const reserved = new Float64Array(slots.length);
  const budget: (number | null)[] = slots.map(() => null);
  for (const [i, device] of machine.accelerators.slice(0, options.ranks.tensor).entries()) {
    const memory = memoryOf(device);
    if (memory === null) continue;
    const kept = Math.ceil((1 - options.fraction * WIGGLE_ROOM) * memory);
    budget[i] = (device.freeBytes ?? memory) - kept;
    reserved[i] = kept;
  }
  const plan = assemble({
    model,
    machine,
    slots,
    ranks: options.ranks,
    weights: rankWeights(model, options.ranks.tensor),
    rotaryBytes: rotaryBytes(model),
    context: options.context,
    sequences: options.sequences,
    sequencesAsked: options.sequencesAsked,
    mostSequences: MOST_SEQUENCES,
    options: {},
    reserved,
    budget,
    load: (context, sequences) => loadOf(model, options, block, context, sequences),
    basis: BASIS,
    range: ({ stages }, weights) => {
      const moves = stages.reduce((sum, { compute, overhead }) => sum + options.ranks.tensor * (compute + overhead), 0);
      return { less: weights * 0.005 + moves * 0.5, more: weights * 0.01 + moves };
    },
    warnings: resolution.warnings,
    command: (source) => tgiCommand(options, source, formatOf(model).id),
    explain: () => explain(model, options, block, plan),
  });
  return { ...plan, options: describe(options, block), warnings: [...plan.warnings, ...maintenance(model)] };
}

const MOST_SEQUENCES = 4096;

const BASIS: Readonly<Record<Part, Basis>> = {
  weights_bytes: "modelled",
  kv_cache_bytes: "modelled",
  state_bytes: "modelled",
  compute_bytes: "modelled",
  output_bytes: "modelled",
  overhead_bytes: "modelled",
};

function maintenance(model: ModelSpec): string[] {
  const warnings = ["TGI is in maintenance mode: its memory is modelled from its source, and checked against no log."];
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "sliding" || kind === "chunked")))
    warnings.push("TGI keeps every token in windowed layers, too.");
  return warnings;
}

function describe(options: TgiOptions, block: number): Record<string, OptionValue> {
  return {
    context: options.context,
    sequences: options.sequences,
    batch: options.prefill,
    kv_type: options.kvType === "auto" ? "bf16" : options.kvType,
    tensor_parallel: options.ranks.tensor,
    memory_utilization: options.fraction,
    block_tokens: block,
  };
}

function difference(model: ModelSpec): string {
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "latent")))
    return "TGI decompresses latent attention and keeps keys and values of all heads.";
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "sliding" || kind === "chunked")))
    return "TGI keeps every token in windowed layers, too, and leaves a tenth of the GPU free.";
  return "TGI leaves a tenth of the GPU free and fills the rest with cache blocks.";
}

function explain(model: ModelSpec, options: TgiOptions, block: number, plan: EnginePlan): readonly string[] {
  const sum = (bytes: Iterable<number>): string => {
    let all = 0;
    for (const one of bytes) all += one;
    return formatBytes(all);
  };
  const token = model.layers.reduce((bytes, layer) => bytes + tokenBytes(layer, options), 0);
  return [
    `Weights: merged matrices of ${model.layers.length} layers, each as PyTorch allocates it, with the rotary tables = ${sum(plan.parts.weights_bytes)} (modelled)`,
    `KV cache: ${formatInteger(options.sequences)} × ${formatInteger(options.context)} tokens in blocks of ${block} × ${formatInteger(token)} B in all layers, windows or not = ${sum(plan.parts.kv_cache_bytes)} (TGI's own arithmetic)`,
    `Activations: the warm-up's prefill of ${formatInteger(options.prefill)} tokens = ${sum(plan.parts.compute_bytes)} (modelled)`,
    `Libraries = ${sum(plan.parts.overhead_bytes)} (modelled)`,
    `Share: ${options.fraction} × ${WIGGLE_ROOM} of the memory; CUDA graphs lie in the rest`,
  ];
}
