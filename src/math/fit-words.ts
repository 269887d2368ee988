/** A plan's verdict in a few words, from its answer alone. */
import { formatBytes } from "./format.ts";
import type { PlanResult } from "./result.ts";

/** "12.8 GiB to spare on CUDA0", "short by 5.7 GiB on CUDA0"; of several devices the fullest. Else why there is no plan. */
export function fitWords(result: PlanResult): string {
  if (result.error !== undefined) return result.error.message;
  if (result.reason !== undefined) return result.reason;
  const used = result.memory.by_device.filter((device) => device.free_bytes !== null && device.total_bytes > 0);
  const [fullest] = used.toSorted((a, b) => (a.free_bytes ?? 0) - (b.free_bytes ?? 0));
  if (fullest === undefined) return "the size of the memory is not known";
  const left = fullest.free_bytes ?? 0;
  const host = inSystemMemory(result);
  const room =
    left < 0
      ? `short by ${formatBytes(-left)} on ${fullest.device}`
      : `${formatBytes(left)} to spare on ${fullest.device}`;
  return host === null ? room : `${room}, ${host} in system memory`;
}

/** What the accelerators do not hold, though there are some: "54 layers", "experts". null: nothing of the layers. */
export function inSystemMemory({ devices, model, options }: PlanResult): string | null {
  if (devices.length < 2 || model.layers === null) return null;
  const { gpu_layers, cpu_moe_layers, override_tensor } = options;
  const layers = typeof gpu_layers === "number" ? model.layers - gpu_layers : 0;
  if (layers > 0) return `${layers} of ${model.layers} layers`;
  const experts = Number(cpu_moe_layers ?? 0) > 0 || (Array.isArray(override_tensor) && override_tensor.length > 0);
  return experts ? "experts" : null;
}
