import { formatBytes, formatInteger } from "../../format.ts";
import { OVERHEAD } from "../driver-overhead.ts";
import { explainCompute } from "./compute/explain.ts";
import { cacheBytes, cellsOf, stateBytes, type Totals } from "./memory.ts";
import type { Prepared } from "./prepare.ts";

/** One line per term: what it is, the formula with this plan's numbers, what it comes to, and how well it is known. */
export function explainLoad(prepared: Prepared, load: Totals): readonly string[] {
  return [
    ...explainWeights(prepared),
    ...explainCaches(prepared, load),
    ...explainStates(prepared, load),
    ...explainComputeBuffers(prepared, load),
    `Output: 4 B × ${sequencesOf(load.options.sequences)} × ${formatInteger(prepared.model.vocabularySize)} logits = ${formatBytes(load.output[prepared.hostSlot] ?? 0)} (exact)`,
    ...prepared.beside.flatMap((one, i) => load.beside.slice(i, i + 1).map(one.explain)),
    ...explainOverhead(prepared, load),
  ];
}

/** "1 sequence", "4 sequences". */
function sequencesOf(count: number): string {
  return `${formatInteger(count)} ${count === 1 ? "sequence" : "sequences"}`;
}

function explainWeights(prepared: Prepared): string[] {
  const { model } = prepared;
  const tensors = model.layers.reduce((sum, layer) => sum + layer.tensors.length, 0) + model.outside.length;
  let bytes = 0;
  for (const slot of prepared.weights) bytes += slot;
  const from = model.tensorSource === "file" ? "from the file's own table" : "computed from the configuration";
  const name = model.weights === null ? "" : ` as ${model.weights.name}`;
  return [
    `Weights: ${formatInteger(tensors)} tensors${name}, ${from}, each padded as its buffer pads = ${formatInteger(bytes)} B (${model.weights?.basis ?? "modelled"})`,
  ];
}

function explainCaches(prepared: Prepared, load: Totals): string[] {
  const { options, shape } = load;
  const type = options.kvTypeK === options.kvTypeV ? options.kvTypeK : `${options.kvTypeK}/${options.kvTypeV}`;
  // One line per kind of cache, whatever the device it lies on.
  const kinds = new Map<string, { count: number; bytes: number; line: string }>();
  for (const group of prepared.caches) {
    const cells = cellsOf(group, shape);
    const id = `${group.window} ${group.keyBytes} ${group.valueBytes}`;
    const known = kinds.get(id);
    const all = group.count * cacheBytes(group, shape);
    if (known !== undefined) {
      known.count += group.count;
      known.bytes += all;
      continue;
    }
    const streams = shape.streams > 1 ? ` × ${shape.streams} streams` : "";
    const value = group.valueBytes === 0 ? "" : ` + V ${formatInteger(group.valueBytes)} B`;
    const window = group.window === null ? "" : `, window ${formatInteger(group.window)}`;
    kinds.set(id, {
      count: group.count,
      bytes: all,
      line: `(K ${formatInteger(group.keyBytes)} B${value}) × ${formatInteger(cells)} cells${streams}${window}`,
    });
  }
  return [...kinds.values()].map(
    ({ count, bytes, line }) =>
      `KV cache ${type.toLowerCase()}: ${line} × ${count} layers = ${formatBytes(bytes)} (exact)`,
  );
}

function explainStates(prepared: Prepared, load: Totals): string[] {
  const { sequences } = load.options;
  return prepared.states.map(
    (group) =>
      `State: 4 B × (${formatInteger(group.convElements)} convolution + ${formatInteger(group.stateElements)} state) × ${sequencesOf(sequences)} × ${group.count} layers = ${formatBytes(group.count * stateBytes(group, sequences))} (exact)`,
  );
}

/** As many of what lies in the buffer as a person reads. */
const MOST_TERMS = 5;

const PHASE_WORDS: Readonly<Record<string, string>> = { logits: "the head" };

function explainComputeBuffers(prepared: Prepared, load: Totals): string[] {
  const { model, placement, machine, hostSlot } = prepared;
  return prepared.slots.flatMap((device, i) => {
    const bytes = load.compute[i] ?? 0;
    if (bytes === 0) return [];
    const { phase, terms } = explainCompute(model, load.options, load.shape, placement, machine.accelerators, i);
    const where = i === hostSlot && hostSlot > 0 ? "system memory" : device.name;
    const written = terms.slice(0, MOST_TERMS).map((term) => `${term.name} ${term.formula}`.trim());
    const rest = terms.slice(MOST_TERMS).reduce((sum, term) => sum + term.bytes, 0);
    if (rest > 0) written.push(formatBytes(rest));
    return [
      `Compute on ${where}: fullest in ${PHASE_WORDS[phase] ?? phase}, ${written.join(" + ")} = ${formatBytes(bytes)} (modelled)`,
    ];
  });
}

function explainOverhead(prepared: Prepared, load: Totals): string[] {
  const lines: string[] = [];
  for (let i = 0; i < prepared.hostSlot; i++) {
    const device = prepared.slots[i];
    if (device === undefined || (load.overhead[i] ?? 0) === 0) continue;
    const { low, high } = OVERHEAD[device.backend];
    lines.push(
      `Driver on ${device.name}: context and kernels outside llama.cpp's buffers, ${formatBytes(low)} to ${formatBytes(high)} by card = ${formatBytes(load.overhead[i] ?? 0)} (modelled, not measured here)`,
    );
  }
  return lines;
}
