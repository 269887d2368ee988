/** The largest i in [low, high] for which good(i), if it holds for `low` and stops holding once; null when not even `low` is good. */
export function largest(low: number, high: number, good: (i: number) => boolean): number | null {
  if (high < low || !good(low)) return null;
  if (good(high)) return high;
  let a = low;
  let b = high;
  while (b - a > 1) {
    const middle = Math.floor((a + b) / 2);
    if (good(middle)) a = middle;
    else b = middle;
  }
  return a;
}

/** Steps that an estimate may be off by before the exact search takes over. */
const MOST_CORRECTIONS = 8;

/**
 * largest(low, high, exact), for an `exact` that costs much and a `near` that costs little and says about the same: only the
 * estimate and its neighbours are asked exactly.
 */
export function largestNear(
  low: number,
  high: number,
  near: (i: number) => boolean,
  exact: (i: number) => boolean,
): number | null {
  if (high < low) return null;
  let answer = largest(low, high, near) ?? low;
  for (let step = 0; step < MOST_CORRECTIONS; step++) {
    if (!exact(answer)) {
      if (answer === low) return null;
      answer--;
    } else if (answer < high && exact(answer + 1)) answer++;
    else return answer;
  }
  return largest(low, high, exact);
}
