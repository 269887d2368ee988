import { formatWeights } from "../../format-choice.ts";
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { OptionValue } from "../../result.ts";
import { type Again, largestContextAgain, mostSequencesAgain } from "../again.ts";
import { type LayerLoad, layOut } from "../by-layer.ts";
import { OVERHEAD } from "../driver-overhead.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { cacheTokens, PAGE_TOKENS, ringOf, stateBytes, tokenBytes } from "./caches.ts";
import { exllamaCommand } from "./command.ts";
import { exllamaDifference } from "./difference.ts";
import { explainExllama } from "./explain.ts";
import { autosplit } from "./place.ts";
import { type Resident, resident } from "./resident.ts";
import { resolveExllama } from "./resolve.ts";
import { activationBytes, outputBytes, unpackedBytes } from "./step.ts";
import { supportOf } from "./support.ts";
import type { ExllamaOptions } from "./types.ts";

/** The release whose rules these are; its own classes are what the tests count with. */
const EXLLAMAV3_VERSIONS = ["1.4.1"] as const;

/** hwLedger's own end of a search: exllamav3 has none. */
const MOST_SEQUENCES = 1024;

export const EXLLAMAV3: Runtime = {
  id: "exllamav3",
  versions: EXLLAMAV3_VERSIONS,
  difference: exllamaDifference,
  kvOffered: ["q8", "q6", "q4"],
  plan: planExllama,
  ...formatWeights({
    engine: "ExLlamaV3",
    offered: [
      "f16",
      "exl3-8.0bpw-h8",
      "exl3-6.0bpw",
      "exl3-5.0bpw",
      "exl3-4.0bpw",
      "exl3-3.5bpw",
      "exl3-3.0bpw",
      "exl3-2.5bpw",
      "exl3-2.0bpw",
    ],
    loads: ({ method, id }) => method === "exl3" || (method === "plain" && id !== "f32"),
  }),
};

/** Share that weights of a computed format may be off by: which matrices have more bits than the average is the tool's choice. */
const WEIGHTS_BAND = 0.01;
/** Shares by which a step may need less or more than its formula, which no GPU was measured for. */
const COMPUTE_LESS = 0.6;
const COMPUTE_MORE = 1;

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

function planExllama(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const plan = splitFor(model, asked, machine);
  if (plan.status === "refused" || machine.accelerators.length < 2 || plan.options.tensor_parallel !== 1) return plan;
  // The split is made anew for each load: what does not fit one GPU goes on to the next.
  const again: Again = (load) => splitFor(model, { ...asked, ...load }, machine);
  return {
    ...plan,
    at: (context) => {
      const there = again({ context });
      return there.status === "planned" ? { parts: there.parts, total: there.total } : plan.at(context);
    },
    limits: () => ({
      ...plan.limits(),
      maxContext: largestContextAgain(model.contextTrained, PAGE_TOKENS, again),
      maxSequences: mostSequencesAgain(MOST_SEQUENCES, again),
    }),
  };
}

/** As the options and ExLlamaV3's autosplit lay it out. */
function splitFor(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveExllama(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const { options, warnings } = resolution;
  const ranks = options.tensorParallel;
  const slots = [...machine.accelerators, machine.host];
  const host = machine.accelerators.length;
  const weights = resident(model);
  const offloaded = expertsOnCpu(model, weights, options.cpuMoeLayers);
  const layerWeights = Float64Array.from(weights.layers, (bytes, i) =>
    Math.round((bytes - (offloaded[i] ?? 0)) / ranks),
  );
  const rings = supportOf(model)?.rings ?? false;
  const rows = model.layers.map((layer) => tokenBytes(layer, options.bits, rings) * shareOf(layer.mixers, ranks));
  const ring = model.layers.map((layer) => ringOf(layer, rings));
  const states = model.layers.map((layer) => stateBytes(layer) / ranks);
  const activations = activationBytes(model, options);

  const caches = (context: number, sequences: number): Pick<LayerLoad, "kv" | "state" | "cells"> => {
    const pages = cacheTokens(context, sequences);
    const held = Float64Array.from(ring, (tokens) => (tokens === null ? pages : sequences * tokens));
    return {
      kv: Float64Array.from(rows, (row, i) => row * (held[i] ?? 0)),
      state: Float64Array.from(states, (bytes) => sequences * bytes),
      cells: Float64Array.from(rows, (row, i) => (row > 0 ? (held[i] ?? 0) : 0)),
    };
  };
  const { slot, head } = placed();
  const used = slots.map((_, i) => i < host && (ranks > 1 ? i < ranks : slot.includes(i) || i === head));

  function placed(): { readonly slot: Int16Array; readonly head: number } {
    if (ranks > 1) return { slot: new Int16Array(model.layers.length), head: 0 };
    const { kv, state } = caches(options.context, options.sequences);
    const unpacked = unpackedBytes(model, options, cacheTokens(options.context, options.sequences));
    return autosplit({
      machine,
      reserveBytes: options.reserveBytes,
      layers: layerWeights.map((bytes, i) => bytes + (kv[i] ?? 0) + (state[i] ?? 0)),
      last: weights.head + weights.small + outputBytes(model, options.sequences),
      beside: activations + unpacked + OVERHEAD.cuda.mid,
    });
  }

  const load = (context: number, sequences: number): LayerLoad => {
    const unpacked = unpackedBytes(model, options, cacheTokens(context, sequences));
    const output = new Float64Array(slots.length);
    output[head] = outputBytes(model, sequences);
    return {
      ...caches(context, sequences),
      compute: Float64Array.from(used, (is) => (is ? activations + unpacked : 0)),
      output,
      overhead: Float64Array.from(slots, ({ backend }, i) => (used[i] ? OVERHEAD[backend].mid : 0)),
      short: 0,
    };
  };

  return layOut({
    model,
    machine,
    slots,
    slot,
    ranks,
    layerWeights,
    outside: outsideOf(weights, offloaded, head, host, ranks),
    reserveBytes: options.reserveBytes,
    context: options.context,
    sequences: options.sequences,
    mostContext: model.contextTrained,
    mostSequences: MOST_SEQUENCES,
    load,
    sideCaches: (layer) => (model.layers[layer]?.sideCaches ?? []).map(() => 0),
    options: describe(options),
    basis: {
      weights_bytes: ranks === 1 ? (model.weights?.basis ?? "modelled") : "modelled",
      kv_cache_bytes: ranks === 1 ? "exact" : "modelled",
      state_bytes: ranks === 1 ? "exact" : "modelled",
      compute_bytes: "modelled",
      output_bytes: "modelled",
      overhead_bytes: "modelled",
    },
    range: (at, bytes) => {
      const gpus = used.filter(Boolean).length;
      const band = model.weights?.basis === "exact" && ranks === 1 ? 0 : sum(bytes) * WEIGHTS_BAND;
      const compute = sum(at.compute);
      return {
        less: band + compute * COMPUTE_LESS + gpus * (OVERHEAD.cuda.mid - OVERHEAD.cuda.low),
        more: band + compute * COMPUTE_MORE + gpus * (OVERHEAD.cuda.high - OVERHEAD.cuda.mid),
      };
    },
    gpuLayers: () => null,
    warnings,
    command: (source) => exllamaCommand(options, machine, source),
    explain: (at) => explainExllama({ model, options, weights, rings }, at),
  });
}

/** Routed experts of the first layers that have any. @source exllamav3 v1.4.1 model_init.py --moe_cpu_offload */
function expertsOnCpu(model: ModelSpec, { experts }: Resident, layers: number): Float64Array {
  let left = layers;
  return Float64Array.from(model.layers, ({ feedForward }, i) => {
    if (feedForward.kind !== "moe" || left === 0) return 0;
    left--;
    return experts[i] ?? 0;
  });
}

function outsideOf(
  { head, small, embedding }: Resident,
  offloaded: Float64Array,
  slot: number,
  host: number,
  ranks: number,
): EnginePlan["outside"] {
  const parts = [{ name: "token_embd.weight", bytes: embedding, slot: host }];
  for (let rank = 0; rank < ranks; rank++) {
    if (head > 0) parts.push({ name: "output.weight", bytes: Math.ceil(head / ranks), slot: slot + rank });
    if (small > 0) parts.push({ name: "output_norm.weight", bytes: small, slot: slot + rank });
  }
  for (const [i, bytes] of offloaded.entries())
    if (bytes > 0) parts.push({ name: `blk.${i}.experts`, bytes, slot: host });
  return parts;
}

/** Heads are dealt whole to the GPUs, the largest share counts; a latent row stands on each. */
function shareOf(mixers: ModelSpec["layers"][number]["mixers"], ranks: number): number {
  const mixer = mixers.find(({ kind }) => kind !== "state");
  if (ranks === 1 || mixer === undefined || mixer.kind === "state" || mixer.kind === "latent") return 1;
  return Math.ceil(mixer.kvHeads / ranks) / mixer.kvHeads;
}

function describe(options: ExllamaOptions): Record<string, OptionValue> {
  const { bits } = options;
  return {
    context: options.context,
    sequences: options.sequences,
    kv_type: bits === null ? "f16" : bits.k === bits.v ? `q${bits.k}` : `q${bits.k}/q${bits.v}`,
    batch: options.chunk,
    page_tokens: PAGE_TOKENS,
    pool_tokens: cacheTokens(options.context, options.sequences),
    tensor_parallel: options.tensorParallel,
    cpu_moe_layers: options.cpuMoeLayers,
    reserve_bytes: options.reserveBytes[0] ?? null,
  };
}
