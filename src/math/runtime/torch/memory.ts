import { type Device, plannableBytes } from "../../machine.ts";

/** What the driver says a device has in all: the memory that an engine takes its share of. */
export function memoryOf(device: Device): number | null {
  return device.usableBytes ?? device.memoryBytes ?? plannableBytes(device);
}
