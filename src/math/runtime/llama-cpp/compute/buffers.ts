/**
 * llama.cpp's compute buffers, worked out as llama.cpp works them out: the graph of one step is built (decoder.ts,
 * assembly.ts), put on devices (devices.ts, schedule.ts) and given memory by the rules of its allocator (program.ts). No constant
 * is fitted.
 *
 * Compared with the engine's own accounting (llama.cpp v0.5.0, loads on GPUs without hardware behind them): 374 loads of
 * 18 architectures, 838 buffers, all within 0.01 %; the host's are up to 32 bytes off. Then with its dry run on loads drawn
 * at random afterwards (the host alone, experts on the host, part of the layers, everything; steps of 16 to 2048 tokens, 1
 * to 8 sequences): 857 of 869 buffers alike. The other 12 are of two GPUs with something left on the host, where the dry
 * run says something else than a load: 8 of them were loaded, all alike; 4 were too large to load.
 * On the host alone, with the engine's release and the metadata of published files: 17508 buffers of all families, each to
 * 0.01 % (tests/differential).
 *
 * Not compared: rows split over GPUs, Metal's scratch (from its source), whatever a real back-end's missing operations
 * would cut out of the graph. Left out: expert groups (expert_group_count; some X·T·4 bytes for a moment),
 * overrides of tensors other than a layer's experts.
 * @source src/llama-context.cpp sched_reserve, graph_reserve; ggml/src/ggml-alloc.c, ggml-backend.cpp at llama.cpp v0.5.0
 */
import type { Device } from "../../../machine.ts";
import type { ModelSpec } from "../../../model.ts";
import { type CacheShape, type ComputeBuffers, HOST, type LlamaCppOptions, type Placement } from "../types.ts";
import { assemble, type Site } from "./assembly.ts";
import { type BufferRule, bufferRule } from "./backends.ts";
import { StepParts } from "./decoder.ts";
import { layerKinds, layerTypes } from "./kinds.ts";
import { peakBytes } from "./peak.ts";
import { keepPeriods } from "./periods.ts";
import { compile, compileKept, type Program } from "./program.ts";
import { schedule } from "./schedule.ts";
import type { Step } from "./step.ts";

/** Programs by device, the host's last: of the step with a whole batch of tokens, and of the step that decodes. */
export interface Programs {
  readonly prompt: readonly Program[];
  /** One token for each sequence; null where it can't be the larger one: everything runs on accelerators. */
  readonly decode: readonly Program[] | null;
}

/**
 * Bytes of the buffers of each accelerator and of the host, as a load of the model makes them.
 * @param bare as if no accelerator took memory inside its operations
 */
export function computeBuffers(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: readonly Device[],
  bare = false,
): ComputeBuffers {
  const programs = programsFor(model, options, caches, placement, accelerators, bare);
  const { full, window } = lengths(model, caches);
  const devices = accelerators.map((_, i) => sizeAt(programs, i, full, window));
  return { devices, host: sizeAt(programs, accelerators.length, full, window) };
}

export function sizeAt({ prompt, decode }: Programs, device: number, full: number, window: number): number {
  const first = prompt[device];
  const second = decode?.[device];
  const bytes = first === undefined ? 0 : peakBytes(first, full, window);
  return second === undefined ? bytes : Math.max(bytes, peakBytes(second, full, window));
}

/** Cells of one stream of the model's two kinds of caches. */
export function lengths(model: ModelSpec, caches: CacheShape): { readonly full: number; readonly window: number } {
  const window = windowOf(model);
  return { full: caches.cells, window: window === null ? caches.cells : caches.windowCells(window) };
}

const windows = new WeakMap<ModelSpec, number | null>();

/** llama.cpp has one window for all layers that have one. */
function windowOf(model: ModelSpec): number | null {
  const known = windows.get(model);
  if (known !== undefined) return known;
  let window: number | null = null;
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) if ("window" in mixer && mixer.window !== null) window = mixer.window;
  }
  windows.set(model, window);
  return window;
}

/**
 * A placement's programs depend on lengths only through the tokens of a step, so a slider of the context needs one; one
 * of the sequences, and the search for how many fit, need one for each number of them.
 */
const KEPT_PER_PLACEMENT = 512;

const NO_SCRATCH = { scratch: "none" } as const;

/** What else shapes the graph, chosen together with a placement as a rule. */
interface Kept {
  readonly accelerators: readonly Device[];
  readonly flashAttention: boolean;
  readonly kvTypeK: string;
  readonly kvTypeV: string;
  readonly byLengths: Map<number, Programs>;
}

/** Placements of a model whose programs are kept for other machines, too: cards of one kind differ in their size alone. */
const KEPT_PLACEMENTS = 96;

interface KeptModel {
  readonly byPlacement: WeakMap<Placement, Kept[]>;
  /** By what a placement says, oldest first. */
  readonly byContent: Map<string, Map<number, Programs>>;
}

const kept = new WeakMap<ModelSpec, KeptModel>();

function keptFor(
  model: ModelSpec,
  options: LlamaCppOptions,
  placement: Placement,
  accelerators: readonly Device[],
): Map<number, Programs> {
  const { flashAttention, kvTypeK, kvTypeV } = options;
  let ofModel = kept.get(model);
  if (ofModel === undefined) {
    ofModel = { byPlacement: new WeakMap(), byContent: new Map() };
    kept.set(model, ofModel);
  }
  let list = ofModel.byPlacement.get(placement);
  if (list === undefined) {
    list = [];
    ofModel.byPlacement.set(placement, list);
  }
  for (const entry of list) {
    if (
      entry.accelerators === accelerators &&
      entry.flashAttention === flashAttention &&
      entry.kvTypeK === kvTypeK &&
      entry.kvTypeV === kvTypeV
    ) {
      return entry.byLengths;
    }
  }
  const byLengths = sharedFor(ofModel.byContent, contentOf(options, placement, accelerators));
  list.push({ accelerators, flashAttention, kvTypeK, kvTypeV, byLengths });
  return byLengths;
}

function sharedFor(byContent: KeptModel["byContent"], content: string): Map<number, Programs> {
  const known = byContent.get(content) ?? new Map<number, Programs>();
  byContent.delete(content);
  byContent.set(content, known);
  for (const oldest of byContent.keys()) {
    if (byContent.size <= KEPT_PLACEMENTS) break;
    byContent.delete(oldest);
  }
  return known;
}

/** All that shapes a graph but its lengths. */
function contentOf(
  { flashAttention, kvTypeK, kvTypeV }: LlamaCppOptions,
  { layerDevice, outputDevice, expertsOnHost, pipelined, allOffloaded }: Placement,
  accelerators: readonly Device[],
): string {
  const backends = accelerators.map(({ backend }) => backend);
  return `${backends} ${flashAttention} ${kvTypeK} ${kvTypeV} ${layerDevice} ${outputDevice} ${expertsOnHost} ${pipelined} ${allOffloaded}`;
}

/** A step's tokens (at most 2^20), its outputs, its sequences (at most 256) and two flags in one number: 20 + 21 + 9 + 2 bits are exact in a float. */
const BATCH_SPAN = 2 ** 21;
const SEQUENCE_SPAN = 2 ** 9;

/**
 * Kept by model, placement, and what of the options and lengths shapes the graph.
 * @param bare as if no accelerator took memory inside its operations
 */
export function programsFor(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: readonly Device[],
  bare = false,
): Programs {
  const byLengths = keptFor(model, options, placement, accelerators);
  const outputs = Math.min(options.outputs, BATCH_SPAN - 1);
  const flags = (caches.streams > 1 ? 2 : 0) + (bare ? 1 : 0);
  const key = ((caches.stepTokens * BATCH_SPAN + outputs) * SEQUENCE_SPAN + options.sequences) * 4 + flags;
  let programs = byLengths.get(key);
  if (programs === undefined) {
    const rules = accelerators.map(({ backend }) => ({ ...bufferRule(backend), ...(bare ? NO_SCRATCH : {}) }));
    programs = makePrograms(model, options, caches, placement, [...rules, bufferRule("cpu")]);
    if (byLengths.size >= KEPT_PER_PLACEMENT) byLengths.clear();
    byLengths.set(key, programs);
  }
  return programs;
}

/** The programs without their memo, for buffers with these rules (accelerators, then the host). */
export function makePrograms(
  model: ModelSpec,
  options: Pick<LlamaCppOptions, "sequences" | "outputs" | "flashAttention" | "kvTypeK" | "kvTypeV">,
  caches: CacheShape,
  placement: Placement,
  rules: readonly BufferRule[],
): Programs {
  const S = options.sequences;
  const make = (tokens: number, outputs: number): readonly Program[] => {
    const step: Step = {
      tokens: Math.ceil(tokens / S) * S,
      sequences: S,
      streams: caches.streams,
      outputs,
      flashAttention: options.flashAttention,
      kvTypeK: options.kvTypeK,
      kvTypeV: options.kvTypeV,
    };
    const parts = partsOf(model, step);
    const sites = sitesOf(model, parts, placement, rules.length - 1);
    const machinery = { rules, pipelined: placement.pipelined, tied: step.tokens < 32 || placement.allOffloaded };
    const alignments = rules.map((rule) => rule.alignment);
    const scheduled = (some: readonly Site[]) => schedule(assemble(parts.shared, some, rules.length), machinery);
    const every = once(() => compile(scheduled(sites), alignments));
    const signatures = signaturesOf(model, sites, rules.length - 1);
    const kept = (times: 1 | 2, fuller: () => readonly Program[]): readonly Program[] => {
      const { layers, seams } = keepPeriods(signatures, times);
      if (seams.length === 0) return fuller();
      const some = [0, ...layers.map((layer) => layer + 1), sites.length - 1].flatMap((site) => sites[site] ?? []);
      return compileKept(scheduled(some), alignments, seams, fuller) ?? fuller();
    };
    return kept(
      1,
      once(() => kept(2, every)),
    );
  };
  return {
    prompt: make(caches.stepTokens, Math.min(caches.stepTokens, options.outputs)),
    decode: rules.length === 1 || placement.allOffloaded ? null : make(S, S),
  };
}

/** Steps whose parts are kept for each model: a slider of GPU layers needs two, one of sequences two for each number. */
const KEPT_STEPS = 8;

const keptParts = new WeakMap<ModelSpec, Map<string, StepParts>>();

function partsOf(model: ModelSpec, step: Step): StepParts {
  let bySteps = keptParts.get(model);
  if (bySteps === undefined) {
    bySteps = new Map();
    keptParts.set(model, bySteps);
  }
  const key = Object.values(step).join();
  let parts = bySteps.get(key);
  if (parts === undefined) {
    parts = new StepParts(model, step);
    if (bySteps.size >= KEPT_STEPS) bySteps.clear();
    bySteps.set(key, parts);
  }
  return parts;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** By layer: what a schedule sees of it. The types of weights count where they may be copied to an accelerator. */
function signaturesOf(model: ModelSpec, sites: readonly Site[], host: number): readonly string[] {
  const types = layerTypes(model);
  const numbers = new Map<Site["part"], number>();
  return sites.slice(1, -1).map(({ part, devices }, i) => {
    let number = numbers.get(part);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(part, number);
    }
    const copied = host > 0 && (devices[0] === host || devices[1] === host);
    return `${number} ${devices} ${copied ? types[i] : ""}`;
  });
}

function sitesOf(
  model: ModelSpec,
  parts: StepParts,
  { layerDevice, outputDevice, expertsOnHost }: Placement,
  host: number,
): readonly Site[] {
  const number = (device: number | undefined): number => (device === undefined || device === HOST ? host : device);
  const output = number(outputDevice);
  const kinds = layerKinds(model);
  const sites: Site[] = [{ part: parts.begin(), layer: null, devices: [host, host, host, output] }];
  model.layers.forEach((layer, i) => {
    const device = number(layerDevice[i]);
    const experts = expertsOnHost[i] === 1 ? host : device;
    sites.push({ part: parts.layer(i, kinds[i] ?? 0), layer, devices: [device, experts, host, output] });
  });
  sites.push({ part: parts.end(), layer: null, devices: [host, host, host, output] });
  return sites;
}
