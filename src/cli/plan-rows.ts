/** An answer's memory as rows that add up: layers of one kind together, then what lies outside them. */
import type { LayerMemory, PlanResult } from "../math/result.ts";

export interface PlanRow {
  /** "Layers", "Outside layers", "Compute" … */
  readonly title: string;
  /** "0-4, 6-10", "" outside layers. */
  readonly indexes: string;
  /** "sliding", "full+state moe", "" outside layers. */
  readonly kind: string;
  readonly count: number;
  readonly device: string;
  readonly bytes: number;
  /** Smallest and largest of the row's layers. */
  readonly leastBytes: number;
  readonly mostBytes: number;
}

/** Their bytes add up to total_bytes, exactly; none for an answer without a total. */
export function planRows(result: PlanResult): readonly PlanRow[] {
  const { memory } = result;
  if (memory.total_bytes === null) return [];
  const layers = memory.by_layer === undefined ? [] : layerRows(memory.by_layer);
  const outside = (memory.outside_layers ?? []).reduce((sum, part) => sum + part.weights_bytes, 0);
  const parts: readonly (readonly [string, number | null])[] =
    memory.by_layer === undefined
      ? [
          ["Weights", memory.weights_bytes],
          ["KV cache", memory.kv_cache_bytes],
          ["State", memory.state_bytes],
        ]
      : [["Outside layers", outside]];
  const rest: readonly (readonly [string, number | null])[] = [
    ["Compute", memory.compute_bytes],
    ["Output", memory.output_bytes],
    ["Overhead", memory.overhead_bytes],
  ];
  const single = [...parts, ...rest].flatMap(([title, bytes]) =>
    bytes === null || bytes === 0 ? [] : [partRow(title, bytes)],
  );
  return [...layers, ...single];
}

function partRow(title: string, bytes: number): PlanRow {
  return { title, indexes: "", kind: "", count: 1, device: "", bytes, leastBytes: bytes, mostBytes: bytes };
}

function layerRows(layers: readonly LayerMemory[]): PlanRow[] {
  const groups = new Map<string, LayerMemory[]>();
  for (const layer of layers) {
    const key = `${kindOf(layer)} ${layer.device}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [layer]);
    else group.push(layer);
  }
  return [...groups.values()].map((group) => {
    const sizes = group.map((layer) => layer.weights_bytes + layer.kv_cache_bytes + layer.state_bytes);
    const [first] = group;
    return {
      title: "Layers",
      indexes: indexRanges(group.map((layer) => layer.index)),
      kind: first === undefined ? "" : kindOf(first),
      count: group.length,
      device: first?.device ?? "",
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      leastBytes: Math.min(...sizes),
      mostBytes: Math.max(...sizes),
    };
  });
}

/** "full", "full+state", "sliding moe", "shared KV"; a layer without a mixer is its feed-forward alone. */
function kindOf(layer: LayerMemory): string {
  const mixers = layer.mixers.join("+") || "no mixer";
  const shared = layer.kv_shared_with === null ? "" : ", shared KV";
  return `${mixers}${layer.feed_forward === "moe" ? " moe" : ""}${shared}`;
}

/** [0, 1, 2, 5, 7, 8] → "0-2, 5, 7-8" */
export function indexRanges(indexes: readonly number[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < indexes.length; ) {
    let end = i;
    while (indexes[end + 1] === (indexes[end] ?? 0) + 1) end++;
    ranges.push(end === i ? `${indexes[i]}` : `${indexes[i]}-${indexes[end]}`);
    i = end + 1;
  }
  return ranges.join(", ");
}

/**
 * Whole units whose sum is the rounded sum: each part is rounded down, and the units that are missing go to the largest
 * remainders.
 */
export function apportion(parts: readonly number[], unit: number): readonly number[] {
  const whole = parts.map((part) => Math.floor(part / unit));
  const wanted = Math.round(parts.reduce((sum, part) => sum + part, 0) / unit);
  let missing = wanted - whole.reduce((sum, n) => sum + n, 0);
  const byRemainder = parts
    .map((part, i) => ({ i, remainder: part / unit - (whole[i] ?? 0) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of byRemainder) {
    if (missing <= 0) break;
    whole[i] = (whole[i] ?? 0) + 1;
    missing--;
  }
  return whole;
}
