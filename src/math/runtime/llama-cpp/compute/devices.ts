/**
 * Which device each node of the graph runs on.
 * @source ggml/src/ggml-backend.cpp ggml_backend_sched_split_graph, passes 1 to 3; src/llama-context.cpp graph_get_cb at llama.cpp v0.5.0
 */
import type { Assembly, Site } from "./assembly.ts";
import type { BufferRule } from "./backends.ts";
import { type Part, PLACE } from "./part.ts";

/** llama.cpp offers an operation to an accelerator, its weight copied over for the step, from this many rows on. */
const OFFLOAD_ROWS = 32;

export interface Machinery {
  /** Of each accelerator, then the host. */
  readonly rules: readonly BufferRule[];
  readonly pipelined: boolean;
  /** Nodes that are tied to their layer's device stay there. */
  readonly tied: boolean;
}

const UNSET = -1;

/** By number of the assembly. */
export function devicesOf({ sites, shared, base, count, order }: Assembly, { rules, tied }: Machinery): Int16Array {
  const host = rules.length - 1;
  const device = new Int16Array(count);
  device.fill(host, 0, shared.nodes.length);
  for (let d = 0; d <= host; d++) device[shared.nodes.length + d] = d;
  const offloads = host === 0 ? null : (rules[0]?.offloads ?? null);
  sites.forEach((site, k) => {
    place(site, base[k] ?? 0, device, host, offloads, tied);
  });
  spread(order, device, host);
  return device;
}

/** What lies somewhere; what is tied; what follows its weight, or is taken over by the first accelerator when its batch is worth it. */
function place(
  { part, devices }: Site,
  start: number,
  device: Int16Array,
  host: number,
  offloads: BufferRule["offloads"] | null,
  tied: boolean,
): void {
  const n = part.nodes.length;
  for (let i = 0; i < n; i++) {
    const own = part.place[i] as number;
    if (own !== 0) device[start + i] = devices[own - 1] as number;
    else if (tied && part.tied[i] === 1) device[start + i] = devices[PLACE.layer - 1] as number;
    else {
      const follows = part.follows[i] as number;
      let there = follows === 0 ? UNSET : (devices[follows - 1] as number);
      if (there === host && offloads !== null && isWorthIt(part, i, offloads)) there = 0;
      device[start + i] = there;
    }
  }
  for (let i = n; i < part.place.length; i++) device[start + i] = devices[(part.place[i] as number) - 1] as number;
}

function isWorthIt({ rows, matmul }: Part, i: number, offloads: BufferRule["offloads"]): boolean {
  return (rows[i] as number) >= OFFLOAD_ROWS && (offloads === "all" || matmul[i] === 1);
}

/** Neighbours take over a device: accelerators downwards, then upwards, then whatever is left the same way. */
function spread(order: Int32Array, device: Int16Array, host: number): void {
  const walk = (from: number, to: number, by: number, skipHost: boolean): void => {
    let current = UNSET;
    for (let i = from; i !== to; i += by) {
      const node = order[i] as number;
      const own = device[node] as number;
      if (own !== UNSET) current = skipHost && own === host ? UNSET : own;
      else if (current !== UNSET) device[node] = current;
    }
  };
  const n = order.length;
  walk(0, n, 1, true);
  walk(n - 1, -1, -1, true);
  walk(0, n, 1, false);
  walk(n - 1, -1, -1, false);
  for (let i = 0; i < n; i++) {
    const node = order[i] as number;
    if (device[node] === UNSET) device[node] = host;
  }
}
