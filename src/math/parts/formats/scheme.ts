/** How one matrix is stored: packed weights, and what stands beside them. Plain data: it travels to the browser. */
import type { TensorSpec } from "../../model.ts";

/** One small tensor beside the weights, for instance scales: an entry for so many inputs by so many outputs. */
export interface Side {
  /** Bits of one entry. */
  readonly bits: number;
  /** Inputs, then outputs that share an entry; 0 = all of them. */
  readonly perIn: number;
  readonly perOut: number;
}

/** The same, an entry for so many weights in their order, wherever rows end. */
export interface FlatSide {
  readonly bits: number;
  readonly perWeights: number;
}

export interface Scheme {
  /** Bits of one weight as packed. */
  readonly bits: number;
  /** A row of another length stays as it was; 1 = any row. */
  readonly rowMultiple: number;
  /** Inputs and outputs are filled up to a multiple; nothing said: as they are. */
  readonly tile?: number;
  readonly sides: readonly (Side | FlatSide)[];
  /** Bytes for each matrix, whatever its size. */
  readonly fixedBytes: number;
}

/** Matrices of one shape in a tensor: a layer's experts are many. */
export interface Matrices {
  readonly inSize: number;
  readonly outSize: number;
  readonly copies: number;
}

/**
 * ggml's shape is [in, out, copies]. The halves of a latent attention's kv_b are stored by head, and are one matrix of
 * kv_lora_rank inputs in every other format.
 */
export function matricesOf({ name, shape }: TensorSpec): Matrices {
  const [inSize = 1, outSize = 1, copies = 1] = shape;
  if (name.endsWith("attn_k_b.weight")) return { inSize: outSize, outSize: inSize * copies, copies: 1 };
  if (name.endsWith("attn_v_b.weight")) return { inSize, outSize: outSize * copies, copies: 1 };
  return { inSize, outSize, copies };
}

/**
 * Bytes of matrices [out, in]:
 *   copies · (⌈in · out · bits / 8⌉ + Σ sides ⌈entries · bits / 8⌉ + fixed),   entries = ⌈in / perIn⌉ · ⌈out / perOut⌉
 * null: the rows do not fit, and the tool leaves the matrix as it is.
 */
export function schemeBytes(scheme: Scheme, matrices: Matrices): number | null {
  if (matrices.inSize % scheme.rowMultiple !== 0) return null;
  const { tile = 1 } = scheme;
  const inSize = tile * Math.ceil(matrices.inSize / tile);
  const outSize = tile * Math.ceil(matrices.outSize / tile);
  let bytes = Math.ceil((inSize * outSize * scheme.bits) / 8) + scheme.fixedBytes;
  for (const side of scheme.sides) bytes += Math.ceil((entriesOf(side, inSize, outSize) * side.bits) / 8);
  return matrices.copies * bytes;
}

function entriesOf(side: Side | FlatSide, inSize: number, outSize: number): number {
  if ("perWeights" in side) return Math.ceil((inSize * outSize) / side.perWeights);
  const { perIn, perOut } = side;
  return (perIn === 0 ? 1 : Math.ceil(inSize / perIn)) * (perOut === 0 ? 1 : Math.ceil(outSize / perOut));
}
