/** A model really loaded on the CPU, every buffer that llama.cpp's log prints beside what hwLedger says. */
import { join } from "node:path";
import { CPU_ONLY } from "../../src/engines/llama-cpp/judge-options.ts";
import { parseLog } from "../../src/engines/llama-cpp/parse.ts";
import type { NamedMib } from "../../src/engines/llama-cpp/protocol.ts";
import { withFile } from "../../src/hub/byte-source.ts";
import { readGgufModel } from "../../src/hub/gguf/read-model.ts";
import { specFromGguf } from "../../src/math/arch/index.ts";
import { NO_OPTIONS } from "../../src/math/options.ts";
import { LLAMA_CPP } from "../../src/math/runtime/llama-cpp/index.ts";
import { MIB } from "../../src/math/units.ts";
import { typeWeights } from "../../src/math/weights-choice.ts";

export interface LoadOptions {
  readonly context: number;
  readonly ubatch: number;
  readonly flashAttention: "on" | "off";
}

export const LOADS: readonly LoadOptions[] = [
  { context: 2048, ubatch: 512, flashAttention: "on" },
  { context: 1000, ubatch: 256, flashAttention: "off" },
];

export interface BufferRow {
  readonly buffer: string;
  /** As the log prints it. */
  readonly llamaMib: number;
  readonly ourBytes: number;
}

export interface RealLoad {
  readonly rows: readonly BufferRow[];
  readonly cells: { readonly llama: number | null; readonly ours: number };
}

/** @throws {Error} when the model is not one we know, or node-llama-cpp does not load it */
export async function realLoad(file: string, options: LoadOptions): Promise<RealLoad> {
  const { header } = await readGgufModel(file, withFile);
  const spec = specFromGguf(header);
  if (spec.status !== "ok") throw new Error(spec.reason);
  const typed = typeWeights(spec.spec, null, []);
  if (typed.status !== "ok") throw new Error(`the weights of ${file} are not known`);
  const asked = { ...NO_OPTIONS, ...options, program: "api", batch: options.ubatch, sequences: 1 } as const;
  const ours = LLAMA_CPP.plan(typed.spec, asked, CPU_ONLY);
  if (ours.status !== "planned") throw new Error(ours.reason);

  const { model, kvBuffers, compute, output, caches } = parseLog(load(file, options));
  const bytes = (part: keyof typeof ours.parts): number => ours.parts[part].reduce((sum, n) => sum + n, 0);
  return {
    rows: [
      row(model, "model", bytes("weights_bytes")),
      row(kvBuffers, "KV", bytes("kv_cache_bytes")),
      row(compute, "compute", bytes("compute_bytes")),
      row(output, "output", bytes("output_bytes")),
    ],
    cells: { llama: caches[0]?.cells ?? null, ours: Math.max(...ours.layers.cells) },
  };
}

function row(buffers: readonly NamedMib[], kind: string, ourBytes: number): BufferRow {
  const names = buffers.map(({ buffer }) => buffer).join(" + ");
  return { buffer: `${names} ${kind}`, llamaMib: buffers.reduce((mib, buffer) => mib + buffer.mib, 0), ourBytes };
}

function load(file: string, { context, ubatch, flashAttention }: LoadOptions): string {
  const child = join(import.meta.dir, "..", "fakes", "real-load.ts");
  const command = [process.execPath, child, file, String(context), String(ubatch), flashAttention];
  const run = Bun.spawnSync(command, { env: { ...process.env, GGML_NO_BACKTRACE: "1" }, timeout: 120_000 });
  if (run.exitCode !== 0) throw new Error(`node-llama-cpp did not load ${file}: ${run.stderr.toString().slice(-1000)}`);
  return run.stdout.toString();
}

export function roundsTo(ourBytes: number, llamaMib: number): boolean {
  return Math.abs(ourBytes / MIB - llamaMib) <= 0.005 + 1e-9;
}
