import { expect, test } from "bun:test";
import { openExtras } from "../../src/cli/open-extras.ts";
import type { OpenedModel } from "../../src/hub/opened-model.ts";
import { specFromGguf } from "../../src/math/arch/index.ts";
import { headerFromDump, readDump } from "../fixtures/gguf-dumps.ts";

const HEADER = headerFromDump(readDump("llama-3.2-1b-q8_0"));

function opened(gguf: OpenedModel["gguf"]): OpenedModel {
  return {
    id: "m",
    source: "file",
    revision: null,
    spec:
      gguf === null
        ? { status: "unknown", architecture: "zed", reason: "zed is not known", missing: [] }
        : specFromGguf(gguf),
    files: [],
    chosen: null,
    downloadBytes: 0,
    gguf,
    config: null,
    safetensors: null,
    readTensors: null,
    warnings: [],
    fetchedAt: null,
  };
}

const NONE = { draft: null, projector: null, adapters: [] };

test("a side file is what a plan needs of its header, as plain JSON", async () => {
  const { projector } = await openExtras({ ...NONE, projector: "p.gguf" }, async () => opened(HEADER));
  expect(projector).toMatchObject({ name: "p.gguf", architecture: "llama", metadata: { "llama.block_count": 16 } });
  expect(JSON.parse(JSON.stringify(projector))).toEqual(projector);
});

test("a draft model comes typed; mtp is the model's own", async () => {
  const { draft } = await openExtras({ ...NONE, draft: "org/small" }, async () => opened(HEADER));
  expect(draft).toMatchObject({ name: "org/small", model: { architecture: "llama" } });
  expect((await openExtras({ ...NONE, draft: "mtp" }, async () => opened(HEADER))).draft).toBe("mtp");
});

test("what is no GGUF, or not known, is refused with a hint", async () => {
  const open = async (): Promise<OpenedModel> => opened(null);
  expect(openExtras({ ...NONE, adapters: ["a.safetensors"] }, open)).rejects.toThrow('"a.safetensors": it is no GGUF');
  expect(openExtras({ ...NONE, draft: "org/zed" }, open)).rejects.toThrow("zed is not known");
});
