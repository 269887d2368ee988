/** A quantity at the length that is run, and what it is made of: value = base + slope x cells. */
export class Lines {
  value: Float64Array;
  base: Float64Array;
  slope: Float64Array;

  constructor(length: number) {
    this.value = new Float64Array(length);
    this.base = new Float64Array(length);
    this.slope = new Float64Array(length);
  }

  copy(to: number, from: number): void {
    this.value[to] = this.value[from] as number;
    this.base[to] = this.base[from] as number;
    this.slope[to] = this.slope[from] as number;
  }

  copyFrom(to: number, other: Lines, from: number): void {
    this.value[to] = other.value[from] as number;
    this.base[to] = other.base[from] as number;
    this.slope[to] = other.slope[from] as number;
  }

  /** this[to] += sign x other[from] */
  add(to: number, other: Lines, from: number, sign: 1 | -1): void {
    this.value[to] = (this.value[to] as number) + sign * (other.value[from] as number);
    this.base[to] = (this.base[to] as number) + sign * (other.base[from] as number);
    this.slope[to] = (this.slope[to] as number) + sign * (other.slope[from] as number);
  }

  grow(length: number): void {
    if (length <= this.value.length) return;
    this.value = new Float64Array(2 * length);
    this.base = new Float64Array(2 * length);
    this.slope = new Float64Array(2 * length);
  }
}

/** Equal at the length that is run, and at every other. */
export function sameLine(a: Lines, i: number, b: Lines, j: number): boolean {
  return a.value[i] === b.value[j] && a.slope[i] === b.slope[j];
}
