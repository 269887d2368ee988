/**
 * Reads the header of one GGUF file: versions 2 and 3, little-endian, from any source.
 *
 * Our own rather than @huggingface/gguf's (0.4.6), by measurement (scripts/bench/gguf-readers.ts, five published models of
 * 0.7-6.7 MB of header, Bun 1.4.5 on 2 busy cores, medians of 7, one after the other in one run): both say the same; ours
 * took 6-152 ms from disk and 20-92 ms over loopback, theirs 58-1299 and 52-2127 ms. Requests are equal (1-4), bytes equal
 * or 8-13 % fewer.
 * @source  llama.cpp ggml/src/gguf.cpp@067d44f6c48459f7a82dbafc6fbd0bae97755a4e (what the loader accepts)
 */
import { AppError } from "../../errors.ts";
import type { GgufHeader } from "../../math/arch/family.ts";
import type { ByteSource } from "../byte-source.ts";
import { Cursor, type Steps } from "./cursor.ts";
import { MAX_KEY_VALUES, MAX_TENSORS } from "./limits.ts";
import { type Metadata, readMetadata } from "./metadata.ts";
import { dataStart, placeTensors, readTensorTable } from "./tensors.ts";

/** gguf.h: GGUF_DEFAULT_ALIGNMENT. */
const DEFAULT_ALIGNMENT = 32;

export interface FileHeader {
  readonly header: GgufHeader;
  readonly fileBytes: number;
  /** Up to where the data begins. */
  readonly headerBytes: number;
  /** What was asked of the source for it. */
  readonly fetchedBytes: number;
  readonly split: Split | null;
}

/** One file of several, as llama-gguf-split writes it. */
export interface Split {
  readonly no: number;
  readonly count: number;
  /** Of all files together; null when the file does not say. */
  readonly tensors: number | null;
}

/** A first file of a model carries a vocabulary of some MB; the others of a split one only their tensors. */
export const FIRST_SHARD_STEPS: Steps = { first: 2 ** 20, next: 2 ** 21 };
export const LATER_SHARD_STEPS: Steps = { first: 2 ** 16, next: 2 ** 18 };

/**
 * @param shard  the file's place among a split model's, written into each tensor
 * @throws {AppError} malformed; unsupported (version 1, a newer one, big-endian, the formats before GGUF)
 */
export async function readHeader(source: ByteSource, shard: number, steps: Steps): Promise<FileHeader> {
  const cursor = new Cursor(source, steps);
  if (source.size < 24) throw notGguf(source, `it has ${source.size} bytes, and a header has at least 24`);
  await cursor.fill(24);
  checkMagic(cursor);
  checkVersion(cursor);
  const tensorCount = cursor.u64();
  const keyCount = cursor.u64();
  if (tensorCount > MAX_TENSORS)
    throw cursor.broken(`it claims ${tensorCount} tensors, and ${MAX_TENSORS} are the most`);
  if (keyCount > MAX_KEY_VALUES) {
    throw cursor.broken(`it claims ${keyCount} key-values, and ${MAX_KEY_VALUES} are the most`);
  }
  const metadata = await readMetadata(cursor, keyCount);
  const alignment = alignmentOf(cursor, metadata);
  const split = splitOf(cursor, metadata);
  const table = await readTensorTable(cursor, tensorCount);
  const headerBytes = dataStart(cursor.position, alignment);
  const tensors = placeTensors(cursor, table, { shard, dataStart: headerBytes, alignment });
  const architecture = metadata.values.get("general.architecture");
  if (typeof architecture !== "string" && (split === null || split.no === 0)) {
    throw new AppError("malformed", `Cannot read "${source.name}" as a model: it has no general.architecture`, {
      hint: "it may be an importance matrix or another tool's GGUF; give the model's own file",
    });
  }
  return {
    header: {
      architecture: typeof architecture === "string" ? architecture : "",
      metadata: metadata.values,
      arrayLengths: metadata.arrayLengths,
      tensors,
    },
    fileBytes: source.size,
    headerBytes: Math.min(headerBytes, source.size),
    fetchedBytes: cursor.fetchedBytes,
    split,
  };
}

/** The formats that came before, by their first four bytes. */
const OLD_FORMATS = ["lmgg", "fmgg", "tjgg", "algg", "GGML"];

function checkMagic(cursor: Cursor): void {
  const magic = cursor.text(4);
  if (magic === "GGUF") return;
  const { source } = cursor;
  if (OLD_FORMATS.includes(magic)) {
    throw new AppError("unsupported", `Cannot read "${source.name}": it is in a format older than GGUF (${magic})`, {
      hint: "get a GGUF file of this model",
    });
  }
  if (magic === "vers") {
    throw notGguf(source, "it is a Git LFS pointer, not the file itself", 'run "git lfs pull" in its folder');
  }
  throw notGguf(source, `it begins with ${JSON.stringify(magic)}, and a GGUF file with "GGUF"`);
}

function notGguf(source: ByteSource, why: string, hint = "give a .gguf file, or a folder with config.json"): AppError {
  return new AppError("malformed", `Cannot read "${source.name}" as GGUF: ${why}`, { hint });
}

function checkVersion(cursor: Cursor): void {
  const version = cursor.u32();
  if (version === 2 || version === 3) return;
  const name = cursor.source.name;
  if ((version & 0xffff) === 0) {
    throw new AppError(
      "unsupported",
      `Cannot read "${name}": it is a big-endian GGUF file, and only little-endian is read`,
      {
        hint: "convert it with gguf_convert_endian.py",
      },
    );
  }
  if (version === 1) {
    throw new AppError("unsupported", `Cannot read "${name}": it is GGUF version 1, and llama.cpp reads 2 and 3`, {
      hint: "get a newer file of this model",
    });
  }
  throw new AppError("unsupported", `Cannot read "${name}": it is GGUF version ${version}, and 2 and 3 are known`);
}

function alignmentOf(cursor: Cursor, { values }: Metadata): number {
  const value = values.get("general.alignment");
  if (value === undefined) return DEFAULT_ALIGNMENT;
  if (typeof value === "number" && value >= 1 && value <= 2 ** 31 && Number.isInteger(Math.log2(value))) return value;
  throw cursor.broken(`its general.alignment is ${JSON.stringify(value)}, which is no power of two`);
}

function splitOf(cursor: Cursor, { values }: Metadata): Split | null {
  const count = values.get("split.count");
  if (count === undefined || count === 0 || count === 1) return null;
  const no = values.get("split.no");
  const tensors = values.get("split.tensors.count") ?? null;
  if (typeof count !== "number" || typeof no !== "number" || !(no < count) || !Number.isInteger(no) || no < 0) {
    throw cursor.broken(`it says to be part ${JSON.stringify(no)} (from 0) of ${JSON.stringify(count)}`);
  }
  return { no, count, tensors: typeof tensors === "number" ? tensors : null };
}
