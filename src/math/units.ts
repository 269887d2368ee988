/** Bytes are integers, and the names of numbers say their unit (`weightsBytes`); GiB exists only at display (format.ts). */
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** Rounds up to a multiple. pad(0, a) = 0. */
export function pad(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}
