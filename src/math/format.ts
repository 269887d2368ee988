/** Numbers as people read them: memory in GiB with one decimal, below 1 GiB in MiB; downloads in GB; thousands separated. */
import { GIB, MIB } from "./units.ts";

/** 1234567 → "1,234,567". Not Intl: one answer in every runtime and locale. */
export function formatInteger(n: number): string {
  const digits = Math.round(Math.abs(n))
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return n < 0 && digits !== "0" ? `−${digits}` : digits;
}

/** "24.8 GiB", "612 MiB", "0.4 MiB", "0 MiB". */
export function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  const sign = bytes < 0 ? "−" : "";
  // 1023.96 MiB would round to "1,024 MiB": one step earlier it is 1.0 GiB.
  if (size >= GIB - MIB / 2) return `${sign}${formatDecimal(size / GIB)} GiB`;
  if (size >= 10 * MIB || size === 0) return `${sign}${formatInteger(size / MIB)} MiB`;
  if (size >= MIB / 20) return `${sign}${(size / MIB).toFixed(1)} MiB`;
  return `${sign}${formatInteger(size)} bytes`;
}

/** GiB alone, one decimal: "24.8". */
export function formatGib(bytes: number): string {
  return `${bytes < 0 ? "−" : ""}${formatDecimal(Math.abs(bytes) / GIB)}`;
}

/** MiB alone, whole: "1,400". */
export function formatMib(bytes: number): string {
  return formatInteger(bytes / MIB);
}

/** A download, in vendors' units: 10^9 bytes. "16.5 GB", "88 MB". */
export function formatDownload(bytes: number): string {
  // 999.6 MB would round to "1,000 MB".
  if (bytes >= 999.5e6) return `${formatDecimal(bytes / 1e9)} GB`;
  return `${formatInteger(bytes / 1e6)} MB`;
}

/** 27095034880 → "27.1 B"; 134515008 → "135 M"; 15192 → "15 K". */
export function formatParameters(count: number): string {
  if (count >= 999.5e6) return `${(count / 1e9).toFixed(1)} B`;
  if (count >= 999.5e3) return `${Math.round(count / 1e6)} M`;
  return `${Math.round(count / 1e3)} K`;
}

function formatDecimal(n: number): string {
  const tenths = Math.round(n * 10);
  return `${formatInteger(Math.floor(tenths / 10))}.${tenths % 10}`;
}
