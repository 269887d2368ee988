/** What was found → the machine a plan is for, with the table's facts where a name is in it. */
import type { Backend, Device, Machine } from "../math/machine.ts";
import type { DetectedMachine, DeviceOrigin, Found, FoundGpu } from "./detected.ts";
import { deviceId } from "./machine-from-text.ts";
import { backendOf, marketedBytes } from "./row-device.ts";
import { type DeviceRow, rowsReportedAs, sizesGb } from "./table.ts";
import { reportedMemory } from "./usable.ts";

/** A driver's total is below the marketed size by what firmware and error correction take (44.4 of 48 GiB), and never above it by more than rounding. */
const SIZE_RANGE = { low: 0.9, high: 1.02 } as const;

export function assembleMachine(found: Found): DetectedMachine {
  const { used, leftOut } = chooseGpus(found.gpus);
  const unified = used.some((gpu) => gpu.integrated);
  const indexes = new Map<Backend, number>();
  const warnings = [...found.notes];
  const accelerators: Device[] = [];
  const origins: DeviceOrigin[] = [];
  for (const gpu of used) {
    const row = rowOf(gpu, found.host.memoryBytes);
    const backend = backendOfGpu(gpu, row);
    const index = indexes.get(backend) ?? 0;
    indexes.set(backend, index + 1);
    const device = deviceOfGpu(gpu, row, deviceId(backend, index), backend, found);
    accelerators.push(device);
    origins.push({ row: row?.id ?? null, foundBy: gpu.foundBy, notKnown: notKnownOf(gpu, device, row) });
    if (device.memoryBytes === null)
      warnings.push(`${gpu.name}: its memory is not known; say it with --device, such as --device 16GiB`);
  }
  for (const gpu of leftOut) {
    warnings.push(
      `${gpu.name} is not planned for: ${gpu.vendor === null ? "no engine has a back-end for it" : "llama.cpp uses graphics inside a processor only where there is no other GPU"}`,
    );
  }
  const hostRow = found.host.memoryBytes === null ? null : onlyRow(rowsReportedAs(found.host.name));
  const host: Device = {
    id: "CPU",
    name: found.host.name,
    backend: "cpu",
    memoryBytes: found.host.memoryBytes,
    usableBytes: found.host.usableBytes,
    freeBytes: found.host.freeBytes,
    bandwidthBytesPerSecond: bandwidthOf(hostRow ?? (unified ? rowNamed(origins[0]?.row ?? null, used[0]) : null)),
  };
  const machine: Machine = { id: "auto", accelerators, host, unified, here: true, warnings };
  const hostNotKnown =
    host.bandwidthBytesPerSecond === null ? ["memory bandwidth: the memory modules are not read"] : [];
  return {
    machine,
    platform: found.platform,
    origins,
    hostOrigin: {
      row: hostRow?.id ?? null,
      foundBy: found.host.foundBy,
      notKnown: [...found.host.notKnown, ...hostNotKnown],
    },
    leftOut,
  };
}

/** @source llama.cpp src/llama.cpp: integrated GPUs are added only if no other GPU was found */
function chooseGpus(gpus: readonly FoundGpu[]): {
  readonly used: readonly FoundGpu[];
  readonly leftOut: readonly FoundGpu[];
} {
  const known = gpus.filter((gpu) => gpu.vendor !== null);
  const discrete = known.filter((gpu) => !gpu.integrated);
  const used = discrete.length > 0 ? discrete : known.slice(0, 1);
  return { used, leftOut: gpus.filter((gpu) => !used.includes(gpu)) };
}

function backendOfGpu(gpu: FoundGpu, row: DeviceRow | null): Backend {
  const backend = row === null ? null : backendOf(row);
  if (backend !== null) return backend;
  switch (gpu.vendor) {
    case "nvidia":
      return "cuda";
    case "apple":
      return "metal";
    case "amd":
      return gpu.integrated ? "vulkan" : "rocm";
    default:
      return "vulkan";
  }
}

/** The row of this name, by memory and then by cores where several share it; null when none or several remain. */
function rowOf(gpu: FoundGpu, hostBytes: number | null): DeviceRow | null {
  const rows = rowsReportedAs(gpu.name);
  const memory = gpu.memoryBytes ?? (gpu.integrated ? hostBytes : null);
  const sized = rows.filter(
    (row) => memory === null || sizesGb(row).some((gb) => isSize(memory, gb, row.kind === "apu")),
  );
  const named =
    gpu.gpuCores === null
      ? sized
      : sized.filter((row) => row.gpu_cores === undefined || row.gpu_cores === gpu.gpuCores);
  return onlyRow(named) ?? (named.length === 0 ? onlyRow(rows) : null);
}

/** Memory shared with a system is reported less the firmware's share, which can be large: only the upper bound counts. */
function isSize(bytes: number, gb: number, shared: boolean): boolean {
  const share = bytes / marketedBytes(gb);
  return share <= SIZE_RANGE.high && (shared || share >= SIZE_RANGE.low);
}

function onlyRow(rows: readonly DeviceRow[]): DeviceRow | null {
  const [row, another] = rows;
  return row !== undefined && another === undefined ? row : null;
}

function rowNamed(id: string | null, gpu: FoundGpu | undefined): DeviceRow | null {
  return id === null || gpu === undefined ? null : (rowsReportedAs(gpu.name).find((row) => row.id === id) ?? null);
}

function deviceOfGpu(gpu: FoundGpu, row: DeviceRow | null, id: string, backend: Backend, found: Found): Device {
  const sizes = row === null ? [] : sizesGb(row);
  const marketed = sizes.length === 1 && !gpu.integrated ? marketedBytes(sizes[0] ?? 0) : null;
  // A tool that says nothing of memory (GB10's nvidia-smi) leaves it to the system whose memory it shares.
  const memoryBytes = gpu.memoryBytes ?? (gpu.integrated ? found.host.memoryBytes : marketed);
  const reported = row === null ? null : reportedMemory(row.id);
  const usable =
    gpu.usableBytes ??
    (reported !== null && memoryBytes !== null && reported.bytes <= memoryBytes ? reported.bytes : null);
  return {
    id,
    name: gpu.name,
    backend,
    memoryBytes,
    usableBytes: usable,
    freeBytes: gpu.freeBytes ?? (gpu.integrated && gpu.usableBytes === null ? found.host.freeBytes : null),
    bandwidthBytesPerSecond: bandwidthOf(row),
  };
}

function bandwidthOf(row: DeviceRow | null): number | null {
  return row === null || row.bandwidth_gbps === null ? null : Math.round(row.bandwidth_gbps * 1e9);
}

function notKnownOf(gpu: FoundGpu, device: Device, row: DeviceRow | null): string[] {
  const named = rowsReportedAs(gpu.name).length;
  return [
    ...gpu.notKnown.filter((what) => what !== "free memory" || device.freeBytes === null),
    ...(device.memoryBytes === null ? ["memory"] : []),
    // What is free of the system's memory says nothing of how much of it the GPU may take.
    ...(device.memoryBytes !== null && device.usableBytes === null && (gpu.integrated || device.freeBytes === null)
      ? ["what the driver leaves to programs"]
      : []),
    ...(row === null
      ? [
          named > 1
            ? `memory bandwidth: ${named} rows of the device table have this name`
            : "memory bandwidth: its name is not in the device table",
        ]
      : []),
  ];
}
