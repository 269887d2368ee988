/** Names that a mistyped one may have meant: for hints only, never to choose by. */

/** Levenshtein distance: insertions, deletions and replacements that turn a into b. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * At most `limit` of the names that resemble the asked one, the most alike first; none when nothing does.
 * Alike: at most a third of the letters differ, or one holds the other ("4090" is in "rtx-4090"); case and punctuation
 * do not count.
 */
export function nearestNames(asked: string, names: readonly string[], limit = 3): string[] {
  const wanted = letters(asked.slice(0, 80));
  const scored: { name: string; score: number }[] = [];
  const most = Math.max(1, Math.floor(wanted.length / 3));
  for (const name of names) {
    const candidate = letters(name);
    const holds =
      wanted.length >= 3 && candidate.length >= 3 && (candidate.includes(wanted) || wanted.includes(candidate));
    // A difference in length is a distance already.
    if (!holds && Math.abs(candidate.length - wanted.length) > most) continue;
    const distance = editDistance(wanted, candidate);
    if (holds) scored.push({ name, score: distance / 100 });
    else if (distance <= most) scored.push({ name, score: distance });
  }
  scored.sort((a, b) => a.score - b.score || a.name.length - b.name.length || (a.name < b.name ? -1 : 1));
  return [...new Set(scored.map((s) => s.name))].slice(0, limit);
}

function letters(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/** "did you mean a, b or c?", or null when nothing is near. */
export function didYouMean(asked: string, names: readonly string[]): string | null {
  const near = nearestNames(asked, names);
  const last = near.pop();
  if (last === undefined) return null;
  return `did you mean ${near.length === 0 ? last : `${near.join(", ")} or ${last}`}?`;
}
