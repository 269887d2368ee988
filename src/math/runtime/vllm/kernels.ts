/** Matrices that a kernel wants larger than the file has them: experts in MXFP4, padded to whole tiles. */
import type { Device } from "../../machine.ts";
import type { MoeFeedForward } from "../../model.ts";
import type { Reshape } from "../torch/parameters.ts";

/** Tiles of an expert's width and of the embedding's, in elements. */
interface Tiles {
  readonly id: string;
  readonly width: number;
  readonly embedding: number;
  /** Values (not scales) are laid out anew, with the inner dimension in whole tiles of this. */
  readonly values: number;
}

const MARLIN: Tiles = { id: "marlin", width: 128, embedding: 256, values: 1 };
const TRITON: Tiles = { id: "triton", width: 64, embedding: 1, values: 256 };
const BLACKWELL: Tiles = { id: "blackwell", width: 256, embedding: 256, values: 1 };
const ROCM: Tiles = { id: "rocm", width: 128, embedding: 128, values: 1 };

/**
 * Triton's kernels on Hopper, FlashInfer's on data-center Blackwell, Marlin's on every other NVIDIA GPU.
 * @source vLLM model_executor/layers/quantization/mxfp4.py at v0.12.0; the 256 of Triton is fitted (docs/accuracy.md)
 */
export function mxfp4Tiles({ backend, name }: Device): Tiles {
  if (backend === "rocm") return ROCM;
  if (/\b(?:GH?200|H100|H200|H20|H800|GH200)\b/i.test(name)) return TRITON;
  if (/\b(?:G?B200|G?B300)\b/i.test(name)) return BLACKWELL;
  return MARLIN;
}

const up = (n: number, tile: number): number => Math.ceil(n / tile) * tile;

/** Bytes of an element and of its share of a scale: 4 bits, and 8 bits for 32 elements. */
const VALUE = 1 / 2;
const SCALE = 1 / 32;

/** Experts' matrices as the kernel has them, on `ranks` ranks together; biases in 16 bits, of the padded width. */
export function mxfp4Reshape(tiles: Tiles, ranks: number, embeddingLength: number): Reshape {
  return (tensor, layer, bytes) => {
    if (tensor.role !== "expert" || layer?.feedForward.kind !== "moe") return bytes;
    const { experts } = layer.feedForward;
    const inner = up(expertWidth(layer.feedForward) / ranks, tiles.width);
    const outer = up(embeddingLength, tiles.embedding);
    const down = tensor.name.includes("ffn_down");
    const fused = tensor.name.includes("gate_up") ? 2 : 1;
    if (tensor.name.endsWith(".bias")) return down ? bytes : experts * fused * inner * 2 * ranks;
    const [rows, columns] = down ? [outer, inner] : [inner, outer];
    const elements = experts * fused * rows * columns;
    const values = experts * fused * rows * up(columns, tiles.values);
    return (values * VALUE + elements * SCALE) * ranks;
  };
}

function expertWidth({ expertWidth: width }: MoeFeedForward): number {
  return width;
}
