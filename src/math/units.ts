/**
 * Units as types. A scalar that crosses a module's border carries its unit; hot loops use plain numbers whose names end
 * in the unit (`weightsBytes`). Bytes are integers; GiB exists only at display (math/format.ts).
 */
declare const unit: unique symbol;
type Branded<U extends string> = number & { readonly [unit]: U };

export type Bytes = Branded<"bytes">;
export type Tokens = Branded<"tokens">;

/** @throws {RangeError} when n is not a safe integer >= 0 */
export function bytes(n: number): Bytes {
  if (!Number.isSafeInteger(n) || n < 0)
    throw new RangeError(`Cannot take ${n} as bytes: a safe integer >= 0 is wanted`);
  return n as Bytes;
}

/** @throws {RangeError} when n is not a safe integer >= 0 */
export function tokens(n: number): Tokens {
  if (!Number.isSafeInteger(n) || n < 0)
    throw new RangeError(`Cannot take ${n} as tokens: a safe integer >= 0 is wanted`);
  return n as Tokens;
}

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** Rounds up to a multiple. pad(0, a) = 0. */
export function pad(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}
