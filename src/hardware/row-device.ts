/** One row of the table, in one size, as a device of a machine that is only imagined. */
import { AppError } from "../errors.ts";
import type { Backend, Device } from "../math/machine.ts";
import { splitSize } from "./size.ts";
import { type DeviceRow, sizesGb } from "./table.ts";
import { appleWiredLimit, reportedMemory, USABLE_SHARE } from "./usable.ts";

const GIB = 2 ** 30;

/**
 * Bytes of a marketed "24 GB": the chips hold powers of two, so it is 24 GiB, for boards (24576 MiB in nvidia-smi for an
 * RTX 3090) and for memory shared with the system (hw.memsize 68719476736 on a 64 GB Mac) alike. Sizes that people
 * write themselves are taken by their unit.
 */
export function marketedBytes(gb: number): number {
  return gb * GIB;
}

/** llama.cpp's back-end for a row; null where it has none. */
export function backendOf(row: DeviceRow): Backend | null {
  if (row.kind === "cpu") return "cpu";
  switch (row.vendor) {
    case "nvidia":
      return "cuda";
    case "amd":
      return row.kind === "apu" && !ROCM_APUS.has(row.gfx ?? "") ? "vulkan" : "rocm";
    case "apple":
      return "metal";
    case "intel":
      return row.arch?.startsWith("gaudi") === true ? null : "vulkan";
    case "qualcomm":
      return "vulkan";
    default:
      return null;
  }
}

/** Processors with graphics inside that AMD builds ROCm for. @source ROCm 7 compatibility matrix: MI300A, Ryzen AI Max */
const ROCM_APUS: ReadonlySet<string> = new Set(["gfx942", "gfx1151"]);

/**
 * The size of a row in bytes, null where the buyer chooses and nobody said.
 * @throws {AppError} usage: a size is needed, or the row has no such size
 */
export function rowBytes(row: DeviceRow, size: string | null): number | null {
  const sizes = sizesGb(row);
  const list = sizes.map((gb) => `${gb}GB`).join(", ");
  if (size === null) {
    if (sizes.length === 0) return null;
    const [only, another] = sizes;
    if (only !== undefined && another === undefined) return marketedBytes(only);
    throw new AppError("usage", `Cannot use device "${row.id}" without a size: it is sold with ${list}`, {
      hint: `write ${row.id}:${sizes.at(-1)}GB`,
    });
  }
  const given = splitSize(size);
  if (given === null) {
    throw new AppError(
      "usage",
      `Cannot use "${size}" as the size of device "${row.id}": it should read like 64GB or 64GiB`,
    );
  }
  const isGb = given.unit === "gb" || given.unit === "gib";
  if (sizes.length > 0) {
    // "64GB" of a table row is the marketed size, whichever way it is written.
    if (isGb && sizes.includes(given.count)) return marketedBytes(given.count);
    throw new AppError("usage", `Cannot use device "${row.id}" with ${size}: it is sold with ${list}`, {
      hint: `write ${row.id}:${sizes.at(-1)}GB, or a bare size such as ${given.count}GiB`,
    });
  }
  if (isGb) return marketedBytes(given.count);
  throw new AppError("usage", `Cannot use "${size}" as the size of device "${row.id}": give it in GB or GiB`);
}

export interface RowDevice {
  readonly device: Device;
  readonly warnings: readonly string[];
}

/** The device, with what is not known about its memory as warnings. @throws {AppError} unsupported: no engine has a back-end for it */
export function deviceOfRow(row: DeviceRow, bytes: number | null, id: string): RowDevice {
  const backend = backendOf(row);
  if (backend === null) {
    throw new AppError("unsupported", `Cannot plan for device "${row.id}": llama.cpp has no back-end for it`, {
      hint: "hwledger devices lists what is here; --device takes any GPU of NVIDIA, AMD, Apple, Intel or Qualcomm",
    });
  }
  const warnings: string[] = [];
  const usable = usableOf(row, bytes, warnings);
  if (row.confidence === "medium") warnings.push(`${row.name}: figures from a single source (${row.source})`);
  return {
    device: {
      id,
      name: row.name,
      backend,
      memoryBytes: bytes,
      usableBytes: usable,
      freeBytes: null,
      bandwidthBytesPerSecond: row.bandwidth_gbps === null ? null : Math.round(row.bandwidth_gbps * 1e9),
    },
    warnings,
  };
}

function usableOf(row: DeviceRow, bytes: number | null, warnings: string[]): number | null {
  if (bytes === null || row.kind === "cpu") return null;
  if (row.vendor === "apple") return appleUsable(row, bytes, warnings);
  const reported = reportedMemory(row.id);
  if (reported !== null) return reported.bytes;
  if (row.kind === "apu") {
    const gtt =
      row.vendor === "amd" ? ": Linux gives half of it unless amdgpu.gttsize or ttm.pages_limit says otherwise" : "";
    warnings.push(`${row.name}: how much of the shared memory the GPU may take is not known${gtt}`);
    return null;
  }
  const gib = (share: number): string => ((bytes * share) / GIB).toFixed(1);
  warnings.push(
    `${row.name}: what its driver leaves to programs is not known; other cards leave ${gib(USABLE_SHARE.low)} to ${gib(USABLE_SHARE.high)} GiB of ${gib(1)} GiB`,
  );
  return null;
}

function appleUsable(row: DeviceRow, bytes: number, warnings: string[]): number {
  const limit = appleWiredLimit(bytes);
  const gib = (n: number): string => (n / GIB).toFixed(1);
  if (!limit.measured) {
    warnings.push(
      `${row.name}: macOS's limit for the GPU at ${gib(bytes)} GiB is not measured; ${gib(limit.bytes)} GiB by its old rule`,
    );
  } else if (limit.olderBytes !== null) {
    warnings.push(
      `${row.name}: older macOS gives the GPU ${gib(limit.olderBytes)} GiB instead of ${gib(limit.bytes)} GiB`,
    );
  }
  return limit.bytes;
}
