/** Sizes by number: a step has few that differ. */
import type { Size } from "./graph.ts";

export class SizeTable {
  readonly sizes: Size[] = [];
  readonly #fixed = new Map<number, number>();
  readonly #open = new Map<string, number>();

  indexOf(size: Size): number {
    const { fixed, full, window } = size;
    const key = full === 0 && window === 0 ? null : `${fixed},${full},${window}`;
    const known = key === null ? this.#fixed.get(fixed) : this.#open.get(key);
    if (known !== undefined) return known;
    const made = this.sizes.length;
    this.sizes.push(size);
    if (key === null) this.#fixed.set(fixed, made);
    else this.#open.set(key, made);
    return made;
  }
}
