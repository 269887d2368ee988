import { type Device, plannableBytes } from "../../machine.ts";

/** What the driver says a device has in all: the memory that an engine takes its share of. */
export function memoryOf(device: Device): number | null {
  return device.usableBytes ?? device.memoryBytes ?? plannableBytes(device);
}

/** The share that keeps so much of a device free, down to a thousandth. */
export function shareBeside(reserveBytes: number, memory: number): number {
  return Math.floor(((memory - reserveBytes) / memory) * 1000) / 1000;
}

/** The share that was asked for and the one that keeps enough free: the smaller is both. null: neither was said. */
export function smallerShare(asked: number | null, kept: number | null): number | null {
  return asked === null || kept === null ? (asked ?? kept) : Math.min(asked, kept);
}
