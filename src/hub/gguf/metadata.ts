/** The key-values of a GGUF header. */
import type { MetadataValue } from "../../math/arch/family.ts";
import type { Cursor } from "./cursor.ts";
import { MAX_KEPT_ARRAY, MAX_KEPT_STRING_BYTES, MAX_KEY_BYTES } from "./limits.ts";

const STRING = 8;
const ARRAY = 9;

interface FixedType {
  readonly size: number;
  readonly read: (cursor: Cursor) => number | boolean;
}

function fixed(size: number, get: (view: DataView, at: number) => number): FixedType {
  return { size, read: (cursor) => cursor.number(size, get) };
}

/** By gguf_type; 8 (string) and 9 (array) have no fixed size. */
const FIXED: readonly (FixedType | null)[] = [
  fixed(1, (view, at) => view.getUint8(at)),
  fixed(1, (view, at) => view.getInt8(at)),
  fixed(2, (view, at) => view.getUint16(at, true)),
  fixed(2, (view, at) => view.getInt16(at, true)),
  fixed(4, (view, at) => view.getUint32(at, true)),
  fixed(4, (view, at) => view.getInt32(at, true)),
  fixed(4, (view, at) => view.getFloat32(at, true)),
  { size: 1, read: (cursor) => cursor.u8() !== 0 },
  null,
  null,
  { size: 8, read: (cursor) => cursor.u64() },
  { size: 8, read: (cursor) => cursor.i64() },
  fixed(8, (view, at) => view.getFloat64(at, true)),
];

export interface Metadata {
  readonly values: ReadonlyMap<string, MetadataValue>;
  readonly arrayLengths: ReadonlyMap<string, number>;
}

export async function readMetadata(cursor: Cursor, count: number): Promise<Metadata> {
  const values = new Map<string, MetadataValue>();
  const arrayLengths = new Map<string, number>();
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const key = await readKey(cursor);
    if (seen.has(key)) throw cursor.broken(`it has the key ${quoted(key)} twice`);
    seen.add(key);
    if (!cursor.has(4)) await cursor.fill(4);
    const type = cursor.u32();
    if (type === ARRAY) {
      const array = await readArray(cursor, key);
      if (array.values !== null) values.set(key, array.values);
      else arrayLengths.set(key, array.length);
    } else if (type === STRING) {
      const value = await readString(cursor);
      if (value !== null) values.set(key, value);
    } else {
      const kind = fixedType(cursor, key, type);
      if (!cursor.has(kind.size)) await cursor.fill(kind.size);
      values.set(key, kind.read(cursor));
    }
  }
  return { values, arrayLengths };
}

/** A key may have 65,535 bytes: a sentence has room for its beginning. */
function quoted(key: string): string {
  return JSON.stringify(key.slice(0, 80));
}

function fixedType(cursor: Cursor, key: string, type: number): FixedType {
  const kind = FIXED[type];
  if (kind === null || kind === undefined) {
    throw cursor.broken(`the value of ${quoted(key)} is of an unknown type (${type})`);
  }
  return kind;
}

async function readLength(cursor: Cursor): Promise<number> {
  if (!cursor.has(8)) await cursor.fill(8);
  const length = cursor.u64();
  if (length > cursor.remaining) {
    throw cursor.broken(`a string of ${length} bytes at byte ${cursor.position} is longer than the rest of the file`);
  }
  return length;
}

async function readKey(cursor: Cursor): Promise<string> {
  const length = await readLength(cursor);
  if (length === 0) throw cursor.broken(`it has an empty key at byte ${cursor.position}`);
  if (length > MAX_KEY_BYTES) throw cursor.broken(`it has a key of ${length} bytes at byte ${cursor.position}`);
  if (!cursor.has(length)) await cursor.fill(length);
  cursor.keep(length);
  return cursor.text(length);
}

/** null for a string too long to keep. */
async function readString(cursor: Cursor): Promise<string | null> {
  const length = await readLength(cursor);
  if (length > MAX_KEPT_STRING_BYTES) {
    cursor.skip(length);
    return null;
  }
  if (!cursor.has(length)) await cursor.fill(length);
  cursor.keep(length);
  return cursor.text(length);
}

interface ReadArray {
  readonly length: number;
  /** null when only walked. */
  readonly values: readonly string[] | readonly number[] | readonly boolean[] | null;
}

async function readArray(cursor: Cursor, key: string): Promise<ReadArray> {
  if (!cursor.has(12)) await cursor.fill(12);
  const type = cursor.u32();
  const length = cursor.u64();
  if (type === ARRAY) throw cursor.broken(`the value of ${quoted(key)} is an array of arrays`);
  const bytesEach = type === STRING ? 8 : fixedType(cursor, key, type).size;
  if (length > cursor.remaining / bytesEach) {
    throw cursor.broken(`the array ${quoted(key)} of ${length} values is longer than the rest of the file`);
  }
  if (type === STRING) return readStrings(cursor, length);
  if (length > MAX_KEPT_ARRAY) {
    cursor.skip(length * bytesEach);
    return { length, values: null };
  }
  const kind = fixedType(cursor, key, type);
  if (!cursor.has(length * kind.size)) await cursor.fill(length * kind.size);
  cursor.keep(length * 8);
  const values: (number | boolean)[] = [];
  for (let i = 0; i < length; i++) values.push(kind.read(cursor));
  return { length, values: values as number[] | boolean[] };
}

async function readStrings(cursor: Cursor, length: number): Promise<ReadArray> {
  if (length > MAX_KEPT_ARRAY) {
    for (let passed = 0; passed < length; passed += cursor.skipStrings(length - passed)) {
      if (!cursor.has(8)) await cursor.fill(8);
    }
    return { length, values: null };
  }
  const values: string[] = [];
  let complete = true;
  for (let i = 0; i < length; i++) {
    const value = await readString(cursor);
    if (value === null) complete = false;
    else values.push(value);
  }
  return { length, values: complete ? values : null };
}
