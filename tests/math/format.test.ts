import { expect, test } from "bun:test";
import {
  formatBytes,
  formatDownload,
  formatGib,
  formatInteger,
  formatMib,
  formatParameters,
} from "../../src/math/format.ts";

const MIB = 1_048_576;
const GIB = 1_073_741_824;

test.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [1_234_567, "1,234,567"],
  [-1000, "−1,000"],
  [-0.4, "0"],
])("formatInteger %p", (n, text) => {
  expect(formatInteger(n)).toBe(text);
});

test.each([
  [0, "0 MiB"],
  [1, "1 bytes"],
  [52_428, "52,428 bytes"], // a twentieth of a MiB is 52,428.8
  [52_429, "0.1 MiB"],
  [MIB * 1.5, "1.5 MiB"],
  [MIB * 10, "10 MiB"],
  [MIB * 1023, "1,023 MiB"],
  [MIB * 1023.6, "1.0 GiB"],
  [GIB * 24.75, "24.8 GiB"],
  [GIB * 1234.5, "1,234.5 GiB"],
  [GIB * -2, "−2.0 GiB"],
])("formatBytes %p", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("GiB and MiB alone", () => {
  expect(formatGib(GIB * 24.75)).toBe("24.8");
  expect(formatGib(-GIB)).toBe("−1.0");
  expect(formatMib(MIB * 1400.4)).toBe("1,400");
});

test.each([
  [0, "0 MB"],
  [88_400_000, "88 MB"],
  [999_400_000, "999 MB"],
  [999_600_000, "1.0 GB"],
  [16_540_000_000, "16.5 GB"],
])("formatDownload %p", (bytes, text) => {
  expect(formatDownload(bytes)).toBe(text);
});

test.each([
  [15_192, "15 K"],
  [999_400, "999 K"],
  [999_600, "1 M"],
  [134_515_008, "135 M"],
  [999_600_000, "1.0 B"],
  [27_095_034_880, "27.1 B"],
])("formatParameters %p", (count, text) => {
  expect(formatParameters(count)).toBe(text);
});
