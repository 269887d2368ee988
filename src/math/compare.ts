/** One model on every engine: the same question put to each, with weights that engine loads and options it has. */
import { extrasAsked, NO_EXTRAS } from "./extras.ts";
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
 * of sharing, the better of one and all of them is taken. Lengths that nobody said are the same for all, whatever an
 * engine's own defaults are.
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
  return {
    ...options,
    context: options.context ?? Math.min(DEFAULT_CONTEXT, trained ?? DEFAULT_CONTEXT),
    sequences: options.sequences ?? 1,
  };
}

/** Best first: what fits, what fits tightly, what does not fit, what is not known; of these the longest context, then the least memory. */
export function rankRows(rows: readonly ComparedRow[]): readonly ComparedRow[] {
  return [...rows].sort((a, b) => {
    const [x, y] = [a.result, b.result];
    return (
      place(x) - place(y) ||
      (y.limits.max_context ?? -1) - (x.limits.max_context ?? -1) ||
      (x.memory.total_bytes ?? Number.POSITIVE_INFINITY) - (y.memory.total_bytes ?? Number.POSITIVE_INFINITY)
    );
  });
}

const PLACES = { fits: 0, does_not_fit: 2, unknown: 3, error: 4 } as const;

function place({ status, tight }: PlanResult): number {
  return tight && status === "fits" ? 1 : PLACES[status];
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
  const results = [planWithout(input)];
  if (count > 1 && tensorParallel === null && pipelineParallel === null) {
    const shared = planWithout({ ...input, options: { ...input.options, tensorParallel: count } });
    // An engine that does not share layers so has been planned without it, and says so.
    if (shared.options.tensor_parallel === count) results.push(shared);
  }
  const [result] = rankRows(results.map((each) => ({ result: each, difference: null })));
  if (result === undefined) throw new RangeError("Cannot compare without a plan");
  const model = typedFor(input);
  return {
    result: result.result,
    difference:
      model === null || result.result.memory.total_bytes === null
        ? null
        : sentence(RUNTIMES[input.engine].difference(model)),
  };
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

function typedFor({ engine, weights, subject }: PlanInput): ModelSpec | null {
  if (subject.spec.status !== "ok") return null;
  const typed = RUNTIMES[engine].typeWeights(subject.spec.spec, weights, subject);
  return typed.status === "ok" ? typed.spec : null;
}

/** What each attempt keeps of what was asked for: all; what most engines have; what every engine has. */
const KEPT: readonly ((asked: PlanOptions) => PlanOptions)[] = [
  (asked) => asked,
  ({ context, sequences, reserveBytes, kvTypeK, kvTypeV, ubatch }) => ({
    ...NO_OPTIONS,
    context,
    sequences,
    reserveBytes,
    kvTypeK,
    kvTypeV,
    ubatch,
  }),
  ({ context, sequences, reserveBytes }) => ({ ...NO_OPTIONS, context, sequences, reserveBytes }),
];

/** With what is loaded beside the model only where the engine can be planned with it. */
function attempts(input: PlanInput): readonly PlanInput[] {
  const { extras: can = [] } = RUNTIMES[input.engine] as Runtime;
  const tries = KEPT.map((keep) => ({ ...input, options: keep(input.options) }));
  if (extrasAsked(input.extras ?? NO_EXTRAS).every((kind) => can.includes(kind))) return tries;
  return [input, ...tries.map((attempt) => ({ ...attempt, extras: NO_EXTRAS }))];
}

function planWithout(input: PlanInput): PlanResult {
  let refusal: PlanResult | null = null;
  for (const attempt of attempts(input)) {
    const result = plan(attempt);
    if (result.status !== "error") return refusal === null ? result : saying(result, refusal);
    refusal ??= result;
  }
  return refusal ?? plan(input);
}

function saying(result: PlanResult, refusal: PlanResult): PlanResult {
  const without = `Planned without what ${result.engine.id} does not have: ${refusal.error?.message ?? "an option"}.`;
  return { ...result, warnings: [...result.warnings, without] };
}
