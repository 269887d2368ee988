/** Safetensors: the index of a model in several files, and the header of one file. Never the data. */
import { z } from "zod";
import { AppError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";

/** The hub's own tools refuse longer headers. */
const MAX_HEADER_BYTES = 25 * 2 ** 20;
/** One request reads most headers whole; a longer one takes a second. */
const FIRST_READ_BYTES = 128 * 2 ** 10;

export interface SafetensorsTensor {
  readonly name: string;
  /** "BF16", "F8_E4M3", "U8" …, as the file says. */
  readonly dtype: string;
  /** As PyTorch has it: the row length last. */
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface SafetensorsIndex {
  /** metadata.total_size: bytes of all tensors; null when the index does not say. */
  readonly totalBytes: number | null;
  /** The files that hold the weights, in the order of their names. */
  readonly files: readonly string[];
}

const INDEX = z.object({
  metadata: z.object({ total_size: z.number().int().nonnegative().safe().optional().catch(undefined) }).nullish(),
  weight_map: z.record(z.string(), z.string().min(1)),
});

/** @throws {AppError} malformed */
export function parseSafetensorsIndex(text: string, name: string): SafetensorsIndex {
  const { metadata, weight_map } = parseJson(INDEX, text, name);
  return { totalBytes: metadata?.total_size ?? null, files: [...new Set(Object.values(weight_map))].toSorted() };
}

const COUNT = z.number().int().nonnegative().safe();
const ENTRY = z.object({ dtype: z.string(), shape: z.array(COUNT).max(16), data_offsets: z.tuple([COUNT, COUNT]) });
const HEADER = z.record(z.string(), z.unknown());

/**
 * Header of one file: 8 bytes of length, then JSON, then data.
 * @throws {AppError} malformed when it is too long, no JSON, or promises more than the file has
 * @source https://github.com/huggingface/safetensors, README, "Format"
 */
export async function readSafetensorsHeader(source: ByteSource): Promise<readonly SafetensorsTensor[]> {
  if (source.size < 8) throw broken(source.name, `it has ${source.size} bytes`);
  const first = await source.read(0, Math.min(FIRST_READ_BYTES, source.size));
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER_BYTES) throw broken(source.name, `its header claims ${length} bytes`);
  if (8 + length > source.size) throw broken(source.name, `its header of ${length} bytes is longer than the file`);
  let json = first.subarray(8, 8 + length);
  if (json.length < length) {
    const rest = await source.read(first.length, 8 + length - first.length);
    const whole = new Uint8Array(length);
    whole.set(json);
    whole.set(rest, json.length);
    json = whole;
  }
  const header = parseJson(HEADER, new TextDecoder().decode(json), source.name);
  const dataBytes = source.size - 8 - length;
  const tensors: SafetensorsTensor[] = [];
  let total = 0;
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const entry = ENTRY.safeParse(value);
    if (!entry.success)
      throw broken(source.name, `its entry ${JSON.stringify(name.slice(0, 200))} is not as it should be`);
    const [begin, end] = entry.data.data_offsets;
    if (begin > end || end > dataBytes) {
      throw broken(source.name, `the tensor ${JSON.stringify(name.slice(0, 200))} ends outside the file`);
    }
    total += end - begin;
    if (total > dataBytes) throw broken(source.name, "its tensors are larger than the file: they overlap");
    const { dtype, shape } = entry.data;
    // Whatever the type is, a bit is the least of an element.
    if (countOf(shape) > (end - begin) * 8) {
      throw broken(source.name, `the tensor ${JSON.stringify(name.slice(0, 200))} has more elements than bits`);
    }
    tensors.push({ name, dtype, shape, bytes: end - begin });
  }
  return tensors;
}

/** Elements by dtype, counted as the hub counts them: a byte that packs two 4-bit weights is one element of U8. */
export function elementsByDtype(tensors: readonly SafetensorsTensor[]): Readonly<Record<string, number>> {
  const totals = new Map<string, number>();
  for (const { dtype, shape } of tensors) totals.set(dtype, (totals.get(dtype) ?? 0) + countOf(shape));
  return Object.fromEntries(totals);
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

function parseJson<T>(schema: z.ZodType<T>, text: string, name: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw broken(name, "it is no JSON", cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw broken(name, "it is not as it should be", result.error);
}

function broken(name: string, why: string, cause?: unknown): AppError {
  return new AppError("malformed", `Cannot read "${name}" as safetensors: ${why}`, {
    hint: "get the file again",
    cause,
  });
}
