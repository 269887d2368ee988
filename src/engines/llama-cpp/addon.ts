/**
 * The part of node-llama-cpp's native addon that accounting needs. The addon is loaded by its path and not through
 * node-llama-cpp's own start-up: that imports 0.2 s of JavaScript and tries every binary in a child first, for 400 ms where
 * this takes 15 (measured, Bun 1.4.5 on two x64 cores); here the whole process is that child.
 * @source node-llama-cpp 3.22.1 dist/bindings/AddonTypes.d.ts
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { GGML_TYPES, isGgmlType } from "../../math/ggml-types.ts";
import type { AskedContext } from "./protocol.ts";

interface MemoryBreakdown {
  readonly cpuRam: number;
  readonly gpuVram: number;
}
interface AddonMetadata {
  init(sources: readonly (Buffer | string)[]): Promise<void>;
}
export interface AddonModel {
  init(metadata: AddonMetadata): Promise<boolean>;
  dispose(): Promise<void>;
  getMemoryBreakdown(): MemoryBreakdown;
}
export interface AddonContext {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  getMemoryBreakdown(): MemoryBreakdown;
}
interface Addon {
  readonly AddonGgufMetadata: new () => AddonMetadata;
  readonly AddonModel: new (path: string, options: Readonly<Record<string, unknown>>) => AddonModel;
  readonly AddonContext: new (model: AddonModel, options: Readonly<Record<string, unknown>>) => AddonContext;
  setLogger(logger: (level: number, text: string) => void): void;
  setLoggerLogLevel(level: number): void;
  loadBackends(folder?: string): void;
  init(): Promise<void>;
}

/** The addon's own numbers: 4 = info. Debug (6) would print a line per graph node and double the time. */
const INFO = 4;

export interface OpenAddon {
  /** null: llama.cpp said no; its words are in the log. */
  readonly openModel: (gguf: Uint8Array) => Promise<AddonModel | null>;
  readonly openContext: (model: AddonModel, asked: AskedContext) => Promise<AddonContext | null>;
  /** Everything logged since the last call. */
  readonly takeLog: () => string;
}

/** @throws whatever the dynamic loader throws (no such file, wrong processor, missing library) */
export async function openAddon(folder: string): Promise<OpenAddon> {
  const addon = createRequire(import.meta.url)(join(folder, "llama-addon.node")) as Addon;
  let log: string[] = [];
  addon.setLogger((_level, text) => log.push(text));
  addon.setLoggerLogLevel(INFO);
  addon.loadBackends();
  addon.loadBackends(folder);
  await addon.init();

  return {
    async openModel(gguf) {
      const metadata = new addon.AddonGgufMetadata();
      await metadata.init([Buffer.from(gguf.buffer, gguf.byteOffset, gguf.byteLength)]);
      const model = new addon.AddonModel("", { gpuLayers: 0, noAlloc: true, useMmap: false, useMlock: false });
      return (await model.init(metadata)) ? model : null;
    },
    async openContext(model, asked) {
      const context = new addon.AddonContext(model, {
        contextSize: asked.contextTotal,
        batchSize: asked.ubatch,
        sequences: asked.sequences,
        flashAttention: asked.flashAttention === "auto" ? "auto" : asked.flashAttention === "on",
        kvCacheKeyType: typeId(asked.kvTypeK),
        kvCacheValueType: typeId(asked.kvTypeV),
        swaFullCache: asked.swaFull,
        threads: 1,
      });
      return (await context.init()) ? context : null;
    },
    takeLog() {
      const text = log.join("");
      log = [];
      return text;
    },
  };
}

function typeId(name: string): number {
  if (!isGgmlType(name)) throw new RangeError(`"${name}" is not a ggml type`);
  return GGML_TYPES[name].id;
}
