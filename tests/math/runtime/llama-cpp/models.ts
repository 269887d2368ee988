/** Models and machines for the runtime's tests: geometries as published, memory made up. */
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { Device, Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import type { PresetId } from "../../../../src/math/parts/presets-table.ts";
import { GIB } from "../../../../src/math/units.ts";

export const CONFIGS = {
  "llama-3-8b": {
    model_type: "llama",
    hidden_size: 4096,
    intermediate_size: 14336,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    num_hidden_layers: 32,
    vocab_size: 128256,
    max_position_embeddings: 131072,
    tie_word_embeddings: false,
  },
  "qwen3-30b-a3b": {
    model_type: "qwen3_moe",
    hidden_size: 2048,
    intermediate_size: 6144,
    moe_intermediate_size: 768,
    num_experts: 128,
    num_experts_per_tok: 8,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    head_dim: 128,
    num_hidden_layers: 48,
    vocab_size: 151936,
    max_position_embeddings: 40960,
    norm_topk_prob: true,
    decoder_sparse_step: 1,
    mlp_only_layers: [],
    tie_word_embeddings: false,
  },
} as const;

export function modelOf(name: keyof typeof CONFIGS, preset: PresetId = "Q4_K_M"): ModelSpec {
  const result = specFromConfig(CONFIGS[name]);
  if (result.status !== "ok") throw new Error(`${name}: ${result.reason}`);
  return assignPreset(result.spec, preset, { imatrix: false });
}

export function device(id: string, gib: number | null, backend: Device["backend"] = "cuda"): Device {
  const memoryBytes = gib === null ? null : gib * GIB;
  return { id, name: id, backend, memoryBytes, usableBytes: null, freeBytes: null, bandwidthBytesPerSecond: null };
}

export function machineOf(accelerators: readonly Device[], hostGib: number | null = null, unified = false): Machine {
  return { id: "test", accelerators, host: device("cpu", hostGib, "cpu"), unified, here: false, warnings: [] };
}
