/** A source in memory that says which bytes were asked; past `bytes` there are zeros up to `size`. */
import type { ByteSource } from "../../../src/hub/byte-source.ts";

export interface MemorySource extends ByteSource {
  readonly asked: [offset: number, length: number][];
}

export function memorySource(bytes: Uint8Array, size: number = bytes.length, name = "m.gguf"): MemorySource {
  const asked: [number, number][] = [];
  return {
    name,
    size,
    asked,
    read: (offset, length) => {
      asked.push([offset, length]);
      if (offset < 0 || length < 0 || offset + length > size) {
        return Promise.reject(new RangeError(`asked for ${offset}+${length} of ${size}`));
      }
      const out = new Uint8Array(length);
      out.set(bytes.subarray(offset, offset + length));
      return Promise.resolve(out);
    },
  };
}
