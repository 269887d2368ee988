/** One model on every engine: the same question put to each, with weights that engine loads and options it has. */
import { extrasAsked, NO_EXTRAS } from "./extras.ts";
import { inSystemMemory } from "./fit-words.ts";
import type { ModelSpec } from "./model.ts";
import { ENGINES, type EngineId, NO_OPTIONS, type PlanOptions } from "./options.ts";
import { plan } from "./plan.ts";
import type { PlanInput, WeightsChoice } from "./plan-input.ts";
import type { PlanResult } from "./result.ts";
import { RUNTIMES } from "./runtime/index.ts";
import type { Runtime } from "./runtime/runtime.ts";

export interface ComparedRow {
  readonly result: PlanResult;
  /** What this engine does otherwise with this model; null where it does not run it. */
  readonly difference: string | null;
  /** The question as this engine was asked it: weights and options, without what it does not have. */
  readonly asked: Pick<PlanInput, "weights" | "options">;
}

export interface CompareOptions {
  readonly engines?: readonly EngineId[];
  /** A row for each of an engine's weights, not for the nearest alone. */
  readonly everyWeights?: boolean;
}

/**
 * A row for each engine, best first. The weights are those that were asked for where an engine has them, else its own that
 * come nearest to them in size: an engine that has no Q4_K_M is compared at about as many bits. Options that an engine
 * does not have are left out for it, and its row says so. Where a machine has several accelerators and nothing is said
 * of sharing, the better of one and all of them is taken. A context that nobody said is the same for all, whatever an
 * engine's own default is.
 */
export function compareEngines(asked: PlanInput, options: CompareOptions = {}): readonly ComparedRow[] {
  const input = { ...asked, options: withLengths(asked) };
  const { spec } = input.subject;
  const bytes = spec.status === "ok" ? wantedBytes(spec.spec, input) : null;
  const rows = (options.engines ?? ENGINES).flatMap((engine) => {
    const names = spec.status === "ok" ? weightsFor(RUNTIMES[engine], spec.spec, input, bytes, options) : [null];
    return names.map((weights) => planOn({ ...input, engine, engineVersion: versionFor(engine, input), weights }));
  });
  return rankRows(rows);
}

/** As long as most engines' plans are when nothing is said. */
const DEFAULT_CONTEXT = 8192;

function withLengths({ options, subject }: PlanInput): PlanOptions {
  const trained = subject.spec.status === "ok" ? subject.spec.spec.contextTrained : null;
  return { ...options, context: options.context ?? Math.min(DEFAULT_CONTEXT, trained ?? DEFAULT_CONTEXT) };
}

/**
 * Best first: what fits on the accelerators, what fits with layers or experts in system memory, what fits tightly, what
 * does not fit, what is not known; of these what was not cut shorter than asked, then the longest context, then the least memory.
 */
export function rankRows<Row extends Pick<ComparedRow, "result" | "asked">>(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => {
    const [x, y] = [a.result, b.result];
    return (
      place(x) - place(y) ||
      Number(isCut(a)) - Number(isCut(b)) ||
      (y.limits.max_context ?? -1) - (x.limits.max_context ?? -1) ||
      (x.memory.total_bytes ?? Number.POSITIVE_INFINITY) - (y.memory.total_bytes ?? Number.POSITIVE_INFINITY)
    );
  });
}

const PLACES = { fits: 0, does_not_fit: 3, unknown: 4, error: 5 } as const;

function place(result: PlanResult): number {
  if (result.status !== "fits") return PLACES[result.status];
  return result.tight ? 2 : inSystemMemory(result) === null ? 0 : 1;
}

/** Planned for a shorter context than was asked for. */
function isCut({ result, asked }: Pick<ComparedRow, "result" | "asked">): boolean {
  const { context } = result.options;
  return typeof context === "number" && context < (asked.options.context ?? 0);
}

/** A version is one engine's own: the others are planned for the newest that is known. */
function versionFor(engine: EngineId, input: PlanInput): string | null {
  return engine === input.engine ? input.engineVersion : null;
}

/** Σ tensor bytes of the weights that were asked for, as the engine that was asked for has them; else of what the model comes with. */
function wantedBytes(spec: ModelSpec, { engine, weights, subject }: PlanInput): number | null {
  for (const id of [engine, ...ENGINES]) {
    const runtime = RUNTIMES[id];
    const typed = runtime.typeWeights(spec, weights, subject);
    if (typed.status === "ok") return runtime.weightsBytes(typed.spec);
  }
  return null;
}

function weightsFor(
  runtime: Runtime,
  spec: ModelSpec,
  { weights, subject }: PlanInput,
  bytes: number | null,
  { everyWeights = false }: CompareOptions,
): readonly (string | null)[] {
  const choices = runtime.weightsChoices(spec, subject);
  if (everyWeights && choices.length > 0) return choices.map(({ name }) => name);
  if (runtime.typeWeights(spec, weights, subject).status === "ok") return [weights];
  return [bytes === null ? weights : (nearest(choices, bytes)?.name ?? weights)];
}

/** By the ratio of their sizes. */
export function nearest(choices: readonly WeightsChoice[], bytes: number): WeightsChoice | null {
  const distance = (choice: WeightsChoice): number => Math.abs(Math.log(choice.bytes / bytes));
  return choices.reduce<WeightsChoice | null>(
    (best, choice) => (best === null || distance(choice) < distance(best) ? choice : best),
    null,
  );
}

function planOn(input: PlanInput): ComparedRow {
  const count = input.machine.accelerators.length;
  const { tensorParallel, pipelineParallel } = input.options;
  const answers = [planWithout(input)];
  if (count > 1 && tensorParallel === null && pipelineParallel === null) {
    const shared = planWithout({ ...input, options: { ...input.options, tensorParallel: count } });
    // An engine that does not share layers so has been planned without it, as above.
    if (shared.asked.options.tensorParallel === count) answers.push(shared);
  }
  const [best] = rankRows(answers);
  if (best === undefined) throw new RangeError("Cannot compare without a plan");
  const model = typedFor(input);
  const runs = model !== null && best.result.memory.total_bytes !== null;
  return { ...best, difference: runs ? sentence(RUNTIMES[input.engine].difference(model)) : null };
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

function typedFor({ engine, weights, subject }: PlanInput): ModelSpec | null {
  if (subject.spec.status !== "ok") return null;
  const typed = RUNTIMES[engine].typeWeights(subject.spec.spec, weights, subject);
  return typed.status === "ok" ? typed.spec : null;
}

/** Options that an engine may be planned without. K's and V's types are one. */
const DROPPABLE = [
  ["ubatch"],
  ["batch"],
  ["program"],
  ["kvTypeK", "kvTypeV"],
  ["flashAttention"],
  ["kvUnified"],
  ["swaFull"],
  ["gpuLayers"],
  ["cpuMoeLayers"],
  ["splitMode"],
  ["tensorSplit"],
  ["overrideTensor"],
  ["tensorParallel"],
  ["pipelineParallel"],
  ["memoryUtilization"],
  ["mla"],
  ["attentionMaxBatch"],
] as const satisfies readonly (readonly (keyof PlanOptions)[])[];

/** The question with less in it: without one of the options that were said, or without what is loaded beside the model. */
function shorter(input: PlanInput): readonly PlanInput[] {
  const without = DROPPABLE.filter((keys) => keys.some((key) => input.options[key] !== null)).map((keys) => ({
    ...input,
    options: { ...input.options, ...Object.fromEntries(keys.map((key) => [key, NO_OPTIONS[key]])) },
  }));
  const beside = extrasAsked(input.extras ?? NO_EXTRAS).length > 0;
  return beside ? [...without, { ...input, extras: NO_EXTRAS }] : without;
}

/** Leaves out, one after the other, what the engine refuses, for as long as that changes its answer. */
function planWithout(asked: PlanInput): Pick<ComparedRow, "result" | "asked"> {
  const refusals: string[] = [];
  let input = asked;
  let result = plan(input);
  while (result.status === "error") {
    const { message } = result.error ?? { message: "" };
    const next = shorter(input).find((less) => plan(less).error?.message !== message);
    // Nothing that was said is at fault: this is the answer to the whole question.
    if (next === undefined) return { result: refusals.length === 0 ? result : plan(asked), asked };
    refusals.push(message);
    input = next;
    result = plan(input);
  }
  return { result: saying(result, refusals), asked: input };
}

function saying(result: PlanResult, refusals: readonly string[]): PlanResult {
  if (refusals.length === 0) return result;
  const without = `Planned without what ${result.engine.id} does not have: ${refusals.join("; ")}.`;
  return { ...result, warnings: [...result.warnings, without] };
}
