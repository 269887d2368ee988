/** Windows: nvidia-smi for NVIDIA's cards, one PowerShell script for the rest. */
import type { Found, System } from "./detected.ts";
import { parseWindows, WINDOWS_SCRIPT } from "./parse-windows.ts";
import { probeNvidia } from "./probe-nvidia.ts";

export async function probeWindows(system: System, cudaVisible: string | null): Promise<Found> {
  const [nvidia, script] = await Promise.all([
    probeNvidia(system, cudaVisible, ["nvidia-smi"]),
    system.run("powershell", ["-NoProfile", "-NonInteractive", "-Command", WINDOWS_SCRIPT]),
  ]);
  const facts = parseWindows(script ?? "");
  // nvidia-smi knows its own cards better, and in CUDA's numbers.
  const others = facts.gpus.filter((gpu) => gpu.vendor !== "nvidia" || (nvidia.length === 0 && cudaVisible === null));
  return {
    platform: "win32",
    gpus: [...nvidia, ...others],
    host: {
      name: facts.cpu ?? "system memory",
      memoryBytes: facts.totalBytes,
      usableBytes: null,
      freeBytes: facts.freeBytes,
      foundBy: ["Win32_OperatingSystem"],
      notKnown: facts.totalBytes === null ? ["memory: PowerShell does not answer"] : [],
    },
    notes:
      cudaVisible === null
        ? []
        : [`CUDA_VISIBLE_DEVICES is "${cudaVisible}": only those NVIDIA devices are planned for`],
  };
}
