/** `hwledger devices`: what is here, how it was found, what is not known; with --all the table of what may be asked for. */
import type { DetectedMachine, DeviceOrigin } from "../hardware/detected.ts";
import { detectMachine } from "../hardware/probe.ts";
import { DEVICE_ROWS, sizesGb } from "../hardware/table.ts";
import type { Device } from "../math/machine.ts";
import { EXIT, type RunCommand } from "./command.ts";
import { renderDevices, renderTable } from "./render-devices.ts";

export const runDevices: RunCommand = async ({ values }, { config, out, json }) => {
  if (values.get("all") === "true") {
    out.write(json ? `${JSON.stringify(tableObject())}\n` : renderTable(DEVICE_ROWS));
    return EXIT.done;
  }
  const detected = await detectMachine(config);
  out.write(json ? `${JSON.stringify(devicesObject(detected), null, 2)}\n` : renderDevices(detected));
  return EXIT.done;
};

/** "hwledger.devices/1": the machine as it is planned for, and how each fact was found. */
export function devicesObject({ machine, platform, origins, hostOrigin, leftOut }: DetectedMachine): object {
  return {
    schema: "hwledger.devices/1",
    platform,
    unified: machine.unified,
    devices: machine.accelerators.map((device, i) => deviceObject(device, origins[i] ?? null)),
    host: deviceObject(machine.host, hostOrigin),
    left_out: leftOut.map(({ name, memoryBytes, integrated }) => ({ name, memory_bytes: memoryBytes, integrated })),
    warnings: machine.warnings,
  };
}

function deviceObject(device: Device, origin: DeviceOrigin | null): object {
  return {
    id: device.id,
    name: device.name,
    backend: device.backend,
    row: origin?.row ?? null,
    memory_bytes: device.memoryBytes,
    usable_bytes: device.usableBytes,
    free_bytes: device.freeBytes,
    bandwidth_bytes_per_second: device.bandwidthBytesPerSecond,
    found_by: origin?.foundBy ?? [],
    not_known: origin?.notKnown ?? [],
  };
}

function tableObject(): object {
  return {
    schema: "hwledger.device-table/1",
    devices: DEVICE_ROWS.map((row) => ({
      id: row.id,
      name: row.name,
      vendor: row.vendor,
      kind: row.kind,
      sizes_gb: sizesGb(row),
      bandwidth_bytes_per_second: row.bandwidth_gbps === null ? null : Math.round(row.bandwidth_gbps * 1e9),
    })),
  };
}
