/** Places of the sliders: whole numbers on the range, values that people choose beside them. */

/** Eighths of an octave between two places of the context slider. */
export const PLACES_PER_OCTAVE = 8;
const LOWEST_CONTEXT = 1024;
/** Contexts of the slider are multiples of llama.cpp's cell padding, so that every step is one the engine can take. */
const CONTEXT_STEP = 256;

/** Contexts from 1,024 (or what was trained, if less) to what was trained, which is always the last. */
export function contextPlaces(trained: number): readonly number[] {
  const places: number[] = [];
  for (let i = 0; ; i++) {
    const exact = Math.min(LOWEST_CONTEXT, trained) * 2 ** (i / PLACES_PER_OCTAVE);
    const value = Math.round(exact / CONTEXT_STEP) * CONTEXT_STEP;
    if (value >= trained) break;
    if (value > 0 && value !== places.at(-1)) places.push(value);
  }
  places.push(trained);
  return places;
}

/** How many may wait at once: one by one at first, then in growing steps. */
export const SEQUENCE_PLACES: readonly number[] = (() => {
  const places: number[] = [];
  for (let n = 1; n <= 256; n += n < 16 ? 1 : n < 32 ? 4 : n < 64 ? 8 : n < 128 ? 16 : 32) places.push(n);
  return places;
})();

export const UBATCH_PLACES: readonly number[] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/** The place nearest to a value that need not be on the slider. */
export function placeOf(places: readonly number[], value: number): number {
  let best = 0;
  for (let i = 1; i < places.length; i++) {
    if (Math.abs((places[i] ?? 0) - value) < Math.abs((places[best] ?? 0) - value)) best = i;
  }
  return best;
}

/** Where a value stands between the ends, 0 to 1, between two places in proportion: for the mark of what fits. */
export function shareOf(places: readonly number[], value: number): number {
  const last = places.length - 1;
  if (last <= 0) return 1;
  const after = places.findIndex((place) => place >= value);
  if (after === -1) return 1;
  if (after === 0) return 0;
  const low = places[after - 1] ?? 0;
  const high = places[after] ?? low;
  return (after - 1 + (high === low ? 0 : (value - low) / (high - low))) / last;
}
