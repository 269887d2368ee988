/** One dump, both asked: what hwLedger computes beside what llama.cpp accounts for, differences in words. */
import { askedTensors } from "../../src/engines/llama-cpp/ask-plan.ts";
import { exactCacheBytes, magnified } from "../../src/engines/llama-cpp/exact-caches.ts";
import { CPU_ONLY } from "../../src/engines/llama-cpp/judge-options.ts";
import type { AskedContext, CachePart, ContextAnswer } from "../../src/engines/llama-cpp/protocol.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../src/math/options.ts";
import { shapeCaches } from "../../src/math/runtime/llama-cpp/caches.ts";
import { explainCompute } from "../../src/math/runtime/llama-cpp/compute/explain.ts";
import { LLAMA_CPP } from "../../src/math/runtime/llama-cpp/index.ts";
import { placeLayers } from "../../src/math/runtime/llama-cpp/placement.ts";
import { resolveOptions } from "../../src/math/runtime/llama-cpp/resolve.ts";
import type { EnginePlan } from "../../src/math/runtime/runtime.ts";
import { MIB } from "../../src/math/units.ts";
import { typeWeights } from "../../src/math/weights-choice.ts";
import { askAll, type Verdict } from "./ask-all.ts";
import type { Case } from "./grid.ts";
import type { Subject } from "./subjects.ts";

/** Half of the last digit that llama.cpp prints, and what a double may be off. */
const HALF_DIGIT = 0.005 + 1e-9;

export interface ComputeSample {
  /** The case, as options of llama.cpp. */
  readonly label: string;
  readonly flashAttention: "on" | "off";
  /** What the step is doing when hwLedger's buffer is at its fullest. */
  readonly phase: ReturnType<typeof explainCompute>["phase"];
  readonly ours: number;
  readonly theirs: number;
}

export interface Comparison {
  readonly name: string;
  readonly architecture: string;
  /** What the tensors were typed as. */
  readonly weights: string;
  /** llama.cpp does not take the model at all: why; nothing was compared then. */
  readonly modelRefused: string | null;
  /** Cases where both gave numbers. */
  readonly compared: number;
  /** Cases that neither takes. */
  readonly refused: number;
  /** Cases at which native code aborted: hwLedger's numbers stand alone there. */
  readonly crashed: readonly string[];
  readonly differences: readonly string[];
  readonly compute: readonly ComputeSample[];
  readonly children: number;
}

export async function compare(
  subject: Extract<Subject, { status: "ok" }>,
  preset: string,
  cases: readonly Case[],
): Promise<Comparison> {
  const { name, architecture, spec, metadata } = subject;
  const typed = typeWeights(spec, spec.tensorSource === "file" ? null : preset, []);
  const weights = typed.status === "ok" ? (typed.spec.weights?.name ?? preset) : preset;
  const nothing = {
    name,
    architecture,
    weights,
    modelRefused: null,
    compared: 0,
    refused: 0,
    crashed: [],
    compute: [],
    children: 0,
  };
  if (typed.status !== "ok") {
    return {
      ...nothing,
      differences: [`weights as ${preset}: ${typed.status === "unknown" ? typed.reason : typed.message}`],
    };
  }
  const contexts = cases.map(contextOf);
  const probes = new Map(contexts.map((context) => [probeKey(context), magnified(context)]));
  const answer = await askAll({
    metadata,
    tensors: askedTensors(typed.spec),
    contexts: [...contexts, ...probes.values()],
  });
  if (answer.status === "refused") return { ...nothing, modelRefused: answer.reason, differences: [] };
  const probeAnswers = new Map([...probes.keys()].map((key, i) => [key, answer.contexts[contexts.length + i]]));

  const differences: string[] = [];
  const crashed: string[] = [];
  const compute: ComputeSample[] = [];
  let refused = 0;
  for (const [i, one] of cases.entries()) {
    const theirs = answer.contexts[i] ?? NOT_ANSWERED;
    const tell = (difference: string): number => differences.push(`${label(one)}: ${difference}`);
    const ours = planCase(typed.spec, one);
    if (theirs.status === "crashed") {
      crashed.push(`${label(one)}: ${theirs.words}`);
    } else if (theirs.status === "refused" || ours.status === "refused") {
      if (theirs.status === ours.status) refused++;
      else tell(`${said("hwLedger", ours)}, ${said("llama.cpp", theirs)}`);
    } else {
      const weightsBytes = sum(ours.parts.weights_bytes);
      if (weightsBytes !== answer.weightsBytes)
        tell(`weights bytes: ours ${weightsBytes}, llama.cpp ${answer.weightsBytes}`);
      const kv = exactCaches(theirs, probeAnswers.get(probeKey(contextOf(one))));
      for (const difference of partDifferences(ours, theirs, kv)) tell(difference);
      const state = sum(ours.parts.state_bytes);
      const rest = theirs.totalBytes - (kv ?? sum(ours.parts.kv_cache_bytes)) - state;
      const { flashAttention } = one;
      const phase = phaseOf(typed.spec, one);
      compute.push({ label: label(one), flashAttention, phase, ours: sum(ours.parts.compute_bytes), theirs: rest });
    }
  }
  return { ...nothing, compared: compute.length, refused, crashed, differences, compute, children: answer.children };
}

const NOT_ANSWERED: Verdict = { status: "crashed", words: "no answer" };

type Accounted = Extract<ContextAnswer, { status: "ok" }>;

function exactCaches(theirs: Accounted, probe: Verdict | undefined): number | null {
  return probe === undefined || probe.status === "crashed" ? null : exactCacheBytes(theirs, probe);
}

function partDifferences(ours: EnginePlan, theirs: Accounted, kv: number | null): readonly string[] {
  const differences = [...cacheDifferences(ours, theirs.caches)];
  const kvBytes = sum(ours.parts.kv_cache_bytes);
  if (kv === null) differences.push("K and V of a cell are no whole bytes");
  else if (kv !== kvBytes) differences.push(`KV bytes: ours ${kvBytes}, llama.cpp ${kv}`);
  const printed = [
    ["state", ours.parts.state_bytes, theirs.states],
    ["output", ours.parts.output_bytes, theirs.output],
  ] as const;
  for (const [what, bytes, parts] of printed) {
    const mib = parts.reduce((total, part) => total + part.mib, 0);
    const mine = sum(bytes) / MIB;
    if (Math.abs(mine - mib) > HALF_DIGIT) differences.push(`${what} MiB: ours ${mine}, llama.cpp ${mib}`);
  }
  return differences;
}

/** Cells and MiB of each cache, as llama.cpp prints them; caches of one length are one here, for a full-length window looks like a full layer. */
function cacheDifferences(ours: EnginePlan, caches: readonly CachePart[]): readonly string[] {
  const mine = new Map<number, number>();
  for (const [i, cells] of ours.layers.cells.entries()) {
    if (cells > 0) mine.set(cells, (mine.get(cells) ?? 0) + (ours.layers.kv[i] ?? 0) / MIB);
  }
  const theirs = new Map<number, { mib: number; parts: number }>();
  for (const { cells, streams, mib, layers } of caches) {
    if (layers === 0) continue;
    const known = theirs.get(cells * streams) ?? { mib: 0, parts: 0 };
    theirs.set(cells * streams, { mib: known.mib + mib, parts: known.parts + 1 });
  }
  const differences: string[] = [];
  for (const cells of new Set([...mine.keys(), ...theirs.keys()])) {
    const mib = mine.get(cells) ?? null;
    const other = theirs.get(cells) ?? null;
    if (mib === null || other === null || Math.abs(mib - other.mib) > HALF_DIGIT * other.parts) {
      differences.push(`MiB of caches of ${cells} cells: ours ${mib ?? "none"}, llama.cpp ${other?.mib ?? "none"}`);
    }
  }
  return differences;
}

function contextOf(one: Case): AskedContext {
  const { context, sequences, ubatch, flashAttention, kvTypeK, kvTypeV, swaFull } = one;
  return { contextTotal: context * sequences, sequences, ubatch, flashAttention, kvTypeK, kvTypeV, swaFull };
}

function probeKey({ kvTypeK, kvTypeV, flashAttention }: AskedContext): string {
  return `${kvTypeK} ${kvTypeV} ${flashAttention}`;
}

/** The judge's fixed settings (protocol.ts): as the C API, n_batch = n_ubatch, one stream a sequence. */
function optionsOf(one: Case): PlanOptions {
  return { ...NO_OPTIONS, ...one, program: "api", batch: one.ubatch, kvUnified: false };
}

function planCase(spec: ModelSpec, one: Case): ReturnType<typeof LLAMA_CPP.plan> {
  return LLAMA_CPP.plan(spec, optionsOf(one), CPU_ONLY);
}

function phaseOf(spec: ModelSpec, one: Case): ComputeSample["phase"] {
  const resolved = resolveOptions(spec, optionsOf(one), CPU_ONLY);
  if (resolved.status === "refused") return "none";
  const shape = shapeCaches(resolved.options, one.context, one.sequences);
  return explainCompute(spec, resolved.options, shape, placeLayers(spec, resolved.options, CPU_ONLY), [], 0).phase;
}

function label(one: Case): string {
  const kv = `${one.kvTypeK}/${one.kvTypeV}`.toLowerCase();
  const options = `-c ${one.context} x${one.sequences} -ub ${one.ubatch} -fa ${one.flashAttention}`;
  return `${options} kv ${kv}${one.swaFull ? " swa-full" : ""}`;
}

function said(who: string, answer: { readonly status: string; readonly reason?: string }): string {
  return answer.status === "refused" ? `${who} refuses (${answer.reason})` : `${who} does not refuse`;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const n of numbers) total += n;
  return total;
}
