/** The machine, and the device table, as text. */
import type { DetectedMachine, DeviceOrigin } from "../hardware/detected.ts";
import { type DeviceRow, sizesGb } from "../hardware/table.ts";
import { formatBytes } from "../math/format.ts";
import type { Device } from "../math/machine.ts";

export function renderDevices({ machine, platform, origins, hostOrigin }: DetectedMachine): string {
  const lines = [`This machine (${platform})`, ""];
  if (machine.accelerators.length === 0) lines.push("No GPU was found.", "");
  machine.accelerators.forEach((device, i) => {
    lines.push(...deviceLines(device, origins[i] ?? null, machine.unified), "");
  });
  lines.push(...deviceLines(machine.host, hostOrigin, machine.unified));
  if (machine.warnings.length > 0) lines.push("", ...machine.warnings.map((warning) => `note: ${warning}`));
  return `${lines.join("\n")}\n`;
}

function deviceLines(device: Device, origin: DeviceOrigin | null, unified: boolean): string[] {
  const bandwidth = device.bandwidthBytesPerSecond;
  const facts: [string, string][] = [
    ["memory", `${bytes(device.memoryBytes)}${unified && device.backend !== "cpu" ? ", shared with the system" : ""}`],
    [
      "usable",
      device.usableBytes === null ? (device.backend === "cpu" ? "all of it" : "not known") : bytes(device.usableBytes),
    ],
    ["free now", bytes(device.freeBytes)],
    ["bandwidth", bandwidth === null ? "not known" : `${Math.round(bandwidth / 1e9)} GB/s`],
    ["found by", origin?.foundBy.join(", ") || "nothing"],
  ];
  if (origin !== null && origin.notKnown.length > 0) facts.push(["not known", origin.notKnown.join("; ")]);
  return [`${device.id}  ${device.name}`, ...facts.map(([name, value]) => `  ${name.padEnd(10)} ${value}`)];
}

function bytes(n: number | null): string {
  return n === null ? "not known" : formatBytes(n);
}

/** Every row that --device takes, with its sizes. */
export function renderTable(rows: readonly DeviceRow[]): string {
  const width = Math.max(...rows.map((row) => row.id.length));
  const lines = rows.map((row) => {
    const sizes = sizesGb(row);
    const memory = sizes.length === 0 ? "any size" : `${sizes.join(" or ")} GB`;
    const bandwidth = row.bandwidth_gbps === null ? "" : `  ${row.bandwidth_gbps} GB/s`;
    return `${row.id.padEnd(width)}  ${memory}${bandwidth}  ${row.name}`;
  });
  return `${lines.join("\n")}\n`;
}
