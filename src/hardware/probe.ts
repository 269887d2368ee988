/** The machine this runs on. */
import { assembleMachine } from "./assemble.ts";
import type { DetectedMachine, Found, System } from "./detected.ts";
import { probeDarwin } from "./probe-darwin.ts";
import { probeLinux } from "./probe-linux.ts";
import { probeWindows } from "./probe-windows.ts";
import { THIS_SYSTEM } from "./this-system.ts";

export interface ProbeOptions {
  readonly platform: string;
  readonly cudaVisibleDevices: string | null;
}

/** Never throws: what does not answer within three seconds is not known. */
export async function detectMachine(options: ProbeOptions, system: System = THIS_SYSTEM): Promise<DetectedMachine> {
  return assembleMachine(await probe(options, system));
}

async function probe({ platform, cudaVisibleDevices }: ProbeOptions, system: System): Promise<Found> {
  if (platform === "linux") return await probeLinux(system, cudaVisibleDevices);
  if (platform === "darwin") return await probeDarwin(system);
  if (platform === "win32") return await probeWindows(system, cudaVisibleDevices);
  return {
    platform,
    gpus: [],
    host: {
      name: "system memory",
      memoryBytes: null,
      usableBytes: null,
      freeBytes: null,
      foundBy: [],
      notKnown: ["memory"],
    },
    notes: [`${platform} is not probed: say the device with --device`],
  };
}
