/** `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`: sizes in MiB. */
import type { FoundGpu } from "./detected.ts";
import { rowsReportedAs } from "./table.ts";

const MIB = 2 ** 20;

/** memory.reserved came with driver 510; an older one refuses the whole query, so it is asked again without. */
export const NVIDIA_QUERY = [
  "index",
  "name",
  "memory.total",
  "memory.reserved",
  "memory.free",
  "pci.bus_id",
  "uuid",
] as const;
export const NVIDIA_QUERY_OLD = ["index", "name", "memory.total", "memory.free", "pci.bus_id", "uuid"] as const;

export interface NvidiaGpu extends FoundGpu {
  readonly index: number;
  readonly uuid: string;
}

/**
 * One GPU a line. total - reserved is what programs can ever get: NVML counts what the driver keeps as reserved, and
 * cudaMemGetInfo's total leaves it out. "[N/A]" (GB10 shares the system's memory) is not known.
 */
export function parseNvidiaSmi(text: string, query: readonly string[]): NvidiaGpu[] {
  const gpus: NvidiaGpu[] = [];
  for (const line of text.split("\n")) {
    const cells = line.split(",").map((cell) => cell.trim());
    if (cells.length !== query.length) continue;
    const cell = (field: string): string => cells[query.indexOf(field)] ?? "";
    const index = query.includes("index") ? wholeNumber(cell("index")) : gpus.length;
    const name = cell("name");
    // Not a line of data: a header, a warning of the driver.
    if (index === null || name === "" || name === "name") continue;
    const total = mib(cell("memory.total"));
    const reserved = query.includes("memory.reserved") ? mib(cell("memory.reserved")) : null;
    gpus.push({
      index,
      uuid: cell("uuid"),
      vendor: "nvidia",
      name,
      // GB10 and the Jetsons say nothing of their memory; a card that says nothing is still a card.
      integrated: total === null && rowsReportedAs(name).some((row) => row.kind === "apu"),
      memoryBytes: total,
      usableBytes: total === null || reserved === null || reserved >= total ? null : total - reserved,
      freeBytes: mib(cell("memory.free")),
      gpuCores: null,
      address: busAddress(cell("pci.bus_id")),
      foundBy: ["nvidia-smi"],
      notKnown: [],
    });
  }
  return gpus;
}

function wholeNumber(text: string): number | null {
  return /^\d{1,4}$/.test(text) ? Number(text) : null;
}

function mib(text: string): number | null {
  const match = /^(\d{1,9})(?: MiB)?$/.exec(text);
  return match === null ? null : Number(match[1]) * MIB;
}

/** "00000000:01:00.0" as the kernel writes it: "0000:01:00.0". */
function busAddress(text: string): string | null {
  const match = /^[0-9a-f]{4}([0-9a-f]{4}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(text);
  return match === null ? null : `${match[1]}:${match[2]}`.toLowerCase();
}

/**
 * Devices that CUDA shows to programs, in its order: indexes or the beginnings of UUIDs, up to the first that names none.
 * @source CUDA C++ programming guide, CUDA_VISIBLE_DEVICES
 */
export function visibleGpus(gpus: readonly NvidiaGpu[], visible: string | null): readonly NvidiaGpu[] {
  if (visible === null) return gpus;
  const chosen: NvidiaGpu[] = [];
  for (const part of visible.split(",").map((p) => p.trim())) {
    const gpu = /^\d+$/.test(part)
      ? gpus.find((g) => g.index === Number(part))
      : part.startsWith("GPU-") && gpus.find((g) => g.uuid.startsWith(part));
    if (gpu === undefined || gpu === false || chosen.includes(gpu)) break;
    chosen.push(gpu);
  }
  return chosen;
}
