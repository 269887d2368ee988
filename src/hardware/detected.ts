/** What was found on this machine. A fact that nothing told is null, and named in notKnown. */
import type { Machine } from "../math/machine.ts";
import type { Vendor } from "./table.ts";

export interface FoundGpu {
  readonly vendor: Vendor | null;
  /** As the driver or the bus calls it. */
  readonly name: string;
  /** Shares the system's memory. */
  readonly integrated: boolean;
  readonly memoryBytes: number | null;
  readonly usableBytes: number | null;
  readonly freeBytes: number | null;
  /** Apple: tells two chips of one name apart. */
  readonly gpuCores: number | null;
  /** "0000:01:00.0": the same card seen by two tools. */
  readonly address: string | null;
  readonly foundBy: readonly string[];
  readonly notKnown: readonly string[];
}

export interface FoundHost {
  readonly name: string;
  readonly memoryBytes: number | null;
  /** A limit below the whole memory, such as a cgroup's; null: none. */
  readonly usableBytes: number | null;
  readonly freeBytes: number | null;
  readonly foundBy: readonly string[];
  readonly notKnown: readonly string[];
}

export interface Found {
  readonly platform: string;
  readonly gpus: readonly FoundGpu[];
  readonly host: FoundHost;
  readonly notes: readonly string[];
}

/** A device of the machine beside what is known of where it comes from. */
export interface DeviceOrigin {
  /** Row of the device table, null when its name is in none. */
  readonly row: string | null;
  readonly foundBy: readonly string[];
  readonly notKnown: readonly string[];
}

export interface DetectedMachine {
  readonly machine: Machine;
  readonly platform: string;
  /** In the order of machine.accelerators. */
  readonly origins: readonly DeviceOrigin[];
  readonly hostOrigin: DeviceOrigin;
  /** GPUs that are here and not planned for. */
  readonly leftOut: readonly FoundGpu[];
}

/** Everything a probe may touch, so that tests hand in what other machines answered. No function throws. */
export interface System {
  /** Standard output of a program that ended with 0 in time; null otherwise, also when there is no such program. */
  readonly run: (command: string, args: readonly string[]) => Promise<string | null>;
  /** A text file, null when it is not there. */
  readonly read: (path: string) => Promise<string | null>;
  /** Names in a folder; none when it is not there. */
  readonly list: (path: string) => Promise<readonly string[]>;
  /** Where a path leads after its links, null when it is not there. */
  readonly resolve: (path: string) => Promise<string | null>;
}
