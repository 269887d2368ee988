import { describe, expect, test } from "bun:test";
import { failureIn, parseLog } from "../../../src/engines/llama-cpp/parse.ts";

/** Lines as llama.cpp v0.5.0 printed them (SmolLM2-135M really loaded; a Qwen3.5 header accounted for). */
const LOADED = `
load_tensors:   CPU_Mapped model buffer size =    87.68 MiB
load_tensors:   CPU_REPACK model buffer size =    68.20 MiB
llama_context: n_seq_max             = 2
llama_context: n_ctx                 = 4096
llama_context: n_ctx_seq             = 2048
llama_context: flash_attn            = auto
llama_context:        CPU  output buffer size =     1.16 MiB
llama_kv_cache_iswa: creating non-SWA KV cache, size = 2048 cells
llama_kv_cache:        CPU KV buffer size =   112.00 MiB
llama_kv_cache: size =  112.00 MiB (  2048 cells,  28 layers,  2/2 seqs), K (f16):   56.00 MiB, V (q8_0):   29.75 MiB
llama_memory_recurrent:        CPU RS buffer size =   598.50 MiB
llama_memory_recurrent: size =  598.50 MiB (     4 cells,  64 layers,  4 seqs  0 rs_seq), R (f32):   22.50 MiB, S (f32):  576.00 MiB
resolve_fused_ops: Flash Attention enabled
sched_reserve:        CPU compute buffer size =   302.75 MiB
sched_reserve: graph: nodes = 930, splits = 1, input objects = 4, input tensors = 6
`;

describe("parseLog", () => {
  const sizes = parseLog(LOADED);

  test("reads each kind of buffer by its device", () => {
    expect(sizes.model).toEqual([
      { buffer: "CPU_Mapped", mib: 87.68 },
      { buffer: "CPU_REPACK", mib: 68.2 },
    ]);
    expect(sizes.kvBuffers).toEqual([{ buffer: "CPU", mib: 112 }]);
    expect(sizes.stateBuffers).toEqual([{ buffer: "CPU", mib: 598.5 }]);
    expect(sizes.compute).toEqual([{ buffer: "CPU", mib: 302.75 }]);
    expect(sizes.output).toEqual([{ buffer: "CPU", mib: 1.16 }]);
  });

  test("reads a cache's cells, layers, streams and halves", () => {
    expect(sizes.caches).toEqual([
      {
        cells: 2048,
        layers: 28,
        streams: 2,
        mib: 112,
        k: { type: "f16", mib: 56 },
        v: { type: "q8_0", mib: 29.75 },
      },
    ]);
  });

  test("reads a state's rows and halves", () => {
    expect(sizes.states).toEqual([{ rows: 4, layers: 64, mib: 598.5, rMib: 22.5, sMib: 576 }]);
  });

  test("takes n_ctx and not its siblings, and what auto became", () => {
    expect(sizes.contextTotal).toBe(4096);
    expect(sizes.flashAttention).toBe(true);
  });

  test("says null and nothing of an empty log", () => {
    expect(parseLog("")).toEqual({
      model: [],
      kvBuffers: [],
      stateBuffers: [],
      compute: [],
      output: [],
      caches: [],
      states: [],
      contextTotal: null,
      flashAttention: null,
    });
  });

  test.each([
    ["resolve_fused_ops: Flash Attention not supported, set to disabled", false],
    ["sched_reserve: Flash Attention was auto, set to enabled", true],
    ["sched_reserve: Flash Attention was auto, set to disabled", false],
  ])("%s", (line, want) => {
    expect(parseLog(line).flashAttention).toBe(want);
  });
});

describe("failureIn", () => {
  test.each([
    ["llama_model_load: error loading model: missing tensor 'output.weight'\n", "missing tensor 'output.weight'"],
    [
      "llama_init_from_model: quantized V cache requires flash_attn to be enabled\n",
      "quantized V cache requires flash_attn to be enabled",
    ],
    ["nothing of note", null],
  ])("%s", (log, want) => {
    expect(failureIn(log)).toBe(want);
  });
});
