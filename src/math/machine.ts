/** The hardware a plan is for: accelerators in the engine's order, and the host they stand in. Facts that nobody knows are null. */
export const BACKENDS = ["cuda", "rocm", "metal", "vulkan", "cpu"] as const;
export type Backend = (typeof BACKENDS)[number];

export interface Device {
  readonly id: string;
  readonly name: string;
  readonly backend: Backend;
  /** As marketed or as the system reports it in total. */
  readonly memoryBytes: number | null;
  /** What a program can ever get (driver's total, Apple's wired limit, a cgroup); null when only the marketed size is known. */
  readonly usableBytes: number | null;
  /** Free now; null for hardware that is not here. */
  readonly freeBytes: number | null;
  readonly bandwidthBytesPerSecond: number | null;
}

export interface Machine {
  /** As it was asked for: "auto", "rtx-4090", "2x 24GiB". */
  readonly id: string;
  readonly accelerators: readonly Device[];
  /** System memory. memoryBytes null: nobody said; planned as ample, and the answer says so. */
  readonly host: Device;
  /** Accelerator and host share one memory (Apple, integrated GPUs). */
  readonly unified: boolean;
  /** False for hardware that is only imagined. */
  readonly here: boolean;
  readonly warnings: readonly string[];
}

/**
 * The most that may be planned for on a device, before the margin: free, else usable, else marketed; null = no limit
 * known. Never more than usable: some drivers count as free what no program gets.
 */
export function plannableBytes(device: Device): number | null {
  const { freeBytes, usableBytes, memoryBytes } = device;
  if (freeBytes !== null && usableBytes !== null) return Math.min(freeBytes, usableBytes);
  return freeBytes ?? usableBytes ?? memoryBytes;
}
