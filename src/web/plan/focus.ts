/** Which memory a plan is judged by: the accelerators when it uses any, else system memory. */
import { plannableBytes } from "../../math/machine.ts";
import type { PlanResult } from "../../math/result.ts";
import type { Scene } from "./scene.ts";

export interface Focus {
  /** Slots of by_device. */
  readonly slots: readonly number[];
  readonly needBytes: number;
  /** Sum of what may be planned for; null when a device does not say. */
  readonly freeBytes: number | null;
  /** Bytes outside the focus: in system memory beside the accelerators. */
  readonly besideBytes: number;
  /** True: the focus is system memory alone. */
  readonly host: boolean;
}

export function focusOf({ machine, result }: Pick<Scene, "machine" | "result">): Focus {
  const devices = result.memory.by_device;
  const host = machine.accelerators.length;
  const used = devices.map((d, i) => (i < host && d.total_bytes > 0 ? i : -1)).filter((i) => i >= 0);
  const slots = used.length > 0 ? used : [host];
  let need = 0;
  let free: number | null = 0;
  let all = 0;
  devices.forEach((device, i) => {
    all += device.total_bytes;
    if (!slots.includes(i)) return;
    need += device.total_bytes;
    const spec = machine.accelerators[i] ?? machine.host;
    const limit = plannableBytes(spec);
    free = free === null || limit === null ? null : free + limit;
  });
  return { slots, needBytes: need, freeBytes: free, besideBytes: all - need, host: used.length === 0 };
}

/** "NVIDIA GeForce RTX 4090" → "RTX 4090". */
export function shortDevice(name: string): string {
  return name.replace(/\b(NVIDIA|AMD|Intel) (GeForce |Radeon )?/, "");
}

/** Device names that tell them apart: two of a kind get a number. */
export function deviceNames(result: PlanResult, host: number): readonly string[] {
  const names = result.devices.map((d) => shortDevice(d.name));
  return names.map((name, i) => {
    if (i >= host) return "system memory";
    const same = names.filter((other, k) => k < host && other === name).length;
    return same > 1 ? `${name} #${names.slice(0, i + 1).filter((other) => other === name).length}` : name;
  });
}
