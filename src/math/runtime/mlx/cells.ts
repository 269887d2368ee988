/** How many tokens' room mlx-lm's caches have while a prompt is read in steps, and after. @source mlx-lm 0.32.2 mlx_lm/models/cache.py */

/** Tokens by which KVCache, QuantizedKVCache, RotatingKVCache, ChunkedKVCache and BatchKVCache grow. */
export const STEP = 256;

/** A cache of one layer: as long as the text; a ring of `window` tokens; or no longer than a chunk and one step. */
export interface CacheKind {
  readonly kind: "whole" | "rotating" | "chunked";
  /** Tokens of the window or the chunk; 0 for "whole". */
  readonly window: number;
}

/** Room after the last whole step of the prompt, after all of it but its last token, and after that token. */
export interface CellsAt {
  readonly wholeSteps: number;
  readonly prompt: number;
  readonly end: number;
}

interface Cache {
  /** Tokens it has room for. */
  room: number;
  /** Tokens that were put in. */
  offset: number;
  /** Tokens that are in it. */
  valid: number;
}

const ceil = (tokens: number): number => STEP * Math.ceil(tokens / STEP);

/** KVCache.update_and_fetch: when the new tokens do not fit, cut to what is in use unless that is a multiple of 256, then append. */
function growWhole(cache: Cache, tokens: number): void {
  if (cache.valid + tokens > cache.room) {
    const kept = cache.valid % STEP === 0 ? cache.room : cache.valid;
    cache.room = kept + ceil(tokens);
  }
  cache.valid += tokens;
}

/** RotatingKVCache: several tokens are appended to at most window - 1 old ones; a single one is put in place. */
function growRotating(cache: Cache, tokens: number, window: number): void {
  if (tokens > 1) {
    const inUse = Math.min(cache.room, cache.offset);
    const kept = inUse - window + 1 > 0 ? window - 1 : inUse;
    cache.room = kept + tokens;
  } else {
    if (cache.offset >= cache.room && cache.room < window) cache.room += Math.min(STEP, window - cache.offset);
    if (cache.room > window) cache.room = window;
  }
}

/** ChunkedKVCache: cut to the chunk before every step, then as KVCache. */
function growChunked(cache: Cache, tokens: number, chunk: number): void {
  if (cache.valid > chunk) {
    cache.room = chunk;
    cache.valid = chunk;
  }
  growWhole(cache, tokens);
}

/** The tokens after which a whole cache may do again what it did: a whole number of steps, and of 256s. */
function period(step: number): number {
  let [a, b] = [step, STEP];
  while (b > 0) [a, b] = [b, a % b];
  return STEP / a;
}

/**
 * Steps of a whole cache until its free room is what it was a whole number of 256s before, and then all that repeats at
 * once: what it does next depends on the room that is free and on the tokens' remainder by 256 alone.
 * @returns steps that are done
 */
function repeatWhole(cache: Cache, steps: number, step: number, put: (tokens: number) => void): number {
  const every = period(step);
  const seen = new Map<number, { readonly done: number; readonly valid: number }>();
  let done = 0;
  for (; done + every <= steps; done += every) {
    const free = cache.room - cache.valid;
    const before = seen.get(free);
    if (before !== undefined) {
      const times = Math.floor((steps - done) / (done - before.done));
      const tokens = times * (cache.valid - before.valid);
      cache.room += tokens;
      cache.valid += tokens;
      cache.offset += tokens;
      return done + times * (done - before.done);
    }
    seen.set(free, { done, valid: cache.valid });
    for (let i = 0; i < every; i++) put(step);
  }
  return done;
}

/**
 * Room for a prompt of `context` tokens read `step` at a time: all but the last token in steps, that one alone
 * (generate_step). Whole caches with steps of whole 256s: 256 * ceil(n / 256).
 */
export function cellsAt({ kind, window }: CacheKind, context: number, step: number): CellsAt {
  if (kind === "whole" && step % STEP === 0) {
    const read = context - 1;
    return { wholeSteps: read - (read % step), prompt: ceil(read), end: ceil(context) };
  }
  const cache: Cache = { room: 0, offset: 0, valid: 0 };
  const put = (tokens: number): void => {
    if (kind === "rotating") growRotating(cache, tokens, window);
    else if (kind === "chunked") growChunked(cache, tokens, window);
    else growWhole(cache, tokens);
    cache.offset += tokens;
  };
  const steps = Math.floor((context - 1) / step);
  let done = kind === "whole" ? repeatWhole(cache, steps, step, put) : 0;
  for (; done < steps; done++) {
    // A ring or chunk that was full before a whole step is the same after every further one.
    if (kind !== "whole" && cache.offset >= window + 2 * step) {
      cache.offset += (steps - done) * step;
      break;
    }
    put(step);
  }
  const wholeSteps = cache.room;
  const rest = (context - 1) % step;
  if (rest > 0) put(rest);
  const prompt = cache.room;
  put(1);
  return { wholeSteps, prompt, end: cache.room };
}
