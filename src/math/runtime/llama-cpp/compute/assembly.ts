/** The parts of a step's graph put one after the other, each on its devices. */
import type { LayerSpec } from "../../../model.ts";
import type { GraphNode } from "./graph.ts";
import { FIRST_SHARED, INPUT, type Part } from "./part.ts";
import type { SizeTable } from "./sizes.ts";

/** Where a part is put. */
export interface Site {
  readonly part: Part;
  /** null: of no layer. */
  readonly layer: LayerSpec | null;
  /** Device of each PLACE; accelerators first, the host last. */
  readonly devices: readonly [layer: number, experts: number, host: number, output: number];
}

/** What all parts of a step share. */
export interface Shared {
  readonly nodes: readonly GraphNode[];
  /** The number of the one that each device has for itself: a weight; -1: none. */
  readonly perDevice: number;
  readonly views: number;
  readonly sizes: SizeTable;
  /** Shared numbers that stand for a node of an early part which later parts read: where it is after the shared numbers. */
  readonly carried: ReadonlyMap<number, number>;
}

/**
 * Every node and leaf has a number: first what is shared, then the weight that each device has for itself, then each part's nodes
 * and leaves.
 */
export interface Assembly {
  readonly shared: Shared;
  readonly sites: readonly Site[];
  readonly count: number;
  readonly viewCount: number;
  /** By site: the number of its part's first node, and view. */
  readonly base: Int32Array;
  readonly viewBase: Int32Array;
  /** By site: number of what the next one gets. */
  readonly result: Int32Array;
  /** Numbers of all nodes in the order in which they are computed. */
  readonly order: Int32Array;
  /** The same as runs of a part's nodes: site, first, end; site, first, end … */
  readonly runs: readonly number[];
  /** Numbers of the inputs that are used, in the order in which the graph comes upon them. */
  readonly inputs: readonly number[];
}

/** @param devices how many there are, the host counted */
export function assemble(shared: Shared, sites: readonly Site[], devices: number): Assembly {
  const n = sites.length;
  const base = new Int32Array(n);
  const viewBase = new Int32Array(n);
  const result = new Int32Array(n);
  let count = shared.nodes.length + devices;
  let viewCount = shared.views;
  let nodes = 0;
  for (let k = 0; k < n; k++) {
    const site = sites[k];
    if (site === undefined) continue;
    const { part } = site;
    base[k] = count;
    viewBase[k] = viewCount;
    result[k] = numberAt(shared, site, count, result[k - 1] ?? 0, part.result);
    count += part.nodes.length + part.leaves.length;
    viewCount += part.viewCount;
    nodes += part.nodes.length;
  }

  const order = new Int32Array(nodes);
  const runs: number[] = [];
  const inputs: number[] = [];
  const seen = new Uint8Array(shared.nodes.length);
  const ended = new Uint8Array(n);
  let at = 0;
  const run = (k: number, from: number, to: number): void => {
    if (from === to) return;
    runs.push(k, from, to);
    const start = base[k] ?? 0;
    for (let i = from; i < to; i++) order[at++] = start + i;
  };
  /** What `part` has in order from node to node; what it comes upon from `meeting` to `met`. */
  const put = (k: number, part: Part, from: number, to: number, meeting: number, met: number): void => {
    let next = from;
    for (let m = meeting; m < met; m++) {
      const { at: before = 0, what = INPUT } = part.met[m] ?? {};
      if (what === INPUT) {
        run(k, next, before);
        next = before;
        end(k - 1);
      } else if (seen[FIRST_SHARED - what] === 0 && !shared.carried.has(FIRST_SHARED - what)) {
        seen[FIRST_SHARED - what] = 1;
        inputs.push(FIRST_SHARED - what);
      }
    }
    run(k, next, to);
  };
  const end = (k: number): void => {
    const part = sites[k]?.part;
    if (part === undefined || ended[k] === 1) return;
    ended[k] = 1;
    put(k, part, part.body, part.nodes.length, part.metInBody, part.met.length);
  };
  for (let k = 0; k < n; k++) {
    const part = sites[k]?.part;
    if (part !== undefined) put(k, part, 0, part.body, 0, part.metInBody);
  }
  end(n - 1);
  return { shared, sites, count, viewCount, base, viewBase, result, order, runs, inputs };
}

/** The number of what a part calls `code`. */
export function numberAt(shared: Shared, site: Site, base: number, input: number, code: number): number {
  if (code >= 0) return base + code;
  if (code === INPUT) return input;
  const number = FIRST_SHARED - code;
  if (number === shared.perDevice) return shared.nodes.length + site.devices[0];
  const after = shared.carried.get(number);
  // The host is the last device, and each device has a number.
  return after === undefined ? number : shared.nodes.length + site.devices[2] + 1 + after;
}
