/**
 * Keeps the answers of something costly for a while, the latest few of them. A failure is not kept: what was wrong may be
 * put right at once. Two who ask at the same time share one answer.
 */
export function keepFor<T>(
  milliseconds: number,
  most: number,
  load: (key: string) => Promise<T>,
  now: () => number = Date.now,
): (key: string) => Promise<T> {
  const kept = new Map<string, { readonly until: number; readonly answer: Promise<T> }>();
  return (key) => {
    const known = kept.get(key);
    if (known !== undefined && now() < known.until) return known.answer;
    const answer = load(key);
    kept.delete(key);
    kept.set(key, { until: now() + milliseconds, answer });
    for (const oldest of kept.keys()) {
      if (kept.size <= most) break;
      kept.delete(oldest);
    }
    answer.catch(() => {
      if (kept.get(key)?.answer === answer) kept.delete(key);
    });
    return answer;
  };
}
