/** The table of tensors of a GGUF header, and whether the file holds what it promises. */
import type { GgufTensor } from "../../math/arch/family.ts";
import { GGML_TYPES, type GgmlType, ggmlTypeOfId, tensorBytes } from "../../math/ggml-types.ts";
import { pad } from "../../math/units.ts";
import type { Cursor } from "./cursor.ts";
import { MAX_DIMENSIONS, MAX_NAME_BYTES } from "./limits.ts";

/** An entry as the file has it: its offset counts from the data section, which begins after the last entry. */
export interface TableEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly typeId: number;
  readonly dataOffset: number;
}

export async function readTensorTable(cursor: Cursor, count: number): Promise<TableEntry[]> {
  const entries: TableEntry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const entry = await readEntry(cursor);
    if (names.has(entry.name)) throw cursor.broken(`it has the tensor ${JSON.stringify(entry.name)} twice`);
    names.add(entry.name);
    entries.push(entry);
  }
  return entries;
}

async function readEntry(cursor: Cursor): Promise<TableEntry> {
  if (!cursor.has(8)) await cursor.fill(8);
  const length = cursor.u64();
  if (length > MAX_NAME_BYTES)
    throw cursor.broken(`it has a tensor's name of ${length} bytes at byte ${cursor.position}`);
  if (!cursor.has(length + 4)) await cursor.fill(length + 4);
  cursor.keep(length + 64);
  const name = cursor.text(length);
  const dimensions = cursor.u32();
  if (dimensions > MAX_DIMENSIONS) {
    throw cursor.broken(
      `the tensor ${JSON.stringify(name)} has ${dimensions} dimensions, and ${MAX_DIMENSIONS} are the most`,
    );
  }
  const rest = dimensions * 8 + 12;
  if (!cursor.has(rest)) await cursor.fill(rest);
  const shape: number[] = [];
  let elements = 1;
  for (let i = 0; i < dimensions; i++) {
    const n = cursor.u64();
    elements *= n;
    shape.push(n);
  }
  if (!Number.isSafeInteger(elements))
    throw cursor.broken(`the tensor ${JSON.stringify(name)} has more than 2^53 elements`);
  return { name, shape, typeId: cursor.u32(), dataOffset: cursor.u64() };
}

/**
 * Places the table in the file.
 * @param dataStart  end of the header, padded to the alignment
 * @throws {AppError} malformed when a tensor is not aligned, not whole blocks, or not inside the file, or when all of
 *   them together are larger than the file. The size of a type we do not know is not checked.
 */
export function placeTensors(
  cursor: Cursor,
  table: readonly TableEntry[],
  place: { readonly shard: number; readonly dataStart: number; readonly alignment: number },
): GgufTensor[] {
  const { size } = cursor.source;
  let total = place.dataStart;
  return table.map(({ name, shape, typeId, dataOffset }) => {
    const quoted = JSON.stringify(name);
    if (dataOffset % place.alignment !== 0) {
      throw cursor.broken(`the tensor ${quoted} begins at ${dataOffset}, which is no multiple of ${place.alignment}`);
    }
    const type = ggmlTypeOfId(typeId);
    const offset = place.dataStart + dataOffset;
    const bytes = type === null ? 0 : sizeOf(cursor, quoted, type, shape);
    total += bytes;
    if (offset + bytes > size) {
      throw cursor.broken(`the tensor ${quoted} ends at byte ${offset + bytes}, and the file at byte ${size}`);
    }
    if (total > size) throw cursor.broken(`its tensors are larger than the file: they overlap at ${quoted}`);
    return { name, shape, type: type ?? `type ${typeId}`, shard: place.shard, offset };
  });
}

function sizeOf(cursor: Cursor, quoted: string, type: GgmlType, shape: readonly number[]): number {
  const row = shape[0] ?? 1;
  const { blockElements } = GGML_TYPES[type];
  if (row % blockElements !== 0) {
    throw cursor.broken(
      `a row of the tensor ${quoted} has ${row} elements, and ${type} wants a multiple of ${blockElements}`,
    );
  }
  return tensorBytes(type, shape);
}

/** Where the data begins: docs/gguf.md, "align_offset". */
export function dataStart(headerEnd: number, alignment: number): number {
  return pad(headerEnd, alignment);
}
