/** Loads of older builds as their logs have them, planned by us. */
import type { Backend, Machine } from "../../../../src/math/machine.ts";
import { KV_TYPES, type KvType, NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { planLlamaCpp } from "../../../../src/math/runtime/llama-cpp/plan.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { type LoadLog, loadLogs, specOfLog } from "../../../fixtures/load-logs/read.ts";
import { device, machineOf } from "./models.ts";

function backendOf(buffer: string): Backend {
  if (buffer.startsWith("ROCm")) return "rocm";
  if (buffer.startsWith("Vulkan")) return "vulkan";
  return buffer.startsWith("Metal") ? "metal" : "cuda";
}

function machineOfLog({ measured }: LoadLog): Machine {
  const buffers = Object.keys(measured.compute_buffer_mib ?? {}).filter((name) => !/CPU|Host/.test(name));
  return machineOf(buffers.map((name) => device(name, null, backendOf(name))));
}

const typeOf = (name: string | null): KvType | null => KV_TYPES.find((type) => type === name?.toUpperCase()) ?? null;

export function planOfLog(log: LoadLog): EnginePlan {
  const spec = specOfLog(log);
  if (spec === null) throw new Error(`${log.id}: no geometry`);
  const unified = log.kv_unified === "true";
  const asked: PlanOptions = {
    ...NO_OPTIONS,
    context: unified ? log.n_ctx : log.n_ctx / log.n_seq,
    sequences: log.n_seq,
    kvUnified: unified,
    batch: log.n_batch,
    ubatch: log.n_ubatch,
    kvTypeK: typeOf(log.type_k),
    kvTypeV: typeOf(log.type_v),
    flashAttention: log.flash_attn === "0" || log.flash_attn === null ? "off" : "on",
    gpuLayers: log.n_gpu_layers ?? "all",
  };
  // Weights take no part here: any preset does.
  const plan = planLlamaCpp(assignPreset(spec, "Q4_0", { imatrix: false }), asked, machineOfLog(log), {
    version: log.version,
  });
  if (plan.status === "refused") throw new Error(`${log.id}: ${plan.reason}`);
  return plan;
}

export const sum = (bytes: Float64Array): number => bytes.reduce((total, one) => total + one, 0);

/** What the log printed as KV: in old builds a recurrent state is among it. */
export function kvOfLog(plan: EnginePlan, log: LoadLog): number {
  const { kv_cache_bytes, state_bytes } = plan.parts;
  return sum(kv_cache_bytes) + (log.measured.recurrent === undefined ? sum(state_bytes) : 0);
}

/** Of a known build and family. */
export function knownLogs(): readonly LoadLog[] {
  return loadLogs().filter((log) => log.engine === "llama.cpp" && log.version !== null && specOfLog(log) !== null);
}
