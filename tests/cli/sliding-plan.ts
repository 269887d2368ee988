/** An answer made by hand: 12 layers, every sixth full, on one card; numbers chosen to be read, not computed by any code. */
import type { LayerMemory, PlanResult } from "../../src/math/result.ts";

const MIB = 2 ** 20;

const layers: readonly LayerMemory[] = Array.from({ length: 12 }, (_, index) => {
  const full = index % 6 === 5;
  return {
    index,
    mixers: [full ? "full" : "sliding"],
    feed_forward: "dense",
    device: "CUDA0",
    weights_bytes: 200 * MIB,
    kv_cache_bytes: full ? 100 * MIB : 10 * MIB,
    state_bytes: 0,
    kv_cells: full ? 8192 : 1536,
    kv_shared_with: null,
    side_caches: [],
  };
});

/** 12 x 200 + 100 outside = 2500 MiB of weights, 10 x 10 + 2 x 100 = 300 of KV, 150 + 2 + 48 of the rest: 3000 MiB. */
export const SLIDING_PLAN: PlanResult = {
  schema: "hwledger.plan/1",
  status: "fits",
  tight: false,
  model: {
    id: "org/model",
    source: "hub",
    revision: null,
    family: "gemma3",
    layers: 12,
    context_trained: 32_768,
    parameters: { total: 4_300_000_000, active: 4_300_000_000, embedding: 300_000_000 },
  },
  engine: { id: "llama.cpp", version: "v0.5.0" },
  options: { context: 8192, sequences: 1, weights: "Q4_K_M", gpu_layers: 13 },
  devices: [
    {
      id: "CUDA0",
      name: "NVIDIA GeForce RTX 4090",
      memory_bytes: 24_576 * MIB,
      usable_bytes: 24_082 * MIB,
      free_bytes: null,
      bandwidth_bytes_per_second: 1_008_000_000_000,
    },
    {
      id: "CPU",
      name: "system memory",
      memory_bytes: null,
      usable_bytes: null,
      free_bytes: null,
      bandwidth_bytes_per_second: null,
    },
  ],
  memory: {
    total_bytes: 3000 * MIB,
    weights_bytes: 2500 * MIB,
    kv_cache_bytes: 300 * MIB,
    state_bytes: 0,
    compute_bytes: 150 * MIB,
    output_bytes: 2 * MIB,
    overhead_bytes: 48 * MIB,
    reserved_bytes: 1024 * MIB,
    low_bytes: 2950 * MIB,
    high_bytes: 3050 * MIB,
    basis: null,
    by_device: [
      {
        device: "CUDA0",
        weights_bytes: 2500 * MIB,
        kv_cache_bytes: 300 * MIB,
        state_bytes: 0,
        compute_bytes: 150 * MIB,
        output_bytes: 2 * MIB,
        overhead_bytes: 48 * MIB,
        reserved_bytes: 1518 * MIB,
        total_bytes: 3000 * MIB,
        free_bytes: 20_058 * MIB,
      },
      {
        device: "CPU",
        weights_bytes: 0,
        kv_cache_bytes: 0,
        state_bytes: 0,
        compute_bytes: 0,
        output_bytes: 0,
        overhead_bytes: 0,
        reserved_bytes: 0,
        total_bytes: 0,
        free_bytes: null,
      },
    ],
    by_layer: layers,
    outside_layers: [{ name: "token_embd", weights_bytes: 100 * MIB, device: "CUDA0" }],
    asked: null,
  },
  limits: {
    max_context: 131_072,
    max_sequences: 40,
    gpu_layers: 13,
    cpu_moe_layers: null,
    tensor_split: null,
    best_weights: "BF16",
  },
  speed: null,
  price: null,
  download_bytes: 2_600_000_000,
  command: "llama-server -hf org/model:Q4_K_M -c 8192",
  explanation: ["Weights: 12 layers and what lies outside them = 2500 MiB"],
  warnings: ["One thing to know."],
};
