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
