/** Sizes as people write them: "24GiB", "24 GB", "512MiB". GB is 10^9 and GiB is 2^30: they are not mixed up. */

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** The number and the unit of "24GiB", null when the text is no size. A bare number is none: its unit would be a guess. */
export function splitSize(text: string): { readonly count: number; readonly unit: string } | null {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([kmgt]?i?b)$/i.exec(text.trim());
  if (match === null) return null;
  const unit = (match[2] ?? "").toLowerCase();
  if (UNITS[unit] === undefined) return null;
  return { count: Number(match[1]), unit };
}

/** Whole bytes, null when the text is no size or holds more than a number can count exactly. */
export function parseSize(text: string): number | null {
  const size = splitSize(text);
  if (size === null) return null;
  const total = Math.round(size.count * (UNITS[size.unit] ?? Number.NaN));
  return Number.isSafeInteger(total) ? total : null;
}
