import { type GgmlType, tensorBytes } from "../ggml-types.ts";
import type { ModelSpec, TensorSpec } from "../model.ts";
import { pad } from "../units.ts";
import { tensorsOf } from "./weights-check.ts";

/** Instructions that decide which weights llama.cpp lays out anew for the CPU. */
export interface CpuFeatures {
  readonly avx2: boolean;
  readonly avx512: boolean;
  /** Tiles with int8: such a CPU copies more types, into a buffer of another layout. */
  readonly amxInt8: boolean;
  readonly neon: boolean;
  readonly dotprod: boolean;
  readonly matmulInt8: boolean;
}

/** ggml's alignment of a tensor in a CPU buffer, bytes. */
const ALIGNMENT = 32;

/** Rows must be a multiple of this; null = no kernel. */
type Rows = (cpu: CpuFeatures) => number | null;

const arm = (cpu: CpuFeatures): boolean => cpu.neon && (cpu.dotprod || cpu.matmulInt8);
const neonFour: Rows = (cpu) => (arm(cpu) ? 4 : null);
const neonEight: Rows = (cpu) => (arm(cpu) ? 8 : null);
const avx2OrNeonFour: Rows = (cpu) => (cpu.avx2 ? 8 : neonFour(cpu));
const avx2OrDotprodFour: Rows = (cpu) => (cpu.avx2 ? 8 : cpu.neon && cpu.dotprod ? 4 : null);

/**
 * Types with kernels for a layout of interleaved rows. RISC-V and s390x have some too; they are not told apart here.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) ggml/src/ggml-cpu/repack.cpp#L4925
 */
const KERNELS: Readonly<Partial<Record<GgmlType, Rows>>> = {
  Q4_0: avx2OrNeonFour,
  Q4_K: (cpu) => (cpu.avx2 ? 8 : neonEight(cpu)),
  Q2_K: (cpu) => (cpu.avx512 ? 8 : null),
  Q5_K: neonEight,
  Q6_K: neonEight,
  IQ4_NL: avx2OrDotprodFour,
  MXFP4: avx2OrDotprodFour,
  Q8_0: neonFour,
  Q1_0: neonFour,
};

/** A matrix that is multiplied with: 2-D, or 3-D for routed experts. The embedding is only read by row. */
function isMultiplied({ role, shape }: TensorSpec): boolean {
  const matrices = shape.slice(2).some((n) => n > 1);
  return matrices ? role === "expert" : role !== "embedding" && (shape[1] ?? 1) > 1;
}

/** Whether a CPU-only load copies the tensor out of the mapped file into CPU_REPACK. */
export function isRepacked(tensor: TensorSpec, cpu: CpuFeatures): boolean {
  return isMultiplied(tensor) && hasKernel(tensor, cpu);
}

function hasKernel({ type, shape }: TensorSpec, cpu: CpuFeatures): boolean {
  const rows = type === null ? null : (KERNELS[type]?.(cpu) ?? null);
  return rows !== null && (shape[1] ?? 1) % rows === 0;
}

/**
 * Bytes of CPU_REPACK: Σ pad(nbytes, 32) over the repacked tensors on the host, a tied head (the embedding created a
 * second time) included. Only without any accelerator: a GPU's pinned host buffer comes first, and nothing is repacked.
 * The originals stay mapped, their pages unused: mappedRange over the host's tensors that are not repacked.
 * @returns null on a CPU with AMX, whose layout is not known here
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) ggml/src/ggml-cpu/repack.cpp, src/llama-model.cpp
 */
export function repackedBytes(
  spec: ModelSpec,
  cpu: CpuFeatures,
  onHost: (tensor: TensorSpec) => boolean = () => true,
): number | null {
  if (cpu.amxInt8) return null;
  let bytes = 0;
  for (const tensor of tensorsOf(spec)) {
    const tiedHead = spec.tiedEmbeddings && tensor.name === "token_embd.weight" && hasKernel(tensor, cpu);
    if (tensor.type === null || !onHost(tensor) || !(tiedHead || isRepacked(tensor, cpu))) continue;
    bytes += pad(tensorBytes(tensor.type, tensor.shape), ALIGNMENT);
  }
  return bytes;
}
