/** A GGUF model of one file or of several: their headers as one. */
import { AppError } from "../../errors.ts";
import type { GgufHeader } from "../../math/arch/family.ts";
import type { ByteSource } from "../byte-source.ts";
import { MAX_PARTS, MAX_TENSORS } from "./limits.ts";
import { FIRST_SHARD_STEPS, type FileHeader, LATER_SHARD_STEPS, readHeader } from "./read-header.ts";
import { parseShardName, type ShardName, shardPath } from "./shards.ts";

export interface GgufModel {
  readonly header: GgufHeader;
  /** Of all files together. */
  readonly fileBytes: number;
  readonly headerBytes: number;
  readonly fetchedBytes: number;
  /** Paths as given, in the order of the parts; one for a model of one file. */
  readonly shards: readonly string[];
}

/** Lends the source of a path; throws AppError not_found when there is none. */
export type LendSource = <T>(path: string, use: (source: ByteSource) => Promise<T>) => Promise<T>;

/** Parts read at the same time. */
const PARALLEL = 4;

/**
 * @param path  the file, or any part of a split one
 * @throws {AppError} as readHeader; malformed when the parts do not belong together; not_found when one is missing
 */
export async function readGgufModel(path: string, lend: LendSource): Promise<GgufModel> {
  const named = parseShardName(path);
  const firstPath = named === null ? path : shardPath(named, 0);
  const first = await readPart(firstPath, 0, lend);
  const { split } = first;
  if (split === null) return modelOf([firstPath], [first]);
  if (split.no !== 0) {
    throw mismatch(firstPath, `it says to be part ${split.no + 1} of ${split.count}, not the first`);
  }
  if (named === null) {
    throw mismatch(
      path,
      `it is part 1 of ${split.count}, and its name does not end in -00001-of-${digits(split.count)}.gguf`,
    );
  }
  if (named.count !== split.count) {
    throw mismatch(firstPath, `its name says ${named.count} parts, and its header ${split.count}`);
  }
  if (split.count > MAX_PARTS)
    throw mismatch(firstPath, `it says to have ${split.count} parts, and ${MAX_PARTS} are the most`);
  const parts = await readRest(named, first, lend);
  checkTensors(firstPath, parts);
  return modelOf(
    parts.map((_, no) => shardPath(named, no)),
    parts,
  );
}

function digits(n: number): string {
  return String(n).padStart(5, "0");
}

function readPart(path: string, no: number, lend: LendSource): Promise<FileHeader> {
  return lend(path, (source) => readHeader(source, no, no === 0 ? FIRST_SHARD_STEPS : LATER_SHARD_STEPS));
}

/** All parts, the first one at hand. What the others repeat of the metadata is dropped: memory is bounded by the tensors. */
async function readRest(named: ShardName, first: FileHeader, lend: LendSource): Promise<FileHeader[]> {
  const parts = [first];
  let tensors = first.header.tensors.length;
  for (let from = 1; from < named.count; from += PARALLEL) {
    const numbers = Array.from({ length: Math.min(PARALLEL, named.count - from) }, (_, i) => from + i);
    // All settle before the first failure is thrown: no part is left reading behind our back.
    const settled = await Promise.allSettled(numbers.map((no) => readLater(named, no, lend)));
    for (const result of settled) {
      if (result.status === "rejected") throw result.reason;
      const { header, ...part } = result.value;
      parts.push({ ...part, header: { ...header, metadata: new Map(), arrayLengths: new Map() } });
      tensors += header.tensors.length;
    }
    if (tensors > MAX_TENSORS) {
      throw mismatch(shardPath(named, 0), `it has more than ${MAX_TENSORS} tensors, which are the most`);
    }
  }
  return parts;
}

async function readLater(named: ShardName, no: number, lend: LendSource): Promise<FileHeader> {
  const path = shardPath(named, no);
  let part: FileHeader;
  try {
    part = await readPart(path, no, lend);
  } catch (cause) {
    throw cause instanceof AppError && cause.code === "not_found" ? missing(path, named, no, cause) : cause;
  }
  if (part.split?.no !== no || part.split.count !== named.count) {
    const says = part.split === null ? "a whole model" : `part ${part.split.no + 1} of ${part.split.count}`;
    throw mismatch(path, `its name says part ${no + 1} of ${named.count}, and its header ${says}`);
  }
  return part;
}

function missing(path: string, named: ShardName, no: number, cause: AppError): AppError {
  return new AppError("not_found", `Cannot read "${path}": part ${no + 1} of ${named.count} is missing`, {
    hint: "put all parts of the model into one folder",
    cause,
  });
}

function mismatch(path: string, why: string): AppError {
  return new AppError("malformed", `Cannot read "${path}" as part of a split model: ${why}`, {
    hint: "keep the names that llama-gguf-split gave the parts",
  });
}

function checkTensors(path: string, parts: readonly FileHeader[]): void {
  const names = new Set<string>();
  let count = 0;
  for (const { header } of parts) {
    for (const { name } of header.tensors) {
      if (names.has(name)) throw mismatch(path, `the tensor ${JSON.stringify(name)} is in two parts`);
      names.add(name);
    }
    count += header.tensors.length;
  }
  const said = parts[0]?.split?.tensors ?? null;
  if (said !== null && said !== count)
    throw mismatch(path, `its parts have ${count} tensors, and its header says ${said}`);
}

function modelOf(shards: readonly string[], parts: readonly FileHeader[]): GgufModel {
  const sum = (pick: (part: FileHeader) => number) => parts.reduce((total, part) => total + pick(part), 0);
  const [first] = parts;
  if (first === undefined) throw new AppError("internal", "Cannot make a model of no files");
  return {
    header: { ...first.header, tensors: parts.flatMap(({ header }) => header.tensors) },
    fileBytes: sum((part) => part.fileBytes),
    headerBytes: sum((part) => part.headerBytes),
    fetchedBytes: sum((part) => part.fetchedBytes),
    shards,
  };
}
