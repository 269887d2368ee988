/** A piece of the peak as a function of the caches' length: base + slope x cells, from `low` to `high` cells, both included. */
export interface Piece {
  readonly low: number;
  readonly high: number;
  readonly base: number;
  readonly slope: number;
}

/** Lines of the plane of lengths (cells of a cache, cells of a window's cache) that a program was run on. */
const KEPT_LINES = 1024;
/** Pieces of one line; a slider over a million tokens has 4096 lengths, and most pieces hold many of them. */
const KEPT_PIECES = 4096;

/** Pieces by line, in the order of their lengths; none overlaps another. */
export class Pieces {
  readonly #lines = new Map<number, Piece[]>();

  /** The piece that holds this many cells; null when none is known. */
  find(line: number, cells: number): Piece | null {
    const pieces = this.#lines.get(line);
    if (pieces === undefined) return null;
    const piece = pieces[firstFrom(pieces, cells)];
    return piece !== undefined && piece.low <= cells ? piece : null;
  }

  keep(line: number, piece: Piece): void {
    let pieces = this.#lines.get(line);
    if (pieces === undefined) {
      if (this.#lines.size >= KEPT_LINES) this.#lines.clear();
      pieces = [];
      this.#lines.set(line, pieces);
    }
    if (pieces.length >= KEPT_PIECES) pieces.length = 0;
    pieces.splice(firstFrom(pieces, piece.low), 0, piece);
  }
}

/** The first piece that ends at these cells or later. */
function firstFrom(pieces: readonly Piece[], cells: number): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pieces[middle]?.high ?? 0) < cells) low = middle + 1;
    else high = middle;
  }
  return low;
}
