import { expect, test } from "bun:test";
import { marketedBytes } from "../../src/hardware/row-device.ts";
import { DEVICE_ROWS, rowsNamed, sizesGb } from "../../src/hardware/table.ts";
import { appleWiredLimit, reportedMemory, USABLE_SHARE } from "../../src/hardware/usable.ts";

const GIB = 2 ** 30;

// recommendedMaxWorkingSetSize as llama.cpp prints it, in 10^6 bytes.
test.each([
  [18, 14_302.25],
  [24, 19_069.67],
  [32, 26_800.6],
  [36, 30_150.67],
  [48, 40_200.9],
  [64, 55_662.79],
  [128, 115_448.73],
] as const)("macOS gives the GPU of a %d GiB machine %d MB", (gib, megabytes) => {
  expect(Math.abs(appleWiredLimit(gib * GIB).bytes / 1e6 - megabytes)).toBeLessThan(0.01);
});

test("older macOS gave two thirds of 16 GiB and three quarters of 64 and 96 GiB", () => {
  expect(appleWiredLimit(16 * GIB).olderBytes).toBe(Math.floor((16 * GIB * 2) / 3));
  expect(appleWiredLimit(64 * GIB).olderBytes).toBe(48 * GIB);
  // 73728 MiB in ggml-org/llama.cpp#3213
  expect(appleWiredLimit(96 * GIB).bytes).toBe(73_728 * 2 ** 20);
});

test("a size nobody has reported is said to be unmeasured", () => {
  expect(appleWiredLimit(512 * GIB)).toEqual({ bytes: 384 * GIB, olderBytes: null, measured: false });
});

test("every reported total belongs to a row and lies within the range told for the others", () => {
  const reported = DEVICE_ROWS.filter((row) => reportedMemory(row.id) !== null);
  expect(reported.length).toBeGreaterThanOrEqual(6);
  for (const row of reported) {
    const share = (reportedMemory(row.id)?.bytes ?? 0) / marketedBytes(sizesGb(row)[0] ?? 0);
    expect(share).toBeGreaterThanOrEqual(USABLE_SHARE.low);
    expect(share).toBeLessThanOrEqual(USABLE_SHARE.high + 0.001);
  }
  expect(rowsNamed("rtx-4090").map((row) => reportedMemory(row.id)?.bytes)).toEqual([24_082 * 2 ** 20]);
});
