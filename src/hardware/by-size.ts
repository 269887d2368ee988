/** The machines that the table of devices can make, one device each, the smallest memory first. */
import type { Machine } from "../math/machine.ts";
import { machineFromText } from "./machine-from-text.ts";
import { DEVICE_ROWS, sizesGb } from "./table.ts";

let machines: readonly Machine[] | null = null;

/**
 * By memory, then by bandwidth: the table has no prices, and within a size the slower board is the cheaper one as a rule.
 * Processors are left out: their memory is the buyer's choice.
 */
export function machinesBySize(): readonly Machine[] {
  machines ??= DEVICE_ROWS.filter(({ kind }) => kind !== "cpu")
    .flatMap((row) => sizesGb(row).map((gb) => (sizesGb(row).length === 1 ? row.id : `${row.id}:${gb}GB`)))
    .flatMap(machineOrNone)
    .sort((a, b) => size(a) - size(b) || bandwidth(a) - bandwidth(b));
  return machines;
}

/** A row that no engine has a back-end for makes no machine. */
function machineOrNone(text: string): Machine[] {
  try {
    const machine = machineFromText(text);
    return machine.accelerators.length === 0 ? [] : [machine];
  } catch {
    return [];
  }
}

function size({ accelerators }: Machine): number {
  return accelerators[0]?.memoryBytes ?? Number.POSITIVE_INFINITY;
}

function bandwidth({ accelerators }: Machine): number {
  return accelerators[0]?.bandwidthBytesPerSecond ?? Number.POSITIVE_INFINITY;
}
