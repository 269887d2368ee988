/** Windows: one PowerShell script answers as JSON. */
import type { FoundGpu } from "./detected.ts";
import { jsonObject } from "./json-object.ts";
import type { Vendor } from "./table.ts";

/**
 * Win32_VideoController.AdapterRAM has 32 bits and says 4 GiB for anything larger, so the driver's own 64-bit figure in
 * the registry is read beside it and matched by the driver's description.
 * @source Microsoft's Win32_VideoController class; sebhildebrandt/systeminformation#534
 */
export const WINDOWS_SCRIPT = [
  "$ErrorActionPreference='SilentlyContinue'",
  "$class='HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}\\0*'",
  "$os=Get-CimInstance Win32_OperatingSystem",
  "@{controllers=@(Get-CimInstance Win32_VideoController|Select-Object Name,AdapterRAM,PNPDeviceID)",
  "drivers=@(Get-ItemProperty $class|Select-Object DriverDesc,'HardwareInformation.qwMemorySize')",
  "total_kib=$os.TotalVisibleMemorySize;free_kib=$os.FreePhysicalMemory",
  "cpu=(Get-CimInstance Win32_Processor|Select-Object -First 1).Name}|ConvertTo-Json -Depth 4 -Compress",
].join(";");

export interface WindowsFacts {
  readonly gpus: readonly FoundGpu[];
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  readonly cpu: string | null;
}

/** AdapterRAM at or above this is cut off. */
const CUT_OFF = 2 ** 32 - 2 ** 21;

const PCI_VENDORS: Readonly<Record<string, Vendor>> = { "10de": "nvidia", "1002": "amd", "8086": "intel" };

export function parseWindows(text: string): WindowsFacts {
  const facts = jsonObject(text.trim());
  const sizes = new Map<string, number>();
  for (const driver of objects(facts?.drivers)) {
    const size = driver["HardwareInformation.qwMemorySize"];
    if (typeof size === "number" && size > 0) sizes.set(String(driver.DriverDesc), size);
  }
  return {
    gpus: objects(facts?.controllers).flatMap((controller) => windowsGpu(controller, sizes)),
    totalBytes: kib(facts?.total_kib),
    freeBytes: kib(facts?.free_kib),
    cpu: typeof facts?.cpu === "string" ? facts.cpu.trim() : null,
  };
}

function windowsGpu(controller: Readonly<Record<string, unknown>>, sizes: ReadonlyMap<string, number>): FoundGpu[] {
  const name = String(controller.Name ?? "");
  const pnp = String(controller.PNPDeviceID ?? "");
  const vendorId = /VEN_([0-9A-F]{4})/i.exec(pnp)?.[1]?.toLowerCase() ?? "";
  const vendor = PCI_VENDORS[vendorId] ?? (vendorId === "" && /qualcomm|adreno/i.test(name) ? "qualcomm" : null);
  // A remote desktop's or a virtual machine's display computes nothing.
  if (vendor === null || name === "") return [];
  const adapterRam = controller.AdapterRAM;
  const driverSize = sizes.get(name) ?? null;
  const small = typeof adapterRam === "number" && adapterRam > 0 && adapterRam < CUT_OFF ? adapterRam : null;
  const integrated = vendor === "qualcomm" || isIntegratedName(name);
  return [
    {
      vendor,
      name,
      integrated,
      memoryBytes: integrated ? null : (driverSize ?? small),
      usableBytes: null,
      freeBytes: null,
      gpuCores: null,
      address: null,
      foundBy: [driverSize === null ? "Win32_VideoController" : "Win32_VideoController, driver's registry key"],
      notKnown: ["free memory"],
    },
  ];
}

/** Names that AMD and Intel give to graphics inside a processor. */
export function isIntegratedName(name: string): boolean {
  const plain = name.replace(/\((?:r|tm)\)/gi, "");
  return (
    /\b(UHD|HD|Iris)\b/i.test(plain) ||
    /^AMD Radeon (Vega \d+ |\d{3}M )?Graphics$/i.test(plain.trim()) ||
    /\bRadeon \d{3,4}[MS]\b/.test(plain) ||
    /^Intel Arc( \d{3}[VT])?( GPU| Graphics)( \(\d+GB\))?$/i.test(plain.trim())
  );
}

function objects(value: unknown): Readonly<Record<string, unknown>>[] {
  const items = Array.isArray(value) ? value : [value];
  return items.filter((item): item is Readonly<Record<string, unknown>> => typeof item === "object" && item !== null);
}

function kib(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value * 1024 : null;
}
