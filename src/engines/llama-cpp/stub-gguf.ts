/**
 * A GGUF file of metadata and tensor names alone. llama.cpp takes every shape from its own code when it may not allocate,
 * and reads only the names and the types of a file's tensors: one block of 256 elements stands for each, and no data follows.
 *
 * Layout (version 3, little-endian): "GGUF", u32 version, u64 tensors, u64 pairs, pairs, tensors
 *   pair   = string key, u32 type, value; array = u32 element type, u64 length, elements; string = u64 bytes, UTF-8
 *   tensor = string name, u32 dimensions, u64 each, u32 type, u64 offset in the data, a multiple of 32
 * @source llama.cpp ggml/include/gguf.h@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
import { AppError } from "../../errors.ts";
import { GGML_TYPES, isGgmlType, tensorBytes } from "../../math/ggml-types.ts";
import type { AskedTensor, MetadataPair, MetadataScalar, MetadataType } from "./protocol.ts";

const TYPE_IDS: Readonly<Record<MetadataType, number>> = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  str: 8,
  u64: 10,
  i64: 11,
  f64: 12,
};
const ARRAY_ID = 9;
const ALIGNMENT = 32;
/** Every block of GGML_TYPES divides it. */
const STUB_ELEMENTS = 256;

/** @throws {AppError} "unsupported" for a tensor type that this llama.cpp does not have */
export function stubGguf(metadata: readonly MetadataPair[], tensors: readonly AskedTensor[]): Uint8Array {
  const out = new ByteWriter();
  out.text("GGUF");
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.length);
  for (const pair of metadata) writePair(out, pair);
  let offset = 0;
  for (const tensor of tensors) {
    if (!isGgmlType(tensor.type)) {
      throw new AppError(
        "unsupported",
        `Cannot ask llama.cpp about tensor "${tensor.name}": its type "${tensor.type}" is not one of ggml's`,
      );
    }
    out.string(tensor.name);
    out.u32(1);
    out.u64(STUB_ELEMENTS);
    out.u32(GGML_TYPES[tensor.type].id);
    out.u64(offset);
    offset += Math.ceil(tensorBytes(tensor.type, [STUB_ELEMENTS]) / ALIGNMENT) * ALIGNMENT;
  }
  out.align(ALIGNMENT);
  return out.bytes();
}

function writePair(out: ByteWriter, { key, type, value }: MetadataPair): void {
  out.string(key);
  if (typeof value === "object") {
    out.u32(ARRAY_ID);
    out.u32(TYPE_IDS[type]);
    out.u64(value.length);
    for (const element of value) writeScalar(out, type, element, key);
    return;
  }
  out.u32(TYPE_IDS[type]);
  writeScalar(out, type, value, key);
}

function writeScalar(out: ByteWriter, type: MetadataType, value: MetadataScalar, key: string): void {
  switch (type) {
    case "str":
      return out.string(String(value));
    case "bool":
      return out.u8(value === true || value === "true" || value === 1 ? 1 : 0);
    case "u64":
    case "i64":
      return out.i64(integer(value, key));
    case "f32":
      return out.f32(float(value));
    case "f64":
      return out.f64(float(value));
    case "u8":
    case "i8":
      return out.u8(Number(integer(value, key)));
    case "u16":
    case "i16":
      return out.u16(Number(integer(value, key)));
    case "u32":
    case "i32":
      return out.u32(Number(integer(value, key)));
    default:
      return type satisfies never;
  }
}

function integer(value: MetadataScalar, key: string): bigint {
  if (!/^-?\d+$/.test(String(value))) {
    throw new AppError("malformed", `Cannot write metadata "${key}": "${value}" is not an integer`);
  }
  return BigInt(value);
}

/** llama.cpp's listing writes "inf" and "nan", which Number() does not read. */
function float(value: MetadataScalar): number {
  if (typeof value === "string" && /^-?inf/i.test(value)) return value.startsWith("-") ? -Infinity : Infinity;
  return Number(value);
}

class ByteWriter {
  #buffer = new Uint8Array(65_536);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  #reserve(count: number): number {
    const at = this.#length;
    if (at + count > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#buffer.length * 2, at + count));
      grown.set(this.#buffer);
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = at + count;
    return at;
  }

  u8(n: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, n);
  }
  u16(n: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, n, true);
  }
  u32(n: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, n, true);
  }
  u64(n: number): void {
    this.i64(BigInt(n));
  }
  /** Signed and unsigned alike: the 64 bits of n. */
  i64(n: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, n), true);
  }
  f32(n: number): void {
    const at = this.#reserve(4);
    this.#view.setFloat32(at, n, true);
  }
  f64(n: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, n, true);
  }
  /** Raw UTF-8 without a length. */
  text(s: string): void {
    const encoded = new TextEncoder().encode(s);
    const at = this.#reserve(encoded.length);
    this.#buffer.set(encoded, at);
  }
  string(s: string): void {
    const encoded = new TextEncoder().encode(s);
    this.u64(encoded.length);
    const at = this.#reserve(encoded.length);
    this.#buffer.set(encoded, at);
  }
  align(multiple: number): void {
    this.#reserve((multiple - (this.#length % multiple)) % multiple);
  }
  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}
