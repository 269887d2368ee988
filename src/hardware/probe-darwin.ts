/** macOS: system_profiler for the GPU and its cores, sysctl for the memory and its limit, vm_stat for what is free. */
import type { Found, System } from "./detected.ts";
import { type MacDisplay, parseDisplays, parseSysctl, parseVmStat } from "./parse-darwin.ts";
import { appleWiredLimit } from "./usable.ts";

const MIB = 2 ** 20;

export async function probeDarwin(system: System): Promise<Found> {
  const [displays, sysctl, vmStat] = await Promise.all([
    system.run("/usr/sbin/system_profiler", ["SPDisplaysDataType", "-json"]),
    system.run("/usr/sbin/sysctl", ["-i", "hw.memsize", "iogpu.wired_limit_mb", "machdep.cpu.brand_string"]),
    system.run("/usr/bin/vm_stat", []),
  ]);
  const facts = parseSysctl(sysctl ?? "");
  const total = positive(facts.get("hw.memsize"));
  const chip = facts.get("machdep.cpu.brand_string") ?? "system memory";
  const free = parseVmStat(vmStat ?? "");
  const shown = parseDisplays(displays ?? "");
  const wiredMib = positive(facts.get("iogpu.wired_limit_mb"));
  const gpus = shown.map((display) => macGpu(display, total, free, wiredMib));
  // system_profiler can be too slow on a busy machine; the processor's name tells an Apple chip all the same.
  if (shown.length === 0 && chip.startsWith("Apple ")) {
    gpus.push(macGpu({ name: chip, cores: null, apple: true, vramBytes: null }, total, free, wiredMib));
  }
  return {
    platform: "darwin",
    gpus,
    host: {
      name: chip,
      memoryBytes: total,
      usableBytes: null,
      freeBytes: free,
      foundBy: ["sysctl hw.memsize", "vm_stat"],
      notKnown: [...(total === null ? ["memory"] : []), ...(free === null ? ["free memory"] : [])],
    },
    notes: [],
  };
}

function macGpu(
  display: MacDisplay,
  total: number | null,
  free: number | null,
  wiredMib: number | null,
): Found["gpus"][number] {
  const measured = total === null ? null : appleWiredLimit(total);
  const limit = !display.apple ? null : wiredMib === null ? (measured?.bytes ?? null) : wiredMib * MIB;
  const notKnown: string[] = [];
  if (display.apple && wiredMib === null)
    notKnown.push("whether this macOS gives the GPU its usual share of the memory");
  if (display.apple && display.cores === null) notKnown.push("how many cores the GPU has");
  return {
    vendor: display.apple
      ? "apple"
      : /radeon|amd/i.test(display.name)
        ? "amd"
        : /intel/i.test(display.name)
          ? "intel"
          : null,
    name: display.name,
    integrated: display.apple || /intel/i.test(display.name),
    memoryBytes: display.apple ? total : display.vramBytes,
    usableBytes: limit,
    // What is free of the system's memory, and never more than the GPU may take.
    freeBytes: display.apple && free !== null && limit !== null ? Math.min(free, limit) : null,
    gpuCores: display.cores,
    address: null,
    foundBy: [
      "system_profiler",
      ...(display.apple ? [wiredMib === null ? "macOS's usual limit" : "sysctl iogpu.wired_limit_mb"] : []),
    ],
    notKnown,
  };
}

function positive(text: string | undefined): number | null {
  const n = Number(text);
  return text !== undefined && Number.isSafeInteger(n) && n > 0 ? n : null;
}
