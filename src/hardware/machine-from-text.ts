/** `--device` as a machine: "rtx-4090", "2x rtx-3090", "a100-sxm4-80gb+epyc-genoa", "apple-m4-max-40c:64GB", "2x 24GiB", "cpu:64GiB". */
import { AppError } from "../errors.ts";
import type { Backend, Device, Machine } from "../math/machine.ts";
import { didYouMean } from "../nearest.ts";
import { deviceOfRow, rowBytes } from "./row-device.ts";
import { parseSize } from "./size.ts";
import { type DeviceRow, knownNames, rowsNamed, sizesGb } from "./table.ts";

/** llama.cpp's names of its devices, which --override-tensor and its logs use. */
const DEVICE_PREFIX: Readonly<Record<Backend, string>> = {
  cuda: "CUDA",
  rocm: "ROCm",
  metal: "MTL",
  vulkan: "Vulkan",
  cpu: "CPU",
};

/** GGML_CUDA_MAX_DEVICES is 16, and no back-end takes more. @source llama.cpp ggml/include/ggml-cuda.h */
const MOST_DEVICES = 16;

export function deviceId(backend: Backend, index: number): string {
  return backend === "cpu" ? "CPU" : `${DEVICE_PREFIX[backend]}${index}`;
}

export const HOST_NAME = "system memory";

export function hostOf(memoryBytes: number | null): Device {
  return {
    id: "CPU",
    name: HOST_NAME,
    backend: "cpu",
    memoryBytes,
    usableBytes: null,
    freeBytes: null,
    bandwidthBytesPerSecond: null,
  };
}

type Item =
  | { readonly kind: "size"; readonly bytes: number; readonly text: string }
  | { readonly kind: "host"; readonly bytes: number }
  | { readonly kind: "row"; readonly row: DeviceRow; readonly bytes: number | null };

interface Part {
  readonly count: number;
  readonly item: Item;
}

/**
 * The machine a text describes. "auto" is not one of them: it is detected.
 * @throws {AppError} usage, not_found (with the nearest names) or unsupported
 */
export function machineFromText(text: string): Machine {
  const asked = text.trim();
  if (asked === "")
    throw new AppError("usage", 'Cannot use "" as a device: a name, a size or auto is wanted', { hint: HINT });
  if (asked.length > 200)
    throw new AppError("usage", `Cannot use a device's name of ${asked.length} letters: 200 is the most`);
  return assemble(asked, splitParts(asked));
}

const HINT = "hwledger devices --all lists the names; sizes read like 24GiB, 2x 24GiB or cpu:64GiB";

/** "+" joins parts, and is also in some names ("Max+ 395"): the longest name wins. */
function splitParts(text: string): Part[] {
  const pieces = text.split("+");
  const parts: Part[] = [];
  let start = 0;
  while (start < pieces.length) {
    let taken: Part | null = null;
    let end = pieces.length;
    for (; end > start + 1; end--) {
      taken = tryPart(pieces.slice(start, end).join("+"));
      if (taken !== null) break;
    }
    if (taken === null) {
      taken = parsePart(pieces[start] ?? "");
      end = start + 1;
    }
    parts.push(taken);
    start = end;
  }
  return parts;
}

/** A part whose name holds a "+", if there is such a row. */
function tryPart(text: string): Part | null {
  const { count, rest } = splitCount(text);
  const { name, size } = splitName(rest);
  const known = name.includes("+") && !(size ?? "").includes("+") && rowsNamed(name).length > 0;
  return known ? { count, item: parseItem(rest) } : null;
}

function parsePart(text: string): Part {
  const { count, rest } = splitCount(text.trim());
  return { count, item: parseItem(rest) };
}

function splitCount(text: string): { readonly count: number; readonly rest: string } {
  const match = /^(\d{1,6})\s*[x×]\s*(?=\S)/i.exec(text.trim());
  if (match === null) return { count: 1, rest: text.trim() };
  const count = Number(match[1]);
  if (count < 1 || count > MOST_DEVICES) {
    throw new AppError(
      "usage",
      `Cannot use ${count} devices in "${text.trim()}": llama.cpp takes 1 to ${MOST_DEVICES}`,
    );
  }
  return { count, rest: text.trim().slice(match[0].length) };
}

function splitName(text: string): { readonly name: string; readonly size: string | null } {
  const colon = text.lastIndexOf(":");
  return colon < 0
    ? { name: text, size: null }
    : { name: text.slice(0, colon).trim(), size: text.slice(colon + 1).trim() };
}

function parseItem(text: string): Item {
  const bytes = parseSize(text);
  if (bytes !== null) return { kind: "size", bytes: atLeastOne(bytes, text), text };
  const { name, size } = splitName(text);
  if (name.toLowerCase() === "cpu") return parseCpu(text, size);
  if (name.toLowerCase() === "auto") {
    throw new AppError("usage", `Cannot use "auto" as a part of a device: it stands alone`, { hint: HINT });
  }
  if (size === null && /^\d{1,3}(\.\d+)?$/.test(name)) {
    throw new AppError("usage", `Cannot use "${name}" as a device: a size needs its unit`, {
      hint: `write ${name}GiB`,
    });
  }
  const row = chooseRow(name, size);
  return { kind: "row", row, bytes: rowBytes(row, size) };
}

function parseCpu(text: string, size: string | null): Item {
  const bytes = size === null ? null : parseSize(size);
  if (bytes === null) {
    throw new AppError("usage", `Cannot use "${text}" as a device: system memory needs a size`, {
      hint: "write cpu:64GiB",
    });
  }
  return { kind: "host", bytes: atLeastOne(bytes, text) };
}

function atLeastOne(bytes: number, text: string): number {
  if (bytes >= 1) return bytes;
  throw new AppError("usage", `Cannot use "${text}" as a device: its memory is 0`, {
    hint: "write a size such as 24GiB",
  });
}

function chooseRow(name: string, size: string | null): DeviceRow {
  const rows = rowsNamed(name);
  const fitting = size === null ? rows : rows.filter((row) => hasSize(row, size));
  const candidates = fitting.length === 0 ? rows : fitting;
  const [row, another] = candidates;
  if (row === undefined) {
    throw new AppError("usage", `Cannot use device "${name}": the device table has no such name`, {
      hint: didYouMean(name, knownNames()) ?? HINT,
    });
  }
  if (another !== undefined) {
    throw new AppError(
      "usage",
      `Cannot use device "${name}": ${candidates.length} rows of the device table have this name`,
      {
        hint: `write ${candidates.map((c) => c.id).join(" or ")}`,
      },
    );
  }
  return row;
}

function hasSize(row: DeviceRow, size: string): boolean {
  const match = /^(\d+(?:\.\d+)?)\s*gi?b$/i.exec(size);
  return match !== null && sizesGb(row).includes(Number(match[1]));
}

function assemble(asked: string, parts: readonly Part[]): Machine {
  const accelerators: Device[] = [];
  const warnings: string[] = [];
  const indexes = new Map<Backend, number>();
  const nextId = (backend: Backend): string => {
    const index = indexes.get(backend) ?? 0;
    indexes.set(backend, index + 1);
    return deviceId(backend, index);
  };
  let host: Device | null = null;
  let unified = false;
  const setHost = (device: Device): void => {
    if (host !== null) {
      throw new AppError(
        "usage",
        `Cannot use "${asked}" as a device: a machine has one system memory, and two are named`,
        { hint: HINT },
      );
    }
    host = device;
  };
  for (const { count, item } of parts) {
    if (item.kind === "size") {
      for (let i = 0; i < count; i++) accelerators.push({ ...sizedGpu(item.bytes, item.text), id: nextId("cuda") });
      continue;
    }
    if (item.kind === "host" || item.row.kind === "cpu") {
      if (count > 1)
        throw new AppError(
          "usage",
          `Cannot use ${count} times system memory in "${asked}": give it once, with its whole size`,
        );
      setHost(item.kind === "host" ? hostOf(item.bytes) : deviceOfRow(item.row, item.bytes, "CPU").device);
      continue;
    }
    if (item.row.kind === "apu") {
      if (count > 1 || parts.length > 1) {
        throw new AppError(
          "usage",
          `Cannot join "${item.row.id}" with other devices: it shares its memory with the system`,
          {
            hint: `write --device ${item.row.id} alone`,
          },
        );
      }
      unified = true;
    }
    for (let i = 0; i < count; i++) {
      const { device, warnings: said } = deviceOfRow(item.row, item.bytes, "");
      accelerators.push({ ...device, id: nextId(device.backend) });
      for (const warning of said) if (!warnings.includes(warning)) warnings.push(warning);
    }
  }
  if (accelerators.length > MOST_DEVICES) {
    throw new AppError(
      "usage",
      `Cannot use ${accelerators.length} devices in "${asked}": llama.cpp takes 1 to ${MOST_DEVICES}`,
    );
  }
  const shared = unified ? (accelerators[0]?.memoryBytes ?? null) : null;
  return { id: asked, accelerators, host: host ?? hostOf(shared), unified, here: false, warnings };
}

function sizedGpu(bytes: number, text: string): Device {
  return {
    id: "",
    name: `GPU with ${text}`,
    backend: "cuda",
    memoryBytes: bytes,
    usableBytes: null,
    freeBytes: null,
    bandwidthBytesPerSecond: null,
  };
}
