/** Memory of a Linux system: /proc/meminfo, and a cgroup's limit below it. */

const KIB = 2 ** 10;

export interface MemInfo {
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
}

/** MemTotal is what the kernel has after its own code and the firmware's share; MemAvailable is what can be had without swapping. */
export function parseMeminfo(text: string): MemInfo {
  return { totalBytes: kib(text, "MemTotal"), availableBytes: kib(text, "MemAvailable") };
}

function kib(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d{1,12}) kB$`, "m").exec(text);
  return match === null ? null : Number(match[1]) * KIB;
}

export function parseCpuName(cpuinfo: string): string | null {
  const match = /^(?:model name|Model)\s*:\s*(.+)$/m.exec(cpuinfo);
  return match?.[1]?.trim() ?? null;
}
