/** Another reader of the same format, written by others, must say the same of the same file. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";
import { withFile } from "../../../src/hub/byte-source.ts";
import { FIRST_SHARD_STEPS, readHeader } from "../../../src/hub/gguf/read-header.ts";
import { ggmlTypeOfId } from "../../../src/math/ggml-types.ts";
import { fileFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { writeGguf } from "../../fixtures/gguf-writer.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hwledger-readers-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(["llama-2-7b-q4_0", "llama-chatqa-1.5-8b-f16", "deepseek2-r1-q4_k_m-1-of-9"])(
  "@huggingface/gguf over %s",
  async (dump) => {
    const path = join(folder, `${dump}.gguf`);
    const source = readDump(dump);
    writeGguf(path, fileFromDump(source));
    const ours = await withFile(path, (bytes) => readHeader(bytes, 0, FIRST_SHARD_STEPS));
    const theirs = await gguf(path, { allowLocalFile: true });
    const start = Number(theirs.tensorDataOffset);
    expect(ours.headerBytes).toBe(start);
    expect(ours.header.tensors.map(({ name, shape, type, offset }) => [name, shape, type, offset])).toEqual(
      theirs.tensorInfos.map(({ name, shape, dtype, offset }) => [
        name,
        shape.map(Number),
        ggmlTypeOfId(dtype) ?? "",
        start + Number(offset),
      ]),
    );
    const { version, tensor_count, kv_count, ...metadata } = theirs.metadata;
    expect([version, tensor_count, kv_count].map(Number)).toEqual([
      source.gguf_version ?? 3,
      ours.header.tensors.length,
      Object.keys(metadata).length,
    ]);
    for (const [key, value] of Object.entries(metadata)) {
      const length = ours.header.arrayLengths.get(key);
      if (length === undefined)
        expect([key, ours.header.metadata.get(key)]).toEqual([key, typeof value === "bigint" ? Number(value) : value]);
      else expect([key, Array.isArray(value) ? value.length : null]).toEqual([key, length]);
    }
  },
);
