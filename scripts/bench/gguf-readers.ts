/**
 * Our reader of GGUF headers against @huggingface/gguf: over the same files (real metadata, a vocabulary of the right
 * length, the data a hole), from disk and behind HTTP ranges on loopback. Time is the median; bytes and requests are
 * counted by the server. Do both say the same?
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";
import { withFile } from "../../src/hub/byte-source.ts";
import { createHubClient } from "../../src/hub/client.ts";
import { FIRST_SHARD_STEPS, type FileHeader, readHeader } from "../../src/hub/gguf/read-header.ts";
import { createHttp } from "../../src/hub/http.ts";
import { fileFromDump, readDump } from "../../tests/fixtures/gguf-dumps.ts";
import { writeGguf } from "../../tests/fixtures/gguf-writer.ts";

export const name = "gguf-readers";

const DUMPS = [
  "llama-2-7b-q4_0",
  "llama-chatqa-1.5-8b-f16",
  "qwen3moe-30b-a3b-q4_k_m",
  "gemma3-4b-q4_k_m",
  "deepseek2-r1-q4_k_m-1-of-9",
];
const ROUNDS = 7;

export interface Row {
  readonly file: string;
  readonly headerBytes: number;
  readonly reader: "ours" | "@huggingface/gguf";
  readonly from: "disk" | "http";
  readonly medianMs: number;
  /** null from disk for theirs, which does not say. */
  readonly bytes: number | null;
  readonly requests: number | null;
  readonly same: boolean;
}

/** A server of one folder that knows ranges, and what it was asked. */
function serveFolder(folder: string) {
  const seen = { requests: 0, bytes: 0 };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const path = join(folder, new URL(request.url).pathname.split("/").at(-1) ?? "");
      const { size } = statSync(path);
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("Range") ?? "");
      const from = Number(range?.[1] ?? 0);
      const to = Math.min(Number(range?.[2] ?? size - 1), size - 1);
      seen.requests++;
      seen.bytes += to - from + 1;
      return new Response(Bun.file(path).slice(from, to + 1), {
        status: 206,
        headers: { "Content-Range": `bytes ${from}-${to}/${size}` },
      });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, seen, stop: () => server.stop(true) };
}

type Theirs = Awaited<ReturnType<typeof gguf>>;

function saysTheSame(ours: FileHeader, theirs: Theirs): boolean {
  const start = Number(theirs.tensorDataOffset);
  const tensors = theirs.tensorInfos.map(
    ({ name, shape, offset }) => `${name} ${shape.join("x")} ${Number(offset) + start}`,
  );
  const own = ours.header.tensors.map(({ name, shape, offset }) => `${name} ${shape.join("x")} ${offset}`);
  if (tensors.join("\n") !== own.join("\n")) return false;
  return Object.entries(theirs.metadata).every(([key, value]) => {
    if (["version", "tensor_count", "kv_count"].includes(key)) return true;
    const length = ours.header.arrayLengths.get(key);
    if (length !== undefined) return Array.isArray(value) && value.length === length;
    return Bun.deepEquals(typeof value === "bigint" ? Number(value) : value, ours.header.metadata.get(key));
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly last: T }> {
  let last = await work();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    last = await work();
    times.push(performance.now() - from);
  }
  return { ms: median(times), last };
}

export async function run(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "hwledger-bench-"));
  const server = serveFolder(folder);
  const rows: Row[] = [];
  try {
    const client = createHubClient(server.url, createHttp({ endpoint: server.url, token: null }));
    for (const dump of DUMPS) {
      const path = join(folder, `${dump}.gguf`);
      const { header, fileBytes } = writeGguf(path, fileFromDump(readDump(dump)));
      const steps = FIRST_SHARD_STEPS;
      const overHttp = async <T>(work: () => Promise<T>) => {
        const { ms, last } = await timed(work);
        const each = ROUNDS + 1;
        const counts = { bytes: server.seen.bytes / each, requests: server.seen.requests / each };
        server.seen.bytes = 0;
        server.seen.requests = 0;
        return { ms, last, ...counts };
      };
      const oursDisk = await timed(() => withFile(path, (source) => readHeader(source, 0, steps)));
      const theirsDisk = await timed(() => gguf(path, { allowLocalFile: true }));
      const source = client.source("bench/model", "main", { path: `${dump}.gguf`, size: fileBytes });
      const oursHttp = await overHttp(() => readHeader(source, 0, steps));
      const theirsHttp = await overHttp(() => gguf(`${server.url}/${dump}.gguf`));
      const same = saysTheSame(oursHttp.last, theirsHttp.last) && saysTheSame(oursDisk.last, theirsDisk.last);
      const common = { file: dump, headerBytes: header.length, same };
      rows.push(
        {
          ...common,
          reader: "ours",
          from: "disk",
          medianMs: oursDisk.ms,
          bytes: oursDisk.last.fetchedBytes,
          requests: null,
        },
        { ...common, reader: "@huggingface/gguf", from: "disk", medianMs: theirsDisk.ms, bytes: null, requests: null },
        {
          ...common,
          reader: "ours",
          from: "http",
          medianMs: oursHttp.ms,
          bytes: oursHttp.bytes,
          requests: oursHttp.requests,
        },
        {
          ...common,
          reader: "@huggingface/gguf",
          from: "http",
          medianMs: theirsHttp.ms,
          bytes: theirsHttp.bytes,
          requests: theirsHttp.requests,
        },
      );
    }
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}
