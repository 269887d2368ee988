/**
 * Whether what was left out at a seam repeats the period before it. Here is what the schedule tells: the same devices and
 * cuts in the last two periods, copies that are made in the period that needs them, and which of the tensors alive at the
 * end of one period stands for which at the end of the other. The rest is seen when memory is handed out (peak.ts).
 */
import type { Seam } from "./periods.ts";
import type { ProgramBuilder, ProgramSeam } from "./program.ts";
import type { Schedule } from "./schedule.ts";

interface Alive {
  readonly tensor: number;
  readonly device: number;
  readonly slot: number;
}

/** A place in the order of nodes where the allocator is looked at. */
interface Look {
  readonly node: number;
  readonly site: number;
  alive: readonly Alive[];
  /** By device. */
  events: readonly number[];
}

interface Watched {
  readonly period: number;
  readonly first: Look;
  readonly second: Look;
}

const NEVER = -1;

/** Looks on while memory is taken and given back. */
export class SeamWatch {
  /** The number of the node before which to look next. */
  next: number;
  readonly #schedule: Schedule;
  readonly #watched: readonly Watched[];
  readonly #looks: readonly Look[];
  /** By copy: the node before which it must not be taken. */
  readonly #earliest: ReadonlyMap<number, number>;
  #done = 0;

  constructor(schedule: Schedule, watched: readonly Watched[]) {
    this.#schedule = schedule;
    this.#watched = watched;
    this.#looks = watched.flatMap(({ first, second }) => [first, second]);
    this.next = this.#looks[0]?.node ?? NEVER;
    const earliest = new Map<number, number>();
    for (const { first, second } of watched) {
      schedule.copies.forEach(({ site }, copy) => {
        if (site >= first.site && site < second.site) earliest.set(copy, first.node);
      });
    }
    this.#earliest = earliest;
  }

  /** A copy that a period's layer needs, made before the period: those left out would have theirs there, too. */
  isEarly(copy: number, node: number): boolean {
    return node < (this.#earliest.get(copy) ?? 0);
  }

  /** Whether a pipeline, which takes all copies first, has any that the layers left out would have, too. */
  get hasCopies(): boolean {
    return this.#earliest.size > 0;
  }

  look(allocated: Uint8Array, slots: Int32Array, slotDevice: Int16Array, builders: readonly ProgramBuilder[]): void {
    const alive: Alive[] = [];
    for (let tensor = 0; tensor < allocated.length; tensor++) {
      if (allocated[tensor] === 1) {
        alive.push({ tensor, device: slotDevice[tensor] as number, slot: slots[tensor] as number });
      }
    }
    const events = builders.map((builder) => builder.events);
    for (let look = this.#looks[this.#done]; look !== undefined && look.node === this.next; ) {
      look.alive = alive;
      look.events = events;
      look = this.#looks[++this.#done];
    }
    this.next = this.#looks[this.#done]?.node ?? NEVER;
  }

  /** By device. null: something is alive after one period that has no counterpart after the other. */
  seams(devices: number): readonly (readonly ProgramSeam[])[] | null {
    const byDevice: ProgramSeam[][] = Array.from({ length: devices }, () => []);
    for (const { first, second, period } of this.#watched) {
      const before = new Map(first.alive.map((alive) => [alive.tensor, alive]));
      if (before.size !== second.alive.length) return null;
      const slots: number[][] = byDevice.map(() => []);
      for (const { tensor, device, slot } of second.alive) {
        const counterpart = before.get(tensor) ?? before.get(this.#periodBefore(tensor, period));
        if (counterpart === undefined || counterpart.device !== device) return null;
        before.delete(counterpart.tensor);
        slots[device]?.push(counterpart.slot, slot);
      }
      byDevice.forEach((seams, device) => {
        const events = { first: first.events[device] ?? 0, second: second.events[device] ?? 0 };
        seams.push({ ...events, slots: Int32Array.from(slots[device] ?? []) });
      });
    }
    return byDevice;
  }

  /** The number of what is to the period before what the tensor is to its own; -1: nothing. */
  #periodBefore(tensor: number, period: number): number {
    const { assembly, copies } = this.#schedule;
    const copy = copies[tensor - assembly.count];
    if (copy !== undefined) {
      const other = copies.findIndex(
        ({ part, source, site, device }) =>
          part === copy.part && source === copy.source && device === copy.device && site === copy.site - period,
      );
      return other === -1 ? -1 : assembly.count + other;
    }
    const site = siteOf(assembly.base, tensor);
    const start = assembly.base[site];
    const other = assembly.base[site - period];
    return start === undefined || other === undefined ? -1 : other + tensor - start;
  }
}

function siteOf(base: Int32Array, tensor: number): number {
  let low = 0;
  let high = base.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((base[middle] as number) <= tensor) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** null: the schedule of the last two periods differs. */
export function watchSeams(schedule: Schedule, seams: readonly Seam[]): SeamWatch | null {
  if (seams.length === 0) return new SeamWatch(schedule, []);
  const begins = beginnings(schedule);
  const watched: Watched[] = [];
  for (const { at, period } of seams) {
    // The first site is the graph's beginning.
    const second = at + 1;
    const first = second - period;
    if (schedule.states[first] !== schedule.states[second]) return null;
    for (let site = first; site < second; site++) if (!sameDevices(schedule, site - period, site)) return null;
    watched.push({ period, first: lookAt(begins, first), second: lookAt(begins, second) });
  }
  const watch = new SeamWatch(schedule, watched);
  return schedule.leaves.length > schedule.assembly.inputs.length && watch.hasCopies ? null : watch;
}

function lookAt(begins: Int32Array, site: number): Look {
  return { node: begins[site] as number, site, alive: [], events: [] };
}

/** By site: the place in the order of its first node. */
function beginnings({ assembly: { runs, sites } }: Schedule): Int32Array {
  const begins = new Int32Array(sites.length);
  let node = 0;
  for (let r = 0; r < runs.length; r += 3) {
    if (runs[r + 1] === 0) begins[runs[r] as number] = node;
    node += (runs[r + 2] as number) - (runs[r + 1] as number);
  }
  return begins;
}

function sameDevices({ assembly: { base, sites }, device }: Schedule, a: number, b: number): boolean {
  const part = sites[a]?.part;
  if (part === undefined || part !== sites[b]?.part) return false;
  const [from, other] = [base[a] as number, base[b] as number];
  for (let i = 0; i < part.nodes.length + part.leaves.length; i++)
    if (device[from + i] !== device[other + i]) return false;
  return true;
}
