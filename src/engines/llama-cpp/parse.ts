/**
 * llama.cpp's log, as far as memory is in it. Pure: text in, numbers out. Sizes are as printed, to 0.01 MiB.
 * The lines (llama.cpp v0.5.0; earlier builds back to b5913 print the same but for `n_rs_seq` and the name before the colon):
 *   load_tensors:   CPU_Mapped model buffer size =    87.68 MiB
 *   llama_context:        CPU  output buffer size =     0.19 MiB
 *   llama_kv_cache: size =  112.00 MiB (  2048 cells,  28 layers,  2/2 seqs), K (f16):   56.00 MiB, V (f16):   56.00 MiB
 *   llama_memory_recurrent: size =  598.50 MiB (     4 cells,  64 layers,  4 seqs), R (f32):   22.50 MiB, S (f32):  576.00 MiB
 *   sched_reserve:        CPU compute buffer size =   100.51 MiB
 * @source llama.cpp src/llama-kv-cache.cpp, src/llama-memory-recurrent.cpp, src/llama-context.cpp, src/llama-model.cpp, tag v0.5.0
 */
import type { CachePart, NamedMib, StatePart } from "./protocol.ts";

export interface LogSizes {
  readonly model: readonly NamedMib[];
  readonly kvBuffers: readonly NamedMib[];
  readonly stateBuffers: readonly NamedMib[];
  readonly compute: readonly NamedMib[];
  readonly output: readonly NamedMib[];
  readonly caches: readonly CachePart[];
  readonly states: readonly StatePart[];
  readonly contextTotal: number | null;
  readonly flashAttention: boolean | null;
}

const CACHE =
  /llama_kv_cache\w*: size = +([\d.]+) MiB \( *(\d+) cells, +(\d+) layers, +(\d+)\/(\d+) seqs\), K \((\w+)\): +([\d.]+) MiB, V \((\w+)\): +([\d.]+) MiB/g;
const STATE =
  /llama_memory_recurrent\w*: size = +([\d.]+) MiB \( *(\d+) cells, +(\d+) layers, +(\d+) seqs[^)]*\),? R \((\w+)\): +([\d.]+) MiB, S \((\w+)\): +([\d.]+) MiB/g;

export function parseLog(log: string): LogSizes {
  const flash = /Flash Attention (?:was auto, set to )?(enabled|disabled|not supported)/i.exec(log)?.[1];
  const contextTotal = /\bn_ctx +(?:= |: )(\d+)/.exec(log)?.[1];
  return {
    model: bufferSizes(log, "model"),
    kvBuffers: bufferSizes(log, "KV"),
    stateBuffers: bufferSizes(log, "RS"),
    compute: bufferSizes(log, "compute"),
    output: bufferSizes(log, "output"),
    caches: [...log.matchAll(CACHE)].map(cacheOf),
    states: [...log.matchAll(STATE)].map(stateOf),
    contextTotal: contextTotal === undefined ? null : Number(contextTotal),
    flashAttention: flash === undefined ? null : flash.toLowerCase() === "enabled",
  };
}

/** Several lines for one buffer (a model in pieces) stay several entries. */
function bufferSizes(log: string, kind: string): readonly NamedMib[] {
  const line = new RegExp(`^\\w+: +([\\w.-]+) +${kind} buffer size = +([\\d.]+) MiB`, "gm");
  return [...log.matchAll(line)].map(([, buffer, mib]) => ({ buffer: buffer ?? "", mib: Number(mib) }));
}

function cacheOf(match: RegExpExecArray): CachePart {
  const [, mib, cells, layers, , streams, typeK, k, typeV, v] = match;
  return {
    cells: Number(cells),
    layers: Number(layers),
    streams: Number(streams),
    mib: Number(mib),
    k: { type: typeK ?? "", mib: Number(k) },
    v: { type: typeV ?? "", mib: Number(v) },
  };
}

function stateOf(match: RegExpExecArray): StatePart {
  const [, mib, rows, layers, , , r, , s] = match;
  return { rows: Number(rows), layers: Number(layers), mib: Number(mib), rMib: Number(r), sMib: Number(s) };
}

/** The reason in the log of a load or a context that failed; null when the log names none. */
export function failureIn(log: string): string | null {
  const patterns = [
    /error loading model[^:\n]*: *(?:\w+: )?([^\n]+)/,
    /error creating context[^:\n]*: *([^\n]+)/,
    /llama_init_from_model: ([^\n]+)/,
    /failed to [^\n]+/i,
  ];
  for (const pattern of patterns) {
    const match = pattern.exec(log);
    if (match !== null) return (match[1] ?? match[0]).trim();
  }
  return null;
}
